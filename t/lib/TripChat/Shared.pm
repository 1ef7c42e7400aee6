package TripChat::Shared;

# The server that all of 40-protocol and many files of 50-feature share: t/run starts one for each stack, with the
# sites of t/conf/extra.conf.in. Apache::Test writes its configuration (TripChat::TestRun).

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(make_path remove_tree);
use JSON::PP ();

use TripChat::Database;
use TripChat::File qw(read_file write_secret);
use TripChat::Httpd qw(httpd);
use TripChat::Postgres;
use TripChat::Process;
use TripChat::Site;
use TripChat::Surroundings qw(top_dir var_dir);

our @ISA       = ('TripChat::Process');
our @EXPORT_OK = qw(site site_names site_dir site_database shared_dir server_pid is_full);

# plain      everything as it is by default
# second     the same with another secret and database
# http       TripChatReject http
# small      small limits
# pinging    pings after a short silence
# hasty      frames and closes must be finished soon
# forgetful  rooms keep nothing in memory
use constant SITES => qw(plain second http small pinging hasty forgetful);

sub site_names { return SITES }

# sqlite, full (PostgreSQL and Redis), or the same with partitioned tables (parts), through PgBouncer (pgbouncer), or with
# a PostgreSQL that is 5 ms away (far)
sub stack { return $ENV{TC_STACK} // 'sqlite' }

# On PostgreSQL and Redis, not on SQLite alone?
sub is_full { return stack() ne 'sqlite' }

# All that the server of this stack has.
sub shared_dir { return var_dir() . '/' . stack() }

sub site_dir { my ($name) = @_; return shared_dir() . "/sites/$name" }

# new => 1: makes it anew
sub site_database {
    my ($name, %opt) = @_;
    return TripChat::Database->sqlite(site_dir($name) . '/chat.db', %opt) if !is_full();
    my $postgres = TripChat::Postgres->shared;
    my $database = join '_', 'tripchat', (stack() eq 'full' ? () : stack()), $name;
    return $opt{new} ? $postgres->new_database(name => $database) : $postgres->database($database);
}

# Thirty-two characters or more, another for each site.
sub secret { my ($name) = @_; return "the secret of the site called $name, for tests only" }

sub site {
    my ($name) = @_;
    my $vars = _vars();
    return TripChat::Site->new(
        host       => '127.0.0.1',
        port       => $vars->{"tc_${name}_port"} // die("there is no site $name: see t/conf/extra.conf.in\n"),
        secret     => secret($name),
        database   => site_database($name),
        error_log  => "$vars->{t_logs}/error_log",
        access_log => "$vars->{t_logs}/access_log",
    );
}

sub server_pid {
    my ($pid) = split /\n/, read_file(_vars()->{t_logs} . '/httpd.pid');
    return $pid;
}

# What TripChat::TestRun wrote down. t/run tells the tests that it runs one after the other on this server.
sub _vars {
    $ENV{TC_SHARED} or die "no server is shared here: run this file with t/run, and name the site as in site('plain')\n";
    return JSON::PP->new->decode(read_file(shared_dir() . '/vars.json'));
}

# ---- for t/run ----

# Starts it, with new databases.
sub start {
    my ($class) = @_;
    my $dir = shared_dir();
    for my $name (SITES) {
        remove_tree(site_dir($name));
        make_path(site_dir($name));
        write_secret(site_dir($name) . '/secret', secret($name));
        site_database($name, new => 1);
    }
    return $class->start_on_free_port(qr/could not bind to address/, sub {
        my $said = _configure();
        remove_tree("$dir/logs");
        make_path("$dir/logs");
        return bless { dir => $dir, said => $said }, $class;
    });
}

# In a process of its own: Apache::Test has its own ideas of signals, and exits. Returns what it said.
sub _configure {
    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', $^X, '-I' . top_dir() . '/t/lib', '-MTripChat::TestRun',
        '-e', 'TripChat::TestRun->new->run("-configure")' or die "sh: $!\n";
    my $said = join '', <$out>;
    close $out;
    return $said;
}

sub launch {
    my ($self) = @_;
    my $dir = $self->{dir};
    $self->run_command("$dir/logs/stderr", httpd(), '-d', $dir, '-f', "$dir/conf/httpd.conf", '-D', 'FOREGROUND');
    return;
}

sub is_up { my ($self) = @_; return $self->output =~ /resuming normal operations/ }

sub output {
    my ($self) = @_;
    return join '', $self->{said}, map { -e $_ ? read_file($_) : () } map { "$self->{dir}/logs/$_" } qw(stderr error_log);
}

sub end_at_exit {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    $self->wait_for_end;
    return;
}

1;
