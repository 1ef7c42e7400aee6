# Ten thousand connections of every kind come and go, and leave no memory behind. valgrind counts the heap blocks by the
# place in the program that allocated them. After all connections no place may have many more blocks than after the first
# thousand. When the server ends, valgrind also reports lost blocks, and t/sanitize/run checks that there are none. make
# test-leaks runs this test.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Memcheck qw(is_under_memcheck heap);
use TripChat::Test;
use TripChat::Wave qw(wave);

use constant {
    FIRST => 1000,
    ALL   => 10_000,
    TRIPS => 10,
    SHOWN => 5,
    WAVE  => TripChat::Wave::CONNECTIONS(),
};

# One block that stays with one kind of connection makes as many as there are waves; a cache makes fewer when it fills.
use constant BEARABLE => (ALL - FIRST) / WAVE / 3;

plan skip_all => 'run by make test-leaks' if !is_under_memcheck();

# A room goes soon after its last member, so that what rooms remember does not count. Rates are counted, and never reached.
my $server = TripChat::Server->start(tls => 1, shared => 1, one_process => 1, config => <<'CONF');
TripChatRoomLinger 0
TripChatHandshakeRate 1000000/60s
TripChatRequestRate 1000000/60s
TripChatUserRequestRate 1000000/60s
TripChatMessageRate 1000000/60s
TripChatUserMessageRate 1000000/60s
TripChatUserConnections 1000
TripChatAddressConnections 1000
CONF
my @trips = map { $server->site->new_trip } 1 .. TRIPS;
my $quiet = sockets();

sub sockets { return scalar grep { (readlink // '') =~ /\Asocket:/ } glob '/proc/' . $server->pid . '/fd/*' }

sub connections {
    my ($count) = @_;
    wave($server, $trips[$_ % TRIPS]) for 1 .. $count / WAVE;
    until_true('everybody to be gone', sub { sockets() <= $quiet });
    return;
}

# Where there are more blocks than in an earlier heap, but for a few: the stacks, the most first.
sub grown {
    my ($earlier) = @_;
    my $now  = heap($server->pid);
    my %more = map { $_ => $now->{$_} - ($earlier->{$_} // 0) } keys %$now;
    return map { "$more{$_} blocks more:\n$_" } sort { $more{$b} <=> $more{$a} } grep { $more{$_} > BEARABLE } keys %more;
}

connections(FIRST);
my $heap = heap($server->pid);
connections(ALL - FIRST);
local $ENV{TC_TEST_PATIENCE_S} = 30;
my $flat = eval { until_true('the heap to be as it was', sub { !grown($heap) }) };
ok($flat, 'the heap holds no more than after the first') or diag splice @{ [grown($heap)] }, 0, SHOWN;

stops_clean($server, 'the server stops');
done_testing;
