# PostgreSQL stops, starts again, hangs, and holds locks. Senders learn of every failure, members keep their
# connections, no message is shown that was not stored, and the chat goes on without a restart of httpd.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of chat_on one_on_each all_hear heard_alike hear_nothing_else collect);
use TripChat::Delay;
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN        => 3,
    OF_THE_DATABASE => qr/\bTC0012:|\[dbd:error\]|\bAH0062\d:|\bAH0063\d:/,    # ours, mod_dbd's
};

my $postgres = TripChat::Postgres->start;
my $database = $postgres->new_database;
my $server   = new_server();
my $site     = $server->site;

sub new_server {
    my (%opt) = @_;
    return TripChat::Server->start(children => CHILDREN, database => $database, redis => TripChat::Redis->shared, %opt);
}

# A member on this child. A child that has found PostgreSQL gone asks for it again after half a second, and turns newcomers
# away until then.
sub member_on {
    my ($pid, %chat) = @_;
    return until_true("the child $pid to let newcomers in", sub {
        my $member = eval { chat_on($server, $pid, %chat) };
        die $@ if !$member && $@ !~ /closed with 1013/;
        return $member;
    });
}

# ann, bob and carol, each on a child.
sub members {
    my $trip  = $site->new_trip;
    my @names = qw(ann bob carol);
    return ($trip, map { member_on($_, trip => $trip, as => shift @names) } children_of($server));
}

sub leave { $_->leave for @_; return }

# The messages of a trip in the table: "seq content" in order.
sub stored {
    my ($trip) = @_;
    return [$database->sql("SELECT seq || ' ' || content FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
        . " WHERE r.trip_id = '$trip' ORDER BY seq")];
}

# Sends a message and returns the answer: the error, or the event.
sub answer_to {
    my ($member, $content, $client_id) = @_;
    $member->say($content, client_id => $client_id);
    while (1) {
        my $event = $member->next_json;
        return $event if ($event->{client_id} // '') eq $client_id;
    }
    return;
}

# Sends a message again and again, after retry_after, until it is stored.
sub say_for_sure {
    my ($member, $content, $client_id) = @_;
    return until_true("$content to be stored", sub {
        my $answer = answer_to($member, $content, $client_id);
        die "the error $answer->{code} came\n" if $answer->{type} eq 'error' && $answer->{code} ne 'unavailable';
        return $answer->{type} eq 'error' ? undef : $answer->{message};
    });
}

my %OUTAGE = (
    'is stopped in order'        => sub { $postgres->stop('INT') },
    'is stopped without a word'  => sub { $postgres->stop('QUIT') },
    'is killed'                  => sub { $postgres->kill9 },
);

for my $what (sort keys %OUTAGE) {
    subtest "PostgreSQL $what, and started again" => sub {
        my ($trip, @members) = members();
        all_hear($members[0], 'before', \@members, 'members talk');
        $OUTAGE{$what}->();
        for my $i (0 .. $#members) {
            my $error = answer_to($members[$i], "in vain, $i", "c-$i");
            is_deeply([@$error{qw(type code client_id)}], ['error', 'unavailable', "c-$i"], 'the sender gets an error');
            like($error->{retry_after}, qr/\A[1-9]\d*\z/, 'and when to try again');
        }
        turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1013, 'newcomers are to come later');
        $postgres->start_again;
        my $message = say_for_sure($members[0], 'in vain, 0', 'c-0');
        is($message->{seq}, 2, 'afterwards the same can be sent again');
        heard_alike('in vain, 0', [@members[1, 2]], 'and all hear it');
        all_hear($_, 'after', \@members, 'members talk on') for @members;
        is_deeply(stored($trip), ['1 before', '2 in vain, 0', '3 after', '4 after', '5 after'], 'the table has what was shown');
        my $late = $site->chat(trip => $trip, as => 'bob', after => 1);
        is_deeply(seqs_of(@{ $late->history->{messages} }), [2 .. 5], 'who comes gets it');
        hear_nothing_else($members[0], [@members, $late], 'and nobody hears anything else');
        leave(@members, $late);
    };
}

