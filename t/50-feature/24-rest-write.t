# Writing over HTTP: what is stored, who gets the event, and which bodies are accepted. Which messages are valid is in
# 21-contract.t.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Http;
use TripChat::Rest;
use TripChat::Test;

use constant {
    MESSAGES   => TripChat::Rest::messages_path(),
    LARGEST    => 131_072,     # bytes of a body
    MANY       => 40,
    AT_ONCE    => 8,           # clients that post at the same time
};

my $site = site('plain');
my $ann  = $site->rest;

# All ways to receive a room's events: a socket, a stream of events, and a poll.
sub listeners {
    my ($trip, $last_seq) = @_;
    my $events = $site->rest(as => 'bob')->follow($trip);
    $events->next_json('message_history');
    return (
        $site->chat(trip => $trip, as => 'bob'), $site->chat(trip => $trip), $events,
        $site->rest(as => 'carol')->ask_for_news($trip, $last_seq),
    );
}

# The next event as each way delivers it.
sub heard {
    my ($bob, $own, $events, $poller) = @_;
    return ((map { $_->next_json } $bob, $own, $events), $poller->news->{results});
}

subtest 'a message that is posted is stored and told to everybody, once' => sub {
    my $trip = $site->new_trip;
    my ($bob, $own, $events, $poller) = listeners($trip, 0);
    my $answer = $ann->post($trip, 'over HTTP', client_id => 'c-1');
    my $message = $answer->{json};
    message_is($message, 'ann', { content => 'over HTTP', message_type => 'text', seq => 1, is_edited => 0, reply_to => undef }, 'it comes back');
    answer_is($answer, 201,
        { Location => "$message->{id}/", 'Content-Type' => 'application/json', 'Cache-Control' => 'no-store' }, 'as made');
    my (@live, $page) = heard($bob, $own, $events, $poller);
    ($page) = splice @live, 3;
    is_deeply($_, { type => 'chat_message', message => $message }, 'live, without the client_id') for @live;
    is_deeply($page, [$message], 'and in a poll');
    is_deeply($ann->list($trip)->{json}{results}, [$message], 'and in the list');
    is_deeply([map { scalar $_->messages_before_marker } $bob], [0], 'once');
    is($events->next_json->{message}{seq}, 2, 'on the stream as well');
};

subtest 'an edit is stored and told to everybody, once' => sub {
    my $trip    = $site->new_trip;
    my $message = $ann->posted($trip, 'first');
    my @listeners = listeners($trip, 1);
    my $answer  = $ann->edit($message->{id}, 'second');
    my $edited  = $answer->{json};
    answer_is($answer, 200, { Location => undef, 'Cache-Control' => 'no-store' }, 'it is made');
    message_is($edited, 'ann', { id => $message->{id}, content => 'second', is_edited => 1, seq => 2, created_at => $message->{created_at} },
        'and comes back as the message reads now');
    my @live = heard(@listeners);
    my $page = pop @live;
    my %told = map { $_ => $edited->{$_} } qw(id content is_edited updated_at seq);
    is_deeply($_, { type => 'message_edited', message => \%told }, 'live, with what has changed') for @live;
    is_deeply($page, [$edited], 'and in a poll, whole');
    is_deeply([$listeners[0]->messages_before_marker], [], 'once');
    is($ann->list($trip)->{json}{results}[0]{seq}, 1, 'the message keeps its place in the list');
};

subtest 'a message may be posted where nobody is' => sub {
    for my $name (qw(plain forgetful)) {
        my $there = site($name);
        my $trip  = $there->new_trip;
        my $rest  = $there->rest;
        my @messages = map { $rest->posted($trip, "message $_") } 1 .. 3;
        is_consecutive(seqs_of(@messages), 1, 3, "on $name");
        $rest->edit($messages[0]{id}, 'mended');
        my $socket = $there->chat(trip => $trip, as => 'bob');
        is_deeply(contents_of(@{ $socket->history->{messages} }), ['mended', 'message 2', 'message 3'], 'who comes later sees it');
        is($rest->posted($trip, 'now you are here')->{seq}, 5, 'and the numbers go on');
        is_deeply(seqs_of($socket->next_json), [5], 'live');
    }
};

subtest 'a room is named by its id or its trip\'s, in any case' => sub {
    my $trip = $site->new_trip;
    my $room = $ann->room($trip)->{json}{id};
    is($ann->posted($_, 'x')->{chat_room_id}, $room, $_) for $trip, $room, uc $trip, uc $room;
};

