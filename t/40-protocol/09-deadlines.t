# What the server does about silence and about things half done. Its intervals
# are short on these sites; the test waits for what must happen, not for a time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;

my $pinging      = site('pinging');
my $pinging_trip = $pinging->new_trip;
my $hasty        = site('hasty');
my $hasty_trip   = $hasty->new_trip;

# A client of the hasty site that sends these bytes and waits.
sub is_closed_for_waiting {
    my ($bytes, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return bytes_close_with($hasty, $hasty_trip, $bytes, 1008, $name);
}

subtest 'a silent client is pinged, and stays while it answers' => sub {
    my $client = $pinging->chat(trip => $pinging_trip);
    for my $time (1 .. 3) {
        my $frame = $client->read_frame;
        is($frame->{opcode}, OP_PING, "ping $time comes");
        $client->send_pong($frame->{payload});
    }
    still_talks($client, 'and the client still talks');
};

subtest 'anything that comes counts as an answer' => sub {
    my $client = $pinging->chat(trip => $pinging_trip);
    for my $time (1 .. 3) {
        my $frame = $client->read_frame;
        is($frame->{opcode}, OP_PING, "ping $time comes");
        $client->say('I am here');
        my $answer = $client->read_frame;
        $answer = $client->read_frame while $answer->{opcode} == OP_PING;    # storing it may take longer than a ping's interval
        is($answer->{opcode}, OP_TEXT, 'and a message instead of a pong will do');
    }
};

subtest 'a client that does not answer is closed' => sub {
    my $client = $pinging->chat(trip => $pinging_trip);
    my @frames = $client->rest_of_frames;
    is($frames[0]{opcode}, OP_PING, 'after a ping');
    is_deeply([grep { $_ != OP_PING && $_ != OP_CLOSE } map { $_->{opcode} } @frames], [], 'and without anything else');
};

subtest 'a frame or a message that is not finished closes with 1008' => sub {
    my $frame = encode_frame(opcode => OP_TEXT, payload => '{"type":"typing","is_typing":true}');
    my $idle  = $hasty->chat(trip => $hasty_trip);
    is_closed_for_waiting(substr($frame, 0, 1),                       'a frame of which one byte is there');
    is_closed_for_waiting(substr($frame, 0, 2),                       'a frame without its mask');
    is_closed_for_waiting(substr($frame, 0, length($frame) - 1),      'a frame that lacks its last byte');
    is_closed_for_waiting(encode_frame(opcode => OP_TEXT, fin => 0, payload => '{'), 'a message that lacks its end');
    still_talks($idle, 'a client that has begun nothing was left alone all the while');
};

subtest 'a message that grows too slowly closes with 1008' => sub {
    my $client = $hasty->chat(trip => $hasty_trip);
    $client->send_frame(OP_TEXT, '{', fin => 0);
    my $code;
    until_true(
        'the server to lose patience',
        sub {
            $client->send_frame(OP_CONTINUATION, ' ', fin => 0);
            $client->send_ping('still writing');
            my $frame = $client->read_frame or return 'ended';
            $code = $frame->{code};
            return $frame->{opcode} == OP_CLOSE;
        }
    );
    is($code, 1008, 'however often another fragment comes');
};

subtest 'a client that does not answer a close is not waited for' => sub {
    my $client = $hasty->chat(trip => $hasty_trip);
    $client->send_frame(OP_BINARY, 'not in this chat');
    is($client->read_close->{code}, 1003, 'the server closes');
    like($client->read_to_end, qr/\A(?:eof|reset)\z/, 'and ends the stream by itself');
};

done_testing;
