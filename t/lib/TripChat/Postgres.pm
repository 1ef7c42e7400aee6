package TripChat::Postgres;

# A private PostgreSQL: its files in t/var, a free port of 127.0.0.1, no
# password. shared() is the one that t/run has started for all test
# files; a test that stops or freezes its own starts it with start().
#
# This PostgreSQL does not flush to the disk, because tests kill its processes and never the machine.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);

use TripChat::Database;
use TripChat::File qw(read_file write_file);
use TripChat::Surroundings qw(var_dir);
use TripChat::Process qw(free_port);

our @ISA = ('TripChat::Process');

use constant MAX_CONNECTIONS => 600;

my $made = 0;
my $shared;

# settings => { name => value }, of postgresql.conf
sub start {
    my ($class, %opt) = @_;
    my $dir = sprintf '%s/postgres-%d-%d', var_dir(), $$, ++$made;
    remove_tree($dir);
    make_path($dir);
    my $self = bless { dir => $dir, settings => $opt{settings} || {} }, $class;
    $self->_make_cluster;
    return $class->start_on_free_port(qr/could not bind|could not create any TCP/, sub { $self->{port} = free_port(); $self });
}

# An asynchronous standby of this one, which replays what comes over `port`, a relay's for example.
sub standby {
    my ($self, %opt) = @_;
    my $dir = sprintf '%s/postgres-%d-%d', var_dir(), $$, ++$made;
    remove_tree($dir);
    make_path($dir);
    my $standby = bless { dir => $dir, settings => $self->{settings} }, ref $self;
    system(_program('pg_basebackup'), qw(-h 127.0.0.1 -U postgres -X stream -c fast -p), $self->{port}, '-D', "$dir/data") == 0
        or die "pg_basebackup fails\n";
    my $settings = "$dir/data/postgresql.auto.conf";
    write_file($settings, read_file($settings) . "primary_conninfo = 'host=127.0.0.1 user=postgres port=$opt{port}'\n");
    write_file("$dir/data/standby.signal", '');
    return ref($self)->start_on_free_port(qr/could not bind|could not create any TCP/, sub { $standby->{port} = free_port(); $standby });
}

# Makes a standby a primary. Returns when it takes writes.
sub promote { my ($self) = @_; $self->database('postgres')->sql('SELECT pg_promote() \g /dev/null'); return }

# The one of t/run; without that, one of this file's own.
sub shared {
    my ($class) = @_;
    return $shared //= $ENV{TC_POSTGRES_PORT} ? bless { port => $ENV{TC_POSTGRES_PORT} }, $class : $class->start;
}

sub port { return $_[0]{port} }

# A new database with the project's tables and everybody in it; with empty => 1, nothing.
# name    => of the database, which takes the place of an older one
# copy_of => another database, to which nobody is connected
# chat_tables => another script that makes the chat's tables
# encoding => another one than UTF8
sub new_database {
    my ($self, %opt) = @_;
    my $name = $opt{name} // sprintf 'tripchat_%d_%d', $$, ++$made;
    my $template = $opt{copy_of} ? ($opt{copy_of}->sql('SELECT current_database()'))[0] : 'template1';
    $template = "template0 ENCODING '$opt{encoding}' LOCALE 'C'" if $opt{encoding};
    $self->database('postgres')->sql("DROP DATABASE IF EXISTS $name;\nCREATE DATABASE $name TEMPLATE $template;");
    my $database = $self->database($name);
    $database->{chat_tables} = $opt{chat_tables};
    $database->create_tables if !$opt{empty} && !$opt{copy_of};
    return $database;
}

# One that is there.
sub database {
    my ($self, $name) = @_;
    my $conninfo = "host=127.0.0.1 port=$self->{port} dbname=$name user=postgres";
    my $front    = !$self->{pid} && $ENV{TC_POSTGRES_FRONT_PORT};    # of PgBouncer or a relay before the one of t/run
    return TripChat::Database->postgres($front ? $conninfo =~ s/port=\d+/port=$front/r : $conninfo,
        _program('psql'), qw(-X -q -A -t -v ON_ERROR_STOP=1 -d), $conninfo);
}

# What pg_dump says of a database, with these options.
sub dump {    ## no critic
    my ($self, $database, @options) = @_;
    open my $out, '-|', _program('pg_dump'), '-d', $database->{params}, @options or die "pg_dump: $!\n";
    local $/ = undef;
    my $said = <$out>;
    close $out or die "pg_dump fails\n";
    return $said;
}

# Stops it: INT disconnects everybody first, QUIT does not even tell them.
sub stop {
    my ($self, $signal) = @_;
    kill $signal // 'INT', $self->{pid};
    $self->wait_for_end;
    return;
}

# Starts it again where it was, with what it had.
sub start_again {
    my ($self) = @_;
    $self->launch;
    $self->wait_until_up or die "PostgreSQL does not start again:\n" . $self->output;
    return;
}

sub launch {
    my ($self) = @_;
    my %settings = (
        listen_addresses => '127.0.0.1', port => $self->{port}, unix_socket_directories => '',
        max_connections  => MAX_CONNECTIONS, fsync => 'off', %{ $self->{settings} },
    );
    $self->run_command("$self->{dir}/log", _program('postgres'), '-D', "$self->{dir}/data",
        map { ('-c', "$_=$settings{$_}") } sort keys %settings);
    return;
}

# The others of PostgreSQL wait for its clients.
sub death_signal { return 'QUIT' }

sub is_up {
    my ($self) = @_;
    return system(_program('pg_isready'), qw(-q -h 127.0.0.1 -p), $self->{port}) == 0;
}

sub output { return read_file("$_[0]{dir}/log") }

sub end_at_exit {
    my ($self) = @_;
    $self->stop('QUIT');
    system 'rm', '-rf', $self->{dir};    # tens of thousands of files, after a whole run
    return;
}

sub _make_cluster {
    my ($self) = @_;
    my @command = (_program('initdb'), '-D', "$self->{dir}/data",
        qw(-U postgres -A trust --encoding UTF8 --no-locale --no-sync));
    open my $out, '-|', "@command 2>&1" or die "initdb: $!\n";
    my @said = <$out>;
    close $out or die "initdb: @said\n";
    return;
}

# Debian and PostgreSQL's own RPMs keep the servers' programs out of the way, a directory for each version: the newest.
# Elsewhere pg_config knows. TC_POSTGRES_BIN names the folder of another version.
my $bin;

sub _program {
    my ($name) = @_;
    $bin //= $ENV{TC_POSTGRES_BIN} // (map { $_->[1] } sort { $b->[0] <=> $a->[0] }
            map { m{(\d+)/bin/initdb\z} ? [$1, s{/initdb\z}{}r] : () }
            glob '/usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb')[0]
        // (grep { -x "$_/initdb" } map { chomp; $_ } `pg_config --bindir 2>&1`)[0]
        // die "there is no PostgreSQL: install postgresql\n";
    return "$bin/$name";
}

1;
