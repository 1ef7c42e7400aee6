package TripChat::Storm::Disaster;

# What can happen to the servers of a storm, as steps for TripChat::Storm::Chaos: { name => shown in the report,
# do => sub, until => sub }. `until` is called when the step begins, and returns a sub that tells whether the step is
# over. All random choices are made when the steps are made, so they depend on the seed only.

use strict;
use warnings;

use TripChat::Process qw(freeze_pids is_alive);
use TripChat::Sockets qw(tcp_peers);
use TripChat::Storm::Gate;
use TripChat::Wait qw(now);

use constant {
    CHILDREN     => 4,
    LOOK_EVERY_S => 0.1,    # at what costs a process to look at
    START_TRIES  => 5,      # a port may be taken for a moment
};

use constant KINDS => qw(
    redis_killed redis_frozen subscribers_dropped publishers_dropped
    postgres_stopped postgres_stopped_at_once postgres_killed
    backends_terminated commits_made_but_not_told commits_undone
    children_killed connections_cut
);

# Those that are soon over and may happen in the middle of another.
use constant BLOWS => qw(child_killed some_cut backends_gone no_blow no_blow);

# storm, dice
sub new {
    my ($class, %self) = @_;
    return bless {%self}, $class;
}

sub kinds { return KINDS }

sub steps_of { my ($self, $name) = @_; return ($self->$name, $self->_pause(50, 300)) }

# ---- what a step waits for ----

sub _counted {
    my ($self, $what, $least, $greatest) = @_;
    my $more = $self->{dice}->between($least, $greatest);
    return sub {
        my $goal = $self->{storm}->counted($what) + $more;
        return sub { $self->{storm}->counted($what) >= $goal };
    };
}

sub _stored  { my ($self, @range) = @_; return $self->_counted('stored',   @range) }
sub _refused { my ($self, @range) = @_; return $self->_counted('refusals', @range) }

sub _at_once { return sub { return sub { return 1 } } }

# What costs something to look at.
sub _seldom {
    my ($look) = @_;
    return sub {
        my $next = now();
        return sub {
            return 0 if now() < $next;
            $next = now() + LOOK_EVERY_S;
            return $look->();
        };
    };
}

sub _pause { my ($self, @range) = @_; return { until => $self->_stored(@range) } }

# ---- Redis ----

sub redis_killed {
    my ($self) = @_;
    my $redis = $self->{storm}->redis;
    return (
        $self->_outage,
        { name => 'Redis is killed', do => sub { kill 'KILL', $redis->pid }, until => sub { sub { $redis->has_ended } } },
        $self->_pause(100, 800),
        $self->_blow,
        $self->_start('Redis', $redis),
        $self->_end_of_outage,
    );
}

# For a moment, which nobody notices, or longer.
sub redis_frozen {
    my ($self) = @_;
    my $redis = $self->{storm}->redis;
    return (
        $self->_outage,
        { name => 'Redis is frozen', do => sub { freeze_pids($redis->pid) }, until => $self->_stored(100, 1500) },
        $self->_blow,
        { name => 'Redis is thawed', do => sub { $redis->thaw }, until => _at_once() },
        $self->_end_of_outage,
    );
}

sub subscribers_dropped { my ($self) = @_; return $self->_kill_clients('pubsub') }
sub publishers_dropped  { my ($self) = @_; return $self->_kill_clients('normal') }

sub _kill_clients {
    my ($self, $type) = @_;
    my $redis = $self->{storm}->redis;
    return map {
        {
            name  => "Redis drops its clients of type $type",
            do    => sub { $redis->command(qw(CLIENT KILL TYPE), $type) },
            until => $self->_stored(10, 100),
        }
    } 1 .. $self->{dice}->between(1, 3);
}

# ---- PostgreSQL ----

sub postgres_stopped         { my ($self) = @_; return $self->_postgres_gone('is stopped',         'INT') }
sub postgres_stopped_at_once { my ($self) = @_; return $self->_postgres_gone('is stopped at once', 'QUIT') }
sub postgres_killed          { my ($self) = @_; return $self->_postgres_gone('is killed',          'KILL') }

# Nothing is stored then: what is counted is those who were told so.
sub _postgres_gone {
    my ($self, $how, $signal) = @_;
    my $postgres = $self->{storm}->postgres;
    my @pids;
    return (
        $self->_outage,
        {
            name => "PostgreSQL $how",
            do   => sub {
                $self->{storm}->database_is_away(1);
                @pids = $postgres->pids;
                kill $signal, $signal eq 'KILL' ? @pids : $postgres->pid;
            },
            until => sub { sub { $postgres->has_ended && !grep { is_alive($_) } @pids } },
        },
        { until => $self->_refused(1, 400) },
        $self->_blow('backends_gone'),
        $self->_start('PostgreSQL', $postgres),
        { do => sub { $self->{storm}->database_is_away(0) }, until => _at_once() },
        $self->_end_of_outage,
    );
}

