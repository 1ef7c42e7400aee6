package TripChat::Storm::Chaos;

# In which order the disasters of a storm (TripChat::Storm::Disaster) happen: the seed decides. A disaster
# is a few steps; a step does something, and is over when what it waits for has happened: so many messages
# stored, so many refused, a server up again. The storm goes on meanwhile: nothing here blocks for long.

use strict;
use warnings;

use TripChat::Storm::Disaster;
use TripChat::Wait qw(deadline seconds_left);

# storm, dice
sub new {
    my ($class, %self) = @_;
    my $disaster = TripChat::Storm::Disaster->new(%self);
    return bless { %self, disaster => $disaster, steps => [], deck => [], rounds => 0, happened => {} }, $class;
}

# How many times each has happened.
sub happened { return $_[0]{happened} }
sub kinds    { return $_[0]{disaster}->kinds }

# True when each has happened and the time is over: everything is up again.
sub is_over { return $_[0]{is_over} }

sub tick {
    my ($self) = @_;
    return if $self->{is_over} || $self->{step} && !$self->_is_done;
    push @{ $self->{steps} }, $self->_next_disaster if !@{ $self->{steps} };
    my $next = shift @{ $self->{steps} };
    $next ? $self->_begin($next) : ($self->{is_over} = 1);
    return;
}

sub _begin {
    my ($self, $step) = @_;
    $self->{storm}->tell($step->{name}) if $step->{name};
    $step->{do}->() if $step->{do};
    $self->{is_done}  = $step->{until}->();
    $self->{deadline} = deadline();
    $self->{step}     = $step;
    return;
}

sub _is_done {
    my ($self) = @_;
    seconds_left($self->{deadline}, 'the storm, after ' . ($self->{step}{name} // 'a step without a name'));
    return $self->{is_done}->();
}

# A round, in which each happens once, is gone through to its end; more only while there is time.
sub _next_disaster {
    my ($self) = @_;
    my ($deck, $rounds) = @$self{qw(deck rounds)};
    return if $self->{storm}->time_is_over && ($rounds > 1 || $rounds && !@$deck);
    if (!@$deck) {
        $self->{rounds}++;
        push @$deck, $self->{dice}->shuffle($self->kinds);
    }
    my $name = shift @$deck;
    $self->{happened}{$name}++;
    return $self->{disaster}->steps_of($name);
}

1;
