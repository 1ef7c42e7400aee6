package TripChat::TestRun;

# Apache::TestRun, which writes the configuration of the server that many test files share: the modules of
# TripChat::Httpd, and a port, a secret and a database for each site of t/conf/extra.conf.in. TripChat::Shared starts
# that server, and finds it again in the tests.

use strict;
use warnings FATAL => 'all';

# Core dumps are the business of whoever runs the tests: see TestRun's set_ulimit.
BEGIN { $ENV{APACHE_TEST_ULIMIT_SET} = 1 }

use Apache::TestRun ();
use File::Path qw(make_path);
use JSON::PP ();

use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(top_dir httpd apxs mpm load_modules mpm_settings);
use TripChat::Process qw(free_port);
use TripChat::Redis;
use TripChat::Shared qw(site_names site_dir site_database shared_dir is_full);

our @ISA = ('Apache::TestRun');

use constant WORKERS => 16;

# What an Apache::Test would be told on its command line. The templates go where the configuration is to be.
sub pre_configure {
    my ($self) = @_;
    my $dir = shared_dir();
    make_path("$dir/conf");
    write_file("$dir/conf/$_", read_file(top_dir() . "/t/conf/$_")) for qw(httpd.conf.in extra.conf.in);
    write_file("$dir/base.conf", "# Generated: what the server under test loads.\n" . load_modules(mpm()));
    %{ $self->{conf_opts} } = (
        httpd => httpd(), apxs => apxs(), httpd_conf => "$dir/base.conf", port => free_port(), save => 1,
        serverroot => $dir, documentroot => "$dir/htdocs", t_conf => "$dir/conf", t_logs => "$dir/logs", t_state => "$dir/state",
        t_conf_file => "$dir/conf/httpd.conf", t_pid_file => "$dir/logs/httpd.pid", sslca => "$dir/conf/ssl/ca",
    );
    return;
}

# The sites' ports and directories as variables of the configuration files, and of TripChat::Shared.
sub new_test_config {
    my ($self) = @_;
    my $config = $self->SUPER::new_test_config;
    return $config if !$config->{save};
    my $vars = $config->{vars};
    $vars->{tc_mpm_settings} = mpm_settings(mpm(), WORKERS);
    for my $name (site_names()) {
        $vars->{"tc_${name}_port"} = free_port();
        $vars->{"tc_${name}_dir"}  = site_dir($name);
        $vars->{"tc_${name}_stack"} = site_database($name)->directives . TripChat::Httpd::NO_LIMITS()
            . (is_full() ? TripChat::Redis->shared->directives(prefix => "$name:") : '');
    }
    my @told = ('t_logs', map { "tc_${_}_port" } site_names());
    write_file(shared_dir() . '/vars.json', JSON::PP->new->encode({ map { $_ => $vars->{$_} } @told }));
    return $config;
}

1;
