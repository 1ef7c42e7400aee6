package TripChat::Redis;

# A private Redis on a free port of 127.0.0.1, with a password, that keeps
# nothing on the disk. shared() is the one that t/run has started for
# all test files; a test that stops or freezes its own starts it with start().

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);

use TripChat::File qw(read_file write_file write_secret);
use TripChat::Surroundings qw(var_dir);
use TripChat::Process qw(free_port);
use TripChat::Resp;

our @ISA = ('TripChat::Process');

use constant {
    PASSWORD => 'a password of Redis for tests only',
    PATIENT  => '60s',
};

my $made = 0;
my $shared;

# config  => more lines of redis.conf     socket => 1: on a Unix socket besides
# timeout => how long servers wait for it; the module's default is soon over on a busy machine
sub start {
    my ($class, %opt) = @_;
    my $dir = sprintf '%s/redis-%d-%d', var_dir(), $$, ++$made;
    remove_tree($dir);
    make_path($dir);
    write_secret("$dir/password", PASSWORD);
    my $self = bless { dir => $dir, password_file => "$dir/password", config => $opt{config} // '', timeout => $opt{timeout} }, $class;
    if ($opt{socket}) {
        # The kernel takes paths of 107 bytes.
        $self->{socket_path} = (length $dir < 100 ? $dir : tempdir('/tmp/tripchat-XXXXXX', CLEANUP => 1)) . '/s';
        $self->{config} .= "\nunixsocket $self->{socket_path}\n";
    }
    return $class->start_on_free_port(qr/Could not create server TCP/, sub { $self->{port} = free_port(); $self });
}

# The one of t/run; without that, one of this file's own. It stays where it is: servers may wait long for it.
sub shared {
    my ($class) = @_;
    my %patient = (timeout => PATIENT);
    return $shared //= $ENV{TC_REDIS_PORT}
        ? bless { port => $ENV{TC_REDIS_PORT}, password_file => $ENV{TC_REDIS_PASSWORD_FILE}, %patient }, $class
        : $class->start(%patient);
}

sub port          { return $_[0]{port} }
sub password_file { return $_[0]{password_file} }
sub socket_path   { return $_[0]{socket_path} }

# The lines of a configuration that lead there; %opt: url, prefix, user, password_file, timeout.
sub directives {
    my ($self, %opt) = @_;
    my $url  = $opt{url} // "redis://127.0.0.1:$self->{port}";
    my $file = $opt{password_file} // $self->{password_file};
    my $timeout = $opt{timeout} // $self->{timeout};
    return qq(TripChatBus "$url"\nTripChatRedisPasswordFile "$file"\n)
        . ($opt{user}    ? "TripChatRedisUser $opt{user}\n"       : '')
        . ($timeout      ? "TripChatRedisTimeout $timeout\n"      : '')
        . ($opt{prefix}  ? "TripChatRedisPrefix $opt{prefix}\n"   : '');
}

# A door to this Redis with directives of its own, for a server's redis option.
sub with {
    my ($self, %opt) = @_;
    return bless { redis => $self, opt => \%opt }, 'TripChat::Redis::Door';
}

# A connection that says and hears any bytes.
sub wire {
    my ($self) = @_;
    my $wire = TripChat::Resp->connect(host => '127.0.0.1', port => $self->{port});
    $wire->command('AUTH', PASSWORD);
    return $wire;
}

sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    $self->wait_for_end;
    return;
}

# Starts it again on the same port.
sub start_again {
    my ($self) = @_;
    $self->launch;
    $self->wait_until_up or die "Redis does not start again:\n" . $self->output;
    return;
}

# Runs a command; returns its answer's lines.
sub command {
    my ($self, @words) = @_;
    local $ENV{REDISCLI_AUTH} = PASSWORD;
    my $pid = open3(undef, my $out, undef, 'redis-cli', qw(-h 127.0.0.1 -p), $self->{port}, @words);
    chomp(my @lines = <$out>);
    waitpid $pid, 0;
    return @lines;
}

# How many connections listen to a channel whose name matches.
sub listeners {
    my ($self, $pattern) = @_;
    my @channels = $self->command('PUBSUB', 'CHANNELS', $pattern) or return 0;
    my %count = $self->command('PUBSUB', 'NUMSUB', @channels);
    my $sum = 0;
    $sum += $_ for values %count;
    return $sum;
}

sub launch {
    my ($self) = @_;
    write_file("$self->{dir}/redis.conf", <<"CONF");
bind 127.0.0.1
port $self->{port}
requirepass "@{[PASSWORD]}"
dir "$self->{dir}"
save ""
appendonly no
set-proc-title no
$self->{config}
CONF
    $self->run_command("$self->{dir}/log", _program(), "$self->{dir}/redis.conf");
    return;
}

# TC_REDIS_SERVER chooses another; Valkey takes the same configuration.
sub _program {
    my @found = grep { -x } map { my $folder = $_; map { "$folder/$_" } qw(redis-server valkey-server) } split /:/, $ENV{PATH};
    return $ENV{TC_REDIS_SERVER} || $found[0] || die "there is no Redis: install redis-server or valkey-server\n";
}

sub is_up { my ($self) = @_; return (($self->command('PING'))[0] // '') eq 'PONG' }

sub output { return read_file("$_[0]{dir}/log") }

sub end_at_exit {
    my ($self) = @_;
    $self->stop;
    remove_tree($self->{dir});
    return;
}

package TripChat::Redis::Door;

sub directives { my ($self, %opt) = @_; return $self->{redis}->directives(%opt, %{ $self->{opt} }) }

1;
