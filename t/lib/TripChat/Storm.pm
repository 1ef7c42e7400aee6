package TripChat::Storm;

# A storm: two httpds of several children on one private PostgreSQL and one private Redis, rooms, and
# clients that talk while TripChat::Storm::Chaos breaks what can be broken. One loop over sockets that
# do not block. At the end everything is up, everybody has come as far as the table, and
# TripChat::Checker compares what each client saw with it.
#
# The seed decides what happens and in which order; how far the chat has come when it happens, the machine.

use strict;
use warnings;

use Test::More ();

use TripChat::Checker;
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Server;
use TripChat::Storm::Chaos;
use TripChat::Storm::Client;
use TripChat::Storm::Dice;
use TripChat::Storm::Table;
use TripChat::Wait qw(now deadline seconds_left);

use constant {
    SERVERS      => 2,
    CHILDREN     => 4,
    WORKERS      => 6,
    ROOMS        => 30,
    CLIENTS      => 8,       # of each room
    PEOPLE       => [qw(ann bob carol)],
    TICK_S       => 0.01,
    STILL_AWAY_S => 2,       # that newcomers may be turned away after PostgreSQL is up again
    COMPLAINTS   => 1000,    # kept; more do not tell more
};

# seed, seconds: how long things go on breaking, at least
sub new {
    my ($class, %opt) = @_;
    my $self = bless { %opt, counts => {}, complaints => [], watched => '', by_fd => {}, back => -STILL_AWAY_S }, $class;
    $self->{postgres} = TripChat::Postgres->start;
    $self->{redis}    = TripChat::Redis->start;
    $self->{database} = $self->{postgres}->new_database;
    $self->{servers}  = [map { $self->_new_server } 1 .. SERVERS];
    $self->{tokens}   = { map { $_ => $self->{servers}[0]->site->token($_) } @{ +PEOPLE } };
    $self->{clients}  = [map { $self->_new_room($_) } 1 .. ROOMS];
    $self->{chaos}    = TripChat::Storm::Chaos->new(storm => $self, dice => $self->_dice('chaos'));
    return $self;
}

sub _dice { my ($self, $name) = @_; return TripChat::Storm::Dice->new($self->{seed}, $name) }

sub _new_server {
    my ($self) = @_;
    return TripChat::Server->start(
        children => CHILDREN, workers => WORKERS, database => $self->{database}, redis => $self->{redis},
        config   => _full_house(),
    );
}

# A child that dies is replaced at once, though the others have idle threads.
sub _full_house {
    my ($children, $threads) = (CHILDREN, (CHILDREN - 1) * WORKERS + 1);
    return <<"CONF";
<IfModule mpm_prefork_module>
    MinSpareServers $children
</IfModule>
<IfModule !mpm_prefork_module>
    MinSpareThreads $threads
</IfModule>
CONF
}

sub _new_room {
    my ($self, $room) = @_;
    my $trip = $self->{servers}[0]->site->new_trip(members => PEOPLE);
    return map {
        my $name = "r$room-c$_";
        TripChat::Storm::Client->new(
            storm => $self, name => $name, room => $room, trip => $trip, as => PEOPLE->[$_ % @{ +PEOPLE }],
            dice  => $self->_dice($name),
        );
    } 1 .. CLIENTS;
}

sub servers  { return @{ $_[0]{servers} } }
sub sites    { return map { $_->site } $_[0]->servers }
sub clients  { return @{ $_[0]{clients} } }
sub postgres { return $_[0]{postgres} }
sub redis    { return $_[0]{redis} }
sub database { return $_[0]{database} }
sub chaos    { return $_[0]{chaos} }
sub token    { my ($self, $name) = @_; return $self->{tokens}{$name} }

# ---- from the beginning to the end ----

