# What httpd's people use: the chat's user in %u and in notes for CustomLog, and AuthType TripChat, by which the chat's tokens
# protect other paths of the site. Paths without this AuthType are left alone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Test;
use TripChat::WebSocket;

my $BEARER = qr/\ABearer/;

# The site's own paths, made once the server is there.
sub add_files {
    my ($server) = @_;
    for my $path (@_[1 .. $#_]) {
        my $folder = $server->dir . '/htdocs';
        for my $part (split m{/}, $path =~ s{/[^/]*\z}{}r) { $folder .= "/$part"; mkdir $folder }
        write_file($server->dir . "/htdocs/$path", "this is $path\n");
    }
    return;
}

# An answer to GET (or another method) with these fields.
sub ask {
    my ($site, $path, %opt) = @_;
    my $stream = $site->connect;
    my $fields = join '', map { "$_: $opt{fields}{$_}\r\n" } sort keys %{ $opt{fields} || {} };
    my $answer = $stream->request(($opt{method} // 'GET') . " $path HTTP/1.0\r\nHost: localhost\r\n$fields\r\n");
    $answer->{body} = $stream->read_rest;
    return $answer;
}

sub bearer { return (fields => { Authorization => "Bearer $_[0]" }) }

subtest 'the log has the user, the trip, the connection and the reason' => sub {
    my $server = TripChat::Server->start(config => 'LogFormat "%U %>s u=%u user=%{tripchat-user}n trip=%{tripchat-trip}n c=%{tripchat-connection}n why=%{tripchat-reason}n." notes',
        site_config => qq(CustomLog "logs-notes" notes\nTripChatUserQuery "SELECT id, email, username, full_name FROM users WHERE email = %{user}"\n));
    my $site = $server->site;
    my $trip = $site->new_trip;
    my %mail = map { $_ => user($_)->{email} } qw(ann dave);
    my $ann  = $site->token('ann', user_id => $mail{ann});
    my $id   = user('ann')->{id};
    my $line = sub {
        my ($what) = @_;
        return until_true("a line of $what", sub { my ($found) = grep { /\A\Q$what\E / } reverse split /\n/, eval { read_file($server->dir . '/logs-notes') } // ''; $found });
    };
    my $socket = $site->chat(trip => $trip, token => $ann);
    my $number = until_true('the line of the connection', sub { $server->error_log =~ /TC0026: connection (\d+): taken over/ && $1 });
    is($line->("/ws/chat/$trip/"), "/ws/chat/$trip/ 101 u=$mail{ann} user=$id trip=$trip c=$number why=-.", 'a handshake');
    my $rest = $site->rest(token => $ann);
    is($rest->list($trip)->{status}, 200, 'a page is read');
    like($line->("/api/v1/chat/rooms/$trip/messages/"), qr/ 200 u=\Q$mail{ann}\E user=$id trip=$trip c=- why=-\.\z/, 'a page');
    $rest->posted($trip, 'x');
    like($line->('/api/v1/chat/messages/'), qr/ 201 u=\Q$mail{ann}\E user=$id trip=$trip /, 'a message');
    my $other  = $site->new_trip;
    my $stream = $rest->follow($other);
    $stream->next_json('message_history');
    like($line->("/api/v1/chat/rooms/$other/messages/"), qr/ 200 u=\Q$mail{ann}\E user=$id trip=$other c=@{[$number + 1]} /, 'a stream');
    my %refused = (
        'expired'  => [$site->token('ann', user_id => $mail{ann}, exp => time - 60), qr/u=- user=- trip=- c=\d+ why=unauthorized: expired 6\d seconds ago\.\z/],
        'a stranger' => [$site->token('ann', user_id => $mail{dave}), qr/u=\Q$mail{dave}\E user=\Q@{[user('dave')->{id}]}\E trip=\S+ c=\d+ why=forbidden: the user is not on the trip/],
        'nobody'   => [$site->token('ann', user_id => 'nobody@example'), qr/u=nobody\@example user=nobody\@example trip=\S+ c=\d+ why=unauthorized: the user does not exist/],
    );
    for my $what (sort keys %refused) {
        my ($token, $expected) = @{ $refused{$what} };
        my $there = $site->new_trip(members => ['bob']);
        $site->turned_away($site->path($there, token => $token));
        like($line->("/ws/chat/$there/"), $expected, $what);
        $there = $site->new_trip(members => ['bob']);
        $site->rest(token => $token)->room($there);
        my $no_connection = $expected =~ s/c=\\d\+/c=-/r;
        like($line->("/api/v1/chat/rooms/$there/"), qr/$no_connection/, "$what over HTTP");
    }
    my $odd = $site->new_trip;
    $site->turned_away($site->path($odd, token => $site->token('ann', user_id => "x\r\nSet-Cookie: y")));
    like($line->("/ws/chat/$odd/"), qr/ u=x\\{1,2}r\\{1,2}nSet-Cookie: y user=/, 'line ends in a name are escaped');
    $site->turned_away($site->path($trip, token => $ann), { Origin => 'https://evil.example' });
    like($line->("/ws/chat/$trip/"), qr{u=- .* why=origin_not_allowed: https://evil\.example\.\z}, 'a wrong origin');
    ask($site, "/ws/chat/$trip/?token=$ann");
    like($line->("/ws/chat/$trip/"), qr/ 400 u=- .* why=A WebSocket handshake needs HTTP/, 'no handshake');
    is($site->http_get('/index.html')->{status}, 200, 'a page of the site');
    is($line->('/index.html'), '/index.html 200 u=- user=- trip=- c=- why=-.', 'has nothing of it');
    $_->disconnect for $socket, $stream;
    stops_clean($server, 'and the log has nothing to say');
};

my $AUTH = <<'CONF';
<LocationMatch "^/files/(?<trip>[^/]+)/">
    AuthType TripChat
    Require tripchat-member %{env:MATCH_TRIP}
</LocationMatch>
<Location "/members/">
    AuthType TripChat
    Require valid-user
</Location>
<Location "/strict/">
    AuthType TripChat
    AuthzSendForbiddenOnFailure On
    Require tripchat-member %{reqenv:NOWHERE}
</Location>
CONF

my $QUERIES = <<'CONF';
TripChatUserQuery "SELECT id, email, username, full_name FROM users WHERE id = %{user} AND full_name <> ''"
CONF

for my $mpm (qw(event prefork)) {
    subtest "other paths of the site: $mpm" => sub {
        my $server = TripChat::Server->start(mpm => $mpm, modules => [qw(authn_core authz_core authz_user)], site_config => "$AUTH$QUERIES");
        my $site   = $server->site;
        my ($trip, $theirs) = ($site->new_trip, $site->new_trip(members => ['bob']));
        add_files($server, "files/$trip/a.txt", "files/$theirs/a.txt", 'files/x/a.txt', 'members/index.html', 'strict/a.txt');
        my %token = map { $_ => $site->token($_) } qw(ann dave);
        is(ask($site, "/files/$trip/a.txt", bearer($token{ann}))->{body}, "this is files/$trip/a.txt\n", 'a member reads a file of the trip');
        is(ask($site, "/files/$trip/a.txt?token=$token{ann}")->{status}, 200, 'with the token in the query');
        my $foreign = ask($site, "/files/$theirs/a.txt", bearer($token{ann}));
        is_deeply([$foreign->{status}, $foreign->{fields}{'www-authenticate'}[0]], [401, 'Bearer'], 'not one of another trip, and the token is not blamed');
        is(ask($site, "/files/$trip/a.txt", bearer($token{dave}))->{status}, 401, 'nor does a stranger');
        is(ask($site, '/files/x/a.txt', bearer($token{ann}))->{status}, 401, 'what is no id is no trip');
        my $none = ask($site, "/files/$trip/a.txt");
        is($none->{status}, 401, 'nobody without a token');
        is($none->{fields}{'www-authenticate'}[0], 'Bearer', 'is asked for one');
        my $bad = ask($site, "/files/$trip/a.txt", bearer($site->token('ann', exp => time - 5)));
        is_deeply([$bad->{status}, $bad->{fields}{'www-authenticate'}[0]], [401, 'Bearer error="invalid_token"'], 'a bad token is told of');
        is(ask($site, "/files/$trip/a.txt", fields => { Authorization => 'Basic eDp5' })->{status}, 401, 'another scheme is no token');
        is(ask($site, '/members/', bearer($token{dave}))->{status}, 200, 'a user of the site');
        is(ask($site, "/members/?token=$token{dave}")->{status}, 200, 'reaches the index, too');
        is(ask($site, '/members/index.html')->{status}, 401, 'nobody else');
        is(ask($site, '/strict/a.txt', bearer($token{ann}))->{status}, 403, 'no trip is no member, with 403 if httpd is told so');
        is(ask($site, '/index.html')->{status}, 200, 'other pages are for everybody');
        is(ask($site, '/index.html', bearer('nonsense'))->{status}, 200, 'whatever they bring');
        is_deeply([$site->sql('SELECT count(*) FROM chat_rooms')], [0], 'no room was made');
        $site->sql(sprintf "UPDATE users SET full_name = '' WHERE id = '%s'", user('ann')->{id});
        is(ask($site, $_, bearer($token{ann}))->{status}, 401, "a deactivated user: $_") for "/files/$trip/a.txt", '/members/';
        stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631/);
    };
}

subtest 'the rates of address and user' => sub {
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user)],
        site_config => "$AUTH\nTripChatRequestRate 8/10min\nTripChatUserRequestRate 4/10min\n");
    my $site = $server->site;
    add_files($server, 'members/index.html');
    my %token = map { $_ => $site->token($_) } qw(ann bob);
    is(ask($site, '/members/', bearer($token{ann}))->{status}, 200, 'a user reads') for 1 .. 4;    # the subrequest for the index is not counted
    my $more = ask($site, '/members/', bearer($token{ann}));
    is($more->{status}, 429, 'until they have read enough');
    like($more->{fields}{'retry-after'}[0], qr/\A[1-9]\d*\z/, 'and is told when to come back');
    my @statuses = map { ask($site, '/members/', bearer('nonsense'))->{status} } 1 .. 8;
    is($statuses[-1], 429, 'an address does not try tokens for ever') or diag "@statuses";
    is(ask($site, '/index.html')->{status}, 200, 'other paths are in no rate');
    stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631/);
};

# A path below the chat's that goes to another server is the other server's.
subtest 'a path that mod_proxy takes' => sub {
    my $back = TripChat::Server->start(no_chat => 1);
    write_file($back->dir . '/htdocs/export.txt', "this is export.txt\n");
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user proxy proxy_http)],
        config => sprintf(qq(ProxyPass "/api/v1/chat/export" "http://127.0.0.1:%d/export.txt"\n), $back->site->port),
        site_config => "$QUERIES<Location \"/api/v1/chat/\">\nAuthType TripChat\nRequire valid-user\n</Location>\n");
    my $site = $server->site;
    my %token = map { $_ => $site->token($_) } qw(ann bob);
    is(ask($site, '/api/v1/chat/export', bearer($token{ann}))->{body}, "this is export.txt\n", 'a user gets what is there');
    is(ask($site, '/api/v1/chat/export')->{status}, 401, 'nobody else');
    my $preflight = ask($site, '/api/v1/chat/export', method => 'OPTIONS', fields => { 'Access-Control-Request-Method' => 'GET', Origin => 'https://x.example' });
    is($preflight->{status}, 401, 'and no preflight gets through');
    $site->sql(sprintf "UPDATE users SET full_name = '' WHERE id = '%s'", user('ann')->{id});
    is(ask($site, '/api/v1/chat/export', bearer($token{ann}))->{status}, 401, 'nor does a user who was deactivated');
    is($site->rest(token => $token{bob})->list($site->new_trip)->{status}, 200, 'the chat beside it is the chat');
    stops_clean($_, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631/) for $server, $back;
};

