# From a Django Channels chat to this chat and back, as docs/migrating.md says. The test runs the statements of that
# page.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(one_on_each heard_alike);
use TripChat::Database;
use TripChat::Httpd qw(sql_dir);
use TripChat::Paper qw(blocks_of filled_in);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    PAPER    => 'migrating.md',
    ROLE     => "httpd_$$",
    TRIP     => '550e8400-e29b-41d4-a716-446655440000',
    MESSAGES => 60,
    # The output of "manage.py sqlmigrate" for django.contrib.auth and for models of trips, rooms and messages, without
    # the indexes that Django makes for foreign keys.
    DJANGO   => <<'SQL',
CREATE TABLE "auth_user" ("id" serial NOT NULL PRIMARY KEY, "password" varchar(128) NOT NULL,
    "last_login" timestamp with time zone NULL, "is_superuser" boolean NOT NULL, "username" varchar(150) NOT NULL UNIQUE,
    "first_name" varchar(150) NOT NULL, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL,
    "is_staff" boolean NOT NULL, "is_active" boolean NOT NULL, "date_joined" timestamp with time zone NOT NULL);
CREATE TABLE "trips_trip" ("id" uuid NOT NULL PRIMARY KEY, "title" varchar(200) NOT NULL,
    "created_at" timestamp with time zone NOT NULL, "owner_id" integer NOT NULL
    REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "trips_trip_collaborators" ("id" bigserial NOT NULL PRIMARY KEY,
    "trip_id" uuid NOT NULL REFERENCES "trips_trip" ("id") DEFERRABLE INITIALLY DEFERRED,
    "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "chat_rooms" ("id" uuid NOT NULL PRIMARY KEY, "created_at" timestamp with time zone NOT NULL, "trip_id" uuid NOT NULL UNIQUE);
CREATE TABLE "chat_messages" ("id" uuid NOT NULL PRIMARY KEY, "content" text NOT NULL, "message_type" varchar(20) NOT NULL,
    "is_edited" boolean NOT NULL, "created_at" timestamp with time zone NOT NULL, "updated_at" timestamp with time zone NOT NULL,
    "chat_room_id" uuid NOT NULL, "reply_to_id" uuid NULL, "sender_id" integer NOT NULL);
CREATE INDEX "chat_messag_chat_ro_b6bf60_idx" ON "chat_messages" ("chat_room_id", "created_at");
ALTER TABLE "chat_rooms" ADD CONSTRAINT "chat_rooms_trip_id_ace16b4a_fk_trips_trip_id" FOREIGN KEY ("trip_id")
    REFERENCES "trips_trip" ("id") DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "chat_messages" ADD CONSTRAINT "chat_messages_chat_room_id_77dbadd2_fk_chat_rooms_id" FOREIGN KEY ("chat_room_id")
    REFERENCES "chat_rooms" ("id") DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "chat_messages" ADD CONSTRAINT "chat_messages_reply_to_id_35e0e13c_fk_chat_messages_id" FOREIGN KEY ("reply_to_id")
    REFERENCES "chat_messages" ("id") DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "chat_messages" ADD CONSTRAINT "chat_messages_sender_id_cd95a334_fk_auth_user_id" FOREIGN KEY ("sender_id")
    REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED;
SQL
};

my %ID = (ann => 7, bob => 8);

my $postgres = TripChat::Postgres->shared;
my $database = $postgres->new_database(empty => 1);
my ($name)   = $database->sql('SELECT current_database()');
my $room     = new_uuid();
my $replied  = new_uuid();
my $edited   = new_uuid();
$database->sql(DJANGO . join '', map { sprintf q{INSERT INTO auth_user VALUES (%d, '!', NULL, false, '%s', '%s', 'Archer', '%s@example.com', false, true, now());},
    $ID{$_}, $_, ucfirst $_, $_ } sort keys %ID);
$database->sql("INSERT INTO trips_trip VALUES ('@{[TRIP]}', 'Lisbon', now(), 7); INSERT INTO trips_trip_collaborators (trip_id, user_id) VALUES ('@{[TRIP]}', 8);"
    . "INSERT INTO chat_rooms VALUES ('$room', now(), '@{[TRIP]}');");
# The rows are neither in the order of time nor in the order of ids.
$database->sql("INSERT INTO chat_messages SELECT CASE i WHEN 50 THEN '$replied' WHEN 51 THEN '$edited' ELSE gen_random_uuid() END::uuid, 'old ' || i, 'text',"
    . " i = 51, now() - (100 - i) * interval '1 minute', now() - (100 - i) * interval '1 minute', '$room', CASE i WHEN @{[MESSAGES]} THEN '$replied'::uuid END, 7 + i % 2"
    . " FROM generate_series(1, @{[MESSAGES]}) i ORDER BY i % 7");

# Runs $code with this search_path.
sub with_path {
    my ($path, $code) = @_;
    local $ENV{PGOPTIONS} = "-c search_path=$path";
    return $code->();
}

sub run_script {
    my ($script, %variables) = @_;
    return with_path('tripchat,public', sub { $database->run_file(sql_dir() . "/$script.pgsql.sql", %variables) });
}

sub count_of { my ($table) = @_; return ($database->sql("SELECT count(*) FROM $table"))[0] }

# The statement that is indented in a list of the page.
sub by_sql { return (blocks_of(PAPER, 'Django code that reads or writes messages', 'sql'))[0] }

subtest 'the chat\'s tables come beside Django\'s' => sub {
    my $before = $postgres->dump($database);
    my %keys = (users => 'auth_user', user_key => 'integer', trips => 'trips_trip');
    ok(!eval { $database->run_file(sql_dir() . '/chat.pgsql.sql', %keys); 1 }, 'into Django\'s own schema they do not go');
    like($@, qr/column "room_id" does not exist/, 'as the paper says');
    my $strip = sub { $_[0] =~ s/^\\(?:un)?restrict.*\n//gmr };    # a word that is another each time
    is($strip->($postgres->dump($database)), $strip->($before), 'and that leaves all as it was');

    my ($schema, $grants) = blocks_of(PAPER, 'Tables', 'sql');
    $database->sql(filled_in($schema, httpd => ROLE, 'DATABASE site' => "DATABASE $name"));
    run_script('chat', %keys);
    run_script('from-django');
    $database->sql(filled_in($grants, 'TO httpd' => 'TO ' . ROLE));
    is(count_of('tripchat.chat_messages'), MESSAGES, 'the messages are copied');
};

my ($config)  = blocks_of(PAPER, 'Configuration', 'apache');
my ($queries) = $config =~ /^(TripChatUserQuery.*\nTripChatAccessQuery.*\n)/m or die "no queries\n";
my $conninfo = $database->{params} =~ s/user=postgres/'user=' . ROLE/er;
my $server = TripChat::Server->start(
    children => 2, redis => TripChat::Redis->shared, site_config => $queries,
    database => TripChat::Database->postgres($conninfo, $database->command),
);
my $site = $server->site;
my $token = sub { my ($who) = @_; return $site->token('ann', user_id => $ID{$who}) };
my $join = sub { my ($who, %opt) = @_; return one_on_each($server, trip => TRIP, token => $token->($who), %opt) };

my @anns = $join->('ann');
my @bobs = $join->('bob');
my @all  = (@anns, @bobs);

subtest 'who comes sees the old history' => sub {
    for my $history (map { $_->history } @all) {
        my $messages = $history->{messages};
        is($history->{last_seq}, MESSAGES, 'each message has a number');
        is_deeply(seqs_of(@$messages), [11 .. MESSAGES], 'the newest fifty');
        is_deeply(contents_of(@$messages), [map { "old $_" } 11 .. MESSAGES], 'by their time');
    }
    my ($first, $last, $changed) = @{ $anns[0]->history->{messages} }[0, -1, 40];
    is($first->{chat_room_id}, $room, 'the room is the same');
    is_deeply($last->{reply_to}, { id => $replied, content => 'old 50', sender_email => 'ann@example.com' }, 'a reply');
    is_deeply([$changed->{id}, $changed->{is_edited} ? 1 : 0], [$edited, 1], 'an edited one');
    is_deeply($last->{sender}, { id => '7', email => 'ann@example.com', username => 'ann', full_name => 'Ann Archer' }, 'their senders');
    my ($back) = $join->('bob', after => MESSAGES - 2);
    is_deeply(seqs_of(@{ $back->history->{messages} }), [MESSAGES - 1, MESSAGES], 'and one may resume');
    $back->leave;
};

subtest 'what Django\'s chat still took comes in when it is copied again' => sub {
    is($anns[0]->said('here')->{seq}, 61, 'somebody has spoken meanwhile');
    $_->next_json('chat_message') for @all[1 .. $#all];
    $database->sql("INSERT INTO public.chat_messages VALUES (gen_random_uuid(), 'late', 'text', false, now(), now(), '$room', NULL, 8);"
        . "UPDATE public.chat_messages SET content = 'old 51, edited late', is_edited = true, updated_at = now() WHERE id = '$edited'");
    run_script('from-django');
    my @heard = map { [sort { $a->{message}{seq} <=> $b->{message}{seq} } $_->next_json, $_->next_json] } @all;
    is_deeply([map { seqs_of(@$_) } @heard], [map { [62, 63] } @all], 'all who are there hear of it');
    is_deeply([sort map { "$_->{type} $_->{message}{content}" } @{ $heard[0] }],
        ['chat_message late', 'message_edited old 51, edited late'], 'of the message and the edit');
    run_script('from-django');
    is(($database->sql('SELECT last_seq FROM tripchat.chat_rooms'))[0], 63, 'and again there is nothing new');
};

# While a long transaction runs, last_seq of a busy room lags behind the log.
subtest 'a room whose last_seq lags is copied into, too' => sub {
    my $lag = sub { my ($by) = @_; $database->sql("ALTER TABLE tripchat.chat_rooms DISABLE TRIGGER ALL; UPDATE tripchat.chat_rooms SET last_seq = last_seq - $by, lags = $by > 0;"
        . ' ALTER TABLE tripchat.chat_rooms ENABLE TRIGGER ALL') };
    $lag->(5);
    my $late = new_uuid();
    $database->sql("INSERT INTO public.chat_messages VALUES ('$late', 'later', 'text', false, now(), now(), '$room', NULL, 8)");
    run_script('from-django');
    is_deeply([$database->sql("SELECT seq FROM tripchat.chat_messages WHERE id = '$late'")], [64], 'with a number that is free');
    heard_alike('later', \@all, 'all who are there see it');
    $database->sql("DELETE FROM public.chat_messages WHERE id = '$late'; DELETE FROM tripchat.chat_messages WHERE id = '$late';"
        . " DELETE FROM tripchat.chat_events WHERE message_id = '$late'");
    $lag->(0);
};

subtest 'a view writes by SQL' => sub {
    is($anns[0]->said('before')->{seq}, 65, 'a message');
    $_->next_json('chat_message') for @all[1 .. $#all];
    with_path('tripchat,public', sub { $database->sql(by_sql()) });
    heard_alike('Ann joined the trip.', \@all, 'all who are there see it');
    is($anns[0]->said('after')->{seq}, 67, 'and the numbers go on');
    $_->next_json('chat_message') for @all[1 .. $#all];
};

subtest 'the way back' => sub {
    $anns[0]->edit($replied, 'old 50, edited here');
    $_->next_json('message_edited') for @all;
    run_script('to-django') for 1, 2;
    my $columns = 'id, content, message_type, is_edited, created_at, updated_at, reply_to_id, sender_id';
    is_deeply([$database->sql("SELECT $columns FROM public.chat_messages ORDER BY id")],
        [$database->sql("SELECT $columns FROM tripchat.chat_messages ORDER BY id")], 'Django has all messages, as they read now');
    is(count_of("public.chat_messages WHERE chat_room_id = '$room'"), MESSAGES + 5, 'in the room');
    run_script('from-django');
    is(($database->sql('SELECT last_seq FROM tripchat.chat_rooms'))[0], 68, 'and a copy brings nothing new');
};

$_->leave for @all;
stops_clean($server, 'the server stops in order');
done_testing;
