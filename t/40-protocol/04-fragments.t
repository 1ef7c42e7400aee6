# Messages in several frames, with control frames in between (RFC 6455, section 5.4).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;

my $site = site('plain');
my $trip = $site->new_trip;

use constant MESSAGE => '{"type":"chat_message","content":"in parts"}';

# The frames of a message in these parts; each of @between goes behind each part but the last.
sub fragments {
    my ($parts, @between) = @_;
    my @frames = map {
        my $first = $_ == 0;
        my $last  = $_ == $#$parts;
        (
            encode_frame(opcode => $first ? OP_TEXT : OP_CONTINUATION, fin => $last, payload => $parts->[$_]),
            $last ? () : @between
        );
    } 0 .. $#$parts;
    return join '', @frames;
}

sub is_heard {
    my ($client, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($client->next_json->{message}{content}, 'in parts', $name);
}

subtest 'a message is put together' => sub {
    my $client = $site->chat(trip => $trip);
    for my $at (0 .. length MESSAGE) {
        $client->write(fragments([substr(MESSAGE, 0, $at), substr MESSAGE, $at]));
        is_heard($client, "of two parts, cut at $at");
    }
    $client->write(fragments([split //, MESSAGE]));
    is_heard($client, 'of one byte a part');
    $client->write_singly(fragments([split //, MESSAGE]));
    is_heard($client, 'of one byte a part, one byte a write');
};

subtest 'empty fragments are allowed' => sub {
    my $client = $site->chat(trip => $trip);
    $client->write(fragments(['', MESSAGE]));
    is_heard($client, 'at the front');
    $client->write(fragments([MESSAGE, '']));
    is_heard($client, 'at the end');
    $client->write(fragments([('') x 20, substr(MESSAGE, 0, 9), ('') x 20, substr(MESSAGE, 9), ('') x 20]));
    is_heard($client, 'twenty everywhere');
    $client->write(fragments(['', '', '']));
    error_is($client, { code => 'invalid_json' }, 'a message of nothing but those is an empty message');
};

subtest 'a ping between fragments is answered before the message is complete' => sub {
    my $client = $site->chat(trip => $trip);
    $client->send_frame(OP_TEXT, substr(MESSAGE, 0, 5), fin => 0);
    is_deeply([$client->frames_before_pong], [], 'after the first part');
    $client->send_frame(OP_CONTINUATION, substr(MESSAGE, 5, 5), fin => 0);
    is_deeply([$client->frames_before_pong], [], 'after the second part');
    $client->send_frame(OP_CONTINUATION, substr(MESSAGE, 10));
    is_heard($client, 'and the message is complete with the last');
};

subtest 'control frames between fragments do not get into the message' => sub {
    my $client = $site->chat(trip => $trip);
    my @pong   = map { encode_frame(opcode => OP_PONG, payload => $_) } '', 'unasked', 'x' x 125;
    $client->write(fragments([split //, MESSAGE], @pong));
    is_heard($client, 'three pongs between all parts');
};

subtest 'a close between fragments is answered' => sub {
    my $client = $site->chat(trip => $trip);
    $client->send_frame(OP_TEXT, '{', fin => 0);
    $client->send_close(1000);
    closes_with($client, 1000, 'with its code');
};

subtest 'frames out of place close with 1002' => sub {
    my $start = encode_frame(opcode => OP_TEXT, fin => 0, payload => '{');
    bytes_close_with($site, $trip, encode_frame(opcode => OP_CONTINUATION, payload => '{}'),
        1002, 'a last part with nothing before it');
    bytes_close_with($site, $trip, encode_frame(opcode => OP_CONTINUATION, fin => 0, payload => '{}'),
        1002, 'a middle part with nothing before it');
    bytes_close_with($site, $trip, fragments(['{', '}']) . encode_frame(opcode => OP_CONTINUATION),
        1002, 'a part behind the last part');
    for my $opcode (OP_TEXT, OP_BINARY) {
        bytes_close_with($site, $trip, $start . encode_frame(opcode => $opcode, payload => '}'),
            1002, "a new message with opcode $opcode inside another");
    }
};

subtest 'an empty message is no JSON, and no reason to close' => sub {
    my $client = $site->chat(trip => $trip);
    $client->send_text('');
    error_is($client, { code => 'invalid_json' }, 'it gets an error');
    still_talks($client, 'and the connection stays');
};

done_testing;
