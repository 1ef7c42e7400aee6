# Configuration: what httpd refuses to start with, and how it says why. The table of directives, the module's binary and
# the documentation must have the same directives.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Httpd qw(top_dir var_dir module_file);
use TripChat::Test;

# Directive => { kind, default, least, greatest, scope }, from the table that the module is built from:
# TC_DIRECTIVE(ID, "Name", KIND, "default" or NULL, least, greatest, SCOPE, "help")
sub defined_in_source {
    my $text = qr/"((?:[^"\\]|\\.)*)"/;
    my $row  = qr/^TC_DIRECTIVE\(\s*\w+,\s*$text,\s*(\w+),\s*(?:$text|NULL),\s*(\d+),\s*(\d+),\s*(\w+),\s*$text\s*\)/m;
    my $table = read_file(top_dir() . '/src/httpd/directives.def');
    my %directive;
    while ($table =~ /$row/g) {
        $directive{$1} = { kind => $2, default => $3, least => $4, greatest => $5, scope => $6, help => $7 };
    }
    return %directive;
}

# The directives that the module registers, read from its binary. A linker may store a name as the end of a longer string.
sub registered {
    my %names = map { $_ => 1 } read_file(module_file()) =~ /(?<![A-Za-z])(TripChat[A-Za-z]*)(?=\0)/g;
    return sort keys %names;
}