# httpd makes further requests for one page, and looks at their rights only if their sections differ from the page's.
subtest 'requests that httpd makes itself' => sub {
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user include rewrite autoindex)], site_config => <<"CONF");
$QUERIES
ErrorDocument 404 /files/none/error.txt
<LocationMatch "^/files/(?<trip>[^/]+)/">
    AuthType TripChat
    Require tripchat-member %{env:MATCH_TRIP}
    Options +Includes +Indexes
    DirectoryIndex disabled
    AddOutputFilter INCLUDES .html
    RewriteEngine On
    RewriteRule /closed\\.txt\$ - [F]
    RewriteCond %{QUERY_STRING} ^go=([^&]+)
    RewriteRule . /files/%1/a.txt? [L]
</LocationMatch>
CONF
    my $site = $server->site;
    my ($trip, $theirs) = ($site->new_trip, $site->new_trip(members => ['bob']));
    add_files($server, map { ("files/$_/a.txt", "files/$_/closed.txt") } $trip, $theirs);
    add_files($server, "files/$trip/a.html", "files/$trip/list/1.txt", "files/$trip/list/2.txt", 'files/none/error.txt');
    write_file($server->dir . "/htdocs/files/$trip/a.html", join '', map { qq(<!--#include virtual="/files/$_" -->\n) } "$trip/a.txt", "$trip/closed.txt", "$theirs/a.txt");
    my $token = $site->token('ann');
    for my $how (['a field', '', bearer($token)], ['the query', "token=$token"]) {
        my ($name, $query, @fields) = @$how;
        my $page = ask($site, "/files/$trip/a.html?$query", @fields);
        is($page->{status}, 200, "a page with includes, by a token in $name");
        like($page->{body}, qr{this is files/$trip/a\.txt}, 'has the file of its own trip');
        unlike($page->{body}, qr{this is files/$theirs}, 'not the file of another');
        unlike($page->{body}, qr{this is files/$trip/closed}, 'nor one that a rule of the section closes');
        my $index = ask($site, "/files/$trip/list/?$query", @fields);
        is(() = $index->{body} =~ /href="[12]\.txt/g, 2, 'an index has every file');
        is(ask($site, "/files/$trip/x.html?go=$trip&$query", @fields)->{body}, "this is files/$trip/a.txt\n", 'a rule leads to the same trip');
        my $led = ask($site, "/files/$trip/x.html?go=$theirs&$query", @fields);
        is($led->{status}, 401, 'but not to another');
        unlike($led->{body}, qr/this is/, 'nor is its file in the answer');
        my $missing = ask($site, "/files/$trip/missing.txt?$query", @fields);
        is_deeply([@$missing{qw(status body)}], [404, "this is files/none/error.txt\n"], 'an ErrorDocument below the same section is shown');
    }
    stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631|AH01371|AH0137|unable to include/);
};

subtest 'a page counts once, whatever httpd makes of it' => sub {
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user include)], site_config => <<"CONF");
$AUTH
TripChatRequestRate 6/10min
TripChatUserRequestRate 3/10min
<Location "/open/">
    Options +Includes
    AddOutputFilter INCLUDES .html