sub backends_terminated {
    my ($self) = @_;
    return map { ($_, $self->_pause(10, 100)) } map { $self->backends_gone } 1 .. $self->{dice}->between(2, 4);
}

use constant TERMINATE => 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
    . " WHERE backend_type = 'client backend' AND application_name <> 'psql'";

sub backends_gone {
    my ($self) = @_;
    return {
        name  => 'PostgreSQL ends its backends',
        do    => sub { $self->_sql(TERMINATE) },
        until => _at_once(),
    };
}

# Commits wait for a copy that does not exist. One whose backend ends meanwhile is made, and nobody is told.
sub commits_made_but_not_told {
    my ($self) = @_;
    return $self->_commits_lost(
        "wait_event = 'SyncRep'",
        sub { $self->_sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", 'SELECT pg_reload_conf()') },
        sub { $self->_sql('ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()') },
    );
}

# Commits wait in front of a gate. One whose backend ends meanwhile is not made.
sub commits_undone {
    my ($self) = @_;
    my $gate = $self->{gate} //= TripChat::Storm::Gate->new($self->{storm}->database);
    return $self->_commits_lost("wait_event = 'advisory'", sub { $gate->shut }, sub { $gate->open });
}

sub _commits_lost {
    my ($self, $waiting, $hold, $release) = @_;
    my $least = $self->{dice}->between(1, 8);
    my $look  = sub { ($self->_sql("SELECT count(*) FROM pg_stat_activity WHERE $waiting"))[0] >= $least };
    return (
        $self->_outage,
        { name => "commits hang, $least of them", do => $hold, until => _seldom($look) },
        { name => 'they are lost', do => sub { $self->_sql(TERMINATE) }, until => _at_once() },
        { name => 'commits go through again', do => $release, until => $self->_stored(10, 50) },
        $self->_end_of_outage,
    );
}

sub _sql {
    my ($self, @statements) = @_;
    return map { $self->{storm}->postgres->database('postgres')->sql("$_;") } @statements;
}

# Redis or PostgreSQL again where it was. The port may have been somebody's for a moment.
sub _start {
    my ($self, $name, $server) = @_;
    my $tries = 0;
    my $look  = sub {
        return $server->is_up if !$server->has_ended;
        die "$name does not start:\n" . $server->output if ++$tries >= START_TRIES;
        $server->launch;
        return 0;
    };
    return { name => "$name starts", do => sub { $server->launch }, until => _seldom($look) };
}

# ---- httpd's children, and the clients ----

sub children_killed {
    my ($self) = @_;
    my $times = $self->{dice}->between(1, 3);
    my @steps = map { ($self->child_killed, $self->_pause(10, 150)) } 1 .. $times;
    return (@steps, { until => _seldom(sub { !grep { $_->child_pids != CHILDREN } $self->{storm}->servers }) });
}

sub child_killed {
    my ($self) = @_;
    my ($which, $nth) = map { $self->{dice}->below($_) } 2, CHILDREN;
    return {
        name  => "a child of server $which is killed",
        do    => sub { $self->_kill_child(($self->{storm}->servers)[$which], $nth) },
        until => _at_once(),
    };
}

# It stands still while it is looked up which connections it has: they alone may be lost.
sub _kill_child {
    my ($self, $server, $nth) = @_;
    my @pids = sort { $a <=> $b } $server->child_pids or return;
    my $pid  = $pids[$nth % @pids];
    freeze_pids($pid);
    $self->{storm}->doom(tcp_peers($pid, $server->site->port));
    kill 'KILL', $pid;
    return;
}

sub connections_cut {
    my ($self) = @_;
    return map { ($self->some_cut, $self->_pause(10, 150)) } 1 .. $self->{dice}->between(1, 3);
}

sub some_cut {
    my ($self)  = @_;
    my $count   = $self->{dice}->between(5, 60);
    my @victims = ($self->{dice}->shuffle($self->{storm}->clients))[0 .. $count - 1];
    return {
        name  => "$count connections are cut",
        do    => sub { $_->cut for @victims },
        until => _at_once(),
    };
}

# ---- of several kinds ----

# One of those that may happen in the middle, but for some.
sub _blow {
    my ($self, @not) = @_;
    my $name = $self->{dice}->pick(BLOWS);
    return if grep { $_ eq $name } @not;
    return $self->$name;
}

sub no_blow { return }

sub _outage {
    my ($self) = @_;
    return { do => sub { $self->{storm}->outage_begins }, until => _at_once() };
}

sub _end_of_outage {
    my ($self) = @_;
    return (
        { until => $self->_stored(50, 300) },
        { do    => sub { $self->{storm}->outage_ends }, until => _at_once() },
    );
}

1;
