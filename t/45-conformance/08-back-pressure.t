# A client that sends and does not read costs a bounded amount of memory: the
# server stops reading, TCP tells the client (RFC 6455, section 10.4), and what
# was sent until then comes back when the client reads.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;
use TripChat::File qw(read_file);
use TripChat::Sockets qw(tcp_peers);
use TripChat::Wait qw(until_true);

use constant {
    MB             => 1 << 20,
    TOO_MUCH       => 128 << 20,    # more than all socket buffers on the way hold
    RECEIVE_BUFFER => 32_768,
};

my $server = TripChat::Echo->start(tls => 1);

sub rss { my ($pid) = $server->child_pids; return (read_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m)[0] * 1024 }

# Writes $unit over and over without reading until nobody takes any more: the socket is full twice in a
# row, while the server has nothing to do. How many bytes went.
sub fill {
    my ($client, $unit) = @_;
    my ($sent, $before) = (0, -1);
    until_true('the server to stop reading', sub {
        my $n = 1;
        $sent += $n = $client->write_some($unit, $sent % length $unit) while $n && $sent < TOO_MUCH;
        my $full = $sent == $before && $server->is_at_rest;
        $before = $sent;
        return $full || $sent >= TOO_MUCH;
    });
    return $sent;
}

sub stuck_client { return $server->client(receive_buffer => RECEIVE_BUFFER, @_) }

# Reads so many copies of these bytes; how many were right.
sub read_copies {
    my ($client, $bytes, $count) = @_;
    my $right = 0;
    while ($right < $count) {
        my $n = $count - $right < 1000 ? $count - $right : 1000;
        my $length = $n * length $bytes;
        my ($got) = $client->read_until('what comes back', sub { length ${ $_[0] } >= $length ? substr ${ $_[0] }, 0, $length, '' : () });
        last if ($got // '') ne $bytes x $n;
        $right += $n;
    }
    return $right;
}

# What is sent, and what is to come back, without a mask.
my %SENT = (
    'empty messages'    => [{ opcode => OP_BINARY }],
    'short messages'    => [{ opcode => OP_TEXT, payload => 'short' }],
    'messages of 64 KB' => [{ opcode => OP_BINARY, payload => "\xff" x 65_536 }],
    'pings'             => [{ opcode => OP_PING, payload => 'x' x 125 }, { opcode => OP_PONG, payload => 'x' x 125 }],
);

for my $what (sort keys %SENT) {
    my ($sent, $back) = @{ $SENT{$what} };
    my $frame = encode_frame(%$sent);
    my $unit  = $frame x (1 + 65_536 / length $frame);

    for my $site (qw(plain tls)) {
        subtest "10.4: $what that are not read back, $site" => sub {
            my $other  = $server->client;
            my $client = stuck_client(site => $site, tls => $site eq 'tls');
            my $memory = rss();
            my $bytes  = fill($client, $unit);
            cmp_ok($bytes, '<', TOO_MUCH, 'the server stops reading');
            cmp_ok(rss() - $memory, '<', 24 * MB, 'its memory is bounded');
            still_echoes($other, 'another client is served');

            $client->write(substr $unit, $bytes % length $unit);
            my $count = (int($bytes / length $unit) + 1) * length($unit) / length $frame;
            is(read_copies($client, encode_frame(%{ $back // $sent }, mask => 0), $count), $count, 'when the client reads, everything comes back');
            still_echoes($client, 'and it goes on');
        };
    }
}

subtest '10.4: a client that goes while it is not read' => sub {
    my $client = stuck_client();
    my $port   = $client->{socket}->sockport;
    my ($child) = $server->child_pids;
    my $is_held = sub { grep { $_ == $port } tcp_peers($child, $server->site->port) };
    fill($client, encode_frame(%{ $SENT{'messages of 64 KB'}[0] }));
    ok($is_held->(), 'is held until then');
    $client->disconnect;
    ok(until_true('the server to let go', sub { !$is_held->() }), 'is let go');
};

stops_clean($server);

done_testing;