</Location>
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    add_files($server, "files/$trip/a.txt", 'members/a.txt', 'open/a.html');
    write_file($server->dir . '/htdocs/open/a.html', join '', map { qq(<!--#include virtual="/$_" -->\n) } ("files/$trip/a.txt", 'members/a.txt') x 5);
    my $included = sub { return scalar(() = ask($site, '/open/a.html', bearer($site->token('ann')))->{body} =~ /this is/g) };
    is($included->(), 10, 'a page with ten includes') for 1 .. 3;
    is($included->(), 0, 'none of them, once the user is refused');
    stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631|unable to include/);
};

subtest 'the rates of the chat\'s own paths' => sub {
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user)], no_locations => 1, site_config => <<'CONF');
TripChatHandshakeRate 6/10min
TripChatRequestRate 12/10min
TripChatUserRequestRate 6/10min
<LocationMatch "^/ws/chat/(?<trip>[^/]+)/">
    SetHandler tripchat-websocket
    AuthType TripChat
    Require tripchat-member %{env:MATCH_TRIP}
</LocationMatch>
<LocationMatch "^/api/v1/chat/rooms/(?<trip>[^/]+)/">
    SetHandler tripchat-rest
    AuthType TripChat
    Require tripchat-member %{env:MATCH_TRIP}
