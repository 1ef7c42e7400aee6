# All attacks of this folder at once, each repeated in a process of its own, while twenty members in four rooms chat.
# The members hardly notice, and the server serves files all the time. Then the attackers freeze in the middle of their
# attacks, and the server ends their connections. At the end only lines in the access log remain.
#
#   TC_SIEGE_TRIES   the least number of measurements, for more figures (t/run -v shows them)
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(min sum);
use Test::More;

use TripChat::Attacks qw(attacks);
use TripChat::Crowd;
use TripChat::Hostile;
use TripChat::Repeater;
use TripChat::Test;

# The test measures how long a message takes to come back to its sender: the 99th percentile, under attack and without.
# The time without attack is taken before and after the attack, and the shorter one counts. The time under attack may be
# FACTOR times that time, plus ALLOWED_S.
#
# ALLOWED_S is for the processor time of the attackers. Each attack pauses 0.2 s between its turns and has the lowest
# priority. But twenty processes that send some megabytes a turn share two processors with the measuring process, which
# therefore runs later. This delay does not depend on the time of a message (a median of about 2 ms). In eighteen tries,
# with other work on the same two processors, messages took 9 to 61 ms without attack and 14 to 72 ms under attack. The
# quietest of three tries exceeded twice the time without attack by 24 ms at most. With a loop that needs 0.3 ms more for
# each message that it refuses, the time is 130 ms and more.
use constant {
    FACTOR    => 2,
    ALLOWED_S => 0.06,
    TRIES     => 3,       # at most: a machine has its hiccups, and one good try shows that the server can
    WORKERS   => 40,      # more than the slow handshakes and bodies that RequestReadTimeout has not yet ended
    PAUSE_S   => 0.2,
    CROWD     => { clients => 20, rooms => 4, messages => 25, every_s => 0.2 },
};

my $server = TripChat::Hostile->start(
    tls => 1, shared => 1, staying => 0, workers => WORKERS,
    site_config => join "\n", 'TripChatMessageRate 300/60s', 'TripChatRefusalRate 100/60s', 'TripChatPingInterval 1s',
        'TripChatPongTimeout 3s',
);
my @attacks     = attacks($server);
my $connections = sum map { $_->{connections} } @attacks;
my $before      = $server->vital_signs;
my $crowd       = TripChat::Crowd->new(server => $server, %{ +CROWD });
my $at_peace    = $server->descriptors;
my $page        = TripChat::Repeater->start(name => 'a reader of files', nice => 0, code => \&get_page);

sub get_page { die "no page\n" if $server->site->http_get('/index.html')->{body} ne $server->PAGE; return }

sub p99 { my (@sorted) = @_; return $sorted[0.99 * @sorted] }

# (seconds without, seconds under attack): the 99th of a hundred. Then the attackers stand still and the server
# has to get rid of them; the reader of files has one connection at a time, if any.
sub siege {
    my @calm      = $crowd->measure;
    my @attackers = map { $crowd->attend; TripChat::Repeater->start(%$_, pause_s => PAUSE_S) } @attacks;
    $crowd->idle_until('every attack to have begun', sub { !grep { !$_->turns } @attackers });
    my ($pages, $turns) = ($page->turns, sum map { $_->turns } @attackers);
    my @troubled = $crowd->measure;
    note sprintf 'p50 and p99 without: %.1f and %.1f ms; under attack: %.1f and %.1f ms (%d turns, %d files)',
        map({ (1000 * $_->[@$_ / 2], 1000 * p99(@$_)) } \@calm, \@troubled),
        sum(map { $_->turns } @attackers) - $turns, $page->turns - $pages;
    cmp_ok($page->turns, '>', $pages, 'files are served');
    is_deeply([map { $_->failures ? $_->name . ': ' . $_->complaint : () } @attackers], [], 'every attack is what it is meant to be');
    TripChat::Repeater::freeze(@attackers);
    $crowd->idle_until('the server to miss the attackers', sub { $server->descriptors <= $at_peace + 1 });
    pass('whoever stands still is let go');
    TripChat::Repeater::stop(@attackers);
    return (p99(@calm), p99(@troubled));
}

my (@calm_s, @troubled_s);
for my $try (1 .. TRIES) {
    my ($calm_s, $troubled_s) = siege();
    push @calm_s, $calm_s, p99($crowd->measure);
    push @troubled_s, $troubled_s;
    last if min(@troubled_s) <= FACTOR * min(@calm_s) + ALLOWED_S && $try >= ($ENV{TC_SIEGE_TRIES} // 1);
}
cmp_ok(min(@troubled_s), '<=', FACTOR * min(@calm_s) + ALLOWED_S, 'members hardly wait longer');
is($page->failures, 0, 'no file was refused') or diag($page->complaint);
$page->stop;
$crowd->leave;
$server->has_survived($before, $connections);
note sprintf 'the child grew by %d KB; %d are allowed', $server->memory->{VmHWM} - $before->{kb}, $server->allowance_kb($connections);
$server->is_unharmed;

done_testing;
