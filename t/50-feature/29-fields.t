# The header fields of answers over HTTP: what httpd and the site add, also to answers that httpd does not send itself, and
# links that are right from outside.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::Rest;
use TripChat::Test;

use constant {
    PAGE  => 'https://app.example.org',
    ALLOW => "TripChatAllowedOrigins https://app.example.org https://other.example\n",
    LIST  => "SetEnvIf Host . from_fixups=yes\nHeader always set Strict-Transport-Security max-age=1000\n"
        . "Header set X-Site one\nHeader add X-Site two\nHeader set X-Env %{from_fixups}e\n"
        . "Header always set X-Status %{REQUEST_STATUS}s\nHeader set X-If yes \"expr=%{REQUEST_URI} =~ /messages/\"\n",
};

# name => code that makes an answer of this kind, for a page of $origin (undef: none).
sub answers_of {
    my ($server, $trip) = @_;
    my $site = $server->site;
    my ($list, $messages) = (TripChat::Rest::list_path($trip), TripChat::Rest::messages_path());
    my $call = sub { my ($origin, $method, $path, @opt) = @_; $site->rest->call($method, $path, origin => $origin, @opt) };
    my $late = sub {
        my ($origin, %claims) = @_;
        my $reader = $site->rest(token => $site->token('ann', %claims))
            ->ask('GET', TripChat::Rest::list_path($trip, after => 1, wait => 1), origin => $origin);
        return $reader->answer;
    };
    return (
        'a page'              => [200, sub { $call->($_[0], 'GET', $list) }],
        'a head'              => [200, sub { $call->($_[0], 'HEAD', $list) }],
        'a message'           => [201, sub { $call->($_[0], 'POST', $messages, json => { chat_room => new_trip($site), content => 'x' }) }],
        'no token'            => [401, sub { $call->($_[0], 'GET', $list, token => undef) }],
        'no member'           => [403, sub { $call->($_[0], 'GET', TripChat::Rest::list_path(new_uuid())) }],
        'no path'             => [404, sub { $call->($_[0], 'GET', TripChat::Rest::ROOT . '/none/') }],
        'a broken post'       => [400, sub { $call->($_[0], 'POST', $messages, body => '{') }],
        'not changed'         => [304, sub { $call->($_[0], 'GET', $list, fields => { 'If-None-Match' => '*' }) }],
        'a preflight'         => [204, sub { $call->($_[0], 'OPTIONS', $list, token => undef) }],
        'a poll with news'    => [200, sub { $call->($_[0], 'GET', TripChat::Rest::list_path($trip, after => 0, wait => 9)) }],
        'a poll in time'      => [200, sub { $late->($_[0]) }],
        'a poll whose token ends' => [401, sub { $late->($_[0], exp => time + 0.5) }],
        'a stream'            => [200, sub { my $events = $site->rest->follow($trip, {}, origin => $_[0]); $events->disconnect; $events->head }],
    );
}

sub new_trip { my ($site) = @_; return $site->new_trip }