subtest 'with TripChatReject http newcomers get 503' => sub {
    my $other = new_server(site_config => 'TripChatReject http');
    my $trip  = $other->site->new_trip;
    my $path  = $other->site->path($trip, token => $other->site->token('ann'));
    my $get   = sub { $other->site->connect->request(TripChat::WebSocket::upgrade_request(path => $path))->{status} };
    is($get->(), 101, 'before, 101');
    $postgres->stop;
    is($get->(), 503, 'without PostgreSQL');
    $postgres->start_again;
    is(until_true('an upgrade', sub { my $status = $get->(); $status == 101 && $status }), 101, 'afterwards, 101 again');
    stops_clean($other, 'and the log says what was wrong', OF_THE_DATABASE);
};

# Ends the backends of the chat. Returns how many there were.
sub terminate_backends {
    my ($count) = $database->sql('SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity'
        . ' WHERE datname = current_database() AND pid <> pg_backend_pid()');
    return $count;
}

subtest 'connections that PostgreSQL ends while nobody speaks are not noticed' => sub {
    my ($trip, @members) = members();
    all_hear($_, 'before', \@members, 'members talk') for @members;
    cmp_ok(terminate_backends(), '>', 0, 'connections are ended');
    all_hear($_, 'after', \@members, 'and the next messages are stored as ever') for @members;
    terminate_backends();
    ok($site->chat(trip => $trip, as => 'bob', after => 3)->leave, 'and newcomers come in');
    terminate_backends();
    ok($site->chat(trip => $site->new_trip)->leave, 'and into rooms that are new, too');
    leave(@members);
};

subtest 'connections that PostgreSQL ends in the middle of storing' => sub {
    my ($trip, @members) = members();
    my ($rounds, %text, %stored) = (40);
    for my $n (1 .. $rounds) {
        for my $i (0 .. $#members) {
            $text{"c-$i-$n"} = "member $i, message $n";
            $members[$i]->say($text{"c-$i-$n"}, client_id => "c-$i-$n");
        }
        terminate_backends() if $n % 4 == 0;
    }
    for my $i (0 .. $#members) {
        my %open = map { $_ => 1 } grep { /\Ac-$i-/ } keys %text;
        while (%open) {
            my $event = $members[$i]->next_json;
            my $id = $event->{client_id} // next;
            if    ($event->{type} ne 'error')         { $stored{$id} = $event->{message}{id}; delete $open{$id} }
            elsif ($event->{code} eq 'unavailable')   { $members[$i]->say($text{$id}, client_id => $id) }
            else                                      { fail("the error $event->{code}"); delete $open{$id} }
        }
    }
    my @rows = $database->sql("SELECT client_id || ' ' || m.id || ' ' || content FROM chat_messages m"
        . " JOIN chat_rooms r ON r.id = m.room_id WHERE r.trip_id = '$trip'");
    is_deeply([sort @rows], [sort map { "$_ $stored{$_} $text{$_}" } keys %text], 'each message is stored once, as its sender was told');
    my ($last) = $database->sql("SELECT last_seq FROM chat_rooms WHERE trip_id = '$trip'");
    is($last, scalar keys %text, 'no number is missing');
    my $late = $site->chat(trip => $trip, as => 'bob', after => 0);
    is_consecutive(seqs_of(@{ $late->history->{messages} }), 1, scalar keys %text, 'and who comes sees the same');
    leave(@members, $late);
};

