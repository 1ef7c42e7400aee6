# The chat over HTTP, for those whom WebSocket cannot reach: reading, writing,
# waiting, following, and who is turned away with which words.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::Test;

use constant {
    BASE    => '/api/v1/chat',
    JSON    => 'application/json',
};

my $site = site('plain');
my $JSON = JSON::PP->new->utf8->canonical;

# The bytes of a request; as => name or token => text says who asks, body => {} or bytes is sent.
sub request {
    my ($where, $method, $path, %opt) = @_;
    my $token = exists $opt{token} ? $opt{token} : $where->token($opt{as} // 'ann');
    my $body  = ref $opt{body} ? $JSON->encode($opt{body}) : $opt{body};
    my %fields = (
        'Host' => 'localhost', 'Connection' => 'close',
        defined $token ? ('Authorization' => "Bearer $token") : (),
        defined $body ? ('Content-Type' => JSON, 'Content-Length' => length $body) : (),
        %{ $opt{fields} || {} },
    );
    return join "\r\n", "$method " . BASE . "$path HTTP/1.1",
        (map { "$_: $fields{$_}" } grep { defined $fields{$_} } sort keys %fields), '', $body // '';
}

# { status, fields, body, json }
sub ask {
    my ($where, @request) = @_;
    my $client = $where->connect;
    my $answer = $client->request(request($where, @request));
    $client->read_until('the end of the body', sub { return });
    $answer->{body} = $client->{in};
    $answer->{json} = eval { $JSON->decode($client->{in}) };
    return $answer;
}

sub field { my ($answer, $name) = @_; return join ', ', @{ $answer->{fields}{ lc $name } // [] } }

sub post {
    my ($where, $trip, $content, %opt) = @_;
    return ask($where, POST => '/messages/', as => $opt{as}, body => { chat_room => $trip, content => $content, %{ $opt{more} || {} } });
}

sub refused {
    my ($answer, $status, $code, $name, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %error = %{ $answer->{json} // {} };
    my $words = delete $error{message};
    return is_deeply([$answer->{status}, \%error, !!$words], [$status, { type => 'error', code => $code, %more }, 1], $name)
        || diag $answer->{raw}, $answer->{body};
}

subtest 'a message that is posted reaches the sockets of the room, once' => sub {
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $answer = post($site, $trip, 'over HTTP', more => { client_id => 'c-1' });
    is($answer->{status}, 201, 'it is created');
    message_is($answer->{json}, 'ann', { content => 'over HTTP', seq => 1, reply_to => undef }, 'and comes back whole');
    is(field($answer, 'Location'), BASE . "/messages/$answer->{json}{id}/", 'with its place');
    is_deeply($_->next_json->{message}, $answer->{json}, 'a socket gets the same') for $ann, $bob;
    is_deeply(post($site, $trip, 'over HTTP', more => { client_id => 'c-1' })->{json}, $answer->{json}, 'sent again it is the stored one');
    is(post($site, $trip, 'again', more => { client_id => 'c-1' })->{status}, 200, 'which is nothing new');
    is_deeply([$bob->messages_before_marker], [], 'nobody sees it twice');
    $ann->say('over a socket', client_id => 'c-2');
    $ann->next_json('chat_message') for 1 .. 2;    # bob's marker, and its own
    is(post($site, $trip, 'over a socket', more => { client_id => 'c-2' })->{status}, 200, 'nor what was stored over a socket');
};

subtest 'the room is named by its own id or by its trip' => sub {
    my $trip = $site->new_trip;
    my $room = ask($site, GET => "/rooms/$trip/")->{json};
    like($room->{id}, UUID, 'it has an id');
    is_deeply($room, { id => $room->{id}, trip_id => $trip, last_seq => 0 }, 'and says how far it has come');
    is_deeply(ask($site, GET => "/rooms/$room->{id}")->{json}, $room, 'the other id leads to the same, with or without a slash');
    is(post($site, $room->{id}, 'hello')->{status}, 201, 'either is good to post to');
    is(ask($site, GET => "/rooms/$trip/")->{json}{last_seq}, 1, 'and it goes on');
};

subtest 'pages lead through everything, once, both ways' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->chat(trip => $trip);
    my @said = map { $ann->said("message $_") } 1 .. 7;
    $ann->edit($said[0]{id}, 'mended');
    $ann->next_json('message_edited');
    my $page = ask($site, GET => "/rooms/$trip/messages/?limit=3")->{json};
    is_deeply(seqs_of(@{ $page->{results} }), [5, 6, 7], 'the newest page first, its oldest first');
    is($page->{last_seq}, 8, 'an edit counts');
    my @back = @{ seqs_of(@{ $page->{results} }) };
    while (my $next = $page->{next}) {
        $page = ask($site, GET => $next =~ s/\A\Q${\BASE}\E//r)->{json};
        unshift @back, @{ seqs_of(@{ $page->{results} }) };
    }
    is_deeply(\@back, [1 .. 7], 'next leads to the first message');
    my ($url, @events) = ("/rooms/$trip/messages/?after=0&limit=3");
    while ($url) {
        my $forward = ask($site, GET => $url)->{json};
        push @events, @{ $forward->{results} };
        $url = defined $forward->{next} ? $forward->{next} =~ s/\A\Q${\BASE}\E//r : undef;
    }
    is_deeply(seqs_of(@events), [1 .. 8], 'forward all events come, edits among them');
    is($events[-1]{content}, 'mended', 'as the message reads now');
};

subtest 'an edit over HTTP' => sub {
    my $trip = $site->new_trip;
    my $bob  = $site->chat(trip => $trip, as => 'bob');
    my $id   = post($site, $trip, 'first')->{json}{id};
    $bob->next_json('chat_message');
    my $answer = ask($site, PATCH => "/messages/$id/", body => { content => 'second' });
    message_is($answer->{json}, 'ann', { content => 'second', is_edited => 1, seq => 2 }, 'comes back as the message reads now');
    is($bob->next_json('message_edited')->{message}{content}, 'second', 'and reaches the room');
    refused(ask($site, PATCH => "/messages/$id/", as => 'bob', body => { content => 'x' }), 403, 'not_sender', 'others may not');
    refused(ask($site, PATCH => "/messages/$id/", as => 'dave', body => { content => 'x' }), 404, 'message_not_found', 'for a stranger it is not there');
    refused(ask($site, PATCH => '/messages/' . new_uuid() . '/', body => { content => 'x' }), 404, 'message_not_found', 'nor is one that is none');
};

subtest 'what is not valid on a socket is not valid here' => sub {
    my $trip = $site->new_trip;
    my %bad = (
        'empty'             => [{ content => ' ' },                               'empty_content',        'content'],
        'too long'          => [{ content => 'x' x 10_001 },                      'content_too_long',     'content'],
        'a wrong type'      => [{ content => 7 },                                 'invalid_field',        'content'],
        'a zero'            => [{ content => "a\0b" },                            'invalid_field',        'content'],
        'a type unknown'    => [{ content => 'x', message_type => 'smoke' },      'invalid_message_type', 'message_type'],
        'a reply to nobody' => [{ content => 'x', reply_to => new_uuid() },       'reply_not_found',      'reply_to'],
        'a bad client_id'   => [{ content => 'x', client_id => '' },              'invalid_field',        'client_id'],
    );
    for my $name (sort keys %bad) {
        my ($body, $code, $of) = @{ $bad{$name} };
        refused(ask($site, POST => '/messages/', body => { chat_room => $trip, %$body }), 400, $code, $name, field => $of);
    }
    refused(ask($site, POST => '/messages/', body => { content => 'x' }), 400, 'invalid_field', 'no room', field => 'chat_room');
    refused(ask($site, POST => '/messages/', body => '{"a":1'),    400, 'invalid_json',    'broken JSON');
    refused(ask($site, POST => '/messages/', body => qq({"a":"\xff"})), 400, 'invalid_json', 'bytes that are no UTF-8');
    refused(ask($site, POST => '/messages/', body => '[' x 50),   400, 'too_deep',        'too deep');
    refused(ask($site, POST => '/messages/', body => '[1]'),      400, 'invalid_message', 'no object');
    refused(ask($site, POST => '/messages/', body => 'x' x 140_000), 413, 'too_large',    'too large');
    refused(ask($site, POST => '/messages/', body => '{}', fields => { 'Content-Type' => 'text/plain' }), 415, 'unsupported_media_type', 'no JSON');
};

subtest 'who is turned away, and how' => sub {
    my $trip = $site->new_trip(members => ['ann']);
    my $list = "/rooms/$trip/messages/";
    for my $token (undef, 'x.y.z', $site->token('ann', exp => time - 60)) {
        my $answer = ask($site, GET => $list, token => $token);
        refused($answer, 401, 'unauthorized', 'without a good token');
        is(field($answer, 'WWW-Authenticate'), 'Bearer', 'with the way to get in');
    }
    refused(ask($site, GET => $_, as => 'dave'), 403, 'forbidden', 'strangers, missing trips and nonsense look alike')
        for $list, '/rooms/' . new_uuid() . '/messages/', '/rooms/nonsense/';
    refused(post($site, $trip, 'x', as => 'dave'), 403, 'forbidden', 'to post as well');
    refused(ask($site, GET => '/nothing/'), 404, 'not_found', 'no such path');
    my %allowed = ($list => 'GET, HEAD, OPTIONS', '/messages/' => 'POST, OPTIONS', '/messages/' . new_uuid() . '/' => 'PATCH, OPTIONS');
    for my $path (sort keys %allowed) {
        my $answer = ask($site, DELETE => $path);
        refused($answer, 405, 'method_not_allowed', "DELETE of $path");
        is(field($answer, 'Allow'), $allowed{$path}, 'says what may be done');
    }
    for my $query ('limit=0', 'limit=101', 'after=x', 'before=-1', 'after=1&before=2', 'wait=1') {
        my $answer = ask($site, GET => "$list?$query");
        is_deeply([$answer->{status}, $answer->{json}{code}], [400, 'invalid_field'], $query);
    }
};

subtest 'conditional requests and HEAD' => sub {
    my $trip = $site->new_trip;
    my $list = "/rooms/$trip/messages/";
    my $etag = field(ask($site, GET => $list), 'ETag');
    is(ask($site, GET => $list, fields => { 'If-None-Match' => $etag })->{status}, 304, 'nothing new is 304');
    post($site, $trip, 'news');
    is(ask($site, GET => $list, fields => { 'If-None-Match' => $etag })->{status}, 200, 'news is not');
    my $head = ask($site, HEAD => $list);
    is_deeply([$head->{status}, $head->{body}], [200, ''], 'HEAD has no body');
};

# Asks and does not wait for the answer.
sub begin { my ($where, @request) = @_; my $client = $where->connect; $client->write(request($where, @request)); return $client }

sub answer_of {
    my ($client) = @_;
    my $answer = $client->read_response;
    $client->read_until('the end of the body', sub { return });
    return $JSON->decode($client->{in});
}

# The next event of a stream: { id, data }.
sub next_event {
    my ($client) = @_;
    my ($text) = $client->read_until('an event', sub { ${ $_[0] } =~ s/\A(?::\n\n)*(.+?)\n\n//s ? $1 : () });
    my %event = map { /\A(\w+): (.*)\z/s ? ($1 => $2) : () } split /\n/, $text // '';
    $event{data} = $JSON->decode($event{data}) if defined $event{data};
    return \%event;
}

sub follow {
    my ($where, $trip, %opt) = @_;
    my $client = begin($where, GET => "/rooms/$trip/messages/" . ($opt{query} // ''),
        fields => { Accept => 'text/event-stream', 'Last-Event-ID' => $opt{last} });
    $client->read_response->{status} == 200 or die "no stream\n";
    return $client;
}

subtest 'a long poll waits for news, and no longer than it says' => sub {
    my $trip = $site->new_trip;
    is_deeply(answer_of(begin($site, GET => "/rooms/$trip/messages/?after=0&wait=1"))->{results}, [], 'nothing comes, nothing is said');
    my @waiting = map { begin($site, GET => "/rooms/$trip/messages/?after=0&wait=50") } 1 .. 5;
    my $ann = $site->chat(trip => $trip);
    my $message = $ann->said('news');
    is_deeply(answer_of($_)->{results}, [$message], 'who waits gets it') for @waiting;
    is_deeply(ask($site, GET => "/rooms/$trip/messages/?after=0&wait=50")->{json}{results}, [$message], 'who comes later at once');
    my $edit = begin($site, GET => "/rooms/$trip/messages/?after=1&wait=50");
    $ann->edit($message->{id}, 'better');
    is(answer_of($edit)->{results}[0]{content}, 'better', 'an edit is news, too');
};

subtest 'a stream of events is what a socket would get' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->chat(trip => $trip);
    $ann->said('one');
    my $stream = follow($site, $trip);
    my $first  = next_event($stream);
    is($first->{data}{type}, 'message_history', 'the history comes first');
    is($first->{id}, 1, 'with the seq as its id');
    my $two = $ann->said('two');
    is_deeply(next_event($stream), { id => 2, data => { type => 'chat_message', message => $two } }, 'then each event');
    $ann->said('three');
    my $again = next_event(follow($site, $trip, last => 1));
    is_deeply(seqs_of(@{ $again->{data}{messages} }), [2, 3], 'Last-Event-ID resumes');
    ok($again->{data}{recovered}, 'without a gap');
};

subtest 'a thousand readers hold no worker' => sub {
    my $server = TripChat::Server->start(mpm => 'prefork', site_config => 'TripChatPingInterval 1h');
    my $where  = $server->site;
    my $trip   = $where->new_trip;
    my $ann    = $where->chat(trip => $trip);
    my @polls   = map { begin($where, GET => "/rooms/$trip/messages/?after=0&wait=60") } 1 .. 500;
    my @streams = map { follow($where, $trip) } 1 .. 500;
    next_event($_) for @streams;
    is($where->http_get('/')->{status}, 200, 'the one worker serves files');
    my $message = $ann->said('to all of you');
    is_deeply([grep { answer_of($_)->{results}[0]{id} ne $message->{id} } @polls], [], 'every poll is answered');
    is_deeply([grep { next_event($_)->{data}{message}{id} ne $message->{id} } @streams], [], 'every stream has the event');
    $_->disconnect for @streams;
    stops_clean($server, 'the server stops in order');
};

subtest 'pages of other origins' => sub {
    my $server = TripChat::Server->start(site_config => 'TripChatAllowedOrigins https://app.example.org *.example.net');
    my $where  = $server->site;
    my $trip   = $where->new_trip;
    my $list   = "/rooms/$trip/messages/";
    for my $origin ('https://app.example.org', 'http://a.example.net', 'http://localhost') {
        my $answer = ask($where, GET => $list, fields => { Origin => $origin });
        is_deeply([$answer->{status}, field($answer, 'Access-Control-Allow-Origin'), field($answer, 'Vary')], [200, $origin, 'Origin'], $origin);
    }
    for my $origin ('http://app.example.org', 'https://example.net', 'https://evilexample.net', 'http://localhost:81', 'null') {
        my $answer = ask($where, GET => $list, fields => { Origin => $origin });
        refused($answer, 403, 'origin_not_allowed', $origin);
        is(field($answer, 'Access-Control-Allow-Origin'), '', 'gets no field to read it with');
        my $path = $where->path($trip, token => $where->token('ann'));
        is($where->turned_away($path, { Origin => $origin })->{code}, 4003, 'nor a socket');
    }
    my $preflight = ask($where, OPTIONS => $list, token => undef,
        fields => { Origin => 'https://app.example.org', 'Access-Control-Request-Method' => 'POST' });
    is($preflight->{status}, 204, 'a preflight needs no token');
    like(field($preflight, 'Access-Control-Allow-Headers'), qr/Authorization/, 'and says what may be sent');
    stops_clean($server, 'the server stops in order');
};

subtest 'a token of the query is in no log' => sub {
    my $trip  = $site->new_trip;
    my $token = $site->token('ann');
    is(ask($site, GET => "/rooms/$trip/messages/?token=$token", token => undef)->{status}, 200, 'it lets its owner in');
    my ($secret) = $token =~ /\.([^.]+)\z/;
    for my $log ($site->access_log, $site->error_log) {
        open my $file, '<', $log or die "$log: $!\n";
        is(scalar(grep { /\Q$secret\E/ } <$file>), 0, "not in $log");
    }
};

done_testing;
