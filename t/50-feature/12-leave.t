# Continuous authorization: a connection ends when its token expires, unless the client sends a newer token. It also
# ends when its user is removed from the trip. Both are tested for every transport.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Shared qw(is_full);
use TripChat::Test;
use TripChat::Token qw(make_token access_claims);

use constant LIFE_S => 8;    # of a token that has to expire: joining takes some time on a slow machine

my $server = TripChat::Server->start(site_config => "TripChatRecheck 1s\nTripChatTokenWarning 1h\n");
my $site   = $server->site;

sub expiring { my ($name, %claims) = @_; return $site->token($name // 'ann', exp => time + LIFE_S, %claims) }

sub take_off {
    my ($trip, $name) = @_;
    return $site->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $trip, user($name)->{id});
}

sub close_is {
    my ($client, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(eval { $client->read_close->{code} }, $code, $name) || diag($@);
}

subtest 'a socket is told before its token expires, and closed with 4001 when it has' => sub {
    my $trip = $site->new_trip;
    my $exp  = time + LIFE_S;
    my ($ann, $bob) = ($site->chat(trip => $trip, token => $site->token('ann', exp => $exp)), $site->chat(trip => $trip, as => 'bob'));
    my $warning = $ann->next_json;
    is($warning->{type}, 'token_expiring', 'a warning');
    cmp_ok($warning->{expires_in}, '<=', LIFE_S, 'with the seconds that are left');
    cmp_ok($warning->{expires_in}, '>=', 0, 'which are not past');
    close_is($ann, 4001, 'the end');
    cmp_ok(time, '>=', $exp, 'is not before its time');
    $bob->say('still here');
    is($bob->next_json('chat_message')->{message}{content}, 'still here', 'others stay');
};

subtest 'a newer token of the same user prolongs it' => sub {
    my $trip  = $site->new_trip;
    my $token = expiring();
    my ($ann, $witness) = map { $site->chat(trip => $trip, token => $_) } $token, expiring('bob');
    $ann->next_json('token_expiring');
    $ann->send_json({ type => 'authenticate', token => $site->token('ann', exp => time + 3 * 3600), client_id => 'a1' });
    my $answer = $ann->next_json;
    is_deeply([@$answer{qw(type client_id)}], ['authenticated', 'a1'], 'it is confirmed');
    cmp_ok($answer->{expires_in}, '>', 3000, 'with the time that it gives');
    close_is($witness, 4001, 'the time of the first token is over');
    is($ann->said('Here I am')->{content}, 'Here I am', 'the connection goes on');
};

subtest 'no other token does' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->chat(trip => $trip, token => expiring());
    $ann->next_json('token_expiring');
    my %bad = (
        'somebody else\'s' => $site->token('bob'),
        'one that has expired' => $site->token('ann', exp => time - 1),
        'one of another secret' => make_token(secret => 'x' x 32, claims => access_claims(user('ann')->{id})),
        'one that is none' => 'token',
        'an empty one' => '',
        'one without an end' => 'x' x 20_000,
    );
    for my $what (sort keys %bad) {
        $ann->send_json({ type => 'authenticate', token => $bad{$what}, client_id => $what });
        my $answer = $ann->next_json;
        is_deeply([@$answer{qw(type code client_id)}], ['error', 'unauthorized', $what], $what);
    }
    close_is($ann, 4001, 'and the first token\'s time ends');
};

subtest 'a stream and a poll end with their token, too' => sub {
    my $trip   = $site->new_trip;
    my $stream = $site->rest(token => expiring())->follow($trip);
    my $poll   = $site->rest(token => expiring())->ask_for_news($trip, 0);
    is($stream->next_json->{type}, 'message_history', 'a stream begins as ever');
    is($stream->next_json->{type}, 'token_expiring',  'is warned');
    is(($stream->read_close)[0], 4001, 'and ends with 4001');
    refusal_is($poll->answer, 401, { code => 'unauthorized' }, 'a poll ends with 401');
};

subtest 'who is taken off the trip has to go, with all connections' => sub {
    my $trip = $site->new_trip;
    my @bobs = map { $site->chat(trip => $trip, as => 'bob') } 1 .. 3;
    my $ann  = $site->chat(trip => $trip);
    my $stream = $site->rest(as => 'bob')->follow($trip);
    my $poll   = $site->rest(as => 'bob')->ask_for_news($trip, 0);
    $stream->next_json('message_history');
    take_off($trip, 'bob');
    close_is($_, 4003, 'a socket') for @bobs;
    is(($stream->read_close)[0], 4003, 'a stream');
    refusal_is($poll->answer, 403, { code => 'forbidden' }, 'a poll');
    turned_away_with($site, $site->path($trip, token => $site->token('bob')), undef, 4003, 'and may not come back');
    is($ann->said('He has gone.')->{content}, 'He has gone.', 'the others stay');
};

subtest 'when the trip is deleted all have to go' => sub {
    my $trip = $site->new_trip;
    my @all  = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol);
    $site->sql("DELETE FROM trips WHERE id = '$trip'");
    close_is($_, 4003, 'a member') for @all;
};

