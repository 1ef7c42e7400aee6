# Fragmentation (RFC 6455, section 5.4).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;

my $server = TripChat::Echo->start;

# Every way to write an octet differently from its neighbours.
my $PAYLOAD = join '', map { chr } 33 .. 126;

sub first_part  { my ($payload, %bits) = @_; return encode_frame(opcode => OP_TEXT, fin => 0, payload => $payload, %bits) }
sub middle_part { my ($payload, %bits) = @_; return encode_frame(opcode => OP_CONTINUATION, fin => 0, payload => $payload, %bits) }
sub last_part   { my ($payload, %bits) = @_; return encode_frame(opcode => OP_CONTINUATION, payload => $payload, %bits) }
sub ping        { my ($payload) = @_; return encode_frame(opcode => OP_PING, payload => $payload) }

for my $opcode (OP_TEXT, OP_BINARY) {
    my $client = $server->client;

    subtest "5.4: a message in parts, opcode $opcode" => sub {
        for my $at (0 .. length $PAYLOAD) {
            my $bytes = message_frames($opcode, [substr($PAYLOAD, 0, $at), substr $PAYLOAD, $at]);
            answers($client, $bytes, [[$opcode, $PAYLOAD]], "of two parts, cut at $at");
        }
        for my $size (1, 2, 3, 10, 93) {
            answers($client, message_frames($opcode, fragments($PAYLOAD, $size)), [[$opcode, $PAYLOAD]], "$size octets a part");
        }
    };

    subtest "5.4: the frames of a message octet by octet, opcode $opcode" => sub {
        $client->write_singly(message_frames($opcode, fragments($PAYLOAD, 7)));
        comes_back($client, $opcode, $PAYLOAD, 'as it is');
        $client->write_singly(message_frames($opcode, fragments($PAYLOAD, 20), ping('between')));
        is($client->read_frame->{opcode}, OP_PONG, "pong $_") for 1 .. 4;
        comes_back($client, $opcode, $PAYLOAD, 'with pings in between');
    };

    subtest "5.4: empty fragments, opcode $opcode" => sub {
        answers($client, message_frames($opcode, ['', 'x', '']),       [[$opcode, 'x']],  'around one octet');
        answers($client, message_frames($opcode, ['', '', 'x', 'y']),  [[$opcode, 'xy']], 'at the front');
        answers($client, message_frames($opcode, ['x', '', '', 'y']),  [[$opcode, 'xy']], 'inside');
        answers($client, message_frames($opcode, ['x', 'y', '', '']),  [[$opcode, 'xy']], 'at the end');
        answers($client, message_frames($opcode, ['', '', '', '']),    [[$opcode, '']],   'nothing else: an empty message');
        answers($client, message_frames($opcode, [('') x 1000, 'x']),  [[$opcode, 'x']],  'a thousand of them');
    };
}

subtest '5.4: two writes, at every octet of a fragmented message with control frames inside' => sub {
    my $client = $server->client;
    my $bytes  = first_part('ab') . ping('p1') . middle_part('') . middle_part("\xc3") . ping('') . last_part("\xa4z");
    for my $at (1 .. length($bytes) - 1) {
        $client->write(substr $bytes, 0, $at);
        $client->write(substr $bytes, $at);
        answers($client, '', [[OP_PONG, 'p1'], [OP_PONG, ''], [OP_TEXT, "ab\xc3\xa4z"]], "cut at $at");
    }
};

subtest '5.4: control frames between the fragments' => sub {
    my $client = $server->client;
    answers($client, first_part('a') . ping('x') . last_part('b'), [[OP_PONG, 'x'], [OP_TEXT, 'ab']], 'a ping');
    answers($client, message_frames(OP_TEXT, fragments($PAYLOAD, 1), ping('y' x 125)),
        [([OP_PONG, 'y' x 125]) x 93, [OP_TEXT, $PAYLOAD]], 'a full ping between any two');
    answers($client, message_frames(OP_TEXT, fragments($PAYLOAD, 1), encode_frame(opcode => OP_PONG, payload => 'z')),
        [[OP_TEXT, $PAYLOAD]], 'pongs nobody asked for');
};

subtest '5.4: a ping is answered before the message around it is complete' => sub {
    my $client = $server->client;
    answers($client, first_part('one '),   [], 'behind the first part');
    answers($client, middle_part('two '),  [], 'behind the second');
    answers($client, middle_part(''),      [], 'behind an empty one');
    answers($client, last_part('three'), [[OP_TEXT, 'one two three']], 'and the last completes it');
};

subtest '5.4: messages of both kinds one behind the other keep apart' => sub {
    my $client = $server->client;
    my @order  = (OP_TEXT, OP_BINARY, OP_BINARY, OP_TEXT, OP_TEXT);
    my $bytes  = join '', map { message_frames($order[$_], ["part 1 of $_", ', ', "part 2 of $_"]) } 0 .. $#order;
    answers($client, $bytes, [map { [$order[$_], "part 1 of $_, part 2 of $_"] } 0 .. $#order], 'five of them');
};

subtest '5.4: a continuation with nothing to continue' => sub {
    my $whole = encode_frame(opcode => OP_TEXT, payload => 'whole');
    fails_with($server, last_part('x'),   1002, 'a last part first of all');
    fails_with($server, last_part(''),    1002, 'an empty one');
    fails_with($server, middle_part('x'), 1002, 'a middle part first of all');
    for my $part (last_part('x'), middle_part('x')) {
        my $client = $server->client;
        $client->write($whole . $part . $whole);
        closes_with_only($client, 1002, 'behind a whole message', OP_TEXT);
        $client = $server->client;
        $client->write(first_part('a') . last_part('b') . $part . $whole);
        closes_with_only($client, 1002, 'behind a fragmented message', OP_TEXT);
    }
};

subtest '5.4: a new message inside one that is not finished' => sub {
    for my $opcode (OP_TEXT, OP_BINARY) {
        fails_with($server, first_part('a') . encode_frame(opcode => $opcode, payload => 'b'), 1002, "whole, opcode $opcode");
        fails_with($server, first_part('a') . encode_frame(opcode => $opcode, fin => 0, payload => 'b'), 1002, "a first part, opcode $opcode");
        fails_with($server, first_part('') . middle_part('') . encode_frame(opcode => $opcode), 1002, "empty parts, opcode $opcode");
    }
};

subtest '5.4: the rules of 5.2 hold for every fragment' => sub {
    fails_with($server, first_part('a') . last_part('b', rsv => 4),              1002, 'a reserved bit in the last');
    fails_with($server, first_part('a') . middle_part('b', rsv => 1),            1002, 'a reserved bit inside');
    fails_with($server, first_part('a') . last_part('b', mask => 0),             1002, 'no mask');
    fails_with($server, first_part('a') . last_part('b', length_as => 16),       1002, 'a length not in its shortest form');
    fails_with($server, first_part('a') . encode_frame(opcode => 0x3),           1002, 'a reserved opcode inside');
};

subtest '5.5.1: a close inside a message' => sub {
    my $client = $server->client;
    $client->write(first_part('never to end') . encode_frame(opcode => OP_CLOSE, payload => close_payload(1000)));
    closes_with_only($client, 1000, 'is answered, and the message dropped');
};

stops_clean($server);

done_testing;
