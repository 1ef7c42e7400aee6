# Which origins a page may have to use the chat, over HTTP and over a socket, and the CORS fields without which a
# browser does not show an answer to the page.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Rest;
use TripChat::Test;
use TripChat::WebSocket;

use constant {
    LISTED => 'https://app.example.org',
    ALLOW  => 'TripChatAllowedOrigins https://app.example.org app.example.com:8443 *.example.net https://*.example.edu',
};

# All CORS fields, absent unless a test adds them.
my @NONE = map { ("Access-Control-$_" => undef) } qw(Allow-Origin Allow-Credentials Allow-Methods Allow-Headers Expose-Headers);

# The fields of an answer that a page of this origin may read.
sub readable_by {
    my ($origin, %more) = @_;
    return {
        'Access-Control-Allow-Origin'      => $origin,
        'Access-Control-Allow-Credentials' => undef,
        'Access-Control-Expose-Headers'    => 'ETag, Location, Retry-After',
        Vary                               => 'Origin',
        %more
    };
}

# How the site $host answers a page of this origin, over HTTP and over a socket.
sub may_use {
    my ($site, $trip, $origin, $host, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $answer = $site->rest->room($trip, origin => $origin, fields => { Host => $host });
    answer_is($answer, 200, readable_by($origin), $name);
    my $socket = bless $site->connect, 'TripChat::Client';
    my $opened = eval { $socket->join_chat($site->path($trip, token => $site->token('ann')), { Origin => $origin, Host => $host }) };
    return ok($opened, 'over a socket as well') || diag $@;
}

sub may_not_use {
    my ($site, $trip, $origin, $host, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $answer = $site->rest->room($trip, origin => $origin, fields => { Host => $host });
    refusal_is($answer, 403, { code => 'origin_not_allowed' }, $name);
    answer_is($answer, 403, { @NONE, Vary => 'Origin' }, 'and no page may read it');
    return turned_away_with($site, $site->path($trip, token => $site->token('ann')), { Origin => $origin, Host => $host }, 4003, 'nor over a socket');
}

subtest 'pages of the same host may use the chat, and no others' => sub {
    my $site = site('plain');
    my $trip = $site->new_trip;
    my @same = (
        ['http://chat.example.org',      'chat.example.org'],
        ['https://chat.example.org',     'chat.example.org'],
        ['http://chat.example.org',      'chat.example.org:80'],
        ['https://chat.example.org',     'chat.example.org:443'],
        ['http://chat.example.org:80',   'chat.example.org'],
        ['https://chat.example.org:443', 'chat.example.org'],
        ['http://chat.example.org:8080', 'chat.example.org:8080'],
        ['http://Chat.Example.ORG',      'chat.example.org'],
        ['http://[::1]:8080',            '[::1]:8080'],
        ['http://127.0.0.1:8080',        '127.0.0.1:8080'],
    );
    may_use($site, $trip, @$_, "$_->[0] of $_->[1]") for @same;
    my @other = (
        ['http://example.org',           'chat.example.org'],
        ['http://chat.example.org.evil', 'chat.example.org'],
        ['http://evilchat.example.org',  'chat.example.org'],
        ['http://chat.example.org:8080', 'chat.example.org'],
        ['http://chat.example.org',      'chat.example.org:8080'],
        ['https://chat.example.org',     'chat.example.org:80'],
        ['http://chat.example.org',      'chat.example.org:443'],
        ['http://chat.example.org/',     'chat.example.org'],
        ['http://user@chat.example.org', 'chat.example.org'],
        ['http://chat.example.org:0',    'chat.example.org'],
        ['chat.example.org',             'chat.example.org'],
        ['http://',                      'chat.example.org'],
        ['http://chat.example.org http://evil.example', 'chat.example.org'],
        ['null',                         'chat.example.org'],
        ['null',                         'null'],
        ['',                             'chat.example.org'],
    );
    may_not_use($site, $trip, @$_, "'$_->[0]' of $_->[1]") for @other;
};

subtest 'TripChatAllowedOrigins lists others' => sub {
    my $server = TripChat::Server->start(site_config => ALLOW);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my @listed = (
        LISTED, 'https://app.example.org:443', 'HTTPS://APP.example.org', 'http://app.example.com:8443', 'https://app.example.com:8443',
        'http://a.example.net', 'https://a.example.net', 'https://a.b.example.net', 'https://a.example.edu', 'http://localhost',
    );
    may_use($site, $trip, $_, 'localhost', $_) for @listed;
    my @not_listed = (
        'http://app.example.org', 'https://app.example.org:8443', 'https://example.org', 'https://a.app.example.org',
        'https://app.example.com', 'http://example.net', 'http://evilexample.net', 'http://.example.net', 'http://a.example.net:8080',
        'http://a.example.net.evil', 'http://a.example.edu', 'https://example.edu', 'null',
    );
    may_not_use($site, $trip, $_, 'localhost', $_) for @not_listed;
    stops_clean($server, 'the log has nothing to say');
};

# DNS rebinding: the page's own name leads to this server, so Host and Origin agree.
subtest 'with UseCanonicalName On, a name that is not the site\'s own is another site' => sub {
    my $server = TripChat::Server->start(site_config => "UseCanonicalName On\nServerName chat.example.org\n"
        . "ServerAlias www.example.org *.example.net\nTripChatMissingOrigin refuse\nTripChatAllowedOrigins https://app.example.org");
    my $site = $server->site;
    my $trip = $site->new_trip;
    may_use($site, $trip, @$_, "$_->[0] of $_->[1]") for ['http://chat.example.org', 'chat.example.org'],
        ['https://CHAT.example.org:8443', 'Chat.Example.org:8443'], ['http://www.example.org', 'www.example.org'],
        ['https://a.example.net:444', 'a.example.net:444'], ['https://app.example.org', 'unknown.example'];
    may_not_use($site, $trip, @$_, "$_->[0] of $_->[1]") for ['http://evil.example', 'evil.example'],
        ['http://evil.example:8443', 'evil.example:8443'], ['http://example.net', 'example.net'], ['http://127.0.0.1', '127.0.0.1'],
        ['http://[::1]', '[::1]'], ['http://chat.example.org.evil', 'chat.example.org.evil'];
    my $reads = sub { $site->rest->call('GET', TripChat::Rest::room_path($trip), fields => {@_}) };
    is($reads->('Sec-Fetch-Site', 'same-origin', Host => $_->[0])->{status}, $_->[1], "a page of $_->[0] that reads")
        for ['www.example.org', 200], ['evil.example', 403];
    is($reads->(Referer => "http://$_->[0]/page", Host => $_->[0])->{status}, $_->[1], "and one without Sec-Fetch-Site: $_->[0]")
        for ['www.example.org', 200], ['evil.example', 403];
    stops_clean($server, 'the log has nothing to say');
};

subtest 'a star stands for any origin, and is not what is answered' => sub {
    for my $list ('*', 'https://app.example.org *') {
        my $server = TripChat::Server->start(site_config => "TripChatAllowedOrigins $list");
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        may_use($site, $trip, $_, 'localhost', "$_ where the list is $list") for 'https://anywhere.example', 'null';
        stops_clean($server, 'the log has nothing to say');
    }
};

subtest 'who says no origin is let in, unless TripChatMissingOrigin says otherwise' => sub {
    my $server = TripChat::Server->start(
        site_config => 'TripChatMissingOrigin refuse',
        sites       => { lenient => { site_config => 'TripChatMissingOrigin allow' } },
    );
    my ($strict, $lenient) = map { $server->site($_) } qw(plain lenient);
    my $trip = $strict->new_trip;
    refusal_is($strict->rest->room($trip), 403, { code => 'origin_not_allowed' }, 'over HTTP');
    turned_away_with($strict, $strict->path($trip, token => $strict->token('ann')), undef, 4003, 'over a socket');
    # What browsers send instead when a page reads.
    my $reads = sub { $strict->rest->call('GET', TripChat::Rest::room_path($trip), fields => {@_}) };
    is($reads->(@$_)->{status}, 200, "a page of the same host that reads: @$_")
        for ['Sec-Fetch-Site', 'same-origin'], ['Referer', 'http://localhost/page?a=http://x/'], ['Referer', 'http://localhost'];
    refusal_is($reads->(@$_), 403, { code => 'origin_not_allowed' }, "others: @$_")
        for (map { ['Sec-Fetch-Site', $_] } qw(same-site cross-site none)), (map { ['Referer', $_] } 'http://localhost.example/',
            'https://evil.example/http://localhost/', 'http://localhost@evil.example/', 'localhost', ''),
            ['Sec-Fetch-Site', 'cross-site', 'Referer', 'http://localhost/'];
    may_use($strict, $trip, 'http://localhost', 'localhost', 'who says the right one');
    may_not_use($strict, $trip, 'null', 'localhost', 'null is not none');
    my $elsewhere = $lenient->new_trip;
    answer_is($lenient->rest->room($elsewhere), 200, { @NONE, Vary => 'Origin' }, 'on the other site there is no need');
    ok($lenient->chat(trip => $elsewhere), 'for a socket neither');
    stops_clean($server, 'the log has nothing to say', qr/\bTC0049:/);    # on Redis: two sites with one prefix
};

subtest 'a preflight is answered, to the origins that may ask' => sub {
    my $server = TripChat::Server->start(site_config => ALLOW);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my %methods = (
        TripChat::Rest::room_path($trip)             => 'GET, HEAD, OPTIONS',
        TripChat::Rest::list_path($trip)             => 'GET, HEAD, OPTIONS',
        TripChat::Rest::messages_path()              => 'POST, OPTIONS',
        TripChat::Rest::message_path(new_uuid())     => 'PATCH, OPTIONS',
    );
    for my $path (sort keys %methods) {
        my %asked = map { ("Access-Control-Request-$_->[0]" => $_->[1]) } ['Method', 'PATCH'], ['Headers', 'authorization,content-type'];
        my $preflight = sub { $site->rest->call('OPTIONS', $path, token => undef, origin => $_[0], fields => \%asked) };
        my $answer = $preflight->(LISTED);
        answer_is($answer, 204, readable_by(LISTED, 'Access-Control-Allow-Methods' => $methods{$path}), "$path, without a token");
        my %headers = map { lc $_ => 1 } split /,\s*/, $answer->{fields}{'access-control-allow-headers'}[0] // '';
        is_deeply([grep { !$headers{$_} } qw(authorization content-type if-none-match last-event-id)], [], 'with the fields that a client sends');
        like($answer->{fields}{'access-control-max-age'}[0] // '', qr/\A[1-9]\d*\z/, 'for a while');
        is($answer->{body}, '', 'and nothing else');
        my $refused = $preflight->('https://evil.example');
        refusal_is($refused, 403, { code => 'origin_not_allowed' }, 'not to others');
        answer_is($refused, 403, { @NONE, Vary => 'Origin' }, 'who are told nothing');
    }
    stops_clean($server, 'the log has nothing to say');
};

subtest 'every answer may be read by a page that may ask' => sub {
    my $server = TripChat::Server->start(site_config => ALLOW);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $page   = sub { my ($method, $path, @opt) = @_; $site->rest->call($method, $path, origin => LISTED, @opt) };
    my ($list, $messages) = (TripChat::Rest::list_path($trip), TripChat::Rest::messages_path());
    my $made   = $page->('POST', $messages, json => { chat_room => $trip, content => 'one' });
    my $etag   = $page->('GET', $list)->{fields}{etag}[0];
    my %answer = (
        '200'              => $page->('GET', $list),
        '200 to HEAD'      => $page->('HEAD', $list),
        '201'              => $made,
        '200 to PATCH'     => $page->('PATCH', TripChat::Rest::message_path($made->{json}{id}), json => { content => 'two' }),
        '304'              => $page->('GET', TripChat::Rest::list_path($trip), fields => { 'If-None-Match' => '*' }),
        '400'              => $page->('GET', "$list?limit=0"),
        '400 of a body'    => $page->('POST', $messages, json => { chat_room => $trip, content => '' }),
        '401'              => $page->('GET', $list, token => undef),
        '403'              => $page->('GET', TripChat::Rest::list_path(new_uuid())),
        '404'              => $page->('GET', TripChat::Rest::ROOT . '/nothing/'),
        '404 of a message' => $page->('PATCH', TripChat::Rest::message_path(new_uuid()), json => { content => 'x' }),
        '405'              => $page->('DELETE', $list),
        '413'              => $page->('POST', $messages, body => ' ' x 200_000),
        '415'              => $page->('POST', $messages, body => '{}', fields => { 'Content-Type' => 'text/plain' }),
        '200 to a poll'    => $page->('GET', TripChat::Rest::list_path($trip, after => 2, wait => 1)),
        '200 to a poll with news' => $page->('GET', TripChat::Rest::list_path($trip, after => 0, wait => 1)),
    );
    for my $what (sort keys %answer) {
        my ($status) = $what =~ /\A(\d+)/;
        answer_is($answer{$what}, $status, readable_by(LISTED), "an answer $what");
    }
    isnt($etag, undef, 'with its ETag');
    my $events = $site->rest->follow($trip, {}, origin => LISTED);
    answer_is($events->head, 200, readable_by(LISTED), 'a stream');
    $events->disconnect;
    $site->sql('ALTER TABLE users RENAME TO elsewhere');
    answer_is($page->('GET', $list), 503, readable_by(LISTED), 'an answer 503');
    stops_clean($server, 'the log has nothing to say', qr/\bTC0012:/);
};

subtest 'the origin is looked at before anything is asked' => sub {
    for my $reject (qw(close http)) {
        my $server = TripChat::Server->start(site_config => "TripChatReject $reject");
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        my $path   = $site->path($trip, token => $site->token('ann'));
        my $asks   = sub {
            my ($origin) = @_;
            return $site->turned_away($path, { Origin => $origin })->{code} if $reject eq 'close';
            return $site->connect->request(TripChat::WebSocket::upgrade_request(path => $path, fields => { Origin => $origin }))->{status};
        };
        $site->sql('ALTER TABLE users RENAME TO elsewhere');
        is($asks->('http://localhost'),    $reject eq 'close' ? 1013 : 503, "without a database a socket is told so, with TripChatReject $reject");
        is($asks->('https://evil.example'), $reject eq 'close' ? 4003 : 403, 'not to a page that may not ask');
        is($site->rest->room($trip, origin => 'http://localhost')->{status},     503, 'over HTTP as well');
        is($site->rest->room($trip, origin => 'https://evil.example')->{status}, 403, 'and not to others');
        is($site->rest->room($trip, origin => 'https://evil.example', token => undef)->{status}, 403, 'whatever their token');
        stops_clean($server, 'the log has nothing to say', qr/\bTC001[27]:/);
    }
};

done_testing;
