# Several children and several servers are one chat. A room with members on all children of two httpds, with one
# database and one Redis, works as if it were in one process.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of child_of one_on_each chat_on all_hear hear_nothing_else collect);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN => 4,
    WINDOW   => 40,    # messages that one member has in flight
    ROOMS    => 6,
};

my $database = TripChat::Postgres->shared->new_database;
my @servers  = map {
    TripChat::Server->start(children => CHILDREN, database => $database, redis => TripChat::Redis->shared)
} 1 .. 2;
my $site = $servers[0]->site;

# Members on every child of both servers: ann, bob and carol in turn. ann is on the first child and on the last.
sub crowd {
    my ($trip) = @_;
    return (one_on_each($servers[0], trip => $trip, as => [qw(ann bob carol bob)]),
        one_on_each($servers[1], trip => $trip, as => [qw(bob carol bob ann)]));
}

sub leave { $_->leave for @_; return }

# Each member got each of these texts once, whoever sent them in whatever order. The numbers are consecutive from $first
# on, and the same for all members.
sub got_alike {
    my ($members, $texts, $first, $name) = @_;
    my ($one, @others) = collect($members, scalar @$texts);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_consecutive([map { $_->[0] } @$one], $first, scalar @$texts, "$name: numbers in a row");
    is_deeply([sort map { $_->[2] } @$one], [sort @$texts], "$name: each once");
    return is_deeply([grep { !eq_array($_, $one) } @others], [], "$name: the same for all");
}

subtest 'members on all children of two servers hear each other, once and in order' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my @pids    = map { my $i = $_; map { child_of($servers[$i], $_) } @members[4 * $i .. 4 * $i + 3] } 0, 1;
    my %pids    = map { $_ => 1 } @pids;
    is(scalar keys %pids, 2 * CHILDREN, 'they are on as many children');
    for my $i (0 .. $#members) {
        my $message = all_hear($members[$i], "from child $i", \@members, "what is said on child $i");
        is($message->{seq}, $i + 1, "which has the number $message->{seq}");
    }
    hear_nothing_else($members[0], \@members, 'and nobody hears anything twice');
    leave(@members);
};

subtest 'all get the same message object, but for the client_id, which its sender alone gets' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    $members[0]->say('mine', client_id => 'c-1');
    my ($own, @copies) = map { $_->next_json } @members;
    is($own->{client_id}, 'c-1', 'the connection that sent it has it');
    is_deeply([grep { exists $_->{client_id} } @copies], [], 'no other, the same user\'s neither');
    is_deeply([grep { !eq_hash($_->{message}, $own->{message}) } @copies], [], 'the message is the same');
    message_is($own->{message}, 'ann', { content => 'mine', seq => 1, reply_to => undef }, 'and a right one');
    my $reply = $members[5]->said('a reply', reply_to => $own->{message}{id});
    is($reply->{reply_to}{content}, 'mine', 'on another server it can be replied to');
    $_->next_json for @members[0 .. 4, 6, 7];
    leave(@members);
};

subtest 'edits cross' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my $message = all_hear($members[0], 'Helo', \@members, 'a message');
    $members[7]->edit($message->{id}, 'Hello');    # ann, on the other server
    my ($first, @others) = map { $_->next_json } @members;
    is_deeply([@{ $first->{message} }{qw(id content seq)}], [$message->{id}, 'Hello', 2], 'edited on another server');
    is_deeply([grep { !eq_hash($_, $first) } @others], [], 'all get the same edit');
    $members[1]->edit($message->{id}, 'not mine');
    error_is($members[1], { code => 'not_sender' }, 'of another member there as well');
    my @late = map { $_->site->chat(trip => $trip, as => 'carol') } @servers;
    is_deeply([map { contents_of(@{ $_->history->{messages} }) } @late], [['Hello'], ['Hello']], 'newcomers see the last text');
    hear_nothing_else($members[3], [@members, @late], 'and nobody anything else');
    leave(@members, @late);
};

subtest 'typing crosses, to the others only' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my ($ann, @others) = @members[0 .. 6];         # the last is ann again
    $ann->typing(1);
    my @heard = map { $_->next_json } @others;
    is_deeply([map { @$_{qw(type user_id)} } @heard], [map { ('typing', user('ann')->{id}) } @others], 'each learns it once');
    hear_nothing_else($others[0], \@members, 'ann herself does not, on another server neither');
    leave(@members);
};

subtest 'typing does not touch the database' => sub {
    my $trip = $site->new_trip;
    my ($ann, @others) = crowd($trip);
    pop @others;
    $database->while_locked(
        sub {
            $ann->typing(1);
            is($_->next_json->{type}, 'typing', 'it comes while all tables are locked') for @others;
        },
        'LOCK TABLE chat_rooms, chat_messages, chat_edits, users, trips, trip_collaborators IN ACCESS EXCLUSIVE MODE;'
    );
    is($ann->said('one')->{seq}, 1, 'and has no number');
    leave($ann, @others);
};

subtest 'a repeated client_id gives the stored message to who repeats it, on whatever child' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my $stored  = $members[0]->said('once', client_id => 'c-1');
    $_->next_json for @members[1 .. 7];
    $members[7]->say('once more', client_id => 'c-1');
    my $again = $members[7]->next_json;
    is_deeply($again, { type => 'chat_message', message => $stored, client_id => 'c-1' }, 'ann, on the other server');
    $members[1]->say('of another', client_id => 'c-1');
    my @heard = map { $_->next_json } @members;
    is_deeply([map { $_->{message}{content} } @heard], [map { 'of another' } @members], 'bob\'s c-1 is another');
    hear_nothing_else($members[2], \@members, 'and nobody hears anything else');
    leave(@members);
};

