package TripChat::Process;

# A server program that a test starts: a child process of the test, in the
# foreground, which is found and ended by its pid. Base class of Server, Postgres
# and others. They define how the program starts (launch), when it is up (is_up),
# and what it has printed (output). Some have an end of their own (end_at_exit).

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(remove_tree);
use IO::Socket::INET;
use POSIX qw(WNOHANG);

use TripChat::File qw(read_file);
use TripChat::Surroundings qw(default_signals);
use TripChat::Wait qw(until_true);

our @EXPORT_OK = qw(free_port pids_of_session freeze_pids is_alive);

use constant START_TRIES => 5;    # a free port may be taken before the program binds it

my %running;                      # pid => process, for END
my $started = 0;

# Calls $prepare for a process on a free port until it is up. What it said of a
# port that was taken meanwhile matches $taken.
sub start_on_free_port {
    my ($class, $taken, $prepare) = @_;
    for my $try (1 .. START_TRIES) {
        my $self = $prepare->();
        $self->launch;
        return $self if $self->wait_until_up;
        die "$class does not start:\n" . $self->output if $self->output !~ $taken;
    }
    die "$class: no free port in @{[START_TRIES]} tries\n";
}

# Runs the command in a session of its own, with its output in $file. The kernel ends the command when the test is
# killed and cannot do so itself.
sub run_command {
    my ($self, $file, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();                       # so that all its processes can be found
        open STDIN,  '<',  '/dev/null' or POSIX::_exit(126);
        open STDERR, '>>', $file       or POSIX::_exit(126);
        open STDOUT, '>&', \*STDERR    or POSIX::_exit(126);
        default_signals();
        exec 'setpriv', '--pdeathsig', $self->death_signal, '--', @command or POSIX::_exit(127);
    }
    $self->{pid}     = $pid;
    $self->{started} = ++$started;
    $running{$pid}   = $self;
    return;
}

# The signal that ends the program quickly and in order.
sub death_signal { return 'TERM' }

sub pid { return $_[0]{pid} }

# The wait status of one that has ended.
sub status { return $_[0]{status} }

# Waits until is_up() says so (true) or the program has ended (false).
sub wait_until_up {
    my ($self) = @_;
    my $state = until_true(
        ref($self) . ' to start',
        sub { $self->has_ended ? 'ended' : $self->is_up ? 'up' : undef }
    );
    return $state eq 'up';
}

sub has_ended {
    my ($self) = @_;
    return 1 if !$self->{pid} || !$running{ $self->{pid} };
    my $waited = waitpid $self->{pid}, WNOHANG or return 0;
    $self->{status} = $waited > 0 ? $? : undef;    # undef: somebody else has waited for it
    delete $running{ $self->{pid} };
    return 1;
}

sub wait_for_end {
    my ($self) = @_;
    until_true(ref($self) . " $self->{pid} to end", sub { $self->has_ended });
    return $self->{status};
}

# All its processes, itself first. A program's children may lead sessions of their own, as PostgreSQL's do.
sub pids {
    my ($self) = @_;
    my $pid = $self->{pid};
    return ($pid, grep { $_ != $pid } _pids_where(sub { my ($parent, $session) = @_; $parent == $pid || $session == $pid }));
}

# Stops all its processes where they are, and lets them go on. The first one stops first: a process that it starts while
# the others are looked for would go on.
sub freeze {
    my ($self) = @_;
    freeze_pids($self->{pid});
    freeze_pids($self->pids);
    return;
}

sub thaw { my ($self) = @_; kill 'CONT', $self->pids; return }

sub freeze_pids {
    my (@pids) = @_;
    kill 'STOP', @pids;
    until_true('processes to stand still', sub { !grep { (_stat($_))[0] !~ /[TZ]/ } @pids });
    return;
}

# With the test. The folder of the program goes, too. (At INT, PgBouncer would wait for connections that are in use.)
sub end_at_exit {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    $self->wait_for_end;
    remove_tree($self->{dir});
    return;
}

# Ends all its processes without a warning, and returns when they are gone. The first one stands still meanwhile: a
# process that it starts while the others are looked for would survive, and its client would wait for it.
sub kill9 {
    my ($self) = @_;
    freeze_pids($self->{pid});
    my @pids = $self->pids;
    kill 'KILL', @pids;
    $self->wait_for_end;
    until_true('killed processes to go', sub { !grep { is_alive($_) } @pids });
    return;
}

# Has this process started it, with run_command()?
sub is_ours { my ($pid) = @_; return exists $running{$pid} }

sub is_alive { my ($pid) = @_; return (_stat($pid))[0] !~ /[ZX-]/ }

sub pids_of_session {
    my ($wanted) = @_;
    return _pids_where(sub { my (undef, $session) = @_; return $session == $wanted });
}

sub _pids_where {
    my ($is_wanted) = @_;
    my @pids;
    for my $pid (map { m{/(\d+)\z} } glob '/proc/[0-9]*') {
        my ($state, $parent, $session) = _stat($pid);
        push @pids, $pid if $state !~ /[ZX-]/ && $is_wanted->($parent, $session);
    }
    return @pids;
}

# (state, parent, session); the state is '-' where the process is gone.
sub _stat {
    my ($pid) = @_;
    my $line = eval { read_file("/proc/$pid/stat") } // '';
    return $line =~ /\A\d+ \(.*\) (\S) (\d+) \d+ (\d+) /s ? ($1, $2, $3) : ('-', 0, 0);
}

my %given; # ports; the system may name one again that nobody uses yet

sub free_port {
    while (1) {
        my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp')
            or die "no free port: $!\n";
        return $socket->sockport if !$given{ $socket->sockport }++;
    }
}

# A test that died or was interrupted has not stopped what it started: the latest first,
# since a server depends on those before it.
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP QUIT);

my $owner = $$;

END {
    if ($$ == $owner) {
        local ($?, $@);
        for my $process (sort { $b->{started} <=> $a->{started} } values %running) {
            $process->thaw;
            eval { $process->end_at_exit; 1 } or eval { $process->kill9 };
        }
    }
}

1;
