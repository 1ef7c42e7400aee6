package TripChat::PgBouncer;

# A private PgBouncer in transaction mode before a PostgreSQL of the tests. httpd's connections go through it on the stack
# "pgbouncer"; the tests themselves ask PostgreSQL.

use strict;
use warnings;

use File::Path qw(make_path);

use TripChat::File qw(read_file write_file);
use TripChat::Process qw(free_port);
use TripChat::Surroundings qw(var_dir);

our @ISA = ('TripChat::Process');

my $made = 0;

# before => TripChat::Postgres
sub start {
    my ($class, %opt) = @_;
    my $dir = sprintf '%s/pgbouncer-%d-%d', var_dir(), $$, ++$made;
    make_path($dir);
    return $class->start_on_free_port(qr/cannot listen|Address already in use/, sub {
        my $self = bless { dir => $dir, port => free_port() }, $class;
        write_file("$dir/log", '');
        write_file("$dir/pgbouncer.ini", $self->_config($opt{before}->port));
        return $self;
    });
}

sub port { return $_[0]{port} }

sub launch {
    my ($self) = @_;
    $self->run_command("$self->{dir}/log", 'pgbouncer', "$self->{dir}/pgbouncer.ini");
    return;
}

sub is_up { my ($self) = @_; return $self->output =~ /process up/ }

sub output { return read_file("$_[0]{dir}/log") }

# Two connections for a database: more of httpd's connections than that take turns with each transaction.
sub _config {
    my ($self, $port) = @_;
    return <<"INI";
[databases]
* = host=127.0.0.1 port=$port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $self->{port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 2000
server_idle_timeout = 5
INI
}

1;
