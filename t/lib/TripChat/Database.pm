package TripChat::Database;

# A database of the tests, with the project's own tables (sql/) and all users of
# TripChat::World: an SQLite file, or a database of a PostgreSQL server. Results of
# SQL are lines of text, a line for each row, with bars between the columns.

use strict;
use warnings;

use IPC::Open3 qw(open3);
use POSIX ();

use TripChat::File qw(read_file);
use TripChat::Httpd qw(sql_dir);
use TripChat::World qw(people_sql);

use constant PARTITIONS => 4;

# The file; new => 1: with the tables, and nothing yet but the people; chat_tables => another script that makes the chat's.
sub sqlite {
    my ($class, $file, %opt) = @_;
    my $self = bless { driver => 'sqlite3', params => $file, command => ['sqlite3', '-batch', '-bail', $file] }, $class;
    $self->{chat_tables} = $opt{chat_tables};
    $self->create_tables if $opt{new};
    return $self;
}

# One that exists already: how libpq reaches it, and the command that runs SQL in it.
sub postgres {
    my ($class, $conninfo, @command) = @_;
    return bless { driver => 'pgsql', params => $conninfo, command => \@command }, $class;
}

sub driver  { return $_[0]{driver} }
sub command { return @{ $_[0]{command} } }

sub is_sqlite { return $_[0]{driver} eq 'sqlite3' }

# The lines of a configuration that lead there.
sub directives {
    my ($self) = @_;
    return "DBDriver $self->{driver}\nDBDParams \"$self->{params}\"\n"
        . ($self->is_sqlite ? '' : "DBDKeep 2\nDBDMax 8\n");
}

# What the names of its scripts end with.
sub kind { my ($self) = @_; return $self->is_sqlite ? 'sqlite3' : 'pgsql' }

# The tables of sql/ and the people. On SQLite a table may name one that comes later.
sub create_tables {
    my ($self) = @_;
    $self->run_file(sql_dir() . '/site.' . $self->kind . '.sql');
    $self->run_file($self->{chat_tables} // sql_dir() . '/chat.' . $self->kind . '.sql', $self->variables);
    $self->sql(people_sql());
    return $self;
}

# psql's variables for the chat's tables: on the stack "parts" they have partitions.
sub variables {
    my ($self) = @_;
    return !$self->is_sqlite && ($ENV{TC_STACK} // '') eq 'parts' ? (partitions => PARTITIONS) : ();
}

# Variables are psql's.
sub run_file {
    my ($self, $file, %variables) = @_;
    local $self->{command} = [@{ $self->{command} }, map { ('-v', "$_=$variables{$_}") } sort keys %variables];
    $self->sql(read_file($file));
    return;
}

# Starts a script that may include others of its folder, and does not wait: the process, and what it says.
sub start_script {
    my ($self, $file) = @_;
    my ($dir, $name) = $file =~ m{\A(.*)/([^/]+)\z};
    my @command = $self->is_sqlite ? @{ $self->{command} } : (@{ $self->{command} }, '-f', $name);
    open my $script, '<', $self->is_sqlite ? $file : '/dev/null' or die "$file: $!\n";
    my $pid = open my $said, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDIN,  '<&', $script or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        chdir $dir or POSIX::_exit(126);
        exec @command or POSIX::_exit(127);
    }
    return ($pid, $said);
}

# Runs such a script to its end. Returns what it said; dies of any error.
sub run_script {
    my ($self, $file) = @_;
    my (undef, $said) = $self->start_script($file);
    my @lines = <$said>;
    close $said or die "$file: @lines\n";
    return @lines;
}

# Runs SQL; returns its lines. Dies of any error.
sub sql {
    my ($self, $sql) = @_;
    my $pid = open3(my $in, my $out, undef, @{ $self->{command} });
    print {$in} $self->settings, $sql, "\n";
    close $in;
    my @lines = <$out>;
    waitpid $pid, 0;
    die "$self->{driver}: @lines\n" if $?;
    chomp @lines;
    return @lines;
}

# Runs $code while another program has locked the tables against writers. With $statements (PostgreSQL only), the
# other program holds the locks of these statements instead.
sub while_locked {
    my ($self, $code, $statements) = @_;
    $statements //= 'LOCK TABLE chat_rooms, chat_messages IN EXCLUSIVE MODE;';
    my $pid = open3(my $in, my $out, undef, @{ $self->{command} });
    $in->autoflush(1);
    print {$in} $self->is_sqlite ? "BEGIN IMMEDIATE;\n"
        : "BEGIN; $statements\n", "SELECT 'locked';\n";
    my $said = <$out> // '';
    my $done = $said eq "locked\n" && eval { $code->(); 1 };
    my $error = $done ? undef : $@ || "not locked: $said\n";
    close $in;
    waitpid $pid, 0;
    die $error if defined $error;
    return;
}

# What an SQL shell is told first.
sub settings {
    my ($self) = @_;
    return $self->is_sqlite ? ".timeout 30000\nPRAGMA foreign_keys = ON;\n" : '';
}

1;