subtest 'a client_id that two children get at the same moment is stored once' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my @anns    = @members[0, 7];
    my @ids     = map { "c-$_" } 1 .. WINDOW;
    for my $id (@ids) { $_->say("text of $id", client_id => $id) for @anns }
    my @all = map { [sort map { $_->[1] } @$_] } collect([@members[1 .. 6]], WINDOW);
    is_deeply($_, $all[0], 'a bystander sees each once') for @all[1 .. 5];
    # Each ann gets copies of the messages that others sent, and with her client_id the answer to each of her requests.
    for my $ann (@anns) {
        my %answered;
        while (keys %answered < WINDOW) {
            my $event = $ann->next_json('chat_message');
            $answered{ $event->{client_id} } = $event->{message}{id} if exists $event->{client_id};
        }
        is_deeply([sort values %answered], $all[0], 'ann gets an answer to each, the same message');
    }
    is_deeply([$database->sql("SELECT count(*), max(seq) FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
        . " WHERE r.trip_id = '$trip'")], [join '|', WINDOW, WINDOW], 'the table has each once');
    leave(@members);
};

subtest 'children that store into one room at once leave numbers in a row, seen alike by all' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my @texts;
    for my $n (1 .. WINDOW) {
        for my $i (0 .. $#members) {
            push @texts, "member $i, message $n";
            $members[$i]->say($texts[-1]);
        }
    }
    got_alike(\@members, \@texts, 1, 'a room');
    hear_nothing_else($members[0], \@members, 'and nothing else comes');
    my @stored = $database->sql("SELECT seq FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
        . " WHERE r.trip_id = '$trip' ORDER BY seq");
    is_consecutive(\@stored, 1, @texts + 1, 'the table has the same numbers');
    leave(@members);
};

subtest 'a member hears his own messages in the order in which he sent them' => sub {
    my $trip    = $site->new_trip;
    my @members = map { chat_on($servers[0], $_, trip => $trip) } (children_of($servers[0]))[0, 1];
    for my $n (1 .. WINDOW) { $members[$_]->say("$_: $n") for 0, 1 }
    my ($heard) = collect(\@members, 2 * WINDOW);
    for my $i (0, 1) {
        is_deeply([grep { /^$i:/ } map { $_->[2] } @$heard], [map { "$i: $_" } 1 .. WINDOW], "member $i");
    }
    leave(@members);
};

subtest 'children that store into several rooms at once do not get in each other\'s way' => sub {
    my @rooms = map { { trip => $site->new_trip } } 1 .. ROOMS;
    for my $room (@rooms) {
        $room->{members} = [map { one_on_each($_, trip => $room->{trip}, as => [qw(ann bob carol)]) } @servers];
    }
    for my $n (1 .. WINDOW / 4) {
        for my $i (0 .. 2 * CHILDREN - 1) {
            # Each child writes to the rooms in its own order.
            for my $room (@rooms[map { ($i * 5 + $_ * ($i % 2 ? 1 : -1)) % ROOMS } 1 .. ROOMS]) {
                push @{ $room->{texts} }, "member $i, message $n";
                $room->{members}[$i]->say($room->{texts}[-1]);
            }
        }
    }
    got_alike(@$_{qw(members texts)}, 1, "the trip $_->{trip}") for @rooms;
    leave(map { @{ $_->{members} } } @rooms);
};

subtest 'who comes back to another child gets what was missed' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my @said    = map { all_hear($members[$_], "message $_", \@members, "message $_") } 0 .. 5;
    $members[0]->edit($said[0]{id}, 'edited');
    $_->next_json('message_edited') for @members;
    for my $server (@servers) {
        for my $pid (children_of($server)) {
            my $back = chat_on($server, $pid, trip => $trip, as => 'carol', after => 3);
            is_deeply([seqs_of(@{ $back->history->{messages} }), $back->history->{recovered} ? 'recovered' : 'not'],
                [[4 .. 7], 'recovered'], 'what comes after the third event');
            $back->leave;
        }
    }
    leave(@members);
};

subtest 'who comes first to a child that has never heard of the room as well' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->chat(trip => $trip);
    $ann->said("message $_") for 1 .. 5;
    for my $server (@servers) {
        for my $pid (children_of($server)) {
            my $bob = chat_on($server, $pid, trip => $trip, as => 'bob', after => 2);
            is_deeply(seqs_of(@{ $bob->history->{messages} }), [3 .. 5], 'what comes after the second event');
            $bob->leave;
        }
    }
    $ann->leave;
};

subtest 'members who come while others talk miss nothing and hear nothing twice' => sub {
    my $trip    = $site->new_trip;
    my @members = crowd($trip);
    my $sent    = 0;
    my @late;
    for my $server (@servers, @servers, @servers) {
        $members[$_]->say('message ' . ++$sent) for 0 .. 7;
        my $last = $late[-1] ? $late[-1]->history->{last_seq} : 0;
        push @late, $server->site->chat(trip => $trip, as => 'carol', after => $last);
    }
    for my $client (@late) {
        my $history = $client->history;
        my @seqs    = map { $_->{seq} } @{ $history->{messages} };
        my ($live) = collect([$client], $sent - $history->{last_seq});
        my $first = @seqs ? $seqs[0] : $history->{last_seq} + 1;
        is_deeply([@seqs, map { $_->[0] } @$live], [$first .. $sent], 'from the first that was asked for to the last');
    }
    leave(@members, @late);
};

my ($deadlocks) = $database->sql('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
is($deadlocks, 0, 'PostgreSQL has seen no deadlock');
stops_clean($_, 'the server stops in order') for @servers;    # an error of PostgreSQL, a deadlock say, stood in the log

done_testing;