sub values_of { my ($answer, $name) = @_; return join ' | ', @{ $answer->{fields}{ lc $name } // [] } }

subtest 'what httpd and mod_headers set is on every answer, whoever sends it' => sub {
    my $server = TripChat::Server->start(modules => [qw(headers setenvif)], site_config => LIST . 'TripChatMaxWait 1s');
    my $trip   = $server->site->new_trip;
    $server->site->rest->posted($trip, 'one');
    my %kinds = answers_of($server, $trip);
    for my $kind (sort keys %kinds) {
        my ($status, $make) = @{ $kinds{$kind} };
        my $began  = time;
        my $answer = $make->();
        is($answer->{status}, $status, $kind);
        my %wanted = ('Strict-Transport-Security' => 'max-age=1000', 'X-Site' => 'one | two', 'X-Env' => 'yes',
            'X-Content-Type-Options' => 'nosniff', Server => values_of($answer, 'Server'));
        is(values_of($answer, $_), $wanted{$_}, "with $_, once") for sort keys %wanted;
        like(values_of($answer, 'Server'), qr/\AApache[^|]*\z/, 'with Server, once');
        is(values_of($answer, 'Cache-Control'), $status == 204 ? '' : 'no-store', 'no cache keeps it') if $status != 304;
        like(values_of($answer, 'Date'), qr/\A\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\z/, 'with one Date');
    }
    stops_clean($server, 'the log has nothing to say');
};

subtest 'fields of others that stand twice stay two' => sub {
    my $server = TripChat::Server->start(modules => ['headers'], config => "Header always add Set-Cookie a=1 early\nHeader always add Set-Cookie b=2 early",
        site_config => ALLOW . "TripChatMaxWait 1s\nHeader always add X-Two one\nHeader always add X-Two two");
    my $trip = $server->site->new_trip;
    $server->site->rest->posted($trip, 'one');
    my %kinds = answers_of($server, $trip);
    for my $kind (sort keys %kinds) {
        my $answer = $kinds{$kind}[1]->(PAGE);
        is(values_of($answer, 'Set-Cookie'), 'a=1 | b=2', "$kind: set early");
        is(values_of($answer, 'X-Two'),      'one | two', 'and late');
    }
    stops_clean($server, 'the log has nothing to say');
};

subtest 'the date is that of the answer, not of the request' => sub {
    my $server = TripChat::Server->start;
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    $site->rest->posted($trip, 'one');
    my ($first, $late) = map { values_of($_, 'Date') } $site->rest->room($trip), $site->rest->list($trip, { after => 1, wait => 3 });
    isnt($first, $late, 'a poll that waited three seconds has a later one');
    stops_clean($server, 'the log has nothing to say');
};

# What a site may have: what it sets => [the fields of the answer, what they are].
my %SITES = (
    'nothing'           => ['', []],
    'set *'             => ['Header set Access-Control-Allow-Origin "*"', []],
    'add *'             => ['Header add Access-Control-Allow-Origin "*"', []],
    'always set *'      => ['Header always set Access-Control-Allow-Origin "*"', []],
    'always add *'      => ['Header always add Access-Control-Allow-Origin "*"', []],
    'both'              => [qq(Header set Access-Control-Allow-Origin "*"\nHeader always set Access-Control-Allow-Origin "*"), []],
    'append'            => ['Header append Access-Control-Allow-Origin "https://www.example.org"', []],
    'merge'             => ['Header always merge Access-Control-Allow-Origin "*"', []],
    'unset'             => ['Header unset Access-Control-Allow-Origin', []],
    'another'           => ['Header set Access-Control-Allow-Origin "https://www.example.org"', []],
    'any, with cookies' => [qq(Header set Access-Control-Allow-Origin "*"\nHeader always set Access-Control-Allow-Credentials true), []],
    'cookies alone'     => ['Header set Access-Control-Allow-Credentials true', []],
    'this, with cookies' => [qq(Header always set Access-Control-Allow-Origin "@{[PAGE]}"\nHeader set Access-Control-Allow-Credentials true),
        ['Access-Control-Allow-Credentials' => 'true']],
    'lists'             => [qq(Header set Access-Control-Allow-Headers "X-Mine"\nHeader always set Access-Control-Expose-Headers "X-Mine"\n)
        . 'Header set Access-Control-Allow-Methods "PURGE"', []],
    'an age'            => [qq(Header set Access-Control-Max-Age "1"\nHeader always add Access-Control-Max-Age "2"), []],
    'nosniff'           => [qq(Header always set X-Content-Type-Options nosniff), []],
    'nosniff, too'      => [qq(Header set X-Content-Type-Options nosniff), []],
);

for my $name (sort keys %SITES) {
    my ($lines, $more) = @{ $SITES{$name} };
    subtest "CORS meets what the site sets: $name" => sub {
        my $server = TripChat::Server->start(modules => ['headers'], site_config => ALLOW . "TripChatMaxWait 1s\n$lines");
        my $trip   = $server->site->new_trip;
        $server->site->rest->posted($trip, 'one');
        my %kinds  = answers_of($server, $trip);
        delete @kinds{'not changed', 'a head', 'no path', 'a broken post'} if $name ne 'both';
        for my $kind (sort keys %kinds) {
            my $answer = $kinds{$kind}[1]->(PAGE);
            is(values_of($answer, 'Access-Control-Allow-Origin'), PAGE, "$kind: one origin");
            my %wanted = ('Access-Control-Allow-Credentials' => '', 'X-Content-Type-Options' => 'nosniff', @$more);
            is(values_of($answer, $_), $wanted{$_}, $_) for sort keys %wanted;
            like(values_of($answer, 'Access-Control-Expose-Headers'), qr/\AETag, Location, Retry-After[^|]*\z/, 'what a page may read');
            next if $kind ne 'a preflight';
            like(values_of($answer, 'Access-Control-Allow-Headers'), qr/\AAuthorization,[^|]*\z/,         'what it may send');
            like(values_of($answer, 'Access-Control-Allow-Methods'), qr/\AGET, HEAD, OPTIONS[^|]*\z/,    'and how');
            is(values_of($answer, 'Access-Control-Max-Age'), '86400', 'for a day');
        }
        my $own = $kinds{'a page'}[1]->(undef);
        is(values_of($own, 'Access-Control-Allow-Origin'), $lines =~ /(?<!always )(?:set|add|append|merge) \S+Origin "([^"]+)"/ ? $1
            : $lines =~ /always \w+ \S+Origin "([^"]+)"/ ? $1 : '', 'without an Origin the site\'s stands') if $name ne 'both';
        my $evil = $server->site->rest->room($trip, origin => 'https://evil.example');
        is($evil->{status}, 403, 'a page that is not listed');
        unlike(values_of($evil, 'Access-Control-Allow-Origin'), qr/evil/, 'is not named');
        stops_clean($server, 'the log has nothing to say');
    };
}

