# What members notice when the database is busy, broken or changed while the chat runs. The sender learns of every
# failure, no message is shown that was not stored, and the chat goes on when the database is back. Uses its own server.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Rest;
use TripChat::Test;

my $server = TripChat::Server->start;
my $site   = $server->site;

# What the log may contain then: failures of SQL.
use constant OF_THE_DATABASE => qr/\bTC0012:/;

# ann and bob in a new room. Returns the trip, too.
sub members {
    my $trip = $site->new_trip;
    return ($trip, map { $site->chat(trip => $trip, as => $_) } qw(ann bob));
}

# Runs $code while another program holds the database's write lock.
sub while_locked { return $site->database->while_locked(@_) }

subtest 'a message that cannot be stored is an error to its sender alone' => sub {
    my ($trip, $ann, $bob) = members();
    while_locked(
        sub {
            $ann->say('in vain', client_id => 'c-1');
            my $error = $ann->next_json;
            is_deeply(
                [@$error{qw(type code client_id)}],
                [qw(error unavailable c-1)],
                'it says that the database does not answer'
            );
            like($error->{retry_after}, qr/\A[1-9]\d*\z/, 'and when to try again');
            my $carol = $site->chat(trip => $trip, as => 'carol');
            is($carol->history->{last_seq}, 0, 'who comes meanwhile can read');
            $carol->leave;
        }
    );
    $ann->say('not in vain', client_id => 'c-1');
    is($ann->next_json->{message}{content}, 'not in vain', 'the same client_id may be sent again');
    is($bob->next_json->{message}{seq},     1,             'and that is all the others see');
    is_deeply([$bob->messages_before_marker], [], 'once');
};

subtest 'a lock that is soon released delays and does nothing else' => sub {
    my ($trip, $ann, $bob) = members();
    while_locked(sub { $ann->say('a moment later') });
    is($_->next_json->{message}{content}, 'a moment later', 'the message comes') for $ann, $bob;
};

subtest 'a room that cannot be made closes with 1013' => sub {
    my $trip = $site->new_trip;
    while_locked(
        sub { turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1013, 'the newcomer') });
    ok($site->chat(trip => $trip), 'and later it can be made');
};

subtest 'a statement that fails is no fault of the message' => sub {
    my ($trip, $ann, $bob) = members();
    my $message = $ann->said('one');
    $site->sql('ALTER TABLE chat_messages RENAME TO elsewhere');
    $ann->say('two', client_id => 'c-2');
    error_is($ann, { code => 'unavailable', client_id => 'c-2', retry_after => 2 }, 'to who sends a message');
    $ann->edit($message->{id}, 'three');
    error_is($ann, { code => 'unavailable', retry_after => 2 }, 'and to who edits one');
    turned_away_with($site, $site->path($site->new_trip, token => $site->token('ann')), undef, 1013, 'no history, 1013');
    $site->sql('ALTER TABLE elsewhere RENAME TO chat_messages');
    is($ann->said('two', client_id => 'c-2')->{seq}, 2, 'when it works again no number is missing');
    is_deeply(seqs_of($bob->next_many(2, 'chat_message')), [1, 2], 'to the others neither');
};

subtest 'a user query that fails closes with 1013, not as if the user were wrong' => sub {
    my $path = $site->path($site->new_trip, token => $site->token('ann'));
    $site->sql('ALTER TABLE users RENAME TO elsewhere');
    turned_away_with($site, $path, undef, 1013, 'the newcomer');
    $site->sql('ALTER TABLE elsewhere RENAME TO users');
    ok($site->chat(trip => $site->new_trip), 'and later is let in');
};

subtest 'a membership that is given or taken counts for the next connection' => sub {
    my $trip = $site->new_trip(members => ['ann']);
    my $path = $site->path($trip, token => $site->token('bob'));
    turned_away_with($site, $path, undef, 4003, 'bob is a stranger');
    $site->sql(sprintf "INSERT INTO trip_collaborators (trip_id, user_id) VALUES ('%s', '%s')", $trip, user('bob')->{id});
    ok($site->chat(trip => $trip, as => 'bob'), 'then a member');
    $site->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $trip, user('bob')->{id});
    turned_away_with($site, $path, undef, 4003, 'then a stranger again');
};

