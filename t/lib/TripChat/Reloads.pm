package TripChat::Reloads;

# A storm of reloads: one httpd of several children on a private PostgreSQL and Redis, plain and TLS, and clients in
# processes of their own (TripChat::Reloads::Share) that talk while it is told to reload again and again. Children end
# of MaxConnectionsPerChild besides, since some clients are always coming. What is to be seen of the processes is
# looked up here: which are there, how long the old ones stay, and what descriptors they have.

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

# From the next reload on children end after so many connections. Who comes back over TLS may end the next child, and so
# on without an end, whatever else is done: nobody comes to rest before a reload that frees them.
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

# What the parent has open: how many.
sub parents_table { my ($self) = @_; return scalar descriptors($self->{server}->pid) }

# Of the children: { clients => connections of clients, twice => those that are
# there more than once, rest => [what each child has besides, but for its connections to the database, of which it has
# as many as it happened to need] }.
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

# The same when all clients, of whom there are so many, have their connection.
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
