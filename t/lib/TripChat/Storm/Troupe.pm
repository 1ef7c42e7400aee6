package TripChat::Storm::Troupe;

# The clients of a storm that are in one process. This base class has one loop over their sockets, none of which blocks.
# It collects their counts and complaints, and at the end compares what each client saw with the table. Subclasses
# define clients() and database(), and what happens to the server meanwhile.

use strict;
use warnings;

use TripChat::Checker;
use TripChat::Storm::Table;
use TripChat::Wait qw(now deadline seconds_left);

use constant {
    TICK_S     => 0.01,
    COMPLAINTS => 1000,    # kept; more do not tell more
};

sub new {
    my ($class, %self) = @_;
    return bless { %self, counts => {}, complaints => [], watched => '', by_fd => {} }, $class;
}

# ---- the loop ----

# on_readable() of this is called when the descriptor is.
sub watch {
    my ($self, $fd, $client) = @_;
    vec($self->{watched}, $fd, 1) = 1;
    $self->{by_fd}{$fd} = $client;
    return;
}

sub unwatch {
    my ($self, $fd) = @_;
    vec($self->{watched}, $fd, 1) = 0;
    delete $self->{by_fd}{$fd};
    return;
}

# forever => 1: what is waited for has deadlines of its own.
sub run_until {
    my ($self, $what, $is_done, %opt) = @_;
    my $deadline = deadline();
    my $tick     = now();
    while (1) {
        my $now = now();
        if ($now >= $tick) {
            $_->tick($now) for $self->clients;
            return if $is_done->();
            $tick = now() + TICK_S;
            seconds_left($deadline, $what) if !$opt{forever};
        }
        $self->_read_sockets($tick - now());
    }
}

sub _read_sockets {
    my ($self, $timeout_s) = @_;
    my $ready = select my $readable = $self->{watched}, undef, undef, $timeout_s < 0 ? 0 : $timeout_s;
    return if $ready <= 0;
    for my $fd (grep { vec $readable, $_, 1 } keys %{ $self->{by_fd} }) {
        my $client = $self->{by_fd}{$fd} or next;    # gone meanwhile
        $client->on_readable;
    }
    return;
}

# ---- what clients tell ----

sub count   { my ($self, $what) = @_; $self->{counts}{$what}++; return }
sub counted { my ($self, $what) = @_; return $self->{counts}{$what} // 0 }
sub counts  { return $_[0]{counts} }

sub complain {
    my ($self, $complaint) = @_;
    push @{ $self->{complaints} }, $complaint if @{ $self->{complaints} } < COMPLAINTS;
    return;
}

sub complaints { return @{ $_[0]{complaints} } }

# So that what was seen is compared even so.
sub complain_if_it_dies {
    my ($self, $code) = @_;
    eval { $code->(); 1 } or $self->complain("the storm broke off: $@");
    return;
}

sub is_calm { return $_[0]{calm} }

# Since it began.
sub seconds { my ($self) = @_; return now() - ($self->{begun} //= now()) }

# ---- at the end ----

# No client begins anything more, and each has been told what became of what it had begun.
sub calm_down {
    my ($self) = @_;
    $self->{calm} = 1;
    $self->run_until('everybody to be told everything', sub { !grep { !$_->is_settled } $self->clients });
    return;
}

# Everybody gets what the table holds, where it is calm, and what each has seen is compared with it.
sub catch_up_and_compare {
    my ($self) = @_;
    my $tables    = TripChat::Storm::Table::read_tables($self->database);
    my $is_behind = sub { !$_[0]->is_open || $_[0]->record->cursor < $tables->{ $_[0]->trip }{last_seq} };
    $self->complain_if_it_dies(sub {
        $self->run_until('everybody to have come as far as the table', sub { !grep { $is_behind->($_) } $self->clients });
        $_->ping for $self->clients;
        $self->run_until('what may still be on its way', sub { !grep { !$_->has_pong } $self->clients });
    }) if $self->{calm};
    $self->_compare($tables);
    return;
}

sub _compare {
    my ($self, $tables) = @_;
    my %clients;
    push @{ $clients{ $_->room } }, $_ for $self->clients;
    for my $room (sort { $a <=> $b } keys %clients) {
        my @clients    = @{ $clients{$room} };
        my $table      = $tables->{ $clients[0]->trip };
        my @complaints = TripChat::Checker::complaints($table, [map { $_->record } @clients]);
        $self->complain("room $room: $_") for @complaints;
        $self->{counts}{events} += $table->{last_seq};
    }
    return;
}

1;
