package TripChat::Nginx;

# A private nginx, on a free port of 127.0.0.1, for tests that stand behind one.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use IO::Socket::INET;

use TripChat::File qw(read_file write_file);
use TripChat::Surroundings qw(var_dir);
use TripChat::Process qw(free_port);

our @ISA = ('TripChat::Process');

my $made = 0;

# The program, or nothing where there is none.
sub program { return (grep { -x } '/usr/sbin/nginx', map { "$_/nginx" } split /:/, $ENV{PATH})[0] }

# config => code that is given the port and returns what is to stand in http { }
sub start {
    my ($class, %opt) = @_;
    my $dir = sprintf '%s/nginx-%d-%d', var_dir(), $$, ++$made;
    remove_tree($dir);
    make_path($dir);
    my $self = bless { dir => $dir, config => $opt{config} }, $class;
    return $class->start_on_free_port(qr/bind\(\) .* failed/, sub { $self->{port} = free_port(); $self });
}

sub port { return $_[0]{port} }

sub launch {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $paths = join '', map { "${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    write_file("$dir/nginx.conf", <<"CONF");
daemon off;
pid $dir/pid;
error_log $dir/error_log warn;
worker_processes 2;
events { worker_connections 256; }
http {
access_log off;
$paths
@{[ $self->{config}->($self->{port}) ]}
}
CONF
    $self->run_command("$dir/stderr", program(), '-p', $dir, '-e', "$dir/error_log", '-c', "$dir/nginx.conf");
    return;
}

sub is_up { my ($self) = @_; return defined IO::Socket::INET->new("127.0.0.1:$self->{port}") }

sub output {
    my ($self) = @_;
    return join '', map { -e $_ ? read_file($_) : () } map { "$self->{dir}/$_" } qw(stderr error_log);
}

1;