subtest 'a page of another origin does not get the ErrorDocument' => sub {
    my $server = TripChat::Server->start(modules => ['headers'],
        site_config => "TripChatAllowedOrigins *\nErrorDocument 401 /index.html\nHeader always set Access-Control-Allow-Credentials true");
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $ask = sub { return $site->rest->call('GET', TripChat::Rest::list_path($trip), token => undef, fields => { Accept => 'text/html' }, @_) };
    my $own = $ask->();
    is_deeply([@$own{qw(status body)}], [401, TripChat::Server::PAGE()], 'a person does');
    my $foreign = $ask->(origin => PAGE);
    is_deeply([$foreign->{status}, $foreign->{json} && $foreign->{json}{code}], [401, 'unauthorized'], 'a page gets JSON');
    is(values_of($foreign, 'Access-Control-Allow-Origin'), PAGE, 'and may read it');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'lists have the names of ours and of the site, each once' => sub {
    my $server = TripChat::Server->start(modules => ['headers'], site_config => ALLOW
        . qq(Header always set Access-Control-Expose-Headers "Tag, etag, X-A"\nHeader set Access-Control-Expose-Headers Loc));
    my $room = $server->site->rest->room($server->site->new_trip, origin => PAGE);
    is(values_of($room, 'Access-Control-Expose-Headers'), 'ETag, Location, Retry-After, Loc, Tag, X-A', 'also names within ours');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'a preflight allows the fields that it asks for' => sub {
    my $server = TripChat::Server->start(site_config => ALLOW);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $asks = sub {
        my ($headers) = @_;
        my $answer = $site->rest->call('OPTIONS', TripChat::Rest::list_path($trip), token => undef, origin => PAGE,
            fields => { 'Access-Control-Request-Method' => 'GET', 'Access-Control-Request-Headers' => $headers });
        is($answer->{status}, 204, 'without a token');
        return { map { lc $_ => 1 } split /\s*,\s*/, values_of($answer, 'Access-Control-Allow-Headers') };
    };
    for my $headers ('baggage,sentry-trace', 'x-requested-with', 'x-csrftoken, if-match,cache-control', 'traceparent', "x-!#\$%&'*+.^_`|~9") {
        my $allowed = $asks->($headers);
        is_deeply([grep { !$allowed->{$_} } split(/\s*,\s*/, $headers), qw(authorization content-type last-event-id)], [], $headers);
    }
    for my $bad ('a b"c', '<script>', 'x:y', "x\xe9", 'y' x 1025, 'a;b') {
        my $allowed = $asks->($bad);
        is_deeply([sort keys %$allowed], [qw(authorization content-type if-none-match last-event-id)], 'what is no list of names is not repeated');
    }
    stops_clean($server, 'the log has nothing to say');
};

subtest 'over HTTP/2 each field stands once as well' => sub {
    my $server = TripChat::Server->start(mpm => 'event', http2 => 1, workers => 4, modules => ['headers'],
        site_config => ALLOW . "Header always set X-Site one\nHeader set Access-Control-Allow-Origin *");
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    $site->rest->posted($trip, 'one');
    my $token = $site->token('ann');
    my $heads = sub {
        my ($path, @more) = @_;
        my $said = join '', `curl -s -i --max-time 2 --http2-prior-knowledge -H 'Authorization: Bearer $token' -H 'Origin: @{[PAGE]}' @more 'http://127.0.0.1:@{[$site->port]}$path'`;
        return split /\r?\n/, $said =~ s/\r?\n\r?\n.*//sr;
    };
    my %of = (
        'a page'   => [TripChat::Rest::list_path($trip)],
        'a poll'   => [TripChat::Rest::list_path($trip, after => 1, wait => 1)],
        'a stream' => [TripChat::Rest::list_path($trip), "-H 'Accept: text/event-stream'"],
    );
    for my $kind (sort keys %of) {
        my @lines = $heads->(@{ $of{$kind} });
        for my $name (qw(access-control-allow-origin access-control-expose-headers x-site x-content-type-options date server content-type cache-control)) {
            is(scalar(grep { /\A\Q$name\E:/i } @lines), 1, "$kind: one $name") or diag join "\n", @lines;
        }
    }
    stops_clean($server, 'the log has nothing to say');
};

subtest 'nothing holds a stream back over HTTP/2' => sub {
    for my $filter (qw(deflate brotli)) {
        my $server = TripChat::Server->start(mpm => 'event', http2 => 1, workers => 4, modules => [$filter], site_config => $filter eq 'brotli' ? 'SetOutputFilter BROTLI_COMPRESS' : 'SetOutputFilter DEFLATE');
        my ($site, $trip) = ($server->site, $server->site->new_trip);
        my $token = $site->token('ann');
        my $said  = `curl -s -i --max-time 2 --http2-prior-knowledge -H 'Authorization: Bearer $token' -H 'Accept: text/event-stream' -H 'Accept-Encoding: gzip, br' 'http://127.0.0.1:@{[$site->port]}@{[TripChat::Rest::list_path($trip)]}'`;
        like($said, qr/^data: \{"type":"message_history"/m, "mod_$filter leaves it alone");
        stops_clean($server, 'the log has nothing to say');
    }
};

subtest 'links are right behind a prefix and under another name' => sub {
    my $server = TripChat::Server->start(modules => [qw(proxy proxy_http rewrite)], site_config => <<'CONF');
RewriteEngine On
RewriteRule "^/short/(.*)" "/api/v1/chat/rooms/$1" [PT]
RewriteRule "^/say$" "/api/v1/chat/messages/" [PT]
CONF
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $front = TripChat::Server->start(no_chat => 1, modules => [qw(proxy proxy_http)],
        config => sprintf('ProxyPass "/a path/" "http://127.0.0.1:%d/"', $site->port));
    my $token = $site->token('ann');
    my $call  = sub {
        my ($method, $path, %opt) = @_;
        return $front->site->rest(token => $token)->call($method, $path, fields => { Host => 'chat.example.org' }, %opt);
    };
    my $root = '/a%20path' . TripChat::Rest::ROOT;
    for my $slash ('', '/') {
        my $made = $call->('POST', "$root/messages$slash", json => { chat_room => $trip, content => 'one' });
        my $place = values_of($made, 'Location');
        is($made->{status}, 201, "a message to messages$slash");
        my $at = $slash ? "$root/messages/$place" : "$root/$place";
        is($call->('PATCH', $at, json => { content => 'two' })->{status}, 200, 'is where Location says');
    }
    my $whole = $site->rest->call('POST', '/say', json => { chat_room => new_trip($site), content => 'three' });
    my $said  = TripChat::Rest::message_path($whole->{json}{id});
    is(values_of($whole, 'Location'), $said, 'under another name Location is the whole path') or diag $whole->{status};
    is($site->rest->call('PATCH', $said, json => { content => 'four' })->{status}, 200, 'which is right');
    for my $path ("$root/rooms/$trip/messages/", "$root/rooms/$trip/messages", "/a%20path/short/$trip/messages/") {
        my $page = $call->('GET', "$path?limit=1")->{json};
        my $next = $call->('GET', $path . $page->{next})->{json};
        is_deeply(seqs_of(map { @{ $_->{results} } } $page, $next), [3, 1], "next of $path");
        my $back = $call->('GET', $path . $next->{previous})->{json};
        is($back->{results}[0]{seq}, 2, 'and previous');
        my $poll = $call->('GET', "$path?after=4&wait=1&limit=7")->{json};
        is($poll->{previous}, '?limit=7&before=5', 'and those of a poll');
    }
    stops_clean($front, 'the log of the proxy has nothing to say');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'no text has a line end that Unicode knows' => sub {
    my $server = TripChat::Server->start;
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $text   = "a\x{2028}b\x{2029}c\x{85}d\x{b}e\x{c}f\x{1c}g";
    my $events = $site->rest->follow($trip);
    $events->next_event;
    my $id = $site->rest->posted($trip, $text)->{id};
    $site->rest->post($trip, $text, reply_to => $id);
    $site->rest->edit($id, "$text!");
    for my $event (map { $events->next_event } 1 .. 3) {
        unlike($event->{data}, qr/[\x00-\x1f]|\xe2\x80[\xa8\xa9]|\xc2\x85/, 'in an event');
        like(JSON::PP->new->utf8->decode($event->{data})->{message}{content}, qr/\A\Q$text\E!?\z/, 'which says the same');
    }
    my $page = $site->rest->list($trip);
    unlike($page->{body}, qr/[\x00-\x1f]|\xe2\x80[\xa8\xa9]|\xc2\x85/, 'nor in a page');
    is($page->{json}{results}[1]{reply_to}{content}, "$text!", 'nor in what a reply quotes');
    $events->disconnect;
    stops_clean($server, 'the log has nothing to say');
};

done_testing;
