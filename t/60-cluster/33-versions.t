# Versions of the chat's tables. The module refuses tables of version 1 and names the script that upgrades them. The upgrade
# runs while modules made for version 1 write, loses nothing, and may be interrupted. Then modules of both versions work
# on one schema, until the upgrade is finished.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use POSIX qw(WNOHANG);

use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(sql_dir next_module_file);
use TripChat::Postgres;
use TripChat::Session;
use TripChat::Shared qw(is_full);
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;
use TripChat::VersionOne;

use constant {
    OLD    => 12_000,    # messages of one room before the upgrade; it fills in 10,000 numbers at a time
    LEAST  => 20,        # messages that version 1 writes during an upgrade, at least
    SIZE   => 40,        # of a room of which everything is compared
    MANY   => 900,       # events: a client resumes over 1000
};

my $postgres = TripChat::Postgres->shared;
my $files    = 0;
my ($ann, $bob) = map { user($_)->{id} } qw(ann bob);

sub script { my ($database, $name) = @_; return sql_dir() . "/$name." . $database->kind . '.sql' }

# A database with tables of version 1, and a room: (database, trip, room, writer).
sub version_1 {
    my ($kind) = @_;
    my %tables = (chat_tables => "$FindBin::Bin/lib/version-1.$kind.sql");
    my $database = $kind eq 'pgsql' ? $postgres->new_database(%tables)
        : TripChat::Database->sqlite(var_dir() . "/servers/version-1-$$-" . ++$files . '.db', new => 1, %tables);
    return ($database, new_room($database), TripChat::VersionOne->new($database));
}

sub new_room {
    my ($database) = @_;
    my ($trip, $room) = (new_uuid(), new_uuid());
    $database->sql("INSERT INTO trips (id) VALUES ('$trip');"
        . join('', map { "INSERT INTO trip_collaborators (trip_id, user_id) VALUES ('$trip', '$_');" } $ann, $bob, user('carol')->{id})
        . "INSERT INTO chat_rooms (id, trip_id, last_seq, created_at) VALUES ('$room', '$trip', 0, '2026-01-02T03:04:05Z');");
    return ($trip, $room);
}

