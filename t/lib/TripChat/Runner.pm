package TripChat::Runner;

# Runs test files side by side and sums them up as prove does: what t/run is made of.
#
# A job is a test file on a stack: SQLite, PostgreSQL and Redis (full:FILE), or the same with tables of several partitions
# (parts:FILE), through PgBouncer (pgbouncer:FILE), or with a PostgreSQL that is 5 ms away (far:FILE). Most jobs start
# servers of their own.
# Jobs that use the shared server of their stack run one after the other. Each job's output goes to a file. If a job
# fails, the runner shows its failed checks, and names the file with the rest of its output.

use strict;
use warnings;

# Perl compiles this END block first, so it runs last, and ends all processes that are still running then.
my $owner = $$;
END {
    if ($$ == $owner) {
        my $status = $?;
        my $is_any = _end_what_is_left();
        $? = $status || $is_any;
    }
}

use Fcntl qw(LOCK_EX LOCK_NB);
use File::Find qw(find);
use File::Path qw(make_path remove_tree);
use Getopt::Long qw(GetOptionsFromArray);
use List::Util qw(min);
use TAP::Harness;

use TripChat::Delay;    # first, so that the relay ends after the servers that use it
use TripChat::File qw(read_file);
use TripChat::PgBouncer;
use TripChat::Postgres;
use TripChat::Process qw(is_alive);
use TripChat::Redis;
use TripChat::Schedule;
use TripChat::Shared;
use TripChat::Surroundings qw(top_dir var_dir);
use TripChat::Wait qw(now);

use constant {
    JOBS_PER_CORE => 4,              # most of them wait most of the time
    MOST_JOBS     => 16,             # one PostgreSQL serves them all
    GRACE_S       => 20,             # for what is told to stop
    SHOWN         => 60,             # lines of a job that failed
    ONE_WAY_S     => 0.0025,         # to the PostgreSQL of the stack "far"
    STOP          => 't/99-stop.t',  # the last one of those that share a server
    USAGE         => "usage: t/run [-v] [-j JOBS] [--timer] [[full:|parts:|pgbouncer:|far:]FILE or DIRECTORY ...]\n",
};

# What takes longest begins first. What is not here takes less than a quarter of a minute.
my @LONG = map { qr/$_/ } qw(
    lint/ 50-feature/63 60-cluster/85-reload 60-cluster/90-storm 50-feature/62 unit/room_model unit/hub_access 60-cluster/35-queries
    55-hostile/25 50-feature/64-reload unit/hub_threads 50-feature/12 60-cluster/20 50-feature/60 55-hostile/30 50-feature/81
    60-cluster/33 50-feature/29 50-feature/86 unit/room.t 70-browser 50-feature/51 unit/jwt_key 50-feature/65 50-feature/16-out
    50-feature/28 unit/reader 60-cluster/30 20-runner 60-cluster/31 50-feature/16-server 55-hostile/10 60-cluster/10 60-cluster/40
    50-feature/66 60-cluster/34 unit/ 55-hostile 50-feature/71
);

use constant STACKS => qw(sqlite full parts pgbouncer far);

my $log_dir = (var_dir() . '/output') =~ s{\A\Q${\ top_dir() }\E/}{}r;    # t/as-user may move the tree

# Ends the process: 0 if all is well.
sub main {
    my ($class, @arguments) = @_;
    my $self = bless { verbose => 0, jobs => min(JOBS_PER_CORE * _cores(), MOST_JOBS), timer => 0 }, $class;
    Getopt::Long::Configure('bundling');
    GetOptionsFromArray(\@arguments, 'v' => \$self->{verbose}, 'j=i' => \$self->{jobs}, 'timer' => \$self->{timer})
        or die USAGE;
    $self->_own_var_dir;
    $ENV{TC_RUN} = "$$-" . time;    # whatever this starts has it in its environment
    my @names = $self->_order(map { $self->_expand($_) } @arguments ? @arguments : qw(t/40-protocol t/50-feature));
    my @last  = map { $self->_prepare_stack($_, @names) } STACKS;
    exit($self->_harness->runtests(@names, @last)->all_passed ? 0 : 1);
}

