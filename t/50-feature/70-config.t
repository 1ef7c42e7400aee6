# Configuration: what httpd refuses to start with, and says why; and that the
# directives, their defaults and their documentation are the same set.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Httpd qw(top_dir module_file);
use TripChat::Test;

# Directive => its default as the documentation writes it.
my %DEFAULT = (
    TripChatJWTSecretFile  => 'none',
    TripChatJWTUserClaim   => 'user_id',
    TripChatAccessQuery    => 'SELECT 1 FROM trip_collaborators WHERE trip_id = %{trip} AND user_id = %{user}',
    TripChatUserQuery      => 'SELECT id, email, username, full_name FROM users WHERE id = %{user}',
    TripChatBus            => 'local',
    TripChatReject         => 'close',
    TripChatHistory        => '50',
    TripChatResumeLimit    => '1000',
    TripChatMaxMessageSize => '128k',
    TripChatMaxContent     => '10000',
    TripChatMessageTypes   => 'text image file location',
    TripChatSendQueue      => '1500',
    TripChatSendQueueSize  => '1m',
    TripChatMaxConnections => 'from RLIMIT_NOFILE',
    TripChatPingInterval   => '25',
    TripChatPongTimeout    => '10',
    TripChatFrameTimeout   => '30',
    TripChatCloseTimeout   => '5',
    TripChatTypingInterval => '1',
    TripChatTypingMaxRoom  => '200',
    TripChatRoomCache      => '1m',
    TripChatRoomLinger     => '30',
    TripChatMaxPending     => '64',
    TripChatDBThreads      => '2',
);

my @NO_NUMBER   = ('abc', '-1', '1.5', '12x', '99999999999999999999', '""');
my @NO_SIZE     = ('abc', '-1', '12x', '99999999999999999999', '99999999999m', '""');
my @NO_DURATION = ('abc', '-1', '10lightyears', '99999999999999999999', '""');

# Directive => arguments that are refused
my %BAD = (
    TripChatJWTSecretFile  => ['/nonexistent/secret', '/dev/null', '""'],
    TripChatJWTUserClaim   => ['""'],
    TripChatAccessQuery    => ['""', '"SELECT 1"', '"SELECT 1 FROM t WHERE a = %{trip}"', '"SELECT %{planet} = %{trip} + %{user}"'],
    TripChatUserQuery      => ['""', '"SELECT 1"', '"SELECT 1 FROM t WHERE a = %{user} AND b = %{planet}"'],
    TripChatBus            => ['pigeon', 'LOCAL!', '""'],
    TripChatReject         => ['maybe', '""'],
    TripChatHistory        => \@NO_NUMBER,
    TripChatResumeLimit    => \@NO_NUMBER,
    TripChatMaxMessageSize => [@NO_SIZE, '0'],
    TripChatMaxContent     => [@NO_NUMBER, '0'],
    TripChatMessageTypes   => ['', '""'],
    TripChatSendQueue      => [@NO_NUMBER, '0'],
    TripChatSendQueueSize  => [@NO_SIZE, '0'],
    TripChatMaxConnections => [@NO_NUMBER, '0'],
    TripChatPingInterval   => [@NO_DURATION, '0'],
    TripChatPongTimeout    => [@NO_DURATION, '0'],
    TripChatFrameTimeout   => [@NO_DURATION, '0'],
    TripChatCloseTimeout   => [@NO_DURATION, '0'],
    TripChatTypingInterval => \@NO_DURATION,
    TripChatTypingMaxRoom  => \@NO_NUMBER,
    TripChatRoomCache      => \@NO_SIZE,
    TripChatRoomLinger     => \@NO_DURATION,
    TripChatMaxPending     => [@NO_NUMBER, '0'],
    TripChatDBThreads      => [@NO_NUMBER, '0'],
);

my @GOOD = (
    'TripChatPingInterval 25',      'TripChatPingInterval 25s', 'TripChatPingInterval 500ms', 'TripChatPingInterval 2min',
    'TripChatMaxMessageSize 65536', 'TripChatMaxMessageSize 64k', 'TripChatMaxMessageSize 1m',
    'TripChatTypingInterval 0',     'TripChatTypingMaxRoom 0',  'TripChatReject HTTP',        'TripChatBus local',
    'TripChatMessageTypes text',    'TripChatMessageTypes text sticker',
    'TripChatAccessQuery "SELECT 1 FROM m WHERE t = %{trip} AND u = %{user}"',
);