# Who is told 1012 reconnects, and the handshake says whether there is still a trip.
subtest 'a trip that is deleted closes its room with 1012, and then turns away with 4003' => sub {
    my ($trip, $ann) = members();
    $site->sql("DELETE FROM trips WHERE id = '$trip'");
    $ann->say('is anybody there?');
    closes_with($ann, 1012, 'who speaks there has to reconnect');
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 4003, 'and is not let in');
};

subtest 'a chat that an administrator clears begins anew' => sub {
    my ($trip, $ann, $bob) = members();
    $ann->said('of the old chat');
    $bob->next_json('chat_message');
    $site->sql("DELETE FROM chat_rooms WHERE trip_id = '$trip'");
    $ann->say('is anybody there?', client_id => 'c-1');
    closes_with($ann, 1012, 'who writes has to reconnect');
    $ann = $site->chat(trip => $trip);
    is_deeply($ann->history->{messages}, [], 'nothing is left of the old chat');
    closes_with($bob, 1012, 'the others follow');
    $bob = $site->chat(trip => $trip, as => 'bob');
    is($ann->said('of the new chat')->{seq}, 1, 'the new chat has numbers of its own');
    is($bob->next_json('chat_message')->{message}{content}, 'of the new chat', 'and all are in it');
};

# A request of each kind that asks the database.
sub requests {
    my ($trip, $message) = @_;
    my @events = (fields => { Accept => 'text/event-stream' });
    return (
        [GET   => TripChat::Rest::room_path($trip)],
        [HEAD  => TripChat::Rest::room_path($trip)],
        [GET   => TripChat::Rest::list_path($trip)],
        [GET   => TripChat::Rest::list_path($trip, after => 1, wait => 5)],
        [GET   => TripChat::Rest::list_path($trip), @events],
        [POST  => TripChat::Rest::messages_path(), json => { chat_room => $trip, content => 'x' }],
        [PATCH => TripChat::Rest::message_path($message->{id}), json => { content => 'x' }],
    );
}

subtest 'over HTTP a database that does not answer is 503, whatever is asked' => sub {
    my $trip    = $site->new_trip;
    my $ann     = $site->rest;
    my $message = $ann->posted($trip, 'one');
    $site->sql('ALTER TABLE users RENAME TO elsewhere');
    for my $request (requests($trip, $message)) {
        my $answer = $ann->call(@$request);
        answer_is($answer, 503, { 'Retry-After' => 2 }, "@$request[0, 1]");
        refusal_is($answer, 503, { code => 'unavailable', retry_after => 2 }, 'in JSON') if $request->[0] ne 'HEAD';
    }
    $site->sql('ALTER TABLE elsewhere RENAME TO users');
    is($ann->posted($trip, 'two')->{seq}, 2, 'and when it is back it goes on');
};

subtest 'over HTTP what cannot be stored is 503, and what can be read is read' => sub {
    my ($trip, $new) = map { $site->new_trip } 1, 2;
    my ($ann, $bob)  = map { $site->rest(as => $_) } qw(ann bob);
    my $message = $ann->posted($trip, 'one');
    my $waiting = $site->rest->ask_for_news($trip, 1);
    while_locked(
        sub {
            $ann->ask('POST', TripChat::Rest::messages_path(), json => { chat_room => $trip, content => 'in vain', client_id => 'c-1' });
            $bob->ask('POST', TripChat::Rest::messages_path(), json => { chat_room => $new, content => 'no room' });
            is_deeply(contents_of(@{ $site->rest->list($trip)->{json}{results} }), ['one'], 'a page');
            my $answer = $ann->answer;
            refusal_is($answer, 503, { code => 'unavailable', retry_after => 2 }, 'a message');
            answer_is($answer, 503, { 'Retry-After' => 2 }, 'with the field for programs');
            refusal_is($bob->answer, 503, { code => 'unavailable', retry_after => 2 }, 'a room that is to be made');
            refusal_is($ann->edit($message->{id}, 'in vain'), 503, { code => 'unavailable', retry_after => 2 }, 'an edit');
        }
    );
    my $again = $ann->post($trip, 'not in vain', client_id => 'c-1');
    is_deeply([@{ $again->{json} }{qw(content seq)}], ['not in vain', 2], 'it may be sent again');
    is_deeply($waiting->news->{results}, [$again->{json}], 'and that is all that others see');
};

