# A child dies, or httpd reloads or stops. Members of other children go on and miss nothing. Members of the child that
# died come back and get what they missed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of child_of one_on_each all_hear heard_alike hear_nothing_else collect);
use TripChat::Postgres;
use TripChat::Process qw(is_alive);
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN   => 4,
    MESSAGES   => 60,
    OF_A_DEATH => qr/\bAH00052:.*exit signal Killed/,
};

my $database = TripChat::Postgres->shared->new_database;
my $peer     = new_server();
my $site     = $peer->site;    # for everything that is the same on all servers
my $server;                    # each test kills, reloads or stops a server of its own

sub new_server {
    return TripChat::Server->start(children => CHILDREN, database => $database, redis => TripChat::Redis->shared);
}

# Members on each child of a new server and of the peer. They have already got messages from each other.
sub crowd {
    my $trip = $site->new_trip;
    $server = new_server();
    my @members = map { one_on_each($_, trip => $trip, as => [qw(ann bob carol)]) } $server, $peer;
    all_hear($members[0], 'hello', \@members, 'all hear each other');
    return ($trip, @members);
}

sub leave { $_->leave for @_; return }

# Kills the child that has this member. Returns the child's pid when the child is gone.
sub kill_child_of {
    my ($member) = @_;
    my $pid = child_of($server, $member);
    kill 'KILL', $pid;
    until_true('the child to die', sub { !is_alive($pid) });
    return $pid;
}

# Stores a message like a child that dies after the commit, before it has told anybody.
sub commit_in_silence {
    my ($trip, $content) = @_;
    my $id = user('bob')->{id};
    $database->sql(<<"SQL");
WITH room AS (UPDATE chat_rooms SET last_seq = last_seq + 1 WHERE trip_id = '$trip' RETURNING id, last_seq)
INSERT INTO chat_messages (id, room_id, seq, sender_id, content)
SELECT gen_random_uuid(), id, last_seq, '$id', '$content' FROM room;
SQL
    return;
}

subtest 'a child is killed, and the others go on' => sub {
    my ($trip, $lost, @members) = crowd();
    my $gone = kill_child_of($lost);
    is($lost->read_to_end ? 'ended' : 'open', 'ended', 'its members lose their connections');
    all_hear($_, 'still here, ' . new_uuid(), \@members, 'members of the other children talk on') for @members;
    my $back = $server->site->chat(trip => $trip, as => 'ann', after => 1);
    is_consecutive(seqs_of(@{ $back->history->{messages} }), 2, scalar @members, 'who has lost the connection gets all of it');
    ok($back->history->{recovered}, 'as a continuation');
    ok(!grep({ $_ == $gone } children_of($server)), 'another child takes its place');
    my @again = one_on_each($server, trip => $trip, as => 'bob');
    all_hear($back, 'all again', [$back, @again, @members], 'a message reaches its members, too');
    hear_nothing_else($back, [$back, @again, @members], 'and nobody hears anything twice');
    leave($back, @again, @members);
    stops_clean($server, 'the log says that it died, and nothing else', OF_A_DEATH);
};

subtest 'what a dead child had committed and told nobody reaches all, without anybody speaking' => sub {
    my ($trip, @members) = crowd();
    commit_in_silence($trip, 'committed in silence');
    heard_alike('committed in silence', \@members, 'all hear it');
    commit_in_silence($trip, 'and again');
    $members[3]->say('said after it');
    heard_alike($_, \@members, $_) for 'and again', 'said after it';
    hear_nothing_else($members[0], \@members, 'once');
    leave(@members);
    stops_clean($server, 'and nothing went wrong');
};

# The message ids of a sender's own events, by client_id: as many as are wanted or, without a number, all until the
# connection ends.
sub confirmed {
    my ($member, $wanted) = @_;
    my %id;
    while (!defined $wanted || keys %id < $wanted) {
        my $event = eval { $member->next_json } or last;
        $id{ $event->{client_id} } = $event->{message}{id} if $event->{client_id};
    }
    return \%id;
}

# The child is killed after so many of the sender's messages have come back.
for my $seen (0, 1, 30) {
    subtest "a child is killed in the middle of storing, after $seen messages" => sub {
        my ($trip, $lost, @members) = crowd();
        my @ids = map { "c-$_" } 1 .. MESSAGES;
        $lost->say("text of $_", client_id => $_) for @ids;
        $members[$_]->say("of the others, $_") for 0 .. 5;
        my $early = confirmed($lost, $seen);
        kill_child_of($lost);
        my %before = (%$early, %{ confirmed($lost) });
        my $back   = $server->site->chat(trip => $trip, as => 'ann', after => 1);
        $back->say("text of $_", client_id => $_) for @ids;
        my $after = confirmed($back, MESSAGES);
        is_deeply({ %$after, %before }, $after, 'what was confirmed is stored, and nothing is stored again');
        my @rows = $database->sql("SELECT client_id || ' ' || m.id FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
            . " WHERE r.trip_id = '$trip' AND client_id IS NOT NULL");
        is_deeply([sort @rows], [sort map { "$_ $after->{$_}" } @ids], 'the table has each once');
        my ($one, @others) = collect(\@members, MESSAGES + 6);
        is_consecutive([map { $_->[0] } @$one], 2, MESSAGES + 6, 'the others miss nothing');
        is_deeply([grep { !eq_array($_, $one) } @others], [], 'and see it alike');
        hear_nothing_else($members[0], \@members, 'and nothing twice');
        leave($back, @members);
        stops_clean($server, 'the log says that it died, and nothing else', OF_A_DEATH);
    };
}

# Members come back at $where, having seen all events up to $after, and get what they missed: $expected.
sub comes_back {
    my ($trip, $members, $after, $expected, $where) = @_;
    my @back = map { $where->site->chat(trip => $trip, as => 'carol', after => $after) } @$members;
    is_deeply([map { [contents_of(@{ $_->history->{messages} }), !!$_->history->{recovered}] } @back],
        [map { [$expected, !!1] } @back], 'who comes back has missed nothing');
    return @back;
}

subtest 'a graceful restart is nothing to its members' => sub {
    my ($trip, @members) = crowd();
    my @old = $server->child_pids;
    $server->graceful;
    all_hear($_, 'meanwhile', \@members, 'all talk on') for @members;
    until_true('the old children to go', sub { !grep { kill 0, $_ } @old });
    all_hear($_, 'afterwards', \@members, 'and on') for @members;
    hear_nothing_else($members[0], \@members, 'and hear nothing twice');
    leave(@members);
    stops_clean($server, 'and it stops in order');
};

subtest 'a stop closes with 1001, and the other server goes on' => sub {
    my ($trip, @members) = crowd();
    my @here  = @members[0 .. CHILDREN - 1];
    my @there = @members[CHILDREN .. $#members];
    my @texts = map { "last words, $_" } 1 .. 20;
    $here[0]->say($_, client_id => $_) for @texts;
    $server->ask_to_stop;
    closes_with($_, 1001, 'a member of the stopping server') for @here;
    stops_clean($server, 'it stops in order');
    my @stored = $database->sql("SELECT content FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"
        . " WHERE r.trip_id = '$trip' AND seq > 1 ORDER BY seq");
    heard_alike($_, \@there, 'the others hear what was stored') for @stored;
    my @back = comes_back($trip, \@here, 1, \@stored, $peer);
    all_hear($_, 'we go on', [@there, @back], 'and the chat goes on') for @there;
    leave(@back, @there);
};

stops_clean($peer, 'the other server stops in order');

done_testing;