sub is_refused {
    my ($line, $directive) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = TripChat::Server->check_config(site_config => $line);
    return ok($status != 0 && $said =~ /\b$directive\b.*\S/, "$line") || diag($said);
}

# The directives the module registers, read from its binary.
sub registered {
    my %names = map { $_ => 1 } read_file(module_file()) =~ /\0(TripChat[A-Za-z]+)(?=\0)/g;
    return sort keys %names;
}

# Directive => default as docs/directives.md says it: from a row of a table
# (| `Name …` | default | …) or from a heading and its "Default:" line.
sub documented {
    my %default;
    my $current;
    for (split /\n/, read_file(top_dir() . '/docs/directives.md')) {
        $current = $1 if /^#+\s+`?(TripChat[A-Za-z]+)/;
        $default{$1} = $2 if /^\|\s*`?(TripChat[A-Za-z]+)[^|]*\|\s*`?([^|]*?)`?\s*(?:\||$)/;
        $default{$current} = $1 if $current && /^\W*Default:?\W*\s+`?(.*?)`?\.?\s*$/i;
    }
    return %default;
}

# Directive => default from the table the module is built from, where each line
# is TC_DIRECTIVE(Name, "default", …).
sub defined_in_source {
    my $table = read_file(top_dir() . '/src/httpd/directives.def');
    return $table =~ /^\s*TC_DIRECTIVE\(\s*"?(TripChat[A-Za-z]+)"?\s*,\s*"((?:[^"\\]|\\.)*)"/mg;
}

subtest 'a server with the defaults passes' => sub {
    my ($status, $said) = TripChat::Server->check_config;
    is($status, 0, 'httpd -t is content') or diag $said;
};

subtest 'each form of a value that the documentation names is accepted' => sub {
    for my $line (@GOOD) {
        my ($status, $said) = TripChat::Server->check_config(site_config => $line);
        is($status, 0, $line) or diag $said;
    }
};

for my $directive (sort keys %BAD) {
    subtest "a bad value is refused by name: $directive" => sub {
        is_refused("$directive $_", $directive) for @{ $BAD{$directive} };
    };
}

subtest 'the local bus is refused where there may be several children' => sub {
    my %children = (
        event   => "ServerLimit 4\nMaxRequestWorkers 32\nThreadsPerChild 8",
        worker  => "ServerLimit 4\nMaxRequestWorkers 32\nThreadsPerChild 8",
        prefork => "ServerLimit 4\nMaxRequestWorkers 4",
    );
    for my $mpm (sort keys %children) {
        my ($status, $said) = TripChat::Server->refusal(mpm => $mpm, config => $children{$mpm});
        isnt($status, 0, "$mpm does not start");
        like($said, qr/TripChatBus/,        'it names the directive');
        like($said, qr/MaxRequestWorkers|ServerLimit/, 'and what to change');
    }
};

subtest 'the example configuration passes' => sub {
    my $example = top_dir() . '/conf/tripchat.conf';
    my ($status, $said) = TripChat::Server->check_config(config => qq(Include "$example"));
    is($status, 0, 'httpd -t is content with conf/tripchat.conf') or diag $said;
};

subtest 'every directive is known, documented and has its default' => sub {
    my @names = sort keys %DEFAULT;
    is_deeply([registered()], \@names, 'the module has exactly the directives this test knows');
    my %documented = documented();
    is_deeply([sort keys %documented], \@names, 'docs/directives.md has a line for each and for no other');
    for my $name (@names) {
        my $default = $DEFAULT{$name};
        like($documented{$name} // 'nothing', qr/\A\Q$default\E/, "the documented default of $name");
    }
    my %source = defined_in_source();
    is_deeply([sort keys %source], [sort grep { exists $source{$_} } @names], 'directives.def has no unknown one');
    cmp_ok(scalar keys %source, '>', 0, 'and can be read');
    is($documented{$_}, $source{$_}, "the default of $_ is the same in both") for sort keys %source;
};

done_testing;