sub _cores {
    my ($cores) = (qx(nproc 2>/dev/null) // '') =~ /(\d+)/;    # those that this process may use
    return $cores || 1;
}

# Two runs at a time would take each other's files.
sub _own_var_dir {
    my ($self) = @_;
    open $self->{lock}, '>', var_dir() . '/lock' or die var_dir() . "/lock: $!\n";
    flock $self->{lock}, LOCK_EX | LOCK_NB
        or die 't/run: another run is using ' . var_dir() . ": wait for it, or name another folder in TC_VAR\n";
    remove_tree(map { var_dir() . "/$_" } qw(servers output), STACKS);
    make_path($log_dir);
    return;
}

# ---- jobs ----

# The names of the jobs in a file or a directory.
sub _expand {
    my ($self, $what) = @_;
    my ($stack, $path) = $what =~ /\A(full|parts|pgbouncer|far|sqlite):(.*)\z/s ? ($1, $2) : ($ENV{TC_STACK} // 'sqlite', $what);
    my @files;
    -e $path or die "t/run: there is no $path\n";
    find({ no_chdir => 1, preprocess => sub { sort @_ }, wanted => sub { push @files, $_ if -f && ($_ eq $path || /\.t\z/) } }, $path);
    return map { $self->_new_job($stack, $_ =~ s{\A\Q${\ top_dir() }\E/}{}r) } @files;
}

sub _new_job {
    my ($self, $stack, $file) = @_;
    my $name = ($stack eq 'sqlite' ? '' : "$stack:") . $file;
    my $is_perl = read_file($file) !~ /\A\x7fELF/;
    $self->{job}{$name} = {
        stack => $stack, file => $file, command => [$is_perl ? ($^X, '-It/lib') : (), $file],
        is_sharing => scalar($is_perl && ($file eq STOP || read_file($file) =~ /(?<![>\w:&\$])site\(/)),
        log => "$log_dir/" . $name =~ s/[^\w.-]+/-/gr . '.txt',
    };
    return $name;
}

sub _order {
    my ($self, @names) = @_;
    my %rank;
    for my $name (@names) {
        my ($at) = grep { $name =~ $LONG[$_] } 0 .. $#LONG;
        $rank{$name} = $self->{job}{$name}{is_sharing} ? -1 : $at // @LONG;
    }
    return sort { $rank{$a} <=> $rank{$b} || $a cmp $b } keys %rank;
}

# Starts what the jobs of this stack share. Those that share the server are a chain; returns the name of its last job.
sub _prepare_stack {
    my ($self, $stack, @names) = @_;
    my @jobs = grep { $self->{job}{$_}{stack} eq $stack } @names or return;
    my %env  = (TC_STACK => $stack);
    if ($stack ne 'sqlite') {
        my $postgres = TripChat::Postgres->shared;
        push @{ $self->{servers} }, $postgres;
        $env{TC_POSTGRES_PORT} = $postgres->port;
    }
    if ($stack eq 'pgbouncer') {
        my $bouncer = TripChat::PgBouncer->start(before => TripChat::Postgres->shared);
        push @{ $self->{servers} }, $bouncer;
        $env{TC_POSTGRES_FRONT_PORT} = $bouncer->port;
    }
    if ($stack eq 'far') {
        my $relay = TripChat::Delay->start(to => TripChat::Postgres->shared->port, one_way_s => ONE_WAY_S);
        push @{ $self->{servers} }, $relay;
        $env{TC_POSTGRES_FRONT_PORT} = $relay->port;
    }
    my @sharing = grep { $self->{job}{$_}{is_sharing} } @jobs;
    if (@sharing) {
        my %shared = (%env, TC_SHARED => 1);
        if ($stack ne 'sqlite') {
            my $redis = TripChat::Redis->shared;
            push @{ $self->{servers} }, $redis;
            @shared{qw(TC_REDIS_PORT TC_REDIS_PASSWORD_FILE)} = ($redis->port, $redis->password_file);
        }
        {
            local @ENV{ keys %shared } = values %shared;
            push @{ $self->{servers} }, TripChat::Shared->start;
        }
        push @sharing, $self->_new_job($stack, STOP);
        for my $name (@sharing) {
            $self->{job}{$name}{env} = \%shared;
            $self->{chain_of}{$name} = $stack;
        }
    }
    $self->{job}{$_}{env} //= \%env for @jobs;
    return $sharing[-1] // ();
}

# ---- the run ----

sub _harness {
    my ($self) = @_;
    my $harness = TAP::Harness->new({
        jobs => $self->{jobs}, verbosity => $self->{verbose}, timer => $self->{timer}, merge => 1,
        scheduler_class => 'TripChat::Schedule', rules => $self->{chain_of} // {},
    });
    $harness->callback(parser_args => sub { $self->_on_parser_args(@_) });
    $harness->callback(after_test  => sub { $self->_on_end(@_) });
    return $harness;
}

sub _on_parser_args {
    my ($self, $args, $names) = @_;
    my $job = $self->{job}{ $names->[0] };
    delete $args->{source};
    $args->{exec} = ['env', (map { "$_=$job->{env}{$_}" } sort keys %{ $job->{env} }), @{ $job->{command} }];
    open $args->{spool}, '>', $job->{log} or die "$job->{log}: $!\n";
    return;
}

# What a job that failed complained of.
sub _on_end {
    my ($self, $names, $parser) = @_;
    return if !$parser->has_problems;
    my $job   = $self->{job}{ $names->[0] };
    my @lines = grep { !/^\s*(?:ok\b|# Subtest:|1\.\.|\{|\}|$)/ } split /\n/, read_file($job->{log});
    splice @lines, 0, @lines - SHOWN, '...' if @lines > SHOWN;
    print "\n", (map { "  $_\n" } @lines), "$names->[0] failed. All of its output: $job->{log}\n\n";
    return;
}

# ---- the end ----

# The first of the ends: tests that still run are told to stop, and stop what they have started.
END {
    if ($$ == $owner) {
        local ($?, $@);
        my @tests = grep { $_->{is_test} } _processes();
        kill 'TERM', map { $_->{pid} } @tests;
        _wait_for_end(@tests);
    }
}

# Ends what this run has started and its tests and servers have left behind; true if there was something.
sub _end_what_is_left {
    my @left = _wait_for_end(_processes());
    kill 'KILL', map { $_->{pid} } @left;
    print STDERR "t/run: processes were left behind, and are ended now:\n", map { "  $_->{pid} $_->{command}\n" } @left if @left;
    return @left ? 1 : 0;
}

# Those that are still there when they have had their time.
sub _wait_for_end {
    my @processes = @_;
    my $until     = now() + GRACE_S;
    while (@processes && now() < $until) {
        @processes = grep { is_alive($_->{pid}) } @processes;
        select undef, undef, undef, 0.02 if @processes;
    }
    return @processes;
}

# All processes that have this run in their environment, but this one: { pid, command, is_test }
sub _processes {
    my @processes;
    for my $pid (grep { $_ != $$ && is_alive($_) } map { m{/(\d+)\z} } glob '/proc/[0-9]*') {
        my ($environment, $command, $stat) = map { eval { read_file("/proc/$pid/$_") } // '' } qw(environ cmdline stat);
        next if !$ENV{TC_RUN} || $environment !~ /(?:\A|\0)TC_RUN=\Q$ENV{TC_RUN}\E(?:\0|\z)/;
        my ($parent) = $stat =~ /.*\) \S (\d+) /s;
        push @processes, { pid => $pid, command => $command =~ tr/\0/ /r, is_test => ($parent // 0) == $$ && !TripChat::Process::is_ours($pid) };
    }
    return @processes;
}

1;
