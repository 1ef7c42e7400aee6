package TripChat::Schedule;

# Decides which job begins next: the first job that waits, but only one job of a chain at a time. It replaces
# TAP::Parser::Scheduler, which lets chains wait until all other jobs have begun.

use strict;
use warnings;

use TAP::Parser::Scheduler::Job;
use TAP::Parser::Scheduler::Spinner;

# tests => [[file, name], …], in order; rules => { name => chain }
sub new {
    my ($class, %opt) = @_;
    my $self = bless { chain_of => $opt{rules}, busy => {}, running => 0 }, $class;
    $self->{waiting} = [map { TAP::Parser::Scheduler::Job->new(@$_) } @{ $opt{tests} }];
    return $self;
}

sub get_all { return @{ $_[0]{waiting} } }

# The next job; a spinner while all that wait have to wait for one that runs; nothing when there are no more.
sub get_job {
    my ($self) = @_;
    my $waiting = $self->{waiting};
    for my $at (0 .. $#$waiting) {
        my $chain = $self->{chain_of}{ $waiting->[$at]->description };
        next if defined $chain && $self->{busy}{$chain};
        my ($job) = splice @$waiting, $at, 1;
        if (defined $chain) {
            $self->{busy}{$chain} = 1;
            $job->on_finish(sub { $self->{busy}{$chain} = 0 });
        }
        return $job;
    }
    return @$waiting ? TAP::Parser::Scheduler::Spinner->new : undef;
}

1;
