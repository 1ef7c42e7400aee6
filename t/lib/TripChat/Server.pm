package TripChat::Server;

# A private httpd for one test: any MPM, plain and TLS, extra configuration.
# Lives in a directory of its own on free ports of 127.0.0.1, runs in the
# foreground as a child of the test, and ends with it.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Path qw(make_path remove_tree);

use TripChat::Database;
use TripChat::File qw(read_file write_file write_secret);
use TripChat::Httpd qw(httpd mpm load_modules mpm_settings);
use TripChat::Log qw(unexpected_lines);
use TripChat::Postgres;
use TripChat::Process qw(free_port pids_of_session is_alive);
use TripChat::Redis;
use TripChat::Shared qw(is_full);
use TripChat::Site;
use TripChat::Surroundings qw(var_dir);
use TripChat::Wait qw(until_true);

our @ISA = ('TripChat::Process');

use constant {
    WORKERS => 8,
    SECRET  => 'a secret of thirty-two characters',
    PAGE    => "a page of the site\n",
    LOCATIONS => <<'CONF',
    <Location "/ws/chat/">
        SetHandler tripchat-websocket
    </Location>
    <Location "/api/v1/chat/">
        SetHandler tripchat-rest
    </Location>
CONF
};

my $made = 0;

# mpm         => event | worker | prefork      workers => threads of a child
# children    => 1                             redis => TripChat::Redis, which several children need
# generations => that are there at a time: children that end are replaced at once
# database    => TripChat::Database of all sites; by default each has one of its own
# tls         => 1: a second site, named tls, on a second port
# sites       => { name => { database, redis, secret, site_config } }: further sites, on ports of their own;
#                what one does not say is as for the others
# http2       => 1: HTTP/2 over TLS and plain    modules => [names of modules to load besides]
# config      => text for the server           site_config => text for each site
# shared      => 1: the chat is configured once, for all sites; no_chat => 1: nowhere
# vhost       => { site => text }: for its virtual host, besides all that
# no_locations => 1: site_config says which paths are the chat's
# secret      => of the tokens                 secret_file => bytes of the file, where they differ
# dbd_last    => 1: mod_dbd is loaded behind the module
# module_file => in place of the module under test; no_module => 1: none
# descriptors => the limit of the server's processes
# one_process => 1: the parent is the child as well (httpd -X)
# log_level   => for LogLevel
#
# With TC_STACK=full in the environment a site that is not told otherwise is on PostgreSQL and Redis.
sub start {
    my ($class, %opt) = @_;
    return $class->start_on_free_port(qr/could not bind to address/, sub { $class->_prepare(%opt) });
}

# Runs httpd with this configuration where it should refuse to start.
# Returns (exit status, everything it said).
sub refusal {
    my ($class, %opt) = @_;
    my $self = $class->_prepare(%opt);
    $self->launch;
    my $up     = $self->wait_until_up;
    my $status = $up ? $self->_terminate : $self->status;
    my $said   = ($up ? "it started:\n" : '') . $self->output;
    $self->_remove;
    return ($up ? 0 : $status, $said);
}

# httpd -t with this configuration: (exit status, what it said). arguments => [more of them]
sub check_config {
    my ($class, %opt) = @_;
    my $self = $class->_prepare(%opt, no_database => 1);
    $self->launch('-t', @{ $opt{arguments} || [] });
    my $status = $self->wait_for_end;
    my $said   = $self->output;
    $self->_remove;
    return ($status, $said);
}