</LocationMatch>
CONF
    my $site = $server->site;
    my $trip = $site->new_trip(members => ['ann']);
    my $path = "/api/v1/chat/rooms/$trip/";
    my $shake = sub { return $site->connect->request(TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $_[0])))->{status} };
    my %token = map { $_ => $site->token($_) } qw(ann bob);
    is_deeply([map { $shake->('nonsense') } 1, 2], [401, 401], 'handshakes with bad tokens are refused');
    is_deeply([map { $shake->($token{ann}) } 1 .. 4], [(101) x 4], 'good ones are counted once');
    is($shake->($_), 429, 'until the address has made enough') for 'nonsense', $token{ann};
    is_deeply([map { ask($site, $path, bearer($token{ann}))->{status} } 1 .. 3], [200, 200, 429], 'a request counts once for its user');
    is_deeply([map { ask($site, $path, bearer($token{bob}))->{status} } 1 .. 7], [(401) x 6, 429], 'a stranger is counted, too');
    is_deeply([map { ask($site, $path, bearer('nonsense'))->{status} } 1 .. 3], [401, 401, 429], 'and so is nobody');
    stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631/);
};

subtest 'the chat\'s own paths' => sub {
    my $server = TripChat::Server->start(modules => [qw(authn_core authz_core authz_user)], no_locations => 1, site_config => <<"CONF");
$QUERIES
<LocationMatch "^/ws/chat/">
    SetHandler tripchat-websocket
    AuthType TripChat
    Require user @{[user('ann')->{id}]}
</LocationMatch>
<LocationMatch "^/api/v1/chat/">
    SetHandler tripchat-rest
    AuthType TripChat
    Require valid-user
</LocationMatch>
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    my %token = map { $_ => $site->token($_) } qw(ann bob);
    ok($site->chat(trip => $trip)->leave, 'who is required gets in');
    my $as_subprotocol = (bless $site->connect, 'TripChat::Client')->join_chat($site->path($trip), { 'Sec-WebSocket-Protocol' => "tripchat, bearer.$token{ann}" });
    is($as_subprotocol->history->{type}, 'message_history', 'with the token in a subprotocol, too');
    my $upgrade = sub { return $site->connect->request(TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $_[0]))) };
    for (['another user', $token{bob}], ['nobody', 'nonsense']) {
        my $refused = $upgrade->($_->[1]);
        is_deeply([$refused->{status}, $refused->{fields}{connection}[0]], [401, 'close'], "$_->[0] does not, and the connection ends");
    }
    is($site->rest(as => 'bob')->room($trip)->{status}, 200, 'over HTTP');
    is($site->rest(token => 'nonsense')->room($trip)->{status}, 401, 'with a good token only');
    my $preflight = ask($site, '/api/v1/chat/messages/', method => 'OPTIONS',
        fields => { Origin => 'http://localhost', 'Access-Control-Request-Method' => 'POST' });
    cmp_ok($preflight->{status}, '<', 300, 'a preflight needs none') or diag $preflight->{status};
    is(ask($site, '/api/v1/chat/messages/', method => 'OPTIONS')->{status}, 401, 'which another OPTIONS does');
    $as_subprotocol->disconnect;
    stops_clean($server, 'and the log has nothing to say', qr/AH01617|AH01618|AH0166|AH01631/);
};