# What a version 1 writer stores with each step: a message, its edit, a reply. Returns the events, [seq, kind, message, content].
sub write_some {
    my ($writer, $room, $count) = @_;
    my @events;
    while (@events < $count) {
        my $n = new_uuid();
        my $one   = $writer->store(room => $room, sender => $ann, content => "message $n", client_id => "c-$n");
        my $reply = $writer->store(room => $room, sender => $bob, content => "it's a reply $n" =~ tr/'//dr, reply_to => $one->{id});
        my $edit  = $writer->store(room => $room, edit => $one->{id}, content => "edited $n");
        push @events, [$one->{seq}, 0, $one->{id}, "edited $n", "c-$n"], [$reply->{seq}, 0, $reply->{id}, "its a reply $n"],
            [$edit->{seq}, 1, $one->{id}, "edited $n"];
    }
    return @events;
}

# Events, [seq, message, content], with the content that a client shows in the end. A server that has seen a message before
# its edit sends the older text first.
sub as_shown {
    my (@events) = @_;
    my %shown = map { @$_[1, 2] } @events;
    return [map { [@$_[0, 1], $shown{ $_->[1] }] } @events];
}

# The events that a client gets who resumes after 0.
sub events_of {
    my ($site, $trip) = @_;
    my $client = $site->chat(trip => $trip, as => 'carol', after => 0);
    my $events = as_shown(map { [@$_{qw(seq id content)}] } @{ $client->history->{messages} });
    $client->leave;
    return $events;
}

sub as_seen { return as_shown(map { [@$_[0, 2, 3]] } sort { $a->[0] <=> $b->[0] } @_) }

for my $kind (is_full() ? qw(pgsql sqlite3) : 'sqlite3') {
    subtest "$kind: tables of version 1 are refused" => sub {
        my ($database, $trip) = version_1($kind);
        my $server = TripChat::Server->start(database => $database);
        turned_away_with($server->site, $server->site->path($trip, token => $server->site->token('ann')), undef, 1013, 'nobody gets in');
        log_says($server, qr{TC0015: .*have version 1.*run sql/upgrade-2\.$kind\.sql}, 'and the log names the script');
        ok(!eval { $database->run_script(script($database, 'chat')); 1 }, 'the script that makes tables refuses them, too')
            if $kind eq 'pgsql';
        $database->run_script(script($database, 'upgrade-2'));
        my $chat = until_true('the module to take the new tables', sub { eval { $server->site->chat(trip => $trip) } });
        is($chat->said('hello')->{seq}, 1, 'after the upgrade the running server works');
        $chat->leave;
        stops_clean($server, 'the server stops in order', qr/\bTC0015:|\bTC006[01]:|\bTC0012:/);
    };

    subtest "$kind: an upgrade while version 1 writes" => sub {
        my ($database, $trip, $room, $writer) = version_1($kind);
        fill_room($database, (new_room($database))[1]);
        my @before = write_some($writer, $room, SIZE);
        my ($pid, $said) = $database->start_script(script($database, 'upgrade-2'));
        my @during;
        while (!waitpid $pid, WNOHANG) { push @during, write_some($writer, $room, 3) }
        my $status = $?;
        is($status, 0, 'the upgrade succeeds') or diag(<$said>);
        ok(@during > 0, 'version 1 goes on: ' . @during . ' events');
        my @after = write_some($writer, $room, LEAST);
        is_deeply([$database->sql('SELECT max(version) FROM chat_schema')], [2], 'the version is 2');
        my @all = (@before, @during, @after);
        is_consecutive([map { $_->[0] } @all], 1, scalar @all, 'no number is missing');

        my $server = TripChat::Server->start(database => $database, site_config => 'TripChatResumeLimit 100000');
        my $site   = $server->site;
        is_deeply(events_of($site, $trip), as_seen(@all), 'a resume has all messages, replies and edits');
        my $chat  = $site->chat(trip => $trip, as => 'ann');
        my $known = 0;
        for my $event (grep { $_->[4] } $before[0], $before[-3], @during[0, -3], $after[-3]) {
            $chat->say('again', client_id => $event->[4]);
            my $answer = $chat->next_json;
            $known++ if $answer->{type} eq 'chat_message' && eq_array([@{ $answer->{message} }{qw(seq id)}], [@$event[0, 2]]);
        }
        is($known, 5, 'client_ids are known, from before, during and after the upgrade');

        subtest 'both versions write' => sub {
            my @mixed;
            for my $n (1 .. 5) {
                my $new = $chat->said("new $n", client_id => "new-$n");
                push @mixed, [$new->{seq}, 0, $new->{id}, "new $n"], write_some($writer, $room, 3);
                $chat->next_json for 1 .. 3;
            }
            is_deeply(events_of($site, $trip), as_seen(@all, @mixed), 'all is in the log, in order');
            my $new = $writer->store(room => $room, sender => $ann, content => 'no', client_id => 'new-1');
            is($new->{id}, $mixed[0][2], 'version 1 knows what was sent to version 2');
            push @all, @mixed;
        };

        $database->run_script(script($database, 'upgrade-2')) if $kind eq 'pgsql';
        $database->run_script(script($database, 'finish-2')) for 1, 2;
        my $last = $chat->said('after the end', client_id => 'last');
        is($last->{seq}, @all + 1, 'when it is finished, the chat goes on');
        $chat->say('again', client_id => $all[0][4]);
        is($chat->next_json->{message}{id}, $all[0][2], 'and knows the old client_ids');
        is_deeply(events_of($site, $trip), [@{ as_seen(@all) }, [$last->{seq}, $last->{id}, 'after the end']], 'and events');
        $chat->leave;
        stops_clean($server, 'the server stops in order', $database->is_sqlite ? qr/\bTC0012: .*database schema has changed/ : ());
    };
}

# What version 1 could write, and version 2 does not.
for my $kind (is_full() ? qw(pgsql sqlite3) : 'sqlite3') {
    subtest "$kind: odd rows of version 1" => sub {
        my ($database, $trip, $room, $writer) = version_1($kind);
        my @events = write_some($writer, $room, 6);
        my $early  = $database->is_sqlite ? "'2020-01-02T03:04:05Z'" : "created_at - interval '1 hour'";
        $database->sql("UPDATE chat_messages SET updated_at = $early WHERE seq = 1;"
            . ' INSERT INTO chat_edits (room_id, seq, message_id, edited_at) SELECT room_id, seq, id, created_at FROM chat_messages WHERE seq = 1');
        $database->run_script(script($database, 'upgrade-2'));
        $database->sql("UPDATE chat_messages SET updated_at = $early WHERE seq = 2");    # by a server of version 1 whose clock is slow
        $database->run_script(script($database, 'finish-2')) for 1, 2;
        is_deeply([$database->sql('SELECT count(*) FROM chat_messages WHERE updated_at < created_at')], [0], 'times are in order') if $kind eq 'pgsql';
        my $server = TripChat::Server->start(database => $database);
        is_deeply(events_of($server->site, $trip), as_seen(@events), 'the log is whole');
        stops_clean($server, 'the server stops in order');
    };
}

# Many old messages, with client_ids, and edits.
sub fill_room {
    my ($database, $room) = @_;
    my ($old, $n) = (OLD, $database->is_sqlite ? 'value' : 'n');
    my $id   = $database->is_sqlite ? "printf('00000000-0000-4000-8000-%012d', n)" : "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid";
    my $rows = $database->is_sqlite ? "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < $old) SELECT n FROM s)"
        : "generate_series(1, $old) n";
    my ($true, $at) = $database->is_sqlite ? (0, "'2026-01-02T03:04:05Z'") : ('false', 'now()');
    $database->sql("INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content, message_type, is_edited, created_at, updated_at)"
        . " SELECT $id, '$room', 2 * n - 1, '$ann', 'c-' || n, 'old', 'text', $true, $at, $at FROM $rows;"
        . " INSERT INTO chat_edits (room_id, seq, message_id, edited_at) SELECT '$room', 2 * n, $id, $at FROM $rows;"
        . " UPDATE chat_rooms SET last_seq = 2 * $old WHERE id = '$room';");
    return;
}

sub schema_of {
    my ($database) = @_;
    return [sort map { s/,\s*\z//r =~ s/\s+/ /gr } grep { /\S/ && !/\A(?:--|\\)/ } split /\n/, $postgres->dump($database, '-s', '--no-owner')];
}

if (is_full()) {
    my $fresh = schema_of($postgres->new_database);
    my ($plain) = version_1('pgsql');
    $plain->run_script(script($plain, 'upgrade-2'));
    my $upgraded = schema_of($plain);

    subtest 'an upgrade that is interrupted, and run again' => sub {
        my $text  = read_file(script($plain, 'upgrade-2'));
        my @parts = split /^(?=-- ---- \d)/m, $text;
        cmp_ok(scalar @parts, '>', 5, 'it has steps');
        for my $count (2 .. $#parts) {
            my ($database, $trip, $room, $writer) = version_1('pgsql');
            my @events = write_some($writer, $room, 3);
            my $file = var_dir() . "/servers/part-$$.pgsql.sql";
            write_file($file, join '', @parts[0 .. $count - 1]);
            $database->run_script($file);
            push @events, write_some($writer, $room, 3);
            $database->run_script(script($database, 'upgrade-2')) for 1, 2;
            push @events, write_some($writer, $room, 3);
            is_deeply(schema_of($database), $upgraded, "after $count parts: the schema is the same in the end");
            is_deeply([$database->sql('SELECT seq, kind, message_id FROM chat_events ORDER BY seq')],
                [map { join '|', @$_[0 .. 2] } @events], 'and the log is whole');
        }
    };

    subtest 'an upgrade that meets a lock' => sub {
        my ($database, $trip, $room, $writer) = version_1('pgsql');
        write_some($writer, $room, 3);
        my $session = TripChat::Session->open($database);
        $session->run("BEGIN; UPDATE chat_messages SET content = content");
        ok(!eval { $database->run_script(script($database, 'upgrade-2')); 1 }, 'fails');
        like($@, qr/lock timeout/, 'because of the lock');
        write_some($writer, $room, 0);
        $session->end;
        $database->run_script(script($database, 'upgrade-2'));
        is_deeply(schema_of($database), $upgraded, 'and succeeds when it is run again');
    };

    subtest 'in the end the tables are those of a new database' => sub {
        $plain->run_script(script($plain, 'finish-2'));
        my ($here, $there) = map { my %lines = map { $_ => 1 } @$_; \%lines } schema_of($plain), $fresh;
        is_deeply([grep { !$there->{$_} } sort keys %$here], [], 'nothing is left over');
        is_deeply([grep { !$here->{$_} } sort keys %$there], [], 'and nothing is missing');
    };

    subtest 'a role with the rights of version 1' => sub {
        my ($database, $trip, $room, $writer) = version_1('pgsql');
        my $role = 'chat_1_' . $$;
        $database->sql("CREATE ROLE $role LOGIN; GRANT SELECT ON users, trips, trip_collaborators TO $role;"
            . " GRANT SELECT, INSERT, UPDATE ON chat_rooms, chat_messages, chat_edits TO $role");
        my $limited = bless { %$database, params => $database->{params} =~ s/user=\w+/user=$role/r }, ref $database;
        $limited->{command} = [map { s/user=\w+/user=$role/r } @{ $database->{command} }];
        my $old = TripChat::VersionOne->new($limited);
        my @events = write_some($old, $room, 3);
        $database->run_script(script($database, 'upgrade-2'));
        push @events, write_some($old, $room, 3);
        my $server = TripChat::Server->start(database => $limited);
        my $chat   = $server->site->chat(trip => $trip, as => 'ann');
        my $message = $chat->said('one', client_id => 'c-1');
        is($message->{seq}, 7, 'may do all that the module does');
        $chat->edit($message->{id}, 'two');
        is($chat->next_json->{message}{seq}, 8, 'and edit');
        push @events, [7, 0, $message->{id}, 'one'], [8, 1, $message->{id}, 'two'], write_some($old, $room, 3);
        $chat->next_json for 1 .. 3;
        is_deeply(events_of($server->site, $trip), as_seen(@events), 'and version 1 goes on');
        $chat->leave;
        stops_clean($server, 'the server stops in order');
        $database->sql("DROP OWNED BY $role; DROP ROLE $role");
    };

    subtest 'a table of the site that refers to messages' => sub {
        my ($database, $trip, $room, $writer) = version_1('pgsql');
        my @events = write_some($writer, $room, 3);
        $database->sql('CREATE TABLE reports (message_id uuid NOT NULL REFERENCES chat_messages (id) ON DELETE CASCADE)');
        $database->sql("INSERT INTO reports VALUES ('$events[0][2]')");
        for my $script ('upgrade-2', 'upgrade-2', 'finish-2') {
            my @said = eval { $database->run_script(script($database, $script)) };
            is($@, '', "$script succeeds");
            like("@said", qr/WARNING:.*a table of yours refers to chat_messages \(id\)/, 'and says what it leaves') if $script eq 'upgrade-2';
        }
        my $server = TripChat::Server->start(database => $database);
        my $chat   = $server->site->chat(trip => $trip, as => 'ann');
        is($chat->said('hello')->{seq}, 4, 'the chat works');
        is_deeply([$database->sql('SELECT message_id FROM reports')], [$events[0][2]], 'and the site\'s table has its rows');
        $database->sql("DELETE FROM chat_messages WHERE id = '$events[0][2]'");
        is_deeply([$database->sql('SELECT message_id FROM reports')], [], 'and its foreign key');
        $chat->leave;
        stops_clean($server, 'the server stops in order');
    };

    subtest 'a reload into another module, while version 1 writes' => sub {
        my ($database, $trip, $room, $writer) = version_1('pgsql');
        $database->run_script(script($database, 'upgrade-2'));
        my $server = TripChat::Server->start(database => $database, generations => 2, config => "TripChatDrainTime 1s\n");
        my $site   = $server->site;
        my $member = $site->chat(trip => $trip, as => 'carol');
        my @events = write_some($writer, $room, 6);
        my @seen   = map { $member->next_json->{message} } @events;
        $server->reconfigure(module_file => next_module_file());
        my @old = $server->graceful;
        push @events, write_some($writer, $room, 3) while @events < MANY && grep { TripChat::Process::is_alive($_) } @old;
        until_true('the old children to end', sub { !grep { TripChat::Process::is_alive($_) } @old });
        while (my $event = eval { $member->next_json }) { push @seen, $event->{message} }
        is_consecutive(seqs_of(@seen), 1, scalar @seen, 'a member of the old child misses nothing');
        my $back = $site->chat(trip => $trip, as => 'carol', after => scalar @seen);
        is_deeply(seqs_of(@{ $back->history->{messages} }), [map { $_->[0] } @events[@seen .. $#events]], 'and resumes in the new one');
        push @events, write_some($writer, $room, 3);
        is_consecutive(seqs_of(map { $back->next_json } 1 .. 3), @events - 2, 3, 'and goes on');
        is($back->said('one more')->{seq}, @events + 1, 'and may write');
        $back->leave;
        stops_clean($server, 'the server stops in order', qr/\bTC0033:/);
    };
}

done_testing;
