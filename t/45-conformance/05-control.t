# Pings and pongs, and what holds for every control frame (RFC 6455, section 5.5).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;

my $server = TripChat::Echo->start;

sub ping { my ($payload) = @_; return encode_frame(opcode => OP_PING, payload => $payload) }

subtest '5.5.2, 5.5.3: a pong has the payload of its ping' => sub {
    my $client = $server->client;
    for my $payload ('', 'x', 'hello', "\0\xff\xfe\xfd\xfc\xfb\0\xff", "\xc3", 'y' x 124, 'z' x 125) {
        answers($client, ping($payload), [[OP_PONG, $payload]], length($payload) . ' octets');
    }
};

subtest '5.5: a ping cut into two writes, at every octet' => sub {
    my $client = $server->client;
    for my $payload ('', 'cut me', 'y' x 125) {
        my $frame = ping($payload);
        for my $at (1 .. length($frame) - 1) {
            $client->write(substr $frame, 0, $at);
            $client->write(substr $frame, $at);
            answers($client, '', [[OP_PONG, $payload]], length($payload) . " octets of payload, cut at $at");
        }
        $client->write_singly($frame);
        answers($client, '', [[OP_PONG, $payload]], length($payload) . ' octets of payload, octet by octet');
    }
};

subtest '5.5: 125 octets are the most' => sub {
    for my $opcode (OP_CLOSE, OP_PING, OP_PONG) {
        for my $octets (126, 127, 65_535, 65_536) {
            my $payload = close_payload(1000, 'x' x ($octets - 2));
            fails_with($server, encode_frame(opcode => $opcode, payload => $payload), 1002, sprintf 'opcode %x, %d octets', $opcode, $octets);
        }
        my $header = encode_frame(opcode => $opcode, claimed_length => 126);
        fails_with($server, $header, 1002, sprintf 'opcode %x, 126 octets that never come', $opcode);
        my $longer = encode_frame(opcode => $opcode, length_as => 16, payload => close_payload(1000));
        fails_with($server, $longer, 1002, sprintf 'opcode %x, 2 octets in the long form', $opcode);
    }
};

subtest '5.5: control frames are never fragmented' => sub {
    for my $opcode (OP_CLOSE, OP_PING, OP_PONG) {
        for my $payload ('', close_payload(1000)) {
            my $frame = encode_frame(opcode => $opcode, fin => 0, payload => $payload);
            my $rest  = encode_frame(opcode => OP_CONTINUATION);
            fails_with($server, $frame, 1002, sprintf 'opcode %x, %d octets', $opcode, length $payload);
            fails_with($server, $frame . $rest, 1002, sprintf 'opcode %x, %d octets and a continuation', $opcode, length $payload);
        }
        my $inside = encode_frame(opcode => OP_TEXT, fin => 0, payload => 'x') . encode_frame(opcode => $opcode, fin => 0);
        fails_with($server, $inside, 1002, sprintf 'opcode %x inside a message', $opcode);
    }
};

subtest '5.5.2: many pings' => sub {
    my $client = $server->client;
    my @pongs  = map { [OP_PONG, "ping $_"] } 1 .. 10_000;
    answers($client, join('', map { ping($_->[1]) } @pongs), \@pongs, 'ten thousand in one write are answered in order');
    $client->write_singly(join '', map { ping($_->[1]) } @pongs[0 .. 9]);
    answers($client, '', [@pongs[0 .. 9]], 'ten octet by octet');
    my @mixed = map { ([OP_PONG, "ping $_"], [OP_TEXT, "message $_"]) } 1 .. 500;
    my $bytes = join '', map { $_->[0] == OP_PONG ? ping($_->[1]) : encode_frame(opcode => OP_TEXT, payload => $_->[1]) } @mixed;
    answers($client, $bytes, \@mixed, 'a thousand pings and messages in turn keep their order');
};

subtest '5.5.3: a pong nobody asked for is not answered' => sub {
    my $client = $server->client;
    for my $payload ('', 'unasked', 'z' x 125) {
        my $pong = encode_frame(opcode => OP_PONG, payload => $payload);
        answers($client, $pong, [], length($payload) . ' octets');
        answers($client, $pong . ping('after') . $pong, [[OP_PONG, 'after']], 'around a ping that is');
    }
    answers($client, encode_frame(opcode => OP_PONG, payload => 'x') x 1000, [], 'a thousand of them');
    still_echoes($client, 'and the connection stays');
};

stops_clean($server);

done_testing;