# Returns the complaints: none, if all is well.
sub blow {
    my ($self) = @_;
    $self->{begun}   = now();
    $self->{over_at} = now() + $self->{seconds};
    $self->_complain_if_it_dies(sub {
        $self->_run_until('everybody to be there', sub { !grep { !$_->is_open } $self->clients });
        $self->_run_until('the storm to be over', sub { $self->{chaos}->tick; $self->{chaos}->is_over }, forever => 1);
        $self->tell('calm');
        $self->{calm} = 1;
        $self->_run_until('everybody to be told everything', sub { !grep { !$_->is_settled } $self->clients });
    });
    $self->_complain_if_it_dies(sub { $self->_catch_up_and_compare });
    return @{ $self->{complaints} };
}

# So that what was seen is compared even so.
sub _complain_if_it_dies {
    my ($self, $code) = @_;
    eval { $code->(); 1 } or $self->complain("the storm broke off: $@");
    return;
}

sub _catch_up_and_compare {
    my ($self) = @_;
    my $tables    = TripChat::Storm::Table::read_tables($self->{database});
    my $is_behind = sub { !$_[0]->is_open || $_[0]->record->cursor < $tables->{ $_[0]->trip }{last_seq} };
    $self->_complain_if_it_dies(sub {
        $self->_run_until('everybody to have come as far as the table', sub { !grep { $is_behind->($_) } $self->clients });
        $_->ping for $self->clients;
        $self->_run_until('what may still be on its way', sub { !grep { !$_->has_pong } $self->clients });
    }) if $self->{calm};
    $self->tell('compared');
    $self->_compare($tables);
    return;
}

sub _compare {
    my ($self, $tables) = @_;
    for my $room (1 .. ROOMS) {
        my @clients    = grep { $_->room == $room } $self->clients;
        my @complaints = TripChat::Checker::complaints($tables->{ $clients[0]->trip }, [map { $_->record } @clients]);
        $self->complain("room $room: $_") for @complaints;
    }
    $self->{counts}{events} += $_->{last_seq} for values %$tables;
    return;
}

# ---- the loop ----

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
sub _run_until {
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

# ---- what clients and chaos tell and ask ----

sub count   { my ($self, $what) = @_; $self->{counts}{$what}++; return }
sub counted { my ($self, $what) = @_; return $self->{counts}{$what} // 0 }

sub complain {
    my ($self, $complaint) = @_;
    push @{ $self->{complaints} }, $complaint if @{ $self->{complaints} } < COMPLAINTS;
    return;
}

sub is_calm      { return $_[0]{calm} }
sub time_is_over { return now() >= $_[0]{over_at} }

# What happens, and when: to be read when something has gone wrong.
sub tell {
    my ($self, $what) = @_;
    push @{ $self->{story} }, sprintf '%6.2f s, %d stored: %s', $self->seconds, $self->counted('stored'), $what;
    Test::More::note($self->{story}[-1]);
    return;
}

# Since it began.
sub seconds { my ($self) = @_; return now() - $self->{begun} }

sub story { return @{ $_[0]{story} || [] } }

sub database_is_away {
    my ($self, $is_away) = @_;
    $self->{away} = $is_away;
    $self->{back} = now();
    return;
}

# A child that met no database asks for it again half a second later; this is that, on a busy machine.
sub database_was_away { my ($self, $begun) = @_; return $self->{away} || $begun < $self->{back} + STILL_AWAY_S }

# The connections to these ports of clients are lost with their child.
sub doom {
    my ($self, @ports) = @_;
    my %doomed = map { $_ => 1 } @ports;
    $_->doom for grep { defined $_->port && $doomed{ $_->port } } $self->clients;
    return;
}

# Counts the connections that were there before Redis or PostgreSQL went away and still are when it is back.
sub outage_begins {
    my ($self) = @_;
    $self->{open} = [map { [$_, $_->connection] } grep { $_->is_open } $self->clients];
    return;
}

sub outage_ends {
    my ($self) = @_;
    $self->{counts}{outages}++;
    $self->{counts}{kept} += grep { $_->[0]->is_open && $_->[0]->connection == $_->[1] } @{ $self->{open} };
    return;
}

sub counts { return $_[0]{counts} }

1;