subtest 'what is sent again is answered with what is stored, and told to nobody' => sub {
    my $trip   = $site->new_trip;
    my $socket = $site->chat(trip => $trip);
    my $bob    = $site->chat(trip => $trip, as => 'bob');
    my $first  = $ann->post($trip, 'over HTTP', client_id => 'c-1');
    $socket->say('over a socket', client_id => 'c-2');
    my @live = map { $_->{message} } $bob->next_many(2, 'chat_message');
    my @again = map { $ann->post($trip, 'other words', client_id => $_) } 'c-1', 'c-2';
    answer_is($_, 200, { Location => undef }, 'nothing is made') for @again;
    is_deeply([map { $_->{json} } @again], \@live, 'each is the stored one, whichever way it came');
    $socket->say('other words', client_id => 'c-1');
    my ($own) = grep { ($_->{client_id} // '') eq 'c-1' } $socket->next_many(3, 'chat_message');
    is_deeply($own, { type => 'chat_message', message => $first->{json}, client_id => 'c-1' }, 'a socket is told the same');
    is($site->rest(as => 'bob')->post($trip, 'of bob', client_id => 'c-1')->{status}, 201, 'of another sender it is another message');
    is(scalar(grep { $_->{message}{content} ne 'of bob' } $bob->messages_before_marker), 0, 'the others have heard of each once');
    $ann->edit($first->{json}{id}, 'mended');
    my $now = $ann->post($trip, 'over HTTP', client_id => 'c-1')->{json};
    is_deeply([@$now{qw(id content seq)}], [$first->{json}{id}, 'mended', 1], 'it is the message as it reads now');
};

subtest 'many that post at once, some of them the same, are stored in a row' => sub {
    my $trip    = $site->new_trip;
    my $bob     = $site->chat(trip => $trip, as => 'bob');
    my @clients = map { $site->rest } 1 .. AT_ONCE;
    my %seqs;
    for my $round (1 .. MANY / AT_ONCE) {
        $clients[$_]->ask('POST', MESSAGES, json => { chat_room => $trip, content => 'x', client_id => "$round-" . $_ % (AT_ONCE / 2) })
            for 0 .. $#clients;
        my @answers = map { $_->answer } @clients;
        is_deeply([sort map { $_->{status} } @answers], [(200) x (AT_ONCE / 2), (201) x (AT_ONCE / 2)], "round $round");
        $seqs{ $_->{json}{seq} }++ for @answers;
    }
    is_deeply([sort { $a <=> $b } keys %seqs], [1 .. MANY / 2], 'each number once');
    is_consecutive(seqs_of($bob->next_many(MANY / 2, 'chat_message')), 1, MANY / 2, 'everybody hears each once, in order');
    is_deeply([$bob->messages_before_marker], [], 'and no more');
};

subtest 'chat_room is a UUID, and there' => sub {
    my %bad = (missing => {}, null => { chat_room => undef }, 'a word' => { chat_room => 'x' }, 'a number' => { chat_room => 1 },
        'a list' => { chat_room => [new_uuid()] }, 'a zero' => { chat_room => new_uuid() . "\0" });
    for my $what (sort keys %bad) {
        my $answer = $ann->post_json({ content => 'x', %{ $bad{$what} } });
        refusal_is($answer, 400, { code => 'invalid_field', field => 'chat_room' }, $what);
    }
    is($ann->post_json({ chat_room => new_uuid(), content => '' })->{json}{code}, 'empty_content', 'what is not valid is told before what is not allowed');
};

subtest 'whoever may not edit a message does not learn that it is there' => sub {
    my $trip    = $site->new_trip(members => [qw(ann bob)]);
    my $message = $ann->posted($trip, 'mine');
    my %by      = map { $_ => $site->rest(as => $_) } qw(bob dave);
    refusal_is($by{bob}->edit($message->{id}, 'x'), 403, { code => 'not_sender' }, 'another member sees it, and may not');
    my @not_there = (
        $by{dave}->edit($message->{id}, 'x'), $by{dave}->edit(new_uuid(), 'x'),
        map { $ann->edit($_, 'x') } new_uuid(), 'no-uuid', $message->{chat_room_id}, $trip,
    );
    refusal_is($_, 404, { code => 'message_not_found' }, 'for a stranger, and where there is none') for @not_there;
    is(scalar keys %{ { map { $_->{body} => 1 } @not_there } }, 1, 'they look alike');
    is($ann->list($trip)->{json}{last_seq}, 1, 'and nothing has happened');
    is($ann->edit(uc $message->{id}, 'x')->{status}, 200, 'its sender may, in any case');
};

subtest 'a body of the wrong type is refused' => sub {
    my $trip = $site->new_trip;
    my $body = qq({"chat_room":"$trip","content":"x"});
    for my $type (undef, '', 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application', 'text/json', 'application/json-seq') {
        for my $request (['POST', MESSAGES], ['PATCH', TripChat::Rest::message_path($ann->posted($trip, 'x')->{id})]) {
            my $answer = $ann->call(@$request, body => $body, fields => { 'Content-Type' => $type });
            refusal_is($answer, 415, { code => 'unsupported_media_type' }, "$request->[0] of " . ($type // 'none'));
        }
    }
    for my $type ('application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json;charset=UTF-8') {
        is($ann->call('POST', MESSAGES, body => $body, fields => { 'Content-Type' => $type })->{status}, 201, $type);
    }
};

subtest 'a body may have 128 KB, whichever way it comes' => sub {
    my $trip = $site->new_trip;
    my $head = qq({"chat_room":"$trip","content":"x");
    my $fit  = $head . ' ' x (LARGEST - length($head) - 1) . '}';
    my %way  = (
        'with its length' => sub { (body => $_[0]) },
        'in chunks'       => sub { (chunks => [unpack '(a5000)*', $_[0]]) },
        'in one chunk'    => sub { (chunks => [$_[0]]) },
    );
    for my $how (sort keys %way) {
        is($ann->call('POST', MESSAGES, $way{$how}->($fit))->{status}, 201, "as much $how");
        my $more = $ann->call('POST', MESSAGES, $way{$how}->("$fit "));
        refusal_is($more, 413, { code => 'too_large' }, "one byte more $how");
        answer_is($more, 413, { Connection => 'close' }, 'ends the connection');
    }
    is($ann->room($trip)->{json}{last_seq}, scalar keys %way, 'and nothing of it is stored');
};

subtest 'a body that is said to be too large is not waited for' => sub {
    my $client = $site->rest;
    my $request = TripChat::Http::request_text(method => 'POST', path => MESSAGES, fields => {
        Authorization => "Bearer $client->{token}", 'Content-Type' => 'application/json', 'Content-Length' => LARGEST + 1 });
    is($client->stream->request($request)->{status}, 413, 'by its length alone');
    # When a chunked body is already too large, the answer does not wait for its end either.
    my $endless = $site->rest;
    $request = TripChat::Http::request_text(method => 'POST', path => MESSAGES, fields => {
        Authorization => "Bearer $endless->{token}", 'Content-Type' => 'application/json', 'Transfer-Encoding' => 'chunked' });
    is($endless->stream->request($request . TripChat::Http::chunk('x' x (LARGEST + 10_000)))->{status}, 413, 'by what has come');
};

subtest 'TripChatMaxMessageSize and the other limits of a site count here' => sub {
    my $small = site('small');
    my ($trip, $rest) = ($small->new_trip, $small->rest);
    refusal_is($rest->call('POST', MESSAGES, body => ' ' x 16_385), 413, { code => 'too_large' }, 'sixteen kilobytes');
    is($rest->call('POST', MESSAGES, body => ' ' x 16_384)->{json}{code}, 'invalid_json', 'are allowed');
    is($rest->post($trip, 'x' x 9001)->{json}{code}, 'content_too_long', 'nine thousand characters');
    is($rest->posted($trip, 'which?', message_type => 'poll')->{message_type}, 'poll', 'a poll');
    refusal_is($rest->post($trip, 'x', message_type => 'location'), 400, { code => 'invalid_message_type', field => 'message_type' }, 'no location');
};

subtest 'a body may come piece by piece' => sub {
    my $trip = $site->new_trip;
    my $text = "\x{1f600}" x 100;
    utf8::encode($text);
    my $body = qq({"chat_room":"$trip","content":"$text"});
    my $client = $site->rest;
    my $as_chunks = $client->call('POST', MESSAGES, chunks => [split //, $body]);
    is($as_chunks->{json}{content}, "\x{1f600}" x 100, 'a byte a chunk');
    my $request = TripChat::Http::request_text(method => 'POST', path => MESSAGES, body => $body,
        fields => { Authorization => "Bearer $client->{token}", 'Content-Type' => 'application/json' });
    $client->stream->write_singly($request);
    is($client->answer->{status}, 201, 'a byte a segment');
};

subtest 'a body whose chunks are none gets 400' => sub {
    my $client  = $site->rest;
    my $request = TripChat::Http::request_text(method => 'POST', path => MESSAGES, fields => {
        Authorization => "Bearer $client->{token}", 'Content-Type' => 'application/json', 'Transfer-Encoding' => 'chunked' });
    my $answer = $client->stream->request("${request}zz\r\n{}\r\n0\r\n\r\n");
    answer_is($answer, 400, { Connection => 'close' }, 'in words of httpd, which reads them');
};

subtest 'Expect: 100-continue is answered where the body is wanted' => sub {
    my $trip   = $site->new_trip;
    my $body   = qq({"chat_room":"$trip","content":"waited for"});
    my $expect = sub {
        my (%opt) = @_;
        my $client = $site->rest;
        my $length = $opt{length} // length $body;
        my $head = TripChat::Http::request_text(method => 'POST', path => MESSAGES, fields => {
            Authorization => 'Bearer ' . ($opt{token} // $client->{token}), 'Content-Type' => $opt{type} // 'application/json',
            'Content-Length' => $length, Expect => '100-continue' });
        return ($client, $client->stream->request($head)->{status});
    };
    my ($client, $status) = $expect->();
    is($status, 100, 'go on');
    $client->stream->write($body);
    is($client->answer->{json}{content}, 'waited for', 'and it is stored');
    is(($expect->(length => LARGEST + 1))[1], 413, 'not if it is too large');
    is(($expect->(type => 'text/plain'))[1],  415, 'nor of the wrong type');
    is(($expect->(token => 'x.y.z'))[1],      401, 'nor of nobody');
};

# A request whose body is complete but for its last byte. Returns a function that sends it and returns the answer.
sub begun {
    my ($client, $method, $path, $json) = @_;
    my $text = TripChat::Http::request_text(method => $method, path => $path, body => $json,
        fields => { Authorization => "Bearer $client->{token}", 'Content-Type' => 'application/json' });
    $client->stream->write(substr $text, 0, -1);
    return sub { $client->stream->write(substr $text, -1); return $client->answer };
}

subtest 'a token that expires before the body has come is an expired token' => sub {
    my $trip    = $site->new_trip;
    my $message = $ann->posted($trip, 'in time');
    my $exp     = time + 3;
    my $rest    = sub { return $site->rest(token => $site->token('ann', exp => $_[0])) };
    my ($late, $edit, $wrong) = map { begun($rest->($exp), @$_) }
        ['POST', MESSAGES, qq({"chat_room":"$trip","content":"late"})],
        ['PATCH', TripChat::Rest::message_path($message->{id}), '{"content":"late"}'], ['POST', MESSAGES, 'late!'];
    my $slow = begun($rest->($exp + 60), 'POST', MESSAGES, qq({"chat_room":"$trip","content":"slow"}));
    is($rest->($exp)->list($trip)->{status}, 200, 'a token that is good');
    until_true('the token to expire', sub { time >= $exp });
    for (['a message', $late], ['an edit', $edit], ['a body that is wrong as well', $wrong]) {
        my $answer = $_->[1]->();
        refusal_is($answer, 401, { code => 'unauthorized' }, $_->[0]);
        answer_is($answer, 401, { 'WWW-Authenticate' => 'Bearer' }, 'as with every bad token');
    }
    is($slow->()->{status}, 201, 'a body may be slow while the token is good');
    is_deeply([map { $_->{content} } @{ $ann->list($trip)->{json}{results} }], ['in time', 'slow'], 'and nothing else was stored');
};

subtest 'a client that leaves in mid-body has said nothing' => sub {
    my $trip = $site->new_trip;
    my $body = qq({"chat_room":"$trip","content":"half a"});
    for my $part (0, 10, length($body) - 1) {
        my $client = $site->rest;
        my $text = TripChat::Http::request_text(method => 'POST', path => MESSAGES, body => $body,
            fields => { Authorization => "Bearer $client->{token}", 'Content-Type' => 'application/json' });
        $client->stream->write(substr $text, 0, length($text) - length($body) + $part);
        $client->stream->shutdown_write;
        isnt($client->answer->{status}, 201, "after $part bytes");
    }
    is($ann->room($trip)->{json}{last_seq}, 0, 'nothing was stored');
};

subtest 'a client that leaves before its answer has said it' => sub {
    my $trip   = $site->new_trip;
    my $bob    = $site->chat(trip => $trip, as => 'bob');
    my $client = $site->rest;
    $client->ask('POST', MESSAGES, json => { chat_room => $trip, content => 'and gone' });
    $client->disconnect;
    is($bob->next_json->{message}{content}, 'and gone', 'it is stored and told');
};

done_testing;