subtest 'over HTTP a statement that fails is 503' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->rest;
    my $message = $ann->posted($trip, 'one');
    $site->sql('ALTER TABLE chat_messages RENAME TO elsewhere');
    refusal_is($ann->post($trip, 'two'), 503, { code => 'unavailable', retry_after => 2 }, 'to who sends one');
    $site->sql('ALTER TABLE elsewhere RENAME TO chat_messages');
    is($ann->posted($trip, 'two')->{seq}, 2, 'and no number is missing when it works again');
};

# A trigger of the site's that lets no message with the word "forbidden" in.
sub make_filter {
    return $site->sql(<<~'SQL') if !$site->{database}->is_sqlite;
        CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$;
        CREATE TRIGGER forbid BEFORE INSERT ON chat_messages FOR EACH ROW
            WHEN (new.content LIKE '%forbidden%') EXECUTE FUNCTION forbid();
        SQL
    return $site->sql(q{CREATE TRIGGER forbid BEFORE INSERT ON chat_messages WHEN new.content LIKE '%forbidden%'}
        . q{ BEGIN SELECT RAISE(ABORT, 'constraint failed: not here'); END;});
}

subtest 'what the database refuses is refused for good, and nothing else with it' => sub {
    my ($trip, $ann, $bob) = members();
    make_filter();
    $ann->say($_ == 3 ? 'a forbidden word' : "message $_", client_id => "c-$_") for 1 .. 5;
    my @answers = map { $ann->next_json } 1 .. 5;
    is_deeply([map { $_->{client_id} } grep { $_->{type} eq 'error' && $_->{code} eq 'internal' } @answers], ['c-3'], 'to the sender');
    is_deeply(contents_of(map { $_->{message} } $bob->next_many(4, 'chat_message')), [map { "message $_" } 1, 2, 4, 5], 'the others go on');
    refusal_is($site->rest->post($trip, 'forbidden, too'), 500, { code => 'internal' }, 'and over HTTP');
    $site->sql($site->{database}->is_sqlite ? 'DROP TRIGGER forbid' : 'DROP TRIGGER forbid ON chat_messages; DROP FUNCTION forbid()');
};

subtest 'over HTTP a trip that is deleted is no trip' => sub {
    my $trip = $site->new_trip;
    my ($ann, $poller) = map { $site->rest } 1, 2;
    my $message = $ann->posted($trip, 'one');
    my $events  = $site->rest->follow($trip);
    $events->next_json('message_history');
    $poller->ask_for_news($trip, 1);
    $site->sql("DELETE FROM trips WHERE id = '$trip'");
    refusal_is($ann->post($trip, 'two'), 403, { code => 'forbidden' }, 'to who writes');
    refusal_is($ann->list($message->{chat_room_id}), 403, { code => 'forbidden' }, 'to who reads');
    refusal_is($ann->edit($message->{id}, 'x'), 404, { code => 'message_not_found' }, 'and its messages are none');
    $_->disconnect for $events, $poller;
};

# This test is the last one, because bob does not exist any more after it.
subtest 'messages of a user who is deleted go, and nobody waits for their numbers' => sub {
    my ($trip, $ann, $bob) = members();
    $bob->said('of bob');
    $ann->next_json;
    $ann->said('of ann');
    $site->sql(sprintf "DELETE FROM users WHERE id = '%s'", user('bob')->{id});
    $bob->next_json('chat_message');
    $bob->say('a ghost', client_id => 'c-1');
    closes_with($bob, 4003, 'the user stores nothing more');
    is($ann->said('still there')->{seq}, 3, 'the others talk on');
    turned_away_with($site, $site->path($trip, token => $site->token('bob')), undef, 4001, 'the token is nobody\'s');
    my $history = $site->chat(trip => $trip, as => 'carol', after => 2)->history;
    is_deeply(contents_of(@{ $history->{messages} }), ['still there'], 'and who comes back gets what is new');
};

stops_clean($server, 'the server stops in order', OF_THE_DATABASE);

done_testing;