sub virtual_host { my ($name, @lines) = @_; return join "\n", '<VirtualHost *:1>', "ServerName $name.example.org", @lines, '</VirtualHost>', '' }

subtest 'configtest warns of AuthType and Require lines that let nobody in' => sub {
    my $warned = sub {
        my ($name, $expected, %opt) = @_;
        my ($status, $said) = TripChat::Server->check_config(modules => [qw(authn_core authz_core authz_user auth_basic authn_file)], %opt);
        is($status, 0, "$name: accepted") or diag $said;
        my @lines = map { s/\.example\.org:1|:\d+\z//r } $said =~ /(TC009[45]: (?:AuthType|Require) \S+: .*), (?:line) \d+ of /g;
        is_deeply([sort map { s/: .*write (\w+).*\((?:virtual host )?/ $1 /r } map { s/TC009[45]: //r } @lines], [sort @$expected], $name) or diag $said;
    };
    my $section = sub { return qq(<Location "/$_[0]/">), @_[1 .. $#_], '</Location>' };
    my ($type, $member, $valid) = ('AuthType TripChat', 'Require tripchat-member x', 'Require valid-user');
    my $off = 'TripChat off';
    $warned->('a virtual host without a chat', [map { ("AuthType TripChat TripChatJWTSecretFile $_", "Require tripchat-member TripChatJWTSecretFile $_") } qw(plain off)],
        config => virtual_host('plain', $section->('a', "authtype tripchat", $valid, $member)) . virtual_host('off', $off, $section->('a', $type, $member))
            . virtual_host('basic', $section->('a', 'AuthType Basic', 'AuthName x', $valid)));
    $warned->('no AuthType', [('Require tripchat-member AuthType localhost') x 2], site_config => join "\n", $section->('a', $member),
        $section->('b', 'AuthType Basic', 'AuthName x', '<RequireAll>', $valid, 'Require not tripchat-member x', '</RequireAll>'));
    $warned->('an AuthType in the main server', [], config => join("\n", $section->('a', $type)), site_config => join "\n", $section->('a', $member));
    $warned->('a Require in the main server', [], config => join("\n", $section->('a', $member)), site_config => join "\n", $section->('a', $type));
    $warned->('no AuthType at all', ['Require tripchat-member AuthType main server'], config => join("\n", $section->('a', $member)));
    $warned->('no chat at all', ['AuthType TripChat TripChatJWTSecretFile main server', 'Require tripchat-member TripChatJWTSecretFile main server'],
        no_chat => 1, config => join("\n", $section->('a', $type, $member)));
    $warned->('both where they belong', [], site_config => join "\n", $section->('a', $type, $member));
};

subtest 'what an administrator may do wrong' => sub {
    my @modules = qw(authn_core authz_core authz_user);
    my ($status, $said) = TripChat::Server->check_config(modules => \@modules, site_config => qq(<Location "/x">\nAuthType TripChat\nRequire tripchat-member\n</Location>\n));
    isnt($status, 0, 'no expression is refused');
    like($said, qr/Require tripchat-member: write the trip's id/, 'with what to write');
    ($status, $said) = TripChat::Server->check_config(modules => \@modules, site_config => qq(<Location "/x">\nAuthType TripChat\nRequire tripchat-member %{no-such-thing:x}\n</Location>\n));
    isnt($status, 0, 'a wrong expression, too');
    my $server = TripChat::Server->start(modules => [@modules, qw(auth_basic authn_file)], no_chat => 1, config => <<'CONF');
<Location "/members/">
    AuthType TripChat
    Require valid-user
</Location>
CONF
    add_files($server, 'members/index.html');
    is(ask($server->site, '/members/')->{status}, 500, 'AuthType TripChat where there is no chat lets nobody in');
    stops_clean($server, 'and the log says why', qr/TC0094/);
};

done_testing;