subtest 'a member sees each of them once and in order, too' => sub {
    my ($trip, @members) = members();
    my ($writer, @readers) = @members;
    my $count = 60;
    for my $n (1 .. $count) {
        $writer->say("message $n", client_id => "c-$n");
        terminate_backends() if $n % 10 == 5;
    }
    my (%done, @failed);
    while (keys %done < $count) {
        my $event = $writer->next_json;
        my $id = $event->{client_id} // next;
        if ($event->{type} eq 'error') { push @failed, $id; $writer->say("message of $id", client_id => $id) }
        else                           { $done{$id} = 1 }
    }
    my @seen = collect(\@readers, $count);
    is_consecutive([map { $_->[0] } @$_], 1, $count, 'a reader') for @seen;
    is_deeply($seen[1], $seen[0], 'and the other the same');
    leave(@members);
};

# While $code runs, commits are made but not confirmed: they wait for a replica that does not exist.
sub with_silent_commits {
    my ($code) = @_;
    $database->sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody';\nSELECT pg_reload_conf();");
    until_true('the setting to count', sub { ($database->sql('SHOW synchronous_standby_names'))[0] eq 'nobody' });
    my $done  = eval { $code->(); 1 };
    my $error = $@;
    $database->sql("ALTER SYSTEM RESET synchronous_standby_names;\nSELECT pg_reload_conf();");
    die $error if !$done;
    return;
}

# Ends a backend that has committed but not confirmed the commit. Returns when another backend tries again or, with
# alone => 1, when this one has ended.
sub end_in_commit {
    my (%opt) = @_;
    my $waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'";
    my $pid = until_true('a commit', sub { ($database->sql("SELECT pid $waiting"))[0] });
    $database->sql("SELECT pg_terminate_backend($pid)");
    until_true('it to end', sub { !$database->sql("SELECT 1 FROM pg_stat_activity WHERE pid = $pid") });
    until_true('another try', sub { $database->sql("SELECT 1 $waiting AND pid <> $pid") }) if !$opt{alone};
    return;
}

subtest 'a connection that ends after the commit, before it is confirmed' => sub {
    my ($trip, @members) = members();
    all_hear($members[0], 'before', \@members, 'members talk');
    with_silent_commits(
        sub {
            $members[0]->say('in doubt');
            end_in_commit();
        }
    );
    my $message = heard_alike('in doubt', \@members, 'the message is shown');
    hear_nothing_else($members[1], \@members, 'once');
    is_deeply([grep { /doubt/ } @{ stored($trip) }], ['2 in doubt'], 'and is in the table once');
    with_silent_commits(
        sub {
            $members[0]->edit($message->{id}, 'edited in doubt');
            end_in_commit(alone => 1);
        }
    );
    my @edits = map { $_->next_json('message_edited')->{message} } @members[1, 2];
    is_deeply([map { [@$_{qw(content seq)}] } @edits], [(['edited in doubt', 4]) x 2], 'an edit is shown to the others, too');
    hear_nothing_else($members[1], [@members[1, 2]], 'once');
    leave(@members);
};

# The server still has the connection, and the transaction that waits on it has the lock of the room. So the job meets its
# own lock when it is tried again, and is put off.
subtest 'a connection that is cut while the server commits' => sub {
    my $relay = TripChat::Delay->start(to => $postgres->port, one_way_s => 0);
    my $far   = new_server(children => 1, database => $relay->database($database));
    my $trip  = $far->site->new_trip;
    my $all   = [map { $far->site->chat(trip => $trip, as => $_) } qw(ann bob)];
    all_hear($all->[0], 'before', $all, 'members talk');
    my $cut = sub {
        my $calls = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%chat_store%' AND pid <> pg_backend_pid()";
        my $pid   = until_true('a commit', sub { ($database->sql("SELECT pid $calls AND wait_event = 'SyncRep'"))[0] });
        $relay->cut;
        my $since = "SELECT query_start $calls AND pid = $pid";
        until_true('another try to end', sub { $database->sql("SELECT 1 $calls AND pid <> $pid AND state = 'idle' AND query_start > ($since)") });
    };
    with_silent_commits(sub { $all->[0]->say('in doubt'); $cut->() });
    my $message = heard_alike('in doubt', $all, 'a message is shown');
    hear_nothing_else($all->[1], $all, 'once');
    with_silent_commits(sub { $all->[0]->edit($message->{id}, 'edited'); $cut->() });
    my $edit = $all->[1]->next_json('message_edited')->{message};
    is_deeply([@$edit{qw(content seq)}], ['edited', 4], 'and so is an edit');
    $all->[0]->next_json('message_edited');
    $all->[1]->said('behind');
    is($all->[0]->next_json('chat_message')->{message}{seq}, 5, 'once');
    leave(@$all);
    stops_clean($far, 'the server stops in order', OF_THE_DATABASE);
};

