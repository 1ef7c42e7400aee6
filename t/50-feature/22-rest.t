# The chat over HTTP: who gets in, with which path and method, and how other requests are refused. Reading is in
# 23-rest-read.t, writing in 24-rest-write.t.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Rest;
use TripChat::Test;
use TripChat::Token qw(issued_secrets);

use constant ROOT => TripChat::Rest::ROOT;

my $site = site('plain');
my $trip = $site->new_trip;
my $ann  = $site->rest;

# A message from ann on the trip.
my $message = $ann->posted($trip, 'first');

# name => [method, path, options]: a valid request of each kind.
sub good_requests {
    return (
        'a room'         => ['GET',   TripChat::Rest::room_path($trip)],
        'a list'         => ['GET',   TripChat::Rest::list_path($trip)],
        'a long poll'    => ['GET',   TripChat::Rest::list_path($trip, after => 0, wait => 5)],
        'a stream'       => ['GET',   TripChat::Rest::list_path($trip), fields => { Accept => 'text/event-stream' }],
        'a message'      => ['POST',  TripChat::Rest::messages_path(), json => { chat_room => $trip, content => 'x' }],
        'an edit'        => ['PATCH', TripChat::Rest::message_path($message->{id}), json => { content => 'x' }],
    );
}

# Every kind of request is refused in the same way.
sub all_are_refused {
    my ($client, $opt, $status, $error, $fields, $name) = @_;
    my %request = good_requests();
    for my $what (sort keys %request) {
        my ($method, $path, %own) = @{ $request{$what} };
        my $answer = $client->call($method, $path, %own, %$opt);
        refusal_is($answer, $status, $error, "$name: $what");
        answer_is($answer, $status, { 'Content-Type' => 'application/json', 'Cache-Control' => 'no-store', %$fields }, 'with its fields');
    }
    return;
}

subtest 'a token comes in Authorization or in the query' => sub {
    my $bare  = $site->rest(token => $site->token('ann'));
    my $token = $site->token('ann');
    my $good  = sub { my ($name, @opt) = @_; is($bare->room($trip, @opt)->{status}, 200, $name) };
    $good->('Authorization');
    $good->('in lower case', token => undef, fields => { Authorization => "bearer $token" });
    $good->('the query',     query => 1);
    is($bare->get(TripChat::Rest::list_path($trip, limit => 5, x => 1), query => 1)->{status}, 200, 'a query with more in it');
    $good->('in both places the field counts', fields => { Authorization => "Bearer $token" }, token => 'x.y.z', query => 1);
    is($bare->room($trip, token => 'x.y.z', query => 1)->{status}, 401, 'a bad one in the query alone is none');
};

subtest 'without a good token the answer is 401' => sub {
    my %bad = (
        'no token'            => undef,
        'nonsense'            => 'nonsense',
        'an expired one'      => $site->token('ann', exp => time - 3600),
        'one of another site' => site('second')->token('ann'),
        'one of nobody'       => $site->token('ann', user_id => new_uuid()),
        'alg none'            => make_token(secret => '', claims => access_claims(user('ann')->{id}), header => { alg => 'none' }, signature => ''),
    );
    for my $what (sort keys %bad) {
        all_are_refused($ann, { token => $bad{$what} }, 401, { code => 'unauthorized' }, { 'WWW-Authenticate' => 'Bearer' }, $what);
    }
    is($ann->room($trip, token => undef, fields => { Authorization => 'Basic ' . $site->token('ann') })->{status}, 401, 'another scheme');
};

subtest 'strangers, missing trips and what is no id look alike' => sub {
    my ($theirs, $room) = ($site->new_trip(members => ['bob']), undef);
    $room = $site->rest(as => 'bob')->room($theirs)->{json}{id};
    my %id = (
        'a trip of others' => $theirs, 'its room' => $room, 'no such trip' => new_uuid(), 'no UUID' => 'not-a-uuid',
        'a message'        => $message->{id}, 'a UUID and more' => "${trip}0", 'SQL' => q{%27%20OR%20%271%27=%271},
    );
    my %said;
    for my $what (sort keys %id) {
        my @answers = ($ann->room($id{$what}), $ann->list($id{$what}), $ann->list($id{$what}, { after => 0, wait => 5 }),
            $ann->list($id{$what}, {}, fields => { Accept => 'text/event-stream' }));
        push @answers, $ann->post($id{$what}, 'x') if $id{$what} =~ UUID;
        refusal_is($_, 403, { code => 'forbidden' }, $what) for @answers;
        $said{ $_->{body} }++ for @answers;
    }
    is(scalar keys %said, 1, 'to the letter') or diag explain \%said;
};

subtest 'somebody who leaves the trip has no access with the next request' => sub {
    my $there = $site->new_trip;
    my $bob   = $site->rest(as => 'bob');
    is($bob->room($there)->{status}, 200, 'a member');
    $site->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $there, user('bob')->{id});
    is($bob->room($there)->{status}, 403, 'a stranger');
};

subtest 'a path that is none of the chat gets 404' => sub {
    my $id = new_uuid();
    for my $path ('/', '/rooms/', '/nothing/', "/rooms/$trip/members/", '/messages/a/b/', "/trips/$trip/",
        '/x/messages/', "/x/messages/$id/", "/x/rooms/$trip/", "/rooms/$trip/messages/$id/", "/rooms/messages/$id/x/") {
        refusal_is($ann->get(ROOT . $path), 404, { code => 'not_found' }, "GET $path");
    }
    refusal_is($ann->call('POST', ROOT . '/nothing/', json => {}), 404, { code => 'not_found' }, 'to whoever posts as well');
};

