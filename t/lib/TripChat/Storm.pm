package TripChat::Storm;

# A storm: two httpds of several children on one private PostgreSQL and one private Redis, rooms, and
# clients that talk while TripChat::Storm::Chaos breaks servers and connections. At the end all servers are up, and
# all clients have received the newest event of their room. TripChat::Checker then compares what each client saw with
# the tables.
#
# The seed decides what happens and in which order. The speed of the machine decides how far the chat is by then.

use strict;
use warnings;

use Test::More ();

use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Server;
use TripChat::Storm::Chaos;
use TripChat::Storm::Client;
use TripChat::Storm::Dice;
use TripChat::Storm::Troupe;
use TripChat::Wait qw(now);

our @ISA = ('TripChat::Storm::Troupe');

use constant {
    SERVERS      => 2,
    CHILDREN     => 4,
    WORKERS      => 6,
    ROOMS        => 30,
    CLIENTS      => 8,       # of each room
    PEOPLE       => [qw(ann bob carol)],
    STILL_AWAY_S => 2,       # that newcomers may be turned away after PostgreSQL is up again
};

# seed, seconds: how long things go on breaking, at least
sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(%opt, back => -STILL_AWAY_S);
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
        children => CHILDREN, workers => WORKERS, generations => 1, database => $self->{database}, redis => $self->{redis},
    );
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
    $self->complain_if_it_dies(sub {
        $self->run_until('everybody to be there', sub { !grep { !$_->is_open } $self->clients });
        $self->run_until('the storm to be over', sub { $self->{chaos}->tick; $self->{chaos}->is_over }, forever => 1);
        $self->tell('calm');
        $self->calm_down;
    });
    $self->complain_if_it_dies(sub { $self->catch_up_and_compare });
    $self->tell('compared');
    return $self->complaints;
}

# ---- what clients and chaos tell and ask ----

sub time_is_over { return now() >= $_[0]{over_at} }

# What happens, and when: to be read when something has gone wrong.
sub tell {
    my ($self, $what) = @_;
    push @{ $self->{story} }, sprintf '%6.2f s, %d stored: %s', $self->seconds, $self->counted('stored'), $what;
    Test::More::note($self->{story}[-1]);
    return;
}

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

1;