subtest 'a room of many users' => sub {
    my $trip = $site->new_trip;
    my @users = map { new_uuid() } 1 .. 300;
    my $insert = sub { my ($id) = @_; return <<"SQL" };
INSERT INTO users (id, email, username, full_name) VALUES ('$id', '$id\@example.org', '$id', 'x');
INSERT INTO trip_collaborators (trip_id, user_id) VALUES ('$trip', '$id');
SQL
    $site->sql(join '', 'BEGIN;', (map { $insert->($_) } @users), 'COMMIT;');
    my @sockets = $site->chats(map { +{ trip => $trip, token => make_token(secret => $site->{secret}, claims => access_claims($_)) } } @users);
    $site->sql("DELETE FROM trip_collaborators WHERE trip_id = '$trip' AND user_id IN ('$users[0]', '$users[255]', '$users[256]', '$users[299]')");
    close_is($sockets[$_], 4003, "number $_") for 0, 255, 256, 299;
    $sockets[1]->say('still here');
    is($sockets[$_]->next_json('chat_message')->{message}{content}, 'still here', "not number $_") for 1, 254, 257, 298;
};

subtest 'the rooms that are due are asked for together' => sub {
    my @trips = map { $site->new_trip } 1 .. 40;
    my @anns  = $site->chats(map { +{ trip => $_ } } @trips);
    my @bobs  = $site->chats(map { +{ trip => $_, as => 'bob' } } @trips);
    take_off($trips[7], 'bob');
    $site->sql("DELETE FROM chat_rooms WHERE trip_id = '$trips[9]'");
    close_is($bobs[7], 4003, 'who is taken off one trip has to go there');
    close_is($_, 1012, 'a room that was deleted closes') for $anns[9], $bobs[9];
    my @others = grep { $_ != 9 } 0 .. $#trips;
    $anns[$_]->say("in room $_") for @others;
    is_deeply([map { $anns[$_]->next_json('chat_message')->{message}{content} } @others], [map { "in room $_" } @others], 'all others stay');
    is(scalar(grep { $bobs[$_]->next_json('chat_message') } grep { $_ != 7 } @others), @others - 1, 'in each room');
    $_->disconnect for @anns, @bobs;
};

unlike($server->error_log, qr/TC0014/, 'a room\'s users are asked for in one statement');
stops_clean($server, 'the log has nothing to say');

subtest 'a query that cannot stand in another one is run for each user' => sub {
    my $query = is_full()
        ? 'TripChatAccessQuery "WITH w AS (UPDATE trips SET title = title WHERE false RETURNING 1) SELECT 1 FROM trip_collaborators WHERE trip_id = %{trip} AND user_id = %{user}"'
        : 'TripChatUserQuery "SELECT id, email, username FROM users WHERE id = %{user}"';
    my $other = TripChat::Server->start(site_config => "TripChatRecheck 1s\n$query\n");
    my $there = $other->site;
    my $trip  = $there->new_trip;
    my ($ann, $bob) = map { $there->chat(trip => $trip, as => $_) } qw(ann bob);
    $there->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $trip, user('bob')->{id});
    close_is($bob, 4003, 'who may no longer be there has to go');
    is($ann->said('Alone.')->{content}, 'Alone.', 'the other stays');
    log_says($other, qr/TC0014/, 'which is said');
    stops_clean($other, 'and the log has nothing else to say');
};

# The query divides by zero, or overflows, for trips with this title.
subtest 'a trip for which the query fails keeps its members, and delays no other trip for long' => sub {
    my $first = is_full() ? "1 / (t.title <> 'bad')::int" : "abs(-9223372036854775807 - (t.title = 'bad'))";
    my $query = "SELECT $first FROM trips t JOIN trip_collaborators c ON c.trip_id = t.id WHERE t.id = %{trip} AND c.user_id = %{user}";
    my $other = TripChat::Server->start(site_config => qq{TripChatRecheck 1s\nTripChatAccessQuery "$query"\n});
    my $there = $other->site;
    my @trips = map { $there->new_trip } 1 .. 20;
    my @anns  = $there->chats(map { +{ trip => $_ } } @trips);
    my $bob   = $there->chat(trip => $trips[11], as => 'bob');
    $there->sql("UPDATE trips SET title = 'bad' WHERE id = '$trips[10]'");
    sleep 2;
    $there->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $trips[11], user('bob')->{id});
    close_is($bob, 4003, 'who is taken off another trip has to go');
    is(scalar(grep { $_->said('here')->{seq} == 1 } @anns), scalar @anns, 'nobody else has to go');
    $_->disconnect for @anns;
    stops_clean($other, 'and the log says which query fails', qr/TC0012: .*(?:cannot check who may stay|TripChatAccessQuery failed)/);
};

done_testing;