sub site { my ($self, $name) = @_; return $self->{sites}{ $name // 'plain' } }
sub dir  { return $_[0]{dir} }

sub error_log  { return read_file("$_[0]{dir}/error_log") }
sub access_log { return read_file("$_[0]{dir}/access_log") }

# Standard error and the log together: a server that fails says it in either.
sub output {
    my ($self) = @_;
    return join '', map { -e $_ ? read_file($_) : () } "$self->{dir}/stderr", "$self->{dir}/error_log";
}

# The processes of this server but the parent.
sub child_pids { my ($self) = @_; return grep { is_alive($_) } $self->all_child_pids }

# With those that have ended and whose parent does not know it yet.
sub all_child_pids {
    my ($self) = @_;
    my $children = eval { read_file("/proc/$self->{pid}/task/$self->{pid}/children") } // '';
    return split ' ', $children;
}

# One child accepts at a time, who has the mutex: the older MPMs' way with several ports.
sub accepts_by_turns { my ($self) = @_; return $self->{mpm} ne 'event' && keys %{ $self->{sites} } > 1 }

# Writes the configuration anew, for the next reload: %opt as for start(), what it does not name stays.
sub reconfigure {
    my ($self, %opt) = @_;
    @$self{ keys %opt } = values %opt;
    write_file("$self->{dir}/httpd.conf", $self->_config);
    return;
}

# Asks for a graceful restart and returns when the parent has done its part: the pids of the generation that ends.
sub graceful { my ($self) = @_; return $self->_restart('USR1') }

# The same for a restart that does not wait for anybody. The server is at rest before, as in ask_to_stop().
sub restart {
    my ($self) = @_;
    until_true('the threads to rest', sub { $self->is_at_rest });
    return $self->_restart('HUP');
}

sub _restart {
    my ($self, $signal) = @_;
    my $starts = $self->_starts;
    my %old;
    kill $signal, $self->{pid} or die "no httpd $self->{pid}: $!\n";
    until_true('the restart', sub {
        my @there = $self->child_pids;    # before one looks: the next generation comes after its line in the log
        return 1 if $self->_starts > $starts;
        $old{$_} = 1 for @there;
        return;
    });
    return keys %old;
}

# Tells the server to stop, with TERM or this signal. Before that, waits until the server is at rest. Otherwise httpd's
# event MPM may crash over a connection that a worker just finishes with (AH03092 or a segmentation fault). This
# happens without the module, too.
sub ask_to_stop {
    my ($self, $signal) = @_;
    return if $self->{asked_to_stop}++;
    until_true('the threads to rest', sub { $self->is_at_rest });
    kill $signal // 'TERM', $self->{pid};
    return;
}

# No thread of its children has anything to do at this moment.
sub is_at_rest {
    my ($self) = @_;
    return !grep { _is_running($_) } map { glob "/proc/$_/task/*/stat" } $self->child_pids;
}

sub _is_running {
    my ($stat) = @_;
    my $line = eval { read_file($stat) } or return 0;              # gone meanwhile
    return $line =~ /\A\d+ \(.*\) R /s;
}

# Stops the server. Returns what is wrong with how it went: lines of text, none if all is well.
# allow => [patterns of lines that the log may hold]; keep => 1: its files stay
sub stop {
    my ($self, %opt) = @_;
    my $status   = $self->_terminate;
    my @wrong    = map { "left in the log: $_" } unexpected_lines("$self->{dir}/error_log", @{ $opt{allow} || [] });
    my @leftover = pids_of_session($self->{pid});
    push @wrong, "exit status $status"           if $status;
    push @wrong, "processes are left: @leftover" if @leftover;
    $self->_remove if !@wrong && !$opt{keep};
    return @wrong;
}

sub _prepare {
    my ($class, %opt) = @_;
    my $self = bless {
        mpm => mpm(), workers => WORKERS, children => 1, config => '', site_config => '', secret => SECRET,
        log_level => 'info tripchat:debug',
        %opt,
        dir => sprintf('%s/servers/%s-%d-%d', var_dir(), basename($0, '.t'), $$, ++$made),
    }, $class;
    make_path("$self->{dir}/htdocs");
    write_file("$self->{dir}/htdocs/index.html", PAGE);
    write_secret("$self->{dir}/secret", $self->{secret_file} // $self->{secret});
    _make_certificate($self->{dir}) if $self->{tls};
    $self->{database} //= $self->_database_of('shared') if $self->{shared};
    $self->{more} = delete $self->{sites} || {};
    $self->{sites}{$_} = $self->_new_site($_) for 'plain', $self->{tls} ? 'tls' : (), sort keys %{ $self->{more} };
    write_file("$self->{dir}/httpd.conf", $self->_config);
    return $self;
}

sub _new_site {
    my ($self, $name) = @_;
    return TripChat::Site->new(
        host       => '127.0.0.1',
        port       => free_port(),
        tls        => $name eq 'tls',
        secret     => $self->{more}{$name}{secret} // $self->{secret},
        database   => $self->{more}{$name}{database} // $self->_database_of($name),
        error_log  => "$self->{dir}/error_log",
        access_log => "$self->{dir}/access_log",
    );
}

sub _database_of {
    my ($self, $name) = @_;
    return $self->{database} if $self->{database};
    return TripChat::Database->sqlite("$self->{dir}/$name.db", new => !$self->{no_database}) if !is_full();
    return TripChat::Postgres->shared->new_database;
}

sub _config {
    my ($self) = @_;
    my $modules  = load_modules($self->{mpm}, $self->{tls} ? qw(socache_shmcb ssl) : (),
        $self->{http2} ? 'http2' : (), @{ $self->{modules} || [] },
        $self->{dbd_last} ? { last => 'dbd' } : (),
        $self->{module_file} || $self->{no_module} ? { file => $self->{module_file} // '' } : ());
    my $settings = mpm_settings(@$self{qw(mpm workers children generations)});
    my $protocols = $self->{http2} ? 'Protocols h2 h2c http/1.1' : '';
    my $sessions  = $self->{tls} ? qq(SSLSessionCache "shmcb:$self->{dir}/sessions(512000)") : '';
    my $shared = $self->{shared} ? $self->_chat_config($self->site) : '';
    my $sites = join '', map { $self->_site_config($_) } sort keys %{ $self->{sites} };
    return <<"CONF";
ServerRoot "$self->{dir}"
DefaultRuntimeDir "$self->{dir}"
PidFile "$self->{dir}/httpd.pid"
ServerName localhost
ErrorLog "$self->{dir}/error_log"
LogLevel $self->{log_level}
$modules
$settings
TypesConfig /dev/null
DocumentRoot "$self->{dir}/htdocs"
LogFormat "%h %t \\"%r\\" %>s %I %O" tripchat
CustomLog "$self->{dir}/access_log" tripchat
ExtendedStatus On
$protocols
$sessions
<Directory "$self->{dir}/htdocs">
    Require all granted
</Directory>
<Location "/server-status">
    SetHandler server-status
</Location>
$self->{config}
$shared
$sites
CONF
}

sub _site_config {
    my ($self, $name) = @_;
    my $site = $self->{sites}{$name};
    my $tls  = $name eq 'tls'
        ? qq(SSLEngine on\nSSLCertificateFile "$self->{dir}/cert.pem"\nSSLCertificateKeyFile "$self->{dir}/key.pem")
        : '';
    my $chat = $self->{shared} || $self->{no_chat} ? '' : $self->_chat_config($site, %{ $self->{more}{$name} || {} });
    return <<"CONF";
Listen 127.0.0.1:$site->{port}
<VirtualHost 127.0.0.1:$site->{port}>
    ServerName localhost
    $tls
    $chat
    ${\ ($self->{vhost}{$name} // '') }
</VirtualHost>
CONF
}

sub _chat_config {
    my ($self, $site, %own) = @_;
    my $redis    = $own{redis} // $self->{redis} // (is_full() ? TripChat::Redis->shared : undef);
    my $config   = $own{site_config} // $self->{site_config};
    my $bus      = $redis && $config !~ /^TripChatBus local$/m ? $redis->directives($site->{tls} ? (prefix => 'tripchat-tls:') : ()) : '';
    my $database = $site->database->directives;
    my $secret   = "$self->{dir}/secret" . (defined $own{secret} ? "-$site->{port}" : '');
    write_secret($secret, $own{secret}) if defined $own{secret};
    my $locations = $self->{no_locations} ? '' : LOCATIONS;
    my $usual = _without($config . ($self->{shared} ? $self->{config} : ''),
        qq($bus\nTripChatJWTSecretFile "$secret"\n) . TripChat::Httpd::NO_LIMITS());
    return <<"CONF";
    $database
    $usual
    $config
    $locations
CONF
}

# The usual lines without those whose directive a test sets itself. The module refuses a second line of a directive.
sub _without {
    my ($config, $usual) = @_;
    my %own = map { lc $_ => 1 } $config =~ /^\s*(TripChat\w+)/gm;
    return join "\n", grep { !/^\s*(\w+)/ || !$own{ lc $1 } } split /\n/, $usual;
}

sub launch {
    my ($self, @arguments) = @_;
    @arguments = $self->{one_process} ? '-X' : ('-D', 'FOREGROUND') if !@arguments;
    $self->run_command("$self->{dir}/stderr",
        $self->{descriptors} ? ('prlimit', "--nofile=$self->{descriptors}") : (),
        httpd(), '-f', "$self->{dir}/httpd.conf", @arguments);
    return;
}

# It is up when it says that it runs, or takes connections, where there is no parent to say it.
sub is_up {
    my ($self) = @_;
    return $self->_starts > 0 if !$self->{one_process};
    return eval { $self->site->connect(tls => 0)->disconnect; 1 };
}

sub end_at_exit { my ($self) = @_; return $self->_terminate }

sub _terminate {
    my ($self) = @_;
    $self->ask_to_stop;
    return $self->wait_for_end;
}

sub _starts {
    my ($self) = @_;
    return scalar(() = $self->output =~ /resuming normal operations/g);
}

sub _remove { my ($self) = @_; remove_tree($self->{dir}); return }

sub _make_certificate {
    my ($dir) = @_;
    my @command = (
        qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost),
        qw(-addext subjectAltName=DNS:localhost -keyout), "$dir/key.pem", '-out', "$dir/cert.pem",
    );
    open my $out, '-|', "@command 2>&1" or die "openssl: $!\n";
    my @said = <$out>;
    close $out or die "openssl: @said\n";
    return;
}

1;
