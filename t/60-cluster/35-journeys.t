# How many journeys to PostgreSQL things cost. Far from the database, a journey is what a member waits for. A relay between
# httpd and PostgreSQL counts them; nothing here depends on how long anything takes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(min);
use Test::More;

use TripChat::Delay;
use TripChat::Metrics qw(metrics_config metrics_of);
use TripChat::Postgres;
use TripChat::Test;

# A new connection, a check of the site's queries, and whatever else the server does in the background only adds journeys.
# So of a few tries the one with the fewest counts.
use constant {
    ONE_WAY_S => 0.0025,
    TRIES     => 5,
    ROOMS     => 40,
    MESSAGES  => 5,      # of each room's member, at once
    PEOPLE    => 100,
};

my $postgres = TripChat::Postgres->shared;
my $database = $postgres->new_database;
my $relay    = TripChat::Delay->start(to => $postgres->port, one_way_s => ONE_WAY_S);
my $server   = TripChat::Server->start(
    workers => 40, database => $relay->database($database),
    site_config => "TripChatBus local\nTripChatRecheck 0\n" . metrics_config(),
);
my $site = $server->site;

# The fewest journeys of several tries. Each try begins with what $prepare returns.
sub fewest {
    my ($prepare, $code) = @_;
    my @counts = map {
        my @prepared = $prepare->();
        my $before   = $relay->journeys;
        $code->(@prepared);
        $relay->journeys - $before;
    } 1 .. TRIES;
    note "journeys: @counts";
    return min(@counts);
}

sub no_room { return $site->new_trip }

# Nobody has been in this room since its server started.
sub room_at_rest {
    my $trip = $site->new_trip;
    $database->sql(sprintf "INSERT INTO chat_rooms (id, trip_id) VALUES ('%s', '$trip')", new_uuid());
    return $trip;
}

subtest 'a message costs one' => sub {
    my $ann = $site->chat(trip => $site->new_trip);
    is(fewest(sub { }, sub { $ann->said('hello') }), 1, 'a message');
    my $message = $ann->said('Helo');
    is(fewest(sub { }, sub { $ann->edit($message->{id}, 'Hello'); $ann->next_json('message_edited') }), 1, 'an edit');
    is(fewest(sub { }, sub { $ann->said('a reply', reply_to => $message->{id}) }), 1, 'a reply');
    $ann->said('once', client_id => 'c-1');
    is(fewest(sub { }, sub { $ann->said('once', client_id => 'c-1') }), 1, 'a message that was stored before');
    $ann->leave;
};

subtest 'messages of many rooms that are sent at once share journeys' => sub {
    my @anns = $site->chats(map { { trip => $site->new_trip } } 1 .. ROOMS);
    my $batches = 0;
    my $count_batches = sub { return metrics_of($site)->{tripchat_database_batch_writes_count} // 0 };
    my @over;
    my $journeys = fewest(sub { $count_batches->() }, sub {
        my ($before) = @_;
        my $first = $relay->journeys;
        for my $ann (@anns) { $ann->say("message $_") for 1 .. MESSAGES }
        $_->next_many(MESSAGES, 'chat_message') for @anns;
        $batches = $count_batches->() - $before;
        push @over, $relay->journeys - $first - $batches;
    });
    is(min(@over), 0, 'each batch is one');
    cmp_ok($journeys, '<=', ROOMS * MESSAGES / 4, 'and they are far fewer than the messages');
    $_->leave for @anns;
};

subtest 'a handshake costs as many as it has to' => sub {
    my $come = sub { my ($trip) = @_; $site->chat(trip => $trip, as => 'bob')->leave };
    my $live = $site->new_trip;
    my $ann  = $site->chat(trip => $live);
    $ann->said('hello');
    is(fewest(sub { $live }, $come), 1, 'one, if the room is live in its child');
    is(fewest(sub { $live }, sub { turned_away_with($site, $site->path($live, token => $site->token('dave')), undef, 4003, 'dave') }), 1,
        'one, if the user is turned away');
    cmp_ok(fewest(\&room_at_rest, $come), '<=', 2, 'two, if it is not: the second reads the history');
    cmp_ok(fewest(\&no_room, $come), '<=', 3, 'three, if there is no room yet');
    $ann->leave;
};

# A trip whose room has messages of a hundred people whom nobody has asked for yet.
sub room_of_many {
    my $trip = room_at_rest();
    my $ids  = join ',', map { "'" . new_uuid() . "'" } 1 .. PEOPLE;
    $database->sql(<<"SQL");
CREATE TEMPORARY TABLE many AS SELECT id::uuid, n FROM unnest(ARRAY[$ids]) WITH ORDINALITY AS u(id, n);
INSERT INTO users (id, email, username, full_name) SELECT id, id || '\@example.com', id, 'User ' || n FROM many;
INSERT INTO chat_messages (id, room_id, seq, sender_id, content) SELECT gen_random_uuid(), r.id, n, many.id, 'message ' || n
    FROM many, chat_rooms r WHERE r.trip_id = '$trip';
UPDATE chat_rooms SET last_seq = ${\ PEOPLE } WHERE trip_id = '$trip';
SQL
    return $trip;
}

subtest 'a page costs as many as it has to' => sub {
    my $rest = $site->rest;
    my $page = sub {
        my ($trip) = @_;
        my $list = $rest->list($trip, { limit => PEOPLE })->{json}{results};
        is(scalar(grep { $_->{sender}{full_name} =~ /\AUser \d+\z/ } @$list), PEOPLE, 'a page of many people');
    };
    cmp_ok(fewest(\&room_of_many, $page), '<=', 3, 'three, if nobody is known yet');
    my $again = room_of_many();
    cmp_ok(fewest(sub { $again }, $page), '<=', 2, 'two, if all are known');
    my $id = $rest->room($again)->{json}{id};
    is(fewest(sub { $id }, sub { $rest->room(@_) }), 1, 'a room costs one');
    is(fewest(sub { }, sub { $rest->posted($again, 'hello') }), 2, 'a message over HTTP costs two: who may, and the message');
};

stops_clean($server, 'the server stops in order');
$relay->stop;

done_testing;
