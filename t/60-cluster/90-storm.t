# A storm in thirty rooms: 240 clients on two httpds with four children each send and edit at random. Meanwhile Redis
# and children are killed, PostgreSQL restarts, and connections of every kind are cut. At the end every client has seen
# what the table holds: each seq once, in order, none missing, none extra. Every message that was confirmed to its
# sender is stored once.
#
#   TC_STORM_SEED   decides what happens; it is printed, so that a storm can be repeated
#   TC_STORM_S      for how many seconds, at least, things are broken; each kind is broken at least once
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Storm;
use TripChat::Test;

use constant {
    DEFAULT_S => 110,   # two minutes in all
    SHOWN     => 20,    # complaints
};

my $seed = $ENV{TC_STORM_SEED} // time % 1_000_000;
note "TC_STORM_SEED=$seed";

my $storm      = TripChat::Storm->new(seed => $seed, seconds => $ENV{TC_STORM_S} // DEFAULT_S);
my @complaints = $storm->blow;
my $counts     = $storm->counts;
note join ', ', map { "$counts->{$_} $_" } sort keys %$counts;

is(0 + @complaints, 0, 'every client has seen what the table holds, and kept its connection') or explain_why();

subtest 'it was a storm' => sub {
    is_deeply([grep { !$storm->chaos->happened->{$_} } $storm->chaos->kinds], [], 'everything has broken');
    cmp_ok($counts->{$_} // 0, '>', 0, $_) for qw(stored edits typings deliveries refusals comebacks resumes turned_away kept);
};

# What the log may contain: failures of SQL, outages of Redis, and children that were killed.
for my $server ($storm->servers) {
    my @wrong = $server->stop(keep => !!@complaints, allow => [
        qr/\bTC0012:/, qr/\[dbd:(?:error|crit)\]/, qr/\bTC007[01]:/,
        qr/\bAH00052: child pid \d+ exit signal Killed \(9\)/, qr/\bAH10159:/,    # all threads may be busy
    ]);
    is_deeply(\@wrong, [], 'a server stops in order');
}

sub explain_why {
    diag($_) for "TC_STORM_SEED=$seed", $storm->story, @complaints[0 .. ($#complaints < SHOWN ? $#complaints : SHOWN - 1)];
    diag(@complaints - SHOWN, ' more complaints') if @complaints > SHOWN;
    diag('the logs are kept in ', join ' ', map { $_->dir } $storm->servers);
    return;
}

done_testing;
