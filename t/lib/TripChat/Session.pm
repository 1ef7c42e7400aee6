package TripChat::Session;

# Another program of the site that stays connected to the database: psql or sqlite3, which run statements one after the
# other, in a transaction of their own if they begin one. start() does not wait, so that a statement may wait for a lock.

use strict;
use warnings;

use IPC::Open3 qw(open3);

use TripChat::Wait qw(deadline seconds_left until_true);

use constant MARKER => 'the session has done it';

# To a TripChat::Database.
sub open {    ## no critic
    my ($class, $database) = @_;
    my $self = bless { database => $database, said => '' }, $class;
    $self->{pid} = open3($self->{in}, $self->{out}, undef, $database->command);
    $self->{in}->autoflush(1);
    print { $self->{in} } $database->settings;
    return $self;
}

# The process of PostgreSQL that serves the session. Ask before a statement waits.
sub backend { my ($self) = @_; return $self->{backend} //= ($self->run('SELECT pg_backend_pid()'))[0] }

# Begins statements, and does not wait for them.
sub start {
    my ($self, $sql) = @_;
    print { $self->{in} } "$sql;\nSELECT '" . MARKER . "';\n";
    return $self;
}

# Waits for what start() has begun. Returns its lines; dies when a statement failed.
sub finish {
    my ($self) = @_;
    my $deadline = deadline();
    while ($self->{said} !~ /^\Q${\ MARKER }\E\n/m) {
        my $left = seconds_left($deadline, 'a session does not finish');
        my $bits = '';
        vec($bits, fileno $self->{out}, 1) = 1;
        select $bits, undef, undef, $left;
        sysread $self->{out}, $self->{said}, 65536, length $self->{said} or $self->_fail;
    }
    $self->{said} =~ s/\A(.*?)^\Q${\ MARKER }\E\n//ms;
    return split /\n/, $1;
}

sub run { my ($self, $sql) = @_; return $self->start($sql)->finish }

# Waits until the session's statement waits for a lock.
sub until_blocked {
    my ($self) = @_;
    until_true('a session to wait for a lock', sub {
        ($self->{database}->sql("SELECT cardinality(pg_blocking_pids($self->{backend}))"))[0]
    });
    return $self;
}

# Ends the session, and its transaction.
sub end {
    my ($self) = @_;
    close $self->{in};
    waitpid delete $self->{pid}, 0 if $self->{pid};
    return;
}

sub _fail {
    my ($self) = @_;
    waitpid delete $self->{pid}, 0;
    die "a statement failed: $self->{said}\n";
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->end if $self->{pid};
    return;
}

1;