subtest 'PostgreSQL stands still for a moment' => sub {
    my ($trip, $ann, $bob, $carol) = members();
    my $all = [$ann, $bob, $carol];
    all_hear($ann, 'before', $all, 'members talk');
    $postgres->freeze;
    $ann->say('meanwhile', client_id => 'c-1');
    $ann->typing(1);
    is($_->next_json->{type}, 'typing', 'the chat itself does not stand still') for $bob, $carol;
    is_deeply([map { $_->json_before_pong } @$all], [], 'nothing is shown that is not stored');
    $postgres->thaw;
    heard_alike('meanwhile', $all, 'then it is stored and shown');
    hear_nothing_else($ann, $all, 'once');
    leave(@$all);
};

subtest 'PostgreSQL stands still for long' => sub {
    my ($trip, $ann, $bob, $carol) = members();
    my $all = [$ann, $bob, $carol];
    all_hear($ann, 'before', $all, 'members talk');
    $postgres->freeze;
    my $error = answer_to($ann, 'meanwhile', 'c-1');
    is_deeply([@$error{qw(type code client_id)}], [qw(error unavailable c-1)], 'the sender gets an error');
    like($error->{retry_after}, qr/\A[1-9]\d*\z/, 'and when to try again');
    is_deeply([map { $_->json_before_pong } @$all], [], 'nothing is shown that is not stored');
    $postgres->thaw;
    is(say_for_sure($ann, 'meanwhile', 'c-1')->{seq}, 2, 'afterwards the same can be sent again');
    heard_alike('meanwhile', [$bob, $carol], 'and the others hear it');
    hear_nothing_else($bob, [$bob, $carol], 'once');
    is_deeply([grep { /meanwhile/ } @{ stored($trip) }], ['2 meanwhile'], 'and it is stored once');
    leave(@$all);
};

# TripChatMaxPending is 64.
subtest 'PostgreSQL stands still while a client sends more than may wait' => sub {
    my ($trip, $ann, $bob, $carol) = members();
    all_hear($ann, 'before', [$ann, $bob, $carol], 'members talk');
    $postgres->freeze;
    $ann->say("flood $_", client_id => "f-$_") for 1 .. 70;
    my @answers = map { $ann->next_json('error') } 1 .. 70;
    is_deeply([map { $_->{code} } @answers], [('unavailable') x 70], 'each message gets an answer');
    is_deeply([map { $_->{client_id} } @answers], [map { "f-$_" } 1 .. 70], 'in order');
    is_deeply([$ann->json_before_pong], [], 'pings are answered while the database stands still');
    $postgres->thaw;
    say_for_sure($ann, 'flood 70', 'f-70');
    is(scalar(grep { /flood 70\z/ } @{ stored($trip) }), 1, 'afterwards the same can be sent again');
    leave($ann, $bob, $carol);
};

subtest 'another program locks a room for a while' => sub {
    my ($trip,   @members) = members();
    my ($second, @others)  = members();
    $database->while_locked(
        sub {
            $members[0]->say('waits', client_id => 'c-1');
            all_hear($others[1], 'does not wait', \@others, 'another room goes on');
            is_deeply([map { $_->json_before_pong } @members], [], 'nothing is shown meanwhile');
        },
        "SELECT 1 FROM chat_rooms WHERE trip_id = '$trip' FOR UPDATE \\g /dev/null\n"
    );
    heard_alike('waits', \@members, 'when the lock is released it is stored');
    leave(@members, @others);
};

