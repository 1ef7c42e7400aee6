package TripChat::Reloads;

# A storm of reloads: one httpd of several children on a private PostgreSQL and Redis, plain and TLS, and clients in
# processes of their own (TripChat::Reloads::Share). The clients talk while the httpd reloads again and again. Children
# also end because of MaxConnectionsPerChild, since clients reconnect all the time. This package also looks at the
# children from outside: which exist, how long the old ones stay, and which descriptors they have.

use strict;
use warnings;

use TripChat::Postgres;
use TripChat::Process qw(is_alive);
use TripChat::Redis;
use TripChat::Reloads::Share;
use TripChat::Server;
use TripChat::Sockets qw(connections_to descriptors);
use TripChat::Wait qw(until_true now);

use constant {
    CHILDREN    => 4,
    GENERATIONS => 3,
    WORKERS     => 8,
    SHARES      => 4,
    PEOPLE      => [qw(ann bob carol)],
};

# A share that waits to be connected does nothing else meanwhile: there is room for all who come at once.
my $BACKLOG = "ListenBacklog 4096\n";

# rooms; plain, tls => clients of each room; rate => what they do in a second, all of them; drain_s; seed
sub start {
    my ($class, %opt) = @_;
    my $self = bless { %opt, seen => {} }, $class;
    $self->{postgres} = TripChat::Postgres->start;
    $self->{redis}    = TripChat::Redis->start(timeout => TripChat::Redis::PATIENT());
    $self->{database} = $self->{postgres}->new_database;
    $self->{server}   = TripChat::Server->start(
        children => CHILDREN, generations => GENERATIONS, workers => WORKERS, tls => 1, shared => 1,
        database => $self->{database}, redis => $self->{redis}, config => "TripChatDrainTime $opt{drain_s}s\n$BACKLOG",
    );
    my $site  = $self->{server}->site;
    my %trips = map { $_ => $site->new_trip(members => PEOPLE) } 1 .. $opt{rooms};
    $self->{tokens} = { map { $_ => $site->token($_) } @{ +PEOPLE } };
    $self->{shares} = [map { $self->_start_share($_, \%trips) } 0 .. SHARES - 1];
    return $self;
}

sub _start_share {
    my ($self, $number, $trips) = @_;
    return TripChat::Reloads::Share->start(
        name            => "share $number",
        database        => $self->{database},
        seed            => $self->{seed},
        rooms           => { map { $_ => $trips->{$_} } grep { $_ % SHARES == $number } keys %$trips },
        plain           => $self->{server}->site('plain'),
        tls             => $self->{server}->site('tls'),
        clients_of_room => { plain => $self->{plain}, tls => $self->{tls} },
        tokens          => $self->{tokens},
        think_s         => $self->clients / $self->{rate},
    );
}

sub server  { return $_[0]{server} }
sub clients { my ($self) = @_; return $self->{rooms} * ($self->{plain} + $self->{tls}) }

# Has all shares do this, and returns their answers.
sub all {
    my ($self, $order) = @_;
    $_->order($order) for @{ $self->{shares} };
    return map { $_->answer } @{ $self->{shares} };
}

# ---- reloads ----

# From the next reload on, children end after so many connections. A client that reconnects over TLS may end the next child,
# and so on without an end. So clients only come to rest after a reload that removes this limit.
sub limit_children {
    my ($self) = @_;
    $self->{unlimited} = $self->{server}{config};
    my $most = int $self->{rooms} * $self->{tls} / CHILDREN * 1.6;
    $self->{server}->reconfigure(config => "$self->{unlimited}MaxConnectionsPerChild $most\n");
    return;
}

sub free_children { my ($self) = @_; return $self->{server}->reconfigure(config => $self->{unlimited}) }

# Tells the server to reload and waits until all children that it had are gone. Returns how many seconds that took
# from the moment at which the parent had done its part.
sub reload {
    my ($self) = @_;
    my @old   = ($self->children, $self->{server}->graceful);
    my $begun = now();
    $self->{seen}{$_} = 1 for @old;
    until_true('the old children to go', sub { $self->children; !grep { is_alive($_) } @old });
    return now() - $begun;
}

# The children that there are now. Remembers them.
sub children {
    my ($self) = @_;
    my @pids = $self->{server}->child_pids;
    $self->{seen}{$_} = 1 for @pids;
    return @pids;
}

# How many children there have been, as far as anybody has looked.
sub children_seen { my ($self) = @_; return scalar keys %{ $self->{seen} } }

# Children that have ended and nobody has asked how.
sub zombies { my ($self) = @_; return grep { !is_alive($_) } $self->{server}->all_child_pids }

# ---- descriptors ----

# How many descriptors the parent has open.
sub parents_table { my ($self) = @_; return scalar descriptors($self->{server}->pid) }

# The descriptors of the children: { clients => number of clients' connections, twice => number of connections that are
# open more than once, rest => [number of other descriptors of each child] }. Connections to the database do not count,
# because their number depends on chance.
sub childrens_tables {
    my ($self) = @_;
    my %is_client   = map { $_ => 1 } map { connections_to($self->{server}->site($_)->port) } qw(plain tls);
    my %is_database = map { $_ => 1 } connections_to($self->{postgres}->port, 'remote');
    my (%times, @rest);
    for my $pid ($self->children) {
        my @links = descriptors($pid);
        $times{$_}++ for grep { $is_client{$_} } @links;
        push @rest, scalar grep { !$is_client{$_} && !$is_database{$_} } @links;
    }
    return {
        clients => scalar keys %times,
        twice   => scalar(grep { $_ > 1 } values %times),
        rest    => \@rest,
    };
}

# Waits until all of these clients are connected, and returns the same.
sub settled_tables {
    my ($self, $clients) = @_;
    my $tables = { clients => 0 };
    eval {
        until_true("$clients connections", sub { ($tables = $self->childrens_tables)->{clients} == $clients });
        1;
    } or die "$@the children have $tables->{clients}\n";
    return $tables;
}

1;
