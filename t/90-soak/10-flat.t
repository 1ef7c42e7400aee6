# The servers do not grow. A server of two children with PostgreSQL and Redis is put under load in many rounds. At the
# end of each round all clients have left, and the memory of its processes is measured. In the first rounds the children
# stay the same. In the other rounds there is a graceful reload under load. In both parts, later rounds must use no more
# memory than earlier rounds. make soak runs this test.
#
#   TC_SOAK_S   how many seconds the load lasts, 60 by default
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(sum0);
use POSIX ();
use Test::More;

use TripChat::Cluster qw(children_of);
use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(top_dir);
use TripChat::Test;
use TripChat::Wave qw(wave);

use constant {
    SECONDS   => $ENV{TC_SOAK_S} // 60,
    CHILDREN  => 2,
    WORKERS   => 16,
    ROOMS     => 10,
    TRIP      => '00000000-0000-4000-8000-%012d',
    PEOPLE    => [qw(ann bob carol)],
    WAVES     => 3,
    WARM_UP   => 2,        # rounds that do not count: caches fill
    LEAST     => 4,        # rounds that do
    TOLERANCE => 0.05,     # of the weight: the allocator's holes
};

# With an arena for each thread it takes many rounds until all have grown as large as they will.
local $ENV{MALLOC_ARENA_MAX} = 1;

my $server = TripChat::Server->start(children => CHILDREN, workers => WORKERS, tls => 1, shared => 1, generations => 1);
my $site   = $server->site;
my @trips  = map { $site->new_trip(id => sprintf TRIP, $_) } 0 .. ROOMS - 1;
write_file("$server->{dir}/tokens", join '', map { $site->token($_) . "\n" } @{ +PEOPLE });

# ---- load ----

# Starts tcload (bench/tcload) on the site of that name and returns its pid.
sub tcload {
    my ($name, @words) = @_;
    my $url = sprintf '%s://127.0.0.1:%d/ws/chat/', $name eq 'tls' ? 'wss' : 'ws', $server->site($name)->port;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open STDOUT, '>>', "$server->{dir}/tcload.out" or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT                    or POSIX::_exit(126);
    exec top_dir() . '/build/bench/tcload', @words, '--url', $url, '--tokens', "$server->{dir}/tokens", '--trip-format', TRIP
        or POSIX::_exit(127);
}

use constant LOADS => (
    [plain => qw(connect -c 20 --seconds 1 --rooms), ROOMS],
    [tls   => qw(connect -c 10 --seconds 0.5 --rooms), ROOMS],
    [plain => qw(ingest --members 4 --seconds 1 --warmup 0 --rooms), ROOMS],
    [plain => qw(fanout --members 20 --rate 50 --seconds 0.5 --warmup 0 --rooms 2)],
    [plain => qw(reconnect -c 200 --rooms), ROOMS],
);

# Everything that clients do, and nothing lost; then what the server weighs.
sub load {
    for my $words (LOADS) {
        waitpid tcload(@$words), 0;
        die "tcload @$words failed:\n" . read_file("$server->{dir}/tcload.out") if $?;
    }
    wave($server, $trips[$_]) for 0 .. WAVES - 1;
    until_true('everybody to be gone', sub { !connections() });
    return weigh();
}

# Connections end in the middle and are made anew.
sub reload {
    my $pid = tcload(@{ (LOADS)[0] });
    my @old = children_of($server);
    $server->graceful;
    waitpid $pid, 0;
    until_true('the old children to end', sub { !grep { kill 0, $_ } @old });
    return;
}

# ---- weighing ----

# Connections of clients, at the server's end.
sub connections {
    my %is_ours = map { $server->site($_)->port => 1 } qw(plain tls);
    return scalar grep {
        my (undef, $local, undef, $state) = split;
        $state eq '01' && $is_ours{ hex((split /:/, $local)[1]) };
    } split /\n/, read_file('/proc/net/tcp');
}

sub kilobytes { my ($pid) = @_; return read_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die "no RssAnon\n" }

sub weigh { return { children => sum0(map { kilobytes($_) } children_of($server)), parent => kilobytes($server->pid) } }

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }

sub stays_flat {
    my ($what, $name, @weights) = @_;
    my @kilobytes = map { $_->{$what} } @weights;
    note "$name, KB: @kilobytes";
    my $half = @kilobytes / 2;
    my ($early, $late) = (median(@kilobytes[0 .. $half - 1]), median(@kilobytes[$half .. $#kilobytes]));
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok($late, '<=', $early * (1 + TOLERANCE), $name);
}

# The weights of the rounds of half the time.
sub rounds {
    my (%opt) = @_;
    my $until = now() + SECONDS / 2;
    my @weights;
    while (now() < $until || @weights < WARM_UP + LEAST) {
        reload() if $opt{reloads};
        push @weights, load();
    }
    return @weights[WARM_UP .. $#weights];
}

stays_flat('children', 'children that go on', rounds());
my @weights = rounds(reloads => 1);
stays_flat('children', 'children, new ones in each round', @weights);
stays_flat('parent', 'their parent', @weights);

stops_clean($server, 'the server stops', qr/\bAH10159:/);    # as many threads idle as there may be: they are to be
done_testing;
