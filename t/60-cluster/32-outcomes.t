# What becomes of a message whose storing fails depends on the failure (PostgreSQL's SQLSTATE). A message that itself cannot
# be stored is refused for good, alone. If the server cannot store at the moment, senders are told to try again, and what
# they repeat is stored. Nothing is shown that is not stored.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Httpd qw(sql_dir);
use TripChat::Postgres;
use TripChat::Test;

use constant OF_THE_DATABASE => qr/\bTC0012:|\[dbd:error\]|\bAH0062\d:|\bAH0063\d:/;    # ours, mod_dbd's

# A message "fail 23505" fails with this SQLSTATE; "fail 40001 twice" fails two times. A sequence is not rolled back.
use constant TRIGGER => <<'SQL';
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.content LIKE '% twice' AND nextval('tries') % 3 = 0 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the test wants this' USING ERRCODE = substr(NEW.content, 6, 5);
END $$;
CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON chat_messages FOR EACH ROW WHEN (NEW.content LIKE 'fail %')
    EXECUTE FUNCTION fail();
SQL

my $postgres = TripChat::Postgres->shared;
my $database = $postgres->new_database;
my ($name)   = $database->sql('SELECT current_database()');
my $ids      = 0;

sub room {
    my ($site, @names) = @_;
    my $trip = $site->new_trip;
    return ($trip, map { $site->chat(trip => $trip, as => $_) } @names);
}

