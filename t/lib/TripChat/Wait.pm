package TripChat::Wait;

# Waiting with a bound. A wait ends when what it waits for has happened; the
# deadline only decides that it never will, and then the test file dies.
# Nothing here waits for a fixed time in the hope that something is over by then.

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes ();

our @EXPORT_OK = qw(deadline now seconds_left until_true patience_s);

# Seconds between two looks at something that cannot be waited for with select(2).
use constant LOOK_AGAIN_S => 0.01;

# How long a wait may last before it counts as a failure: long enough for a
# machine with ten others at work on it. No passing test gets slower by that.
sub patience_s { return $ENV{TC_TEST_PATIENCE_S} || 150 }

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

sub deadline { return now() + patience_s() }

# Seconds until $deadline; dies naming $what once it has passed.
sub seconds_left {
    my ($deadline, $what) = @_;
    my $left = $deadline - now();
    die sprintf("gave up after %d s: %s\n", patience_s(), $what) if $left <= 0;
    return $left;
}

# Calls $look until it returns something true, and returns that.
sub until_true {
    my ($what, $look) = @_;
    my $deadline = deadline();
    while (1) {
        my $result = $look->();
        return $result if $result;
        seconds_left($deadline, $what);
        select undef, undef, undef, LOOK_AGAIN_S;
    }
}

1;