subtest 'another program locks it for long' => sub {
    my ($trip, @members) = members();
    $database->while_locked(
        sub {
            my $error = answer_to($members[0], 'in vain', 'c-1');
            is_deeply([@$error{qw(type code client_id)}], [qw(error unavailable c-1)], 'the sender gets an error');
        },
        "SELECT 1 FROM chat_rooms WHERE trip_id = '$trip' FOR UPDATE \\g /dev/null\n"
    );
    is(say_for_sure($members[0], 'not in vain', 'c-1')->{seq}, 1, 'and may try again');
    heard_alike('not in vain', [@members[1, 2]], 'which all hear');
    hear_nothing_else($members[1], \@members, 'once');
    leave(@members);
};

subtest 'the site\'s own programs do not get in the way when they change people and trips' => sub {
    my ($trip, @members) = members();
    my $id = user('ann')->{id};
    $database->while_locked(
        sub { all_hear($_, 'at once', \@members, 'members talk at once') for @members },
        "UPDATE users SET full_name = full_name WHERE id = '$id'; UPDATE trips SET title = 'elsewhere' WHERE id = '$trip';"
    );
    $database->while_locked(
        sub {
            $members[0]->say('of a locked sender');
            is_deeply([map { $_->json_before_pong } @members], [], 'who is to be deleted, perhaps, waits for it');
        },
        "SELECT 1 FROM users WHERE id = '$id' FOR UPDATE \\g /dev/null\n"
    );
    heard_alike('of a locked sender', \@members, 'and goes on afterwards');
    leave(@members);
};

subtest 'a database that is serializable by default' => sub {
    my $strict = $postgres->new_database;
    my ($name) = $strict->sql('SELECT current_database()');
    $strict->sql("ALTER DATABASE $name SET default_transaction_isolation = serializable");
    my $other   = new_server(database => $strict);
    my @trips   = map { $other->site->new_trip } 1 .. 2;
    my @rooms   = map { [one_on_each($other, trip => $_, as => [qw(ann bob carol)])] } @trips;
    for my $n (1 .. 20) {
        for my $i (0 .. CHILDREN - 1) { $_->[$i]->say("member $i, message $n") for @rooms }
    }
    for my $room (@rooms) {
        my ($one, @others) = collect($room, 20 * CHILDREN);
        is_consecutive([map { $_->[0] } @$one], 1, 20 * CHILDREN, 'all messages are stored, in a row');
        is_deeply([grep { !eq_array($_, $one) } @others], [], 'and seen alike');
    }
    my $message = $rooms[0][0]->said('to be edited');
    $rooms[0][0]->edit($message->{id}, 'edited');
    is($rooms[0][0]->next_json('message_edited')->{message}{seq}, 20 * CHILDREN + 2, 'and edits');
    leave(map { @$_ } @rooms);
    stops_clean($other, 'and nothing failed');
};

subtest 'a user who is deleted takes his messages along, and nobody waits for their numbers' => sub {
    my ($trip, $ann, $bob, $carol) = members();
    all_hear($_, 'one each', [$ann, $bob, $carol], 'members talk') for $ann, $bob, $carol;
    $database->sql(sprintf "DELETE FROM users WHERE id = '%s'", user('bob')->{id});
    all_hear($_, 'still here', [$ann, $carol], 'the others talk on, on their children') for $ann, $carol;
    my $other = new_server();
    my @late  = one_on_each($other, trip => $trip, as => 'carol', after => 0);
    is_deeply([map { contents_of(@{ $_->history->{messages} }) } @late], [map { [('one each') x 2, ('still here') x 2] } @late],
        'who comes, to children that had nothing in memory, gets what is left');
    all_hear($_, 'and all talk on', [$ann, $carol, @late], 'and hears what follows') for $carol, @late;
    leave($ann, $carol, @late);
    stops_clean($other, 'and nothing went wrong');
};

stops_clean($server, 'the server stops in order', OF_THE_DATABASE);

done_testing;
