# Pings of the client are answered, pongs it was not asked for are ignored
# (RFC 6455, sections 5.5.2 and 5.5.3).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;

my $site   = site('plain');
my $client = $site->chat(trip => $site->new_trip);

sub next_pong {
    my $frame = $client->read_frame;
    return $frame->{opcode} == OP_PONG ? $frame->{payload} : "opcode $frame->{opcode}";
}

subtest 'a pong carries the payload of its ping' => sub {
    for my $payload ('', 'x', 'hello', "\0\xff\xfe\r\n", 'y' x 125) {
        $client->send_ping($payload);
        is(next_pong(), $payload, length($payload) . ' bytes');
    }
};

subtest 'pings are answered in order' => sub {
    my @payloads = map { "ping $_" } 1 .. 100;
    $client->write(join '', map { encode_frame(opcode => OP_PING, payload => $_) } @payloads);
    is_deeply([map { next_pong() } @payloads], \@payloads, 'a hundred in one write');
    $client->write_singly(join '', map { encode_frame(opcode => OP_PING, payload => $_) } @payloads[0 .. 9]);
    is_deeply([map { next_pong() } 0 .. 9], [@payloads[0 .. 9]], 'ten byte by byte');
};

subtest 'a pong nobody asked for is ignored' => sub {
    $client->send_pong($_) for '', 'unasked', 'z' x 125;
    is_deeply([$client->frames_before_pong], [], 'nothing comes of it');
    still_talks($client, 'and the connection stays');
};

done_testing;
