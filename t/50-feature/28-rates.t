# Rate limits and the number of connections of a user or an address. Sockets and HTTP use the same buckets, in all
# children.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

# The periods are so long that no token comes back within a test, however slow the machine is.
use constant PERIOD => '10h';

sub server_with {
    my (@lines) = @_;
    return TripChat::Server->start(site_config => join("\n", @lines));
}

# How many answers are no errors, and how many are errors after them: (accepted, errors).
sub answers {
    my ($client, $count) = @_;
    my ($accepted, @errors) = (0);
    for (1 .. $count) {
        my $message = $client->next_json;
        if ($message->{type} eq 'error') { push @errors, $message } else { $accepted++ }
    }
    return ($accepted, @errors);
}

sub is_rate_limited {
    my ($error, $client_id, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply([@$error{qw(type code client_id)}], ['error', 'rate_limited', $client_id], $name);
    return cmp_ok($error->{retry_after}, '>', 0, 'with the seconds to wait');
}

subtest 'messages of a connection' => sub {
    my $server = server_with('TripChatMessageRate 5/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my ($ann, $again) = map { $site->chat(trip => $trip) } 1, 2;
    $ann->say("message $_", client_id => "c$_") for 1 .. 8;
    my ($accepted, @errors) = answers($ann, 8);
    is($accepted, 5, 'as many as there are tokens');
    is_rate_limited($errors[$_], 'c' . (6 + $_), 'one more') for 0 .. 2;
    $ann->send_text('{"type":"ping"}');
    is($ann->next_json->{code}, 'rate_limited', 'whatever it is counts');
    $ann->send_text('no JSON');
    is($ann->next_json->{code}, 'rate_limited', 'broken or not');
    $ann->typing(1);
    is(scalar $ann->json_before_pong, 0, 'but typing and edits have tokens of their own');
    $again->say('over another connection');
    is($again->next_json('chat_message')->{message}{content}, 'message 1', 'others go on') ;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'edits and typing of a connection' => sub {
    my $server = server_with('TripChatEditRate 2/' . PERIOD, 'TripChatTypingRate 2/' . PERIOD, 'TripChatTypingInterval 0');
    my $site   = $server->site;
    my $ann    = $site->chat(trip => $site->new_trip);
    my $id     = $ann->said('one')->{id};
    $ann->edit($id, "edit $_") for 1 .. 3;
    my ($accepted, @errors) = answers($ann, 3);
    is($accepted, 2, 'edits');
    is_rate_limited($errors[0], undef, 'one more');
    $ann->typing(1) for 1 .. 3;
    is_rate_limited($ann->next_json, undef, 'typing: the third');
    is($ann->said('two')->{content}, 'two', 'messages go on');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'tokens come back' => sub {
    my $server = server_with('TripChatMessageRate 2/200ms', 'TripChatRefusalRate 0');
    my $site   = $server->site;
    my $ann    = $site->chat(trip => $site->new_trip);
    my $seen   = 0;
    until_true('the twentieth message', sub { $ann->say('again'); $seen++ if $ann->next_json->{type} eq 'chat_message'; $seen >= 20 });
    pass('one after the other');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'messages of a user over all ways in' => sub {
    my $server = server_with('TripChatUserMessageRate 6/' . PERIOD, 'TripChatUserEditRate 1/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $rest = $site->rest;
    my @sockets = map { $site->chat(trip => $trip) } 1, 2;
    $_->said("from socket $_") for @sockets;
    my @posted = map { $rest->posted($trip, "over HTTP $_") } 1 .. 4;
    my $refused = $rest->post($trip, 'one more');
    refusal_is($refused, 429, { code => 'rate_limited', retry_after => $refused->{json}{retry_after} }, 'over HTTP');
    is($refused->{fields}{'retry-after'}[0], $refused->{json}{retry_after}, 'with Retry-After');
    cmp_ok($refused->{json}{retry_after}, '>', 0, 'and a time');
    $sockets[0]->messages_until('over HTTP 4');
    $sockets[0]->say('one more', client_id => 'x');
    is_rate_limited($sockets[0]->next_json, 'x', 'over a socket');
    is($rest->edit($posted[0]{id}, 'edited')->{status}, 200, 'an edit');
    is($rest->edit($posted[0]{id}, 'again')->{status},  429, 'and no more');
    is($site->rest(as => 'bob')->post($trip, 'mine')->{status}, 201, 'another user goes on');
    is($rest->room($trip)->{json}{last_seq}, 8, 'what was refused is not stored');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'whoever goes on after many a refusal is closed with 1008' => sub {
    my $server = server_with('TripChatMessageRate 1/' . PERIOD, 'TripChatRefusalRate 3/' . PERIOD);
    my $site   = $server->site;
    my $ann    = $site->chat(trip => $site->new_trip);
    is($ann->said('one')->{content}, 'one', 'one is allowed');
    $ann->say("message $_") for 1 .. 10;
    my ($accepted, @errors) = answers($ann, 3);
    is_deeply([$accepted, scalar @errors], [0, 3], 'three times it is told');
    closes_with($ann, 1008, 'then its connection ends');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'handshakes of an address' => sub {
    my $server = server_with('TripChatHandshakeRate 5/' . PERIOD, 'TripChatAddressConnections 100');
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my @clients = map { $site->chat(trip => $trip) } 1 .. 4;
    ok($site->rest->follow($trip), 'a stream is one, too');
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1008, 'more are closed, as a page can see') for 1 .. 4;
    my $refused = $site->rest->ask_to_follow($trip)->answer;
    is_deeply([$refused->{status}, $refused->{json}{code}], [429, 'rate_limited'], 'a stream gets 429');
    ok($refused->{json}{retry_after} <= 7200 && $refused->{json}{retry_after} > 6000, 'and says when a place is free');
    is($site->rest->room($trip)->{status}, 200, 'reading goes on');
    my $answer = $site->connect->request(TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $site->token('ann'))));
    is($answer->{status}, 101, 'as often as handshakes are allowed');
    $answer = $site->connect->request(TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $site->token('ann'))));
    is($answer->{status}, 429, 'and then they get 429');
    stops_clean($server, 'the log has nothing to say');
};

# One request of each kind, with options for all: name => answer.
sub requests {
    my ($client, $trip, $message_id, %opt) = @_;
    my %kinds = (
        'a room'      => ['GET',   TripChat::Rest::room_path($trip)],
        'a head'      => ['HEAD',  TripChat::Rest::room_path($trip)],
        'a page'      => ['GET',   TripChat::Rest::list_path($trip, limit => 100)],
        'a poll'      => ['GET',   TripChat::Rest::list_path($trip, after => 999, wait => 1)],
        'a stream'    => ['GET',   TripChat::Rest::list_path($trip), fields => { Accept => 'text/event-stream' }],
        'a message'   => ['POST',  TripChat::Rest::messages_path(), json => { chat_room => $trip, content => 'x' }],
        'no JSON'     => ['POST',  TripChat::Rest::messages_path(), body => '{'],
        'an edit'     => ['PATCH', TripChat::Rest::message_path($message_id), json => { content => 'x' }],
        'a long body' => ['POST',  TripChat::Rest::messages_path(), body => ' ' x 200_000],
    );
    return map { my ($method, $path, @own) = @{ $kinds{$_} }; ($_ => $client->call($method, $path, @own, %opt)) } sort keys %kinds;
}

# Each answer is a 429 that says when to come back, twice.
sub are_refused {
    my ($name, %answers) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $what (sort keys %answers) {
        my $answer = $answers{$what};
        my $after  = $answer->{fields}{'retry-after'}[0] // 'none';
        is_deeply([$answer->{status}, $after > 0], [429, !!1], "$name: $what");
        is_deeply([@{ $answer->{json} // {} }{qw(code retry_after)}], ['rate_limited', $after], 'with the time in both places') if $what ne 'a head';
    }
    return;
}

# A client may have any number of addresses in its own network, and a customer of a provider any number of networks.
subtest 'requests of networks of IPv6' => sub {
    my $server = TripChat::Server->start(
        config => "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1", site_config => 'TripChatRequestRate 2/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $ann  = $site->rest;
    my $from = sub { return $ann->call('GET', "/api/v1/chat/rooms/$trip/", fields => { 'X-Client' => $_[0] })->{status} };
    is_deeply([map { $from->("2001:db8:0:100::$_") } 1 .. 4], [200, 200, 429, 429], 'a /64 counts as one address');
    is_deeply([map { $from->("2001:db8:0:10${_}::1") } 1 .. 9], [(200) x 6, (429) x 3], 'a /56 as four');
    is_deeply([map { $from->("2001:db8:0:200::$_") } 1, 2], [200, 200], 'its neighbour is another one');
    is((grep { $from->("2001:db8:0:${_}00::1") == 200 } 3 .. 9, 'a' .. 'f', 10 .. 29), 32 - 2 - 6 - 2, 'a /48 as sixteen');
    is($from->('2001:db8:1::1'),    200, 'its neighbour is another one');
    is($from->('198.51.100.7'),     200, 'and IPv4 as well');
    is($from->('::ffff:198.51.100.7'), 200, 'however it is written');
    is($from->('::ffff:198.51.100.7'), 429, 'which is one address');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'requests of an address' => sub {
    my $server = server_with('TripChatRequestRate 7/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my ($ann, $bob) = map { $site->rest(as => $_) } qw(ann bob);
    my $id = $ann->posted($trip, 'one')->{id};
    is($ann->room($trip, token => $_)->{status}, 401, 'a bad token counts') for 'x.y.z', undef;
    is($bob->edit($id, 'two')->{status},                        403, 'an edit that is refused');
    is($ann->room(new_uuid())->{status},                        403, 'a room of others');
    is($ann->post_json('no object')->{status},                  400, 'a broken post');
    is($ann->list($trip, { after => 1, wait => 0 })->{status},  200, 'a poll');
    is($ann->call('OPTIONS', TripChat::Rest::messages_path(), token => undef)->{status}, 204, 'a preflight does not count')
        for 1 .. 3;
    is($ann->get('/api/v1/chat/nothing/')->{status}, 404, 'nor a path that is none') for 1 .. 3;
    are_refused('ann',        requests($ann, $trip, $id));
    are_refused('bob',        requests($bob, $trip, $id));
    are_refused('a stranger', requests($ann, $trip, $id, token => undef));
    are_refused('a bad token', requests($ann, $trip, $id, token => 'x.y.z'));
    ok($site->chat(trip => $trip), 'sockets have a rate of their own');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'requests and handshakes of a user' => sub {
    my $server = server_with('TripChatUserRequestRate 4/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $ann = $site->rest;
    my $id  = $ann->posted($trip, 'one')->{id};
    is($ann->room($trip, token => $site->token('ann', exp => time - 3600))->{status}, 401, 'a token that has expired is nobody\'s') for 1 .. 5;
    is($ann->room(new_uuid())->{status}, 403, 'a refused one counts');
    ok($site->chat(trip => $trip), 'a socket as well');
    is($ann->room($trip)->{status}, 200, 'the last');
    $site->sql('ALTER TABLE users RENAME TO people;');
    are_refused('ann', requests($ann, $trip, $id));
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1008, 'a socket, before the database is asked');
    is($site->rest(as => 'bob')->room($trip)->{status}, 503, 'for whom it is asked');
    stops_clean($server, 'the log says why it fails', qr/TC001[27]:/);
};

subtest 'a message over the rate is refused before the database is asked' => sub {
    my $server = server_with('TripChatUserMessageRate 1/' . PERIOD);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $ann = $site->rest;
    my $id  = $ann->posted($trip, 'one')->{id};
    are_refused('the loop says it', 'a message' => $ann->post($trip, 'two'));
    $site->sql('ALTER TABLE users RENAME TO people;');
    are_refused('it is remembered', 'a message' => $ann->post($trip, 'three'), 'no JSON' => $ann->call('POST', TripChat::Rest::messages_path(), body => '{'));
    is($ann->edit($id, 'four')->{status},               503, 'an edit has a rate of its own');
    is($site->rest(as => 'bob')->post($trip, 'x')->{status}, 503, 'and another user as well');
    stops_clean($server, 'the log says why it fails', qr/TC001[27]:/);
};

# What is closed takes a descriptor until the client has gone.
subtest 'handshakes of an address that may have no more connections' => sub {
    for my $site_config ('TripChatAddressConnections 3', 'TripChatAddressConnections 0', 'TripChatReject http') {
        my $server = server_with('TripChatHandshakeRate 2/' . PERIOD, $site_config);
        my ($site, $trip) = ($server->site, $server->site->new_trip);
        my @clients = map { $site->chat(trip => $trip) } 1, 2;
        my $path    = $site->path($trip, token => $site->token('ann'));
        push @clients, $site->connect->open($path) if $site_config =~ /3/;
        my $answer = $site->connect->request(TripChat::WebSocket::upgrade_request(path => $path));
        is($answer->{status}, 429, "429 with $site_config");
        cmp_ok($answer->{fields}{'retry-after'}[0] // 0, '>', 0, 'and when to come again');
        stops_clean($server, 'the log has nothing to say');
    }
};

subtest 'a message over the rate is allowed again in time' => sub {
    my $server = server_with('TripChatUserMessageRate 1/1s');
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my $seen = 0;
    until_true('the third message', sub { $seen++ if $site->rest->post($trip, 'again')->{status} == 201; $seen >= 3 });
    pass('one after the other');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'connections of a user' => sub {
    my $server = server_with('TripChatUserConnections 3');
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my @anns = map { $site->chat(trip => $trip) } 1, 2;
    my $stream = $site->rest->follow($trip);
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1008, 'a fourth is closed');
    is($site->rest->ask_to_follow($trip)->answer->{status},    429, 'a stream gets 429');
    is($site->rest->ask_for_news($trip, 0)->answer->{status}, 429, 'a poll as well');
    ok($site->chat(trip => $trip, as => 'bob'), 'another user comes in');
    $anns[0]->leave;
    my $back;
    until_true('the place to be free', sub { $back = eval { $site->chat(trip => $trip) } });
    ok($back, 'who goes makes room');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'connections of an address' => sub {
    my $server = server_with('TripChatAddressConnections 2', 'TripChatReject http');
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my @clients = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    is(eval { $site->chat(trip => $trip, as => 'carol') }, undef, 'a third is turned away');
    like($@, qr/429/, 'with 429');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'who is turned away counts for the address until they are gone' => sub {
    my $server = server_with('TripChatAddressConnections 2', 'TripChatCloseTimeout 30s');
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    my @strangers = map { $site->connect->open($site->path($trip, token => 'x.y.z')) } 1, 2;
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1008, 'a third is too many');
    $_->disconnect for @strangers;
    my $ann;
    until_true('a place to be free', sub { $ann = eval { $site->chat(trip => $trip) } });
    ok($ann, 'who goes makes room');
    stops_clean($server, 'the log has nothing to say');
};

if (is_full()) {
    subtest 'all children count together, and those that die are not counted for ever' => sub {
        my $server = TripChat::Server->start(children => 4, site_config => join "\n", 'TripChatUserConnections 12',
            'TripChatUserMessageRate 12/' . PERIOD);
        my ($site, $trip) = ($server->site, $server->site->new_trip);
        my @clients = map { $site->chat(trip => $trip) } 1 .. 12;
        turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1008, 'a thirteenth connection');
        $_->said('hello') for @clients;
        $clients[0]->messages_until('hello') for 2 .. 12;
        $clients[0]->say('one more', client_id => 'x');
        is_rate_limited($clients[0]->next_json, 'x', 'a thirteenth message');
        kill 'KILL', $server->child_pids;
        my @back;
        until_true('all of them to come back', sub { push @back, eval { $site->chat(trip => $trip) } // (); @back == 12 });
        pass('what the dead held is free again');
        stops_clean($server, 'and the log has nothing else to say', qr/exit signal Killed/);
    };
}

done_testing;
