package TripChat::Shared;

# The server all of 40-protocol and most of 50-feature share: started by
# Apache::Test (t/TEST, t/run), its sites in t/conf/extra.conf.in.

use strict;
use warnings;

use Apache::Test ();
use Exporter 'import';

use TripChat::Database;
use TripChat::Httpd qw(top_dir);
use TripChat::Postgres;
use TripChat::Site;

our @EXPORT_OK = qw(site site_names site_dir site_database server_pid is_full);

# plain      everything as it is by default
# second     the same with another secret and database
# http       TripChatReject http
# small      small limits
# pinging    pings after a short silence
# hasty      frames and closes must be finished soon
# forgetful  rooms keep nothing in memory
use constant SITES => qw(plain second http small pinging hasty forgetful);

sub site_names { return SITES }
sub site_dir   { my ($name) = @_; return top_dir() . "/t/var/sites/$name" }

# On PostgreSQL and Redis, not on SQLite alone?
sub is_full { return ($ENV{TC_STACK} // '') eq 'full' }

# new => 1: makes it anew
sub site_database {
    my ($name, %opt) = @_;
    return TripChat::Database->sqlite(site_dir($name) . '/chat.db', %opt) if !is_full();
    my $postgres = TripChat::Postgres->shared;
    return $opt{new} ? $postgres->new_database(name => "tripchat_$name") : $postgres->database("tripchat_$name");
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
    my $file = _vars()->{t_pid_file};
    open my $pid_file, '<', $file or die "the server does not run ($file: $!)\n";
    chomp(my $pid = <$pid_file>);
    return $pid;
}

# What t/TEST wrote down when it configured the server.
sub _vars {
    local $_;    # Apache::Test assigns to it, and a caller's may be a constant
    chdir top_dir() or die top_dir() . ": $!\n";
    return Apache::Test::vars();
}

1;
