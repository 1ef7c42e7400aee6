# Numbers and times of a room's events, whoever writes: children of httpd, and programs of the site that take numbers in ways
# of their own. No two events share a number, times never go back along the numbers, and nothing stops a room: no gap, no
# row of the future, no transaction that stays open for hours.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(one_on_each children_of all_hear hear_nothing_else);
use TripChat::File qw(read_file);
use TripChat::Postgres;
use TripChat::Process qw(freeze_pids);
use TripChat::Redis;
use TripChat::Session;
use TripChat::Test;

use constant UPDATES => 100_000;    # of a room's row, whose versions an open transaction keeps

my $postgres = TripChat::Postgres->shared;
my $database = $postgres->new_database;
my $server   = TripChat::Server->start(children => 2, database => $database, redis => TripChat::Redis->shared);
my $site     = $server->site;
my ($ann, $bob) = map { user($_)->{id} } qw(ann bob);

# ann and bob, each on a child: (trip, id of the room, members).
sub room {
    my $trip    = $site->new_trip;
    my @members = one_on_each($server, trip => $trip, as => [qw(ann bob)]);
    my ($room)  = $database->sql("SELECT id FROM chat_rooms WHERE trip_id = '$trip'");
    return ($trip, $room, @members);
}

# A program of the site inserts a message by itself: columns => SQL.
sub insert_message {
    my ($room, %column) = @_;
    %column = (id => 'gen_random_uuid()', room_id => "'$room'", sender_id => "'$ann'", %column);
    my @names = sort keys %column;
    $database->sql('INSERT INTO chat_messages (' . join(', ', @names) . ') SELECT ' . join ', ', @column{@names});
    return;
}

sub next_seq { my ($room) = @_; return "(SELECT max(seq) + 1 FROM chat_events WHERE room_id = '$room')" }

# How often a time is before that of a lower number.
sub times_going_back {
    my ($room) = @_;
    my ($count) = $database->sql(<<"SQL");
SELECT count(*) FROM (
    SELECT at < lag(at) OVER (ORDER BY seq) AS back FROM chat_events WHERE room_id = '$room'
    UNION ALL
    SELECT created_at < lag(created_at) OVER (ORDER BY seq) FROM chat_messages WHERE room_id = '$room'
) x WHERE back
SQL
    return $count;
}

# What a newcomer gets who resumes after 0: [seq, content].
sub log_of {
    my ($trip) = @_;
    my $late = $site->chat(trip => $trip, as => 'carol', after => 0);
    my @log  = map { [@$_{qw(seq content)}] } @{ $late->history->{messages} };
    $late->leave;
    return \@log;
}

# On the stack `parts` the tables have partitions.
is_deeply([$database->sql("SELECT relkind FROM pg_class WHERE oid IN ('chat_messages'::regclass, 'chat_events'::regclass,"
    . " 'chat_client_ids'::regclass)")], [($ENV{TC_STACK} eq 'parts' ? 'p' : 'r') x 3], 'the tables are those of the stack');

subtest 'a program that takes max(seq) + 1 and does not touch the room' => sub {
    my ($trip, $room, @members) = room();
    all_hear($members[0], 'one', \@members, 'members talk');
    insert_message($room, seq => next_seq($room), content => "'by a program'");
    $members[0]->say('three');
    is_deeply([map { [@{ $_->next_json->{message} }{qw(seq content)}] } @members], [([2, 'by a program']) x 2], 'its message is shown');
    is_deeply([map { [@{ $_->next_json->{message} }{qw(seq content)}] } @members], [([3, 'three']) x 2], 'before those that follow');
    insert_message($room, seq => next_seq($room), content => "'the next'");
    $members[1]->say('five');
    is_deeply([map { contents_of($_->next_json, $_->next_json) } @members], [(['the next', 'five']) x 2], 'and so is the next one');
    is_deeply(log_of($trip), [[1, 'one'], [2, 'by a program'], [3, 'three'], [4, 'the next'], [5, 'five']], 'a newcomer sees all');
    $_->leave for @members;
};

subtest 'a message and an edit never have one number' => sub {
    my ($trip, $room, @members) = room();
    my $id = all_hear($members[0], 'one', \@members, 'a message')->{id};
    $members[0]->edit($id, 'two');
    is_deeply([map { $_->next_json->{message}{seq} } @members], [2, 2], 'and its edit');
    ok(!eval { insert_message($room, seq => 2, content => "'taken'"); 1 }, 'a message cannot take the number of the edit');
    like($@, qr/duplicate key value violates unique constraint/, 'because it is taken');
    ok(!eval { $database->sql("INSERT INTO chat_edits (room_id, seq, message_id) VALUES ('$room', 1, '$id')"); 1 },
        'nor an edit that of the message');
    like($@, qr/duplicate key value violates unique constraint/, 'for the same reason');
    all_hear($_, 'on', \@members, 'and the room goes on') for @members;
    $_->leave for @members;
};

