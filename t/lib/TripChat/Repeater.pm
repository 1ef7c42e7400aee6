package TripChat::Repeater;

# A process beside the test that repeats an action until it is stopped, with a pause after each turn, and counts its
# turns for the test. The process has the lowest priority (nice 19) unless the test sets another: an attack must
# trouble the server, not take the processor time of all other processes.
#
# The test can freeze the process. Its connections then stay open, and nobody uses them.

use strict;
use warnings;

use POSIX qw(WNOHANG);

use TripChat::Process qw(freeze_pids);
use TripChat::Wait qw(until_true);

my %running;    # pid => repeater, for END
my $owner = $$;

# name; code => what it does, with the number of the turn: what dies in it is no turn, and told with
# complaints(); pause_s => between two turns; nice => 19
sub start {
    my ($class, %opt) = @_;
    my $self = bless { pause_s => 0.1, nice => 19, %opt, turns => 0, said => '', complaint => '' }, $class;
    pipe $self->{pipe}, my $told or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $self->{pipe};
        $self->_repeat($told);
        POSIX::_exit(0);
    }
    close $told;
    $self->{pipe}->blocking(0);
    $self->{pid} = $pid;
    return $running{$pid} = $self;
}

sub _repeat {
    my ($self, $told) = @_;
    $SIG{$_} = sub { POSIX::_exit(0) } for qw(TERM INT HUP);
    _be_last($self->{nice});
    $told->autoflush(1);
    for (my $turn = 0;; $turn++) {
        my $done = eval { $self->{code}->($turn); 1 };
        print {$told} $done ? ".\n" : ($@ =~ s/\n/ /gr) . "\n" or return;
        select undef, undef, undef, $self->{pause_s};
    }
}

# Linux may group processes by session, and nice counts within the group alone.
sub _be_last {
    my ($nice) = @_;
    return if !$nice;
    POSIX::setsid();
    POSIX::nice($nice);
    open my $group, '>', '/proc/self/autogroup' or return;
    print {$group} $nice;
    close $group;
    return;
}

sub name { return $_[0]{name} }

# How often it has done it so far.
sub turns { my ($self) = @_; $self->_listen; return $self->{turns} }

# What went wrong last, if anything did.
sub complaint { my ($self) = @_; $self->_listen; return $self->{complaint} }

sub _listen {
    my ($self) = @_;
    1 while sysread $self->{pipe}, $self->{said}, 4096, length $self->{said};
    while ($self->{said} =~ s/\A(.*)\n//) {
        if ($1 eq '.') { $self->{turns}++ } else { $self->{complaint} = $1; $self->{failures}++ }
    }
    return;
}

sub failures { my ($self) = @_; $self->_listen; return $self->{failures} // 0 }

# Returns when it has done it so often.
sub wait_for_turns {
    my ($self, $turns) = @_;
    until_true("$self->{name} to have $turns turns ($self->{complaint})", sub { $self->turns >= $turns });
    return $self;
}

sub freeze { my (@repeaters) = @_; freeze_pids(map { $_->{pid} } @repeaters); return }

# Ends them, standing still or not.
sub stop {
    my (@repeaters) = grep { delete $running{ $_->{pid} } } @_;
    kill 'KILL', map { $_->{pid} } @repeaters;
    for my $repeater (@repeaters) {
        until_true("$repeater->{name} to end", sub { waitpid($repeater->{pid}, WNOHANG) != 0 });
    }
    return;
}

END {
    if ($$ == $owner) {
        local ($?, $@);
        stop(values %running);
    }
}

1;