# Directive => [default, scope], from the rows of the table in docs/directives.md:
# | `Name value` | `default` | site or global | text |
sub documented {
    my %documented;
    for (split /\n/, read_file(top_dir() . '/docs/directives.md')) {
        my ($name, $default, $scope, $meaning) = /^\|\s*`(TripChat\w*)[^|]*\|\s*`?([^|]*?)`?\s*\|\s*(\w+)\s*\|\s*([^|]+?)\s*\|$/
            or next;
        $documented{$name} = [$default, $scope];
    }
    return %documented;
}

my %DIRECTIVE = defined_in_source();

# kind => values that are not valid for it
my %NO_VALUE = (
    COUNT  => ['abc', '-1', '1.5', '12x', '12k', '12 34', '99999999999999999999', '""'],
    SIZE   => ['abc', '-1', '12x', '1.5m', '12 k', '99999999999999999999', '999999999999999g', '17592186044417m', '""'],   # 2 ** 64 + 1m
    TIME   => ['abc', '-1', '10lightyears', '1.5s', '10 s', '99999999999999999999', '999999999999999h', '5124095577h', '""'],   # 2 ** 64 us + 58min
    CHOICE => ['pigeon', 'LOCAL!', 'close http', '""'],
    BUS    => [
        'pigeon', 'redis:', 'redis://', 'redis://:6379', 'redis://host:port', 'redis://host:0', 'redis://host:65536',
        'redis://host/first', 'redis://user:password@host', 'rediss://host', 'unix:', 'unix:relative',
        'unix:/path?db=first', 'unix:/path?base=1', 'local redis://host', '""',
    ],
    TEXT   => ['""', 'two words'],
    NAME   => ['""', 'two words', 'a:80', 'other', 'x' x 65, "\xc3\xbc"],
    PATH   => ['""', 'two words'],
    QUERY  => ['""', 'two words'],
    WORDS  => ['', '""'],
    RATE   => ['abc', '-1', '5', '5/', '/5s', '0/5s', '5/0', '5/99ms', '5/25h', '1.5/5s', '5/5lightyears', '9999999/60s', '5 60s', '""'],
    KEYS   => ['', 'RS256', '/path RS256', 'none /path', 'rs256 /path', 'HS256 ""', 'HS256 /path kid more'],
    REQUIRE => ['', '""', 'aud', '=x', 'aud=', 'exp=1', 'token_use=access nbf=1'],
    ISSUERS => ['', '""', 'https://a.example/', 'https://a.example/ audience=chat', 'https://a.example/ keyset=', '"" keyset=/path',
        'https://a.example/ key=RS257:/path', 'https://a.example/ key=/path', 'https://a.example/ keyset=/path unknown=x'],
    ORIGINS => ['', '""', 'https://', 'https://a.example.org/path', 'a*.example.org', '*.*.org', 'example.org:x', 'example.org:0'],
);

# Directive => values that are not valid for this query
my %NO_QUERY = (
    TripChatAccessQuery => [
        '"SELECT 1"',
        '"SELECT 1 FROM t WHERE a = %{trip}"',
        '"SELECT 1 FROM t WHERE a = %{user}"',
        '"SELECT %{planet} = %{trip} + %{user}"',
        '"SELECT %{trip = %{user}"',
        q("SELECT 1 FROM t WHERE a = '%{trip}' AND b = %{user}"),
        q("SELECT 1 FROM t WHERE a = '%{trip}' AND b = %{user} OR a = %{trip}"),
        q("SELECT 1 FROM t WHERE a = %{trip} AND b = %{user} -- %{user}"),
        '"SELECT 1 FROM t WHERE a = %{trip}; SELECT %{user}"',
        q("SELECT 1 FROM t WHERE a = %{trip} AND b = %{user} AND c = 'x"),
    ],
    TripChatUserQuery => [
        '"SELECT 1"',
        '"SELECT 1 FROM t WHERE a = %{user} AND b = %{planet}"',
        '"SELECT 1 FROM t WHERE a = %{user} AND b = %{trip}"',
        q("SELECT 1 FROM t WHERE a = '%{user}'"),
        q("SELECT 1 FROM t WHERE a = $$%{user}$$ OR b = %{user}"),
    ],
);

# Directive => values that are refused when files and the whole configuration are read: by httpd -t, and at the start
my %REFUSED_AS_A_WHOLE = (
    TripChatJWTSecretFile => ['/nonexistent/secret', '/dev/null', '/'],
    TripChatJWTKey => ['HS256 /nonexistent/secret', 'HS256 /dev/null', 'RS256 /', 'RS256 conf/httpd.conf', 'HS256 "%{public key}"', 'ES256 "%{public key}"'],
    TripChatJWTKeySet         => ['/nonexistent/set', '/dev/null', '/', 'conf/httpd.conf'],
    TripChatRedisPasswordFile => map({ [map { "$_\nTripChatBus redis://127.0.0.1:1" } @$_] } ['/nonexistent/file', '/dev/null', '/']),
    TripChatRedisUser         => ["chat\nTripChatBus redis://127.0.0.1:1"],
);

# A file with a public RSA key.
sub rsa_key_file {
    my $file = var_dir() . "/config-rsa-$$.pem";
    system("openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out '$file' 2>/dev/null") == 0 or die "openssl: $?\n";
    return $file;
}

# A number written as a duration, a size or a count. Inside, a duration is in microseconds.
sub written {
    my ($kind, $number) = @_;
    return $kind eq 'TIME' ? $number / 1000 . 'ms' : $number;
}

# The numbers next to the bounds: (inside, outside)
sub around_bounds {
    my ($directive) = @_;
    my ($kind, $least, $greatest) = @$directive{qw(kind least greatest)};
    return ([], []) if $kind !~ /\A(?:COUNT|SIZE|TIME)\z/;
    my $step = $kind eq 'TIME' ? 1000 : 1;
    return (
        [map { written($kind, $_) } $least, $greatest],
        [map { written($kind, $_) } $least > 0 ? $least - $step : (), $greatest + $step]
    );
}

# Options for TripChat::Server that put this line where the directive may stand.
sub placed {
    my ($directive, $line) = @_;
    return $DIRECTIVE{$directive}{scope} eq 'GLOBAL' ? (config => $line) : (site_config => $line);
}

sub is_accepted {
    my ($name, %options) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = TripChat::Server->check_config(%options);
    return is($status, 0, $name) || diag($said);
}

sub is_refused {
    my ($line, $directive, %options) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = TripChat::Server->check_config(%options ? %options : placed($directive, $line));
    return ok($status != 0 && $said =~ /\b$directive\b.*\S/, $line) || diag($said);
}

subtest 'every directive is known, documented and has its default' => sub {
    my @names = sort keys %DIRECTIVE;
    cmp_ok(scalar @names, '>=', 24, 'the table of src/httpd/directives.def can be read');
    is_deeply([registered()], \@names, 'the module has exactly the directives of the table');
    my %documented = documented();
    is_deeply([sort keys %documented], \@names, 'docs/directives.md has a line for each and for no other');
    for my $name (grep { $documented{$_} } @names) {
        my ($default, $scope) = @{ $documented{$name} };
        is($default, $DIRECTIVE{$name}{default}, "the documented default of $name") if defined $DIRECTIVE{$name}{default};
        like($default, qr/\A(?:none|see text)\z/, "$name has none") if !defined $DIRECTIVE{$name}{default};
        is($scope, lc $DIRECTIVE{$name}{scope}, "the documented scope of $name");
        like($DIRECTIVE{$name}{help}, qr/\S/, "and httpd -L has a line on $name");
    }
    my @without_bounds = grep { $DIRECTIVE{$_}{kind} =~ /COUNT|SIZE|TIME/ && !$DIRECTIVE{$_}{greatest} } @names;
    is_deeply(\@without_bounds, [], 'every number has bounds');
};

subtest 'the defaults pass, and so does the example configuration' => sub {
    is_accepted('the defaults');
    is_accepted('conf/tripchat.conf', config => sprintf 'Include "%s/conf/tripchat.conf"', top_dir());
};

subtest 'each form of a value is accepted, and each bound' => sub {
    my @site = (
        (map { "TripChatPingInterval $_" } qw(25 25s 25S 500ms 2min 1h)),
        (map { "TripChatMaxMessageSize $_" } qw(65536 64k 64K 1m)),
        'TripChatReject HTTP', 'TripChatReject close', 'TripChatBus local', 'TripChatBus Local',
        (map { "TripChatBus $_" } qw(redis://host redis://host:6380/2 redis://[::1]:6379 unix:/path unix:///path?db=3)),
        'TripChatMessageTypes text', 'TripChatMessageTypes text sticker', 'TripChatMissingOrigin refuse',
        'TripChatAllowedOrigins https://example.org http://example.org:8080 *.example.org https://*.example.org [::1]:80 *',
        'TripChatAccessQuery "SELECT 1 FROM m WHERE t = %{trip} AND u = %{user}"',
        'TripChatAccessQuery "SELECT 1 FROM m WHERE u = %{user} AND t = %{trip} OR x LIKE \'100%\' AND y = %{user}"',
        'TripChatAccessQuery "SELECT 1 FROM m WHERE t = %{trip} AND u = %{user} AND x = \';\';"',
    );
    my @global;
    for my $name (sort keys %DIRECTIVE) {
        my ($inside) = around_bounds($DIRECTIVE{$name});
        push @{ $DIRECTIVE{$name}{scope} eq 'GLOBAL' ? \@global : \@site }, map { "$name $_" } @$inside;
    }
    push @site, map { "TripChatMessageRate $_" } qw(0 1/100ms 1000000/24h 5/5 300/1min);
    push @site, map { "$_ none" } grep { !defined $DIRECTIVE{$_}{default} && $DIRECTIVE{$_}{scope} eq 'SITE' } sort keys %DIRECTIVE;
    # One run for all values, each in a virtual host without a key.
    is_accepted('all of them', config => join '', map { "<VirtualHost *:1>\n$_\n</VirtualHost>\n" } @site);
    is_accepted($_, config => $_) for @global;
    my $key = rsa_key_file();
    is_accepted('keys', site_config => join "\n", map { "TripChatJWTKey $_" } 'HS512 secret', qq(RS256 "$key" first), qq(PS384 "$key" "second key"));
};

subtest 'megabytes without their m are no limit of memory' => sub {
    is_refused("TripChatMemory $_", 'TripChatMemory: write 1m or more, or none', config => "TripChatMemory $_") for qw(1 512 1023k 1048575);
    is_accepted("TripChatMemory $_", config => "TripChatMemory $_") for qw(0 None 1m 1048576);
};

# All directives of a kind are read by the same code: one of them gets all bad values, the others one bad value each.
my %kind_seen;
for my $directive (sort keys %DIRECTIVE) {
    my @no_value = @{ $NO_VALUE{ $DIRECTIVE{$directive}{kind} } };
    $#no_value = 0 if $kind_seen{ $DIRECTIVE{$directive}{kind} }++;
    subtest "a bad value is refused by name: $directive" => sub {
        my (undef, $outside) = around_bounds($DIRECTIVE{$directive});
        is_refused("$directive $_", $directive) for @no_value, @$outside, @{ $NO_QUERY{$directive} // [] };
        is_refused("$directive 1", $directive, site_config => "$directive 1") if $DIRECTIVE{$directive}{scope} eq 'GLOBAL';
    };
}

for my $directive (sort keys %REFUSED_AS_A_WHOLE) {
    subtest "what is wrong is refused, by name: $directive" => sub {
        for my $value (@{ $REFUSED_AS_A_WHOLE{$directive} }) {
            my $line = "$directive $value" =~ s/%\{public key\}/rsa_key_file()/er;
            for my $way (qw(check_config refusal)) {
                my ($status, $said) = TripChat::Server->$way(site_config => $line);
                ok($status != 0 && $said =~ /\b$directive\b.*\S/, "$value ($way)") or diag $said;
            }
        }
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
        like($said, qr/TripChatBus/,                   'it names the directive');
        like($said, qr/MaxRequestWorkers|ServerLimit/, 'and what to change');
    }
};

subtest 'the module without a site does nothing' => sub {
    my $server = TripChat::Server->start(no_chat => 1);
    is($server->site->http_get('/index.html')->{body}, TripChat::Server::PAGE(), 'httpd serves files');
    stops_clean($server, 'and stops in order');
};

subtest 'a directive without a secret anywhere is taken for the mistake it is' => sub {
    for my $way (qw(check_config refusal)) {
        my ($status, $said) = TripChat::Server->$way(no_chat => 1, config => 'TripChatHistory 20');
        isnt($status, 0, "httpd refuses it ($way)");
        like($said, qr/TripChatJWTSecretFile: no server has a key.*\(main server, line \d+ of /, 'and says what is missing');
    }
};

subtest 'a short secret is warned of' => sub {
    my $server = TripChat::Server->start(secret => 'too short');
    log_says($server, qr/\[tripchat:warn\].*TripChatJWTSecretFile/, 'in the log');
    is($server->site->chat(trip => $server->site->new_trip)->leave->{code}, 1000, 'and does');
    stops_clean($server, 'that is all', qr/TripChatJWTSecretFile/);
};

subtest 'the line end of a secret file is not part of the secret' => sub {
    my $server = TripChat::Server->start(secret_file => TripChat::Server::SECRET() . "\r\n");
    is($server->site->chat(trip => $server->site->new_trip)->leave->{code}, 1000, 'a token signed without it is good');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'virtual hosts without a directive of their own are one site' => sub {
    my $server = TripChat::Server->start(shared => 1, tls => 1);
    my ($plain, $tls) = map { $server->site($_) } qw(plain tls);
    my $trip = $plain->new_trip;
    my ($ann, $bob) = ($plain->chat(trip => $trip), $tls->chat(trip => $trip, as => 'bob'));
    $ann->say('from the plain one');
    is($bob->next_json('chat_message')->{message}{content}, 'from the plain one', 'a room has members of both');
    $_->leave for $ann, $bob;
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'claim and queries make the module fit another schema' => sub {
    my $server = TripChat::Server->start(site_config => <<'CONF');
TripChatJWTUserClaim sub
TripChatUserQuery "SELECT number, mail, nick, NULL FROM people WHERE number = %{user} AND nick NOT LIKE '100%'"
TripChatAccessQuery "SELECT place FROM seats WHERE person = %{user} AND journey = %{trip} AND person <> %{trip}"
CONF
    my ($site, $trip) = ($server->site, new_uuid());
    $site->sql("CREATE TABLE people (number INTEGER PRIMARY KEY, mail TEXT, nick TEXT);
        CREATE TABLE seats (person INTEGER, journey TEXT, place INTEGER);
        INSERT INTO trips (id) VALUES ('$trip');
        INSERT INTO users (id, email, username, full_name) VALUES ('42', 'eve\@example.com', 'eve', '');
        INSERT INTO people VALUES (42, 'eve\@example.com', 'eve');
        INSERT INTO people VALUES (43, 'mallory\@example.com', 'mallory');
        INSERT INTO seats VALUES (42, '$trip', 1);");
    my %token = map { $_ => $site->token('ann', sub => $_, user_id => undef) } 42, 43;
    my $eve = $site->chat(trip => $trip, token => $token{42});
    is_deeply(
        $eve->said('hello')->{sender},
        { id => '42', email => 'eve@example.com', username => 'eve', full_name => 'eve' },
        'the sender is what the user query says, and no name is null'
    );
    $eve->leave;
    turned_away_with($site, $site->path($trip, token => $token{43}), undef, 4003, 'and a stranger has no row');
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 4001, 'the usual claim counts no more');
    stops_clean($server, 'and the log has nothing to say');
};

done_testing;