# Sends these contents at once, and returns the answers in their order, each the seq or [code, retry_after].
sub answers_to {
    my ($member, @contents) = @_;
    my @ids  = map { 'c-' . ++$ids } @contents;
    my %said = map { ($ids[$_] => $contents[$_]) } 0 .. $#ids;
    my %answer;
    $member->say($said{$_}, client_id => $_) for @ids;
    while (keys %answer < @contents) {
        my $event = $member->next_json;
        my $content = $said{ $event->{client_id} // '' } // next;
        $answer{$content} = $event->{type} eq 'error' ? [@$event{qw(code retry_after)}] : $event->{message}{seq};
    }
    return map { $answer{$_} } @contents;
}

# The contents in a trip's table, in order.
sub stored_in {
    my ($trip) = @_;
    return [$database->sql("SELECT content FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
        . " WHERE r.trip_id = '$trip' ORDER BY seq")];
}

# What a member has been shown until somebody says a marker.
sub shown_to {
    my ($member, $speaker) = @_;
    my $marker = 'marker ' . ++$ids;
    $speaker->say($marker);
    return contents_of(grep { $_->{type} eq 'chat_message' } $member->messages_until($marker));
}

sub end_backends {
    $database->sql('SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity'
        . ' WHERE datname = current_database() AND pid <> pg_backend_pid()');
    return;
}

# Repeats what fails until the log says so: it has at most one line a second.
sub is_logged {
    my ($server, $fail, $pattern, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(until_true($what, sub { $fail->(); $server->error_log =~ $pattern }), $what);
}

subtest 'SQLSTATEs of a message' => sub {
    my $server = TripChat::Server->start(database => $database);
    my $site   = $server->site;
    $database->sql(TRIGGER);

    # Wrong data, constraints, limits of the program, exceptions of the site's own trigger.
    for my $state (qw(22001 22P05 23502 23505 23514 54000 P0001)) {
        my ($trip, $ann, $bob) = room($site, qw(ann bob));
        my @answers = answers_to($ann, 'before', "fail $state", 'after', 'and after');
        is_deeply(\@answers, [1, ['internal', undef], 2, 3], "$state is refused for good, and its neighbours are stored");
        is_deeply(shown_to($bob, $ann), ['before', 'after', 'and after'], 'and shown');
        is_deeply([grep { !/marker/ } @{ stored_in($trip) }], ['before', 'after', 'and after'], 'and in the table');
        $_->leave for $ann, $bob;
    }

    # The server: read-only, a full disk, memory, a time-out, a shutdown, an I/O error.
    for my $state (qw(25006 53100 53200 57014 57P01 58030)) {
        my ($trip, $ann, $bob) = room($site, qw(ann bob));
        my @contents = ("fail $state", 'after', 'and after');
        my @answers  = answers_to($ann, @contents);
        is_deeply($answers[0], ['unavailable', 2], "$state is unavailable for now");
        is_deeply([grep { ref && $_->[0] ne 'unavailable' } @answers], [], 'and is final for no message');
        $database->sql('ALTER TABLE chat_messages DISABLE TRIGGER fail');
        my @again = grep { ref $answers[$_] } 0 .. $#answers;
        is_deeply([grep { ref } answers_to($ann, @contents[@again])], [], 'repeated, all are stored');
        $database->sql('ALTER TABLE chat_messages ENABLE TRIGGER fail');
        is_deeply([sort @{ shown_to($bob, $ann) }], [sort @contents], 'and shown once');
        $_->leave for $ann, $bob;
    }

    # Locks and conflicts.
    for my $state (qw(40001 40P01 55P03)) {
        my ($trip, $ann, $bob) = room($site, qw(ann bob));
        my @answers = answers_to($ann, "fail $state twice", 'after');
        is_deeply([grep { ref } @answers], [], "$state is tried again, and nobody notices");
        is_deeply(shown_to($bob, $ann), ["fail $state twice", 'after'], 'in order');
        $_->leave for $ann, $bob;
    }

    subtest 'edits' => sub {
        my ($trip, $ann) = room($site, 'ann');
        my $id = $ann->said('one')->{id};
        $ann->edit($id, 'fail 23514');
        error_is($ann, { code => 'internal' }, 'wrong data');
        $ann->edit($id, 'fail 53100');
        error_is($ann, { code => 'unavailable', retry_after => 2 }, 'a full disk');
        $ann->edit($id, 'fail 55P03 twice');
        is($ann->next_json('message_edited')->{message}{seq}, 2, 'a lock');
        $ann->leave;
    };

    subtest 'over HTTP' => sub {
        my $trip = $site->new_trip;
        my $ann  = $site->rest;
        refusal_is($ann->post($trip, 'fail 23514'), 500, { code => 'internal' }, 'wrong data');
        my $full = $ann->post($trip, 'fail 53100');
        is($full->{status}, 503, 'a full disk');
        is_deeply($full->{fields}{'retry-after'}, [2], 'with Retry-After');
        is($ann->post($trip, 'fail 40001 twice')->{status}, 201, 'a conflict');
    };

    my ($trip, $ann) = room($site, 'ann');
    is_logged($server, sub { answers_to($ann, 'fail 23514') },
        qr/TC0012: a message was not stored: 23514: the test wants this/, 'the log has code and reason');
    $ann->leave;
    $database->sql('DROP TRIGGER fail ON chat_messages');
    stops_clean($server, 'the server stops in order', OF_THE_DATABASE);
};

subtest 'a constraint that fails when the transaction commits' => sub {
    my $server = TripChat::Server->start(database => $database);
    my ($trip, $ann, $bob) = room($server->site, qw(ann bob));
    $database->sql(<<'SQL');
CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the test wants this' USING ERRCODE = '23514';
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON chat_messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.content LIKE 'late %') EXECUTE FUNCTION fail_late();
SQL
    my @answers = answers_to($ann, 'before', 'late 1', 'after');
    is_deeply(\@answers, [1, ['internal', undef], 2], 'that message is refused, and no other');
    is_deeply(shown_to($bob, $ann), ['before', 'after'], 'nothing is shown that is not stored');
    is_deeply([grep { !/marker/ } @{ stored_in($trip) }], ['before', 'after'], 'nor acknowledged');
    $database->sql('DROP TRIGGER late ON chat_messages');
    $_->leave for $ann, $bob;
    stops_clean($server, 'the server stops in order', OF_THE_DATABASE);
};

# The database as a new role reaches it, which has the rights that the manual lists.
sub limited_to {
    my ($role) = @_;
    $database->sql("CREATE ROLE $role LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO $role;"
        . " GRANT SELECT, INSERT, UPDATE ON chat_rooms, chat_messages, chat_events, chat_people TO $role;"
        . " GRANT SELECT, INSERT, DELETE ON chat_client_ids TO $role");
    return bless { %$database, params => $database->{params} =~ s/user=\w+/user=$role/r }, ref $database;
}

subtest 'a role that may not insert' => sub {
    my $role    = "chat_of_$name";
    my $limited = limited_to($role);
    my $server  = TripChat::Server->start(database => $limited);
    my ($trip, $ann, $bob) = room($server->site, qw(ann bob));
    is_deeply([answers_to($ann, 'one')], [1], 'with the rights that the manual lists, all is well');
    my %right = (chat_messages => 'INSERT', chat_rooms => 'UPDATE', chat_client_ids => 'INSERT');
    for my $table (sort keys %right) {
        $database->sql("REVOKE $right{$table} ON $table FROM $role");
        my ($answer) = answers_to($ann, 'in vain');
        is_deeply($answer, ['unavailable', 2], "without $right{$table} on $table: unavailable");
        is_logged($server, sub { answers_to($ann, 'in vain') }, qr/TC0012: .*permission denied for table $table/, 'the log names the table');
        $database->sql("GRANT $right{$table} ON $table TO $role");
        is_deeply([grep { ref } answers_to($ann, "with $table")], [], 'and with it the next one is stored');
    }
    is_deeply(shown_to($bob, $ann), [grep { !/marker/ } @{ stored_in($trip) }], 'what was shown is what is stored');
    $_->leave for $ann, $bob;
    stops_clean($server, 'the server stops in order', OF_THE_DATABASE);
    $database->sql("DROP OWNED BY $role; DROP ROLE $role");
};

# Before anybody has written.
subtest 'a right that is missing from the beginning' => sub {
    my $role    = "chat_early_$name";
    my $limited = limited_to($role);
    my $health  = qq(<Location "/health">\nSetHandler tripchat-health\n</Location>);
    my %rights  = (chat_messages => 'INSERT', chat_people => 'UPDATE', chat_events => 'INSERT', chat_client_ids => 'DELETE');
    for my $table (sort keys %rights) {
        $database->sql("REVOKE $rights{$table} ON $table FROM $role");
        my $server = TripChat::Server->start(database => $limited, site_config => $health);
        is($server->site->http_get('/health')->{status}, 503, "without $rights{$table} on $table the health page says so");
        log_says($server, qr/TC0017: .*refuses "$rights{$table} ON $table": permission denied for table $table/, 'and the log');
        $database->sql("GRANT $rights{$table} ON $table TO $role");
        stops_clean($server, 'the server stops in order', qr/TC0017:/);
    }
    $database->sql("REVOKE ALL ON chat_messages, chat_events, chat_client_ids, chat_people FROM $role;"
        . " GRANT SELECT ON chat_messages, chat_events TO $role; ALTER FUNCTION chat_store(json, boolean, boolean) SECURITY DEFINER");
    my $server = TripChat::Server->start(database => $limited, site_config => $health);
    is($server->site->http_get('/health')->{status}, 200, 'a function that has the rights of its owner needs none of them');
    is($server->site->rest->post($server->site->new_trip, 'hello')->{status}, 201, 'and stores');
    stops_clean($server, 'the server stops in order');
    $database->sql("ALTER FUNCTION chat_store(json, boolean, boolean) SECURITY INVOKER; DROP OWNED BY $role; DROP ROLE $role");
};

# As a pool of one connection, which turns out to be read-only, and as one of several.
for my $pool ('DBDMin 1 DBDKeep 1 DBDMax 1', 'DBDMin 1 DBDKeep 4 DBDMax 8') {
    subtest "a database that is read-only for a while: $pool" => sub {
        my $server = TripChat::Server->start(database => $database, site_config => $pool =~ s/(\d) /$1\n/gr);
        my $site   = $server->site;
        my ($trip, $ann, $bob) = room($site, qw(ann bob));
        is_deeply([answers_to($ann, 'one')], [1], 'members talk');
        $database->sql("ALTER DATABASE $name SET default_transaction_read_only = on");
        end_backends();
        for my $n (1 .. 3) {
            is_deeply([answers_to($ann, "in vain, $n")], [['unavailable', 2]], 'then it is unavailable');
        }
        is_logged($server, sub { answers_to($ann, 'in vain') }, qr/TC0012: .*read-only transaction/, 'the log names the cause');
        my $carol = $site->chat(trip => $trip, as => 'carol', after => 0);
        is_deeply(contents_of(@{ $carol->history->{messages} }), ['one'], 'who comes can read');
        $database->sql("SET default_transaction_read_only = off; ALTER DATABASE $name RESET default_transaction_read_only");
        is_deeply([answers_to($ann, 'two')], [2], 'and the first message afterwards is stored');
        is_deeply(shown_to($bob, $ann), ['one', 'two'], 'and shown');
        $_->leave for $ann, $bob, $carol;
        stops_clean($server, 'the server stops in order', OF_THE_DATABASE);
    };

    subtest "a room that is new after that: $pool" => sub {
        my $server = TripChat::Server->start(database => $database, site_config => $pool =~ s/(\d) /$1\n/gr);
        my $site   = $server->site;
        my @trips  = map { $site->new_trip } 1 .. 2;
        $site->chat(trip => $trips[0])->leave;
        $database->sql("ALTER DATABASE $name SET default_transaction_read_only = on");
        end_backends();
        turned_away_with($site, $site->path($trips[1], token => $site->token('ann')), undef, 1013, 'it cannot be made');
        $database->sql("SET default_transaction_read_only = off; ALTER DATABASE $name RESET default_transaction_read_only");
        my $ann = eval { $site->chat(trip => $trips[1]) };
        ok($ann, 'afterwards the first who comes gets in') or diag($@);
        $ann->leave if $ann;
        stops_clean($server, 'the server stops in order', OF_THE_DATABASE, qr/\bTC00(?:60|61):/);
    };
}

# The token names the user by an id that the user query maps to another one, which that query does not accept.
subtest 'a user query that fails for the ids that it returns' => sub {
    my $other = $postgres->new_database(empty => 1);
    $other->sql(<<'SQL');
CREATE TABLE users (id integer PRIMARY KEY, public_id uuid NOT NULL UNIQUE, email text NOT NULL, username text NOT NULL);
CREATE TABLE trips (id uuid PRIMARY KEY);
CREATE TABLE trip_collaborators (trip_id uuid NOT NULL, user_id integer NOT NULL);
SQL
    $other->run_file(sql_dir() . '/chat.pgsql.sql', user_key => 'integer');
    $other->sql(sprintf "INSERT INTO users VALUES (%d, '%s', '%s\@example.com', '%s')", $_->[0], user($_->[1])->{id}, ($_->[1]) x 2)
        for [7, 'ann'], [8, 'bob'];
    my $server = TripChat::Server->start(database => $other, site_config =>
        qq(TripChatUserQuery "SELECT id, email, username, '' FROM users WHERE public_id = %{user}"));
    my $site = $server->site;
    my $trip = $site->new_trip(members => []);
    $other->sql("INSERT INTO trip_collaborators SELECT '$trip', id FROM users");
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my @answers = (answers_to($ann, 'one'), answers_to($bob, 'two'), answers_to($ann, 'three'));
    is_deeply(\@answers, [1 .. 3], 'each message has a number of its own');
    is_deeply([$other->sql('SELECT content FROM chat_messages ORDER BY seq')], [qw(one two three)], 'and is in the table');
    my $late = $site->chat(trip => $trip, as => 'bob', after => 0);
    is_deeply([map { "$_->{sender}{username} $_->{content}" } map { $_->{message} // $_ } @{ $late->history->{messages} }],
        ['ann one', 'bob two', 'ann three'], 'and who comes sees it, with the names of those who wrote');
    $_->leave for $ann, $bob, $late;
    stops_clean($server, 'the server stops in order', OF_THE_DATABASE);
};

done_testing;
