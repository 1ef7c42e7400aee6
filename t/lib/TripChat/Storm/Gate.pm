package TripChat::Storm::Gate;

# A gate in front of the commits of a PostgreSQL database. While the gate is shut, every transaction that stores a
# message waits inside COMMIT: a trigger that runs there takes a lock, and the test holds this lock.

use strict;
use warnings;

use IPC::Open3 qw(open3);

use constant TRIGGER => <<'SQL';
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON chat_messages
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gate();
SQL

# TripChat::Database. The gate is open.
sub new {
    my ($class, $database) = @_;
    $database->sql(TRIGGER);
    return bless { database => $database }, $class;
}

# Returns when nobody passes any more.
sub shut {
    my ($self) = @_;
    $self->{pid} = open3($self->{in}, my $out, undef, $self->{database}->command);
    $self->{in}->autoflush(1);
    print { $self->{in} } "SELECT 'shut' FROM pg_advisory_lock(1);\n";
    my $said = <$out> // '';
    die "the gate cannot be shut: $said\n" if $said ne "shut\n";
    return;
}

sub open {    ## no critic
    my ($self) = @_;
    close $self->{in};
    waitpid $self->{pid}, 0;
    return;
}

1;
