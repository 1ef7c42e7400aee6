# The closing handshake (RFC 6455, sections 5.5.1 and 7.4).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Encode qw(encode);

use TripChat::Test;

my $site = site('plain');
my $trip = $site->new_trip;

# What the server does with a close of this payload: the frames up to the end of the stream, and the end.
sub answer_to_close {
    my ($payload) = @_;
    my $client = $site->chat(trip => $trip);
    $client->send_frame(OP_CLOSE, $payload);
    my @frames = $client->rest_of_frames;
    return { codes => [map { $_->{opcode} == OP_CLOSE ? $_->{code} : "opcode $_->{opcode}" } @frames],
        end => $client->ended };
}

sub is_answered {
    my ($payload, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(answer_to_close($payload), { codes => [$code], end => 'eof' }, $name);
}

sub is_a_violation {
    my ($payload, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(answer_to_close($payload)->{codes}, [$code], $name);
}

subtest 'a close is answered with its code, then the server ends the stream' => sub {
    for my $code (1000 .. 1003, 1007 .. 1014, 3000, 3999, 4000, 4999) {
        is_answered(close_payload($code), $code, "code $code");
    }
};

subtest 'a close without a code is answered' => sub {
    my $answer = answer_to_close('');
    like($answer->{codes}[0] // 'none', qr/\A(?:none|1000)\z/, 'with no code or a normal one');
    is($answer->{end}, 'eof', 'and the stream ends');
};

subtest 'a reason is allowed' => sub {
    is_answered(close_payload(1000, 'good bye'), 1000, 'a short one');
    is_answered(close_payload(1000, 'x' x 123),  1000, 'the longest there is');
    is_answered(close_payload(1000, encode('UTF-8', "tsch\x{fc}\x{df} \x{1f44b}")), 1000, 'one with long characters');
};

subtest 'a code that may not be sent is answered with 1002' => sub {
    for my $code (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535) {
        is_a_violation(close_payload($code), 1002, "code $code");
    }
};

subtest 'a payload that is no code is answered with 1002' => sub {
    is_a_violation("\x03", 1002, 'one byte');
};

subtest 'a reason that is not UTF-8 is answered with 1007' => sub {
    is_a_violation(close_payload(1000, "\xff"),         1007, 'a bad byte');
    is_a_violation(close_payload(1000, "\xed\xa0\x80"), 1007, 'a surrogate');
    is_a_violation(close_payload(1000, "bye \xe2\x82"), 1007, 'a character cut off');
};

subtest 'what comes behind a close is ignored' => sub {
    my $bob = $site->chat(trip => $trip, as => 'bob');
    my $ann = $site->chat(trip => $trip, as => 'ann');
    $ann->write(encode_frame(opcode => OP_CLOSE, payload => close_payload(1000))
            . encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"too late"}')
            . encode_frame(opcode => OP_PING, payload => 'too late'));
    my @frames = $ann->rest_of_frames;
    is_deeply([map { $_->{opcode} } @frames], [OP_CLOSE], 'only the close is answered');
    is_deeply([$bob->messages_before_marker], [], 'the message is not in the room');
};

subtest 'what comes before a close is not lost' => sub {
    my $bob = $site->chat(trip => $trip, as => 'bob');
    my $ann = $site->chat(trip => $trip, as => 'ann');
    $ann->write(encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"last words"}')
            . encode_frame(opcode => OP_CLOSE, payload => close_payload(1000)));
    is($bob->next_json('chat_message')->{message}{content}, 'last words', 'the message is in the room');
};

subtest 'a client that goes without a word leaves the room as it was' => sub {
    my $bob = $site->chat(trip => $trip, as => 'bob');
    my $ann = $site->chat(trip => $trip, as => 'ann');
    $ann->disconnect;
    still_talks($bob, 'the others talk on');
};

subtest 'a client that ends its half of the stream is let go' => sub {
    my $ann = $site->chat(trip => $trip, as => 'ann');
    $ann->shutdown_write;
    like($ann->read_to_end, qr/\A(?:eof|reset)\z/, 'the server ends the other half');
};

done_testing;