subtest 'what cannot be done with a path gets 405, with what can' => sub {
    my %allowed = (
        TripChat::Rest::room_path($trip)               => 'GET, HEAD, OPTIONS',
        TripChat::Rest::list_path($trip)               => 'GET, HEAD, OPTIONS',
        TripChat::Rest::messages_path()                => 'POST, OPTIONS',
        TripChat::Rest::message_path($message->{id})   => 'PATCH, OPTIONS',
    );
    for my $path (sort keys %allowed) {
        for my $method (qw(GET HEAD POST PUT PATCH DELETE PROPFIND WHATEVER)) {
            next if $allowed{$path} =~ /\b$method\b/;
            my $answer = $ann->call($method, $path);
            answer_is($answer, 405, { Allow => $allowed{$path} }, "$method $path");
            is($answer->{json} && $answer->{json}{code}, $method eq 'HEAD' ? undef : 'method_not_allowed', 'in JSON');
        }
        answer_is($ann->call('OPTIONS', $path, token => undef), 204, { Allow => $allowed{$path} }, "OPTIONS $path needs no token");
    }
};

subtest 'the last slash of a path may be missing' => sub {
    my $list = $ann->list($trip)->{json};
    is_deeply($ann->get(ROOT . "/rooms/$trip")->{json}, $ann->room($trip)->{json}, 'of a room');
    is_deeply($ann->get(ROOT . "/rooms/$trip/messages")->{json}{results}, $list->{results}, 'of its list');
    is($ann->call('POST',  ROOT . '/messages', json => { chat_room => $trip, content => 'x' })->{status}, 201, 'of messages');
    is($ann->call('PATCH', ROOT . "/messages/$message->{id}", json => { content => 'y' })->{status}, 200, 'of a message');
};

# After a 400, a 413 and some other statuses, httpd closes the connection.
subtest 'a connection serves many requests, the refused ones among them' => sub {
    my $once = $site->rest;
    $once->room($trip);
    $once->list($trip);
    $once->head(TripChat::Rest::room_path($trip));
    $once->posted($trip, 'over the same');
    $once->call('DELETE', TripChat::Rest::room_path($trip));
    $once->room(new_uuid());
    $once->room($trip, token => undef);
    $once->call('OPTIONS', TripChat::Rest::messages_path());
    $once->get(TripChat::Rest::list_path($trip), fields => { 'If-None-Match' => $once->list($trip)->{fields}{etag}[0] });
    is($once->list($trip)->{json}{results}[-1]{content}, 'over the same', 'the last answer is the right one');
    is($once->connections, 1, 'it took one connection');
};

subtest 'an HTTP/1.0 client is served' => sub {
    my $old = $site->rest;
    is($old->room($trip, http => '1.0')->{json}{trip_id}, $trip, 'reading');
    is($old->post_json({ chat_room => $trip, content => 'of old' }, http => '1.0')->{status}, 201, 'writing');
    is_deeply($old->list($trip, { after => 0, wait => 5, limit => 1 }, http => '1.0')->{json}{results}[0]{seq}, 1, 'a poll with news');
    my $there = $site->new_trip;
    is_deeply($old->list($there, { after => 0, wait => 1 }, http => '1.0')->{json}{results}, [], 'a poll without');
    is($old->follow($there, {}, http => '1.0')->next_event->{id} =~ s/-\d+\z//r, 0, 'a stream');
};

subtest 'two sites share nothing' => sub {
    my ($second, $both) = (site('second'), new_uuid());
    $_->new_trip(id => $both) for $site, $second;
    my $here = $site->rest->posted($both, 'here', client_id => 'c-1');
    is($second->rest->room($both)->{json}{last_seq}, 0, 'a trip of the same id is another room');
    is($second->rest->post($both, 'there', client_id => 'c-1')->{status}, 201, 'with client_ids of its own');
    is($second->rest->edit($here->{id}, 'x')->{status}, 404, 'and without the message');
    is($second->rest->list($here->{chat_room_id})->{status}, 403, 'or the room');
};

subtest 'no log and no status page holds a token of a query' => sub {
    my %request = good_requests();
    for my $what (sort keys %request) {
        my ($method, $path, @opt) = @{ $request{$what} };
        my $client = $site->rest->ask($method, $path, @opt, query => 1);
        $client->stream->read_response;
        is(index($site->http_get('/server-status')->{body}, "token=$client->{token}"), -1, "not in the status page: $what");
        $client->disconnect;
    }
    $ann->get(ROOT . '/nothing/', query => 1);
    $ann->call('DELETE', TripChat::Rest::room_path($trip), query => 1);
    my $log = until_true('the last line', sub { my $text = read_file($site->access_log); $text =~ /"DELETE [^"]*" 405/ && $text });
    like($log, qr{"GET /api/v1/chat/rooms/\Q$trip\E/messages/\?after=0&wait=5&token=\*\*\* HTTP/1.1"}, 'it is masked');
    for my $text ($log, read_file($site->error_log), $site->http_get('/server-status')->{body}) {
        is_deeply([grep { index($text, $_) >= 0 } issued_secrets()], [], 'nothing of any token');
    }
};

done_testing;