subtest 'a message of the future' => sub {
    my ($trip, $room, @members) = room();
    my $future = '2100-01-02T03:04:05.678901Z';
    insert_message($room, seq => '1', content => "'from afar'", created_at => "'$future'", updated_at => "'$future'");
    my $message = $members[0]->said('now');
    $message = $members[0]->next_json->{message} if $message->{content} ne 'now';
    is_deeply([@$message{qw(seq created_at)}], [2, $future], 'what follows is not before it');
    $members[0]->edit($message->{id}, 'edited');
    is($members[0]->next_json('message_edited')->{message}{updated_at}, $future, 'nor is an edit');
    is(times_going_back($room), 0, 'no time goes back');
    $_->leave for @members;
};

# The processes of PostgreSQL that a child is connected to.
sub backends_of {
    my ($pid) = @_;
    my %is_its = map { (readlink // '') =~ /\Asocket:\[(\d+)\]/ ? ($1 => 1) : () } glob "/proc/$pid/fd/*";
    my %port   = map { my @f = split; $is_its{ $f[9] // '' } ? (hex((split /:/, $f[1])[1]) => 1) : () } split /\n/, read_file('/proc/net/tcp');
    my @rows   = map { [split /\|/] } $database->sql('SELECT pid, client_port FROM pg_stat_activity'
        . ' WHERE datname = current_database() AND pid <> pg_backend_pid()');
    return map { $_->[0] } grep { $port{ $_->[1] } } @rows;
}

subtest 'one child\'s connections stand still for a moment' => sub {
    my ($trip, $room, @members) = room();
    my ($child) = children_of($server);
    all_hear($_, 'before', \@members, 'members talk') for @members;
    for my $round (1 .. 3) {
        my @backends = backends_of($child);
        cmp_ok(scalar @backends, '>', 0, 'its connections are found');
        freeze_pids(@backends);
        $members[0]->say("waits $round");
        is_deeply([$members[0]->json_before_pong], [], 'what it stores waits');
        is($members[1]->said("goes on $round")->{content}, "goes on $round", 'the other child goes on');
        kill 'CONT', @backends;
        is_deeply(contents_of(map { $_->next_json } $members[1]), ["waits $round"], 'the rest follows');
        is_deeply(contents_of(map { $members[0]->next_json } 1, 2), ["goes on $round", "waits $round"], 'in the same order');
        is(times_going_back($room), 0, 'and no time goes back');
    }
    $_->leave for @members;
};

subtest 'a transaction that stays open for long' => sub {
    my ($trip, $room, @members) = room();
    my $lags = sub { ($database->sql("SELECT lags::int FROM chat_rooms WHERE id = '$room'"))[0] };
    my $head = sub { ($database->sql("SELECT max(seq) FROM chat_events WHERE room_id = '$room'"))[0] };
    all_hear($_, 'before', \@members, 'members talk') for @members;
    my $report = TripChat::Session->open($database);
    $report->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM chat_rooms');
    is($lags->(), 0, 'at first last_seq is right');
    $database->sql(<<"SQL");
DO \$\$
DECLARE
    place tid; -- finds the row without a look at its old versions
BEGIN
    SELECT ctid INTO place FROM chat_rooms WHERE id = '$room';
    FOR i IN 1 .. ${\ UPDATES } LOOP
        UPDATE chat_rooms SET last_seq = last_seq WHERE ctid = place RETURNING ctid INTO place;
        IF i % 100 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END \$\$;
SQL
    my $said = 0;
    until_true('last_seq to lag', sub { all_hear($members[$said % 2], 'meanwhile ' . ++$said, \@members, 'members talk'); $lags->() });
    my ($place) = $database->sql("SELECT ctid FROM chat_rooms WHERE id = '$room'");
    all_hear($members[$said % 2], 'meanwhile ' . ++$said, \@members, 'members talk on') for 1 .. 5;
    is_deeply([$database->sql("SELECT ctid FROM chat_rooms WHERE id = '$room'")], [$place], 'and the row of the room stays as it is');
    is($head->(), 2 + $said, 'numbers go on');

    my ($seq) = $database->sql("SELECT chat_post('$trip', '$ann', 'posted')");
    is($seq, 3 + $said, 'a program that posts gets the next one');
    is_deeply([map { $_->next_json->{message}{seq} } @members], [($seq) x 2], 'and its message is found');
    my ($taken) = $database->sql("UPDATE chat_rooms SET last_seq = last_seq + 1 WHERE id = '$room' RETURNING last_seq");
    is($taken, $seq + 1, 'a program that takes a number gets a free one');
    insert_message($room, seq => $taken, content => "'taken'");
    is_deeply([map { $_->next_json->{message}{seq} } @members], [($taken) x 2], 'and its message is found');
    ($taken) = $database->sql("UPDATE chat_rooms SET last_seq = last_seq + 1 WHERE id = '$room' RETURNING last_seq");
    is($taken, $seq + 2, 'and another one the next time');
    insert_message($room, seq => $taken, content => "'taken again'");
    is_deeply([map { $_->next_json->{message}{seq} } @members], [($taken) x 2], 'whose message is found, too');
    my $late = $site->chat(trip => $trip, as => 'carol');
    is($late->history->{last_seq}, $taken, 'a newcomer is told the newest number');
    $late->leave;

    $report->end;
    $database->sql('VACUUM chat_rooms');
    until_true('last_seq not to lag', sub { all_hear($members[0], 'after', \@members, 'members talk'); !$lags->() });
    is_deeply([$database->sql("SELECT last_seq FROM chat_rooms WHERE id = '$room'")], [$head->()], 'afterwards last_seq is right again');
    is_consecutive([map { $_->[0] } @{ log_of($trip) }], 1, $head->(), 'no number is missing');
    $_->leave for @members;
};

subtest 'a program that posts' => sub {
    my ($trip, $room, @members) = room();
    my $program = TripChat::Session->open($database);
    $program->run("BEGIN; SELECT chat_post('$trip', '$ann', 'in vain')");
    $program->run('ROLLBACK');
    is(all_hear($members[0], 'one', \@members, 'what it takes back is not shown')->{seq}, 1, 'and has no number');
    $program->run('BEGIN');
    my ($seq) = $program->run("SELECT chat_post('$trip', '$bob', 'posted', client_id => 'c-1')");
    is_deeply([$program->run("SELECT chat_post('$trip', '$bob', 'posted', client_id => 'c-1')")], [$seq], 'a client_id is known');
    $members[0]->say('waits');
    is_deeply([map { $_->json_before_pong } @members], [], 'while it has not committed, nothing is shown');
    $program->run('COMMIT');
    is_deeply([map { contents_of($_->next_json, $_->next_json) } @members], [([qw(posted waits)]) x 2], 'then all is, in order');
    my $other = $site->new_trip;
    is_deeply([$program->run("SELECT chat_post('$other', '$ann', 'the first')")], [1], 'a trip without a room gets one');
    is_deeply(log_of($other), [[1, 'the first']], 'whose message is there');
    for my $wrong ("'$trip', '${\ new_uuid() }', 'x'", "'${\ new_uuid() }', '$ann', 'x'", "'$trip', '$ann', 'x', 'text', '${\ new_uuid() }'") {
        ok(!eval { $database->sql("SELECT chat_post($wrong)"); 1 }, 'what cannot be posted is an error');
    }
    $program->end;
    $_->leave for @members;
};

subtest 'old rows are pruned' => sub {
    my ($trip, $room, @members) = room();
    my @ids = map { $members[0]->said("message $_", client_id => "c-$_")->{id} } 1 .. 4;
    $_->next_json for ($members[1]) x @ids;
    for my $id (@ids) {
        $members[0]->edit($id, "edited $id");
        $_->next_json('message_edited') for @members;
    }
    $database->sql("UPDATE chat_client_ids SET sent_at = now() - interval '3 days' WHERE room_id = '$room' AND client_id <> 'c-4';"
        . " UPDATE chat_events SET at = now() - interval '3 days' WHERE room_id = '$room' AND seq < 8");
    is_deeply([$database->sql('SELECT chat_prune()')], [3], 'by default the newest 100,000 events of a room stay');
    my $program = TripChat::Session->open($database);
    is_deeply([$program->run("BEGIN; SELECT chat_prune('2 days', 1)")], [3], 'what is old goes');
    all_hear($_, 'meanwhile', \@members, 'and no writer waits for it') for @members;
    $program->run('COMMIT');
    $program->end;
    my $other = TripChat::Server->start(database => $database);
    my $late  = $other->site->chat(trip => $trip, as => 'carol', after => 0);
    is_deeply(seqs_of(@{ $late->history->{messages} }), [1 .. 4, 8, 9, 10], 'messages stay, and young edits');
    $late->leave;
    my $back  = $other->site->chat(trip => $trip, as => 'bob', after => 2);
    is_deeply(seqs_of(@{ $back->history->{messages} }), [3, 4, 8, 9, 10], 'a resume over what was pruned gets the rest');
    is($back->said('on')->{seq}, 11, 'and goes on');
    $back->leave;
    stops_clean($other, 'that server stops in order');
    $_->next_json for @members;
    $members[0]->say('again', client_id => 'c-4');
    is($members[0]->next_json->{message}{id}, $ids[3], 'a young client_id is known');
    is($members[0]->said('again', client_id => 'c-1')->{seq}, 12, 'an old one is not');
    $_->leave for @members;
};

stops_clean($server, 'the server stops in order');

done_testing;
