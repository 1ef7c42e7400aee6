# The sequence of a room: every event has the next number, and every member gets each event once and in order. A client
# that resumes gets exactly the events that it missed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;
use TripChat::WebSocket;

# The default of TripChatHistory, and TripChatResumeLimit of the small site.
use constant {
    HISTORY      => 50,
    RESUME_LIMIT => 10,
};

my $site;

# ann sends these messages on a trip and leaves.
sub trip_with {
    my ($where, @contents) = @_;
    my $trip = $where->new_trip;
    my $ann  = $where->chat(trip => $trip);
    my @messages = map { $ann->said($_) } @contents;
    $ann->leave;
    return ($trip, @messages);
}

# What a client gets that resumes after $after.
sub resumed {
    my ($where, $trip, $after) = @_;
    return $where->chat(trip => $trip, as => 'bob', after => $after)->history;
}

sub history_is {
    my ($history, $seqs, $last_seq, $recovered, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(
        {
            seqs      => seqs_of(@{ $history->{messages} }),
            last_seq  => $history->{last_seq},
            recovered => exists $history->{recovered} ? ($history->{recovered} ? 'yes' : 'no') : 'not said',
        },
        { seqs => $seqs, last_seq => $last_seq, recovered => $recovered },
        $name
    );
}

# All tests run on a site whose rooms keep events in memory, and on one whose rooms have only the database.
for my $name (qw(plain forgetful)) {
    $site = site($name);

    subtest "all members see the same events in the same order, without a gap: $name" => sub {
        my $trip = $site->new_trip;
        my @members = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol);
        my $each = 40;
        for my $number (1 .. $each) {
            $members[$_]->say("$number of $_") for 0 .. $#members;
        }
        my @seen = map { [$_->next_many($each * @members, 'chat_message')] } @members;
        is_consecutive(seqs_of(@{ $seen[0] }), 1, $each * @members, 'the numbers are in a row from 1 on');
        my @texts = map { contents_of(@$_) } @seen;
        is_deeply($texts[$_], $texts[0], "member $_ has seen what the first has") for 1 .. $#texts;
        is_deeply([map { seqs_of(@$_) } @seen[1, 2]], [(seqs_of(@{ $seen[0] })) x 2], 'under the same numbers');
        for my $from (0 .. $#members) {
            my @own = grep { / of $from\z/ } @{ $texts[0] };
            is_deeply(\@own, [map { "$_ of $from" } 1 .. $each], "what member $from said is in the order it was said");
        }
    };

    subtest "messages and edits count alike: $name" => sub {
        my $trip = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        my $message = $ann->said('one');
        $ann->edit($message->{id}, 'two');
        $ann->say('three');
        $ann->edit($message->{id}, 'four');
        my @events = map { $bob->next_json } 1 .. 4;
        is_consecutive(seqs_of(@events), 1, 4, 'four events have four numbers');
        is_deeply([map { $_->{type} } @events], [qw(chat_message message_edited chat_message message_edited)], 'in order');
    };

    subtest "numbers go on where they were when everybody has left: $name" => sub {
        my ($trip) = trip_with($site, 'one', 'two');
        my $bob = $site->chat(trip => $trip, as => 'bob');
        is($bob->history->{last_seq},  2, 'the history says where they are');
        is($bob->said('three')->{seq}, 3, 'and the next message has the next');
    };

    subtest "each room counts for itself: $name" => sub {
        my ($ann, $other) = map { $site->chat(trip => $site->new_trip) } 1, 2;
        is_deeply([map { $_->said('hello')->{seq} } $ann, $other, $ann, $other], [1, 1, 2, 2], 'from 1 on');
    };

    subtest "client_id comes back to the connection that sent it: $name" => sub {
        my $trip = $site->new_trip;
        my ($ann, $ann_again, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann ann bob);
        $ann->say('mine', client_id => 'c-1');
        my $own = $ann->next_json;
        is($own->{client_id}, 'c-1', 'it does');
        fields_are($own, [qw(type message client_id)], 'beside the message');
        for my $other ($ann_again, $bob) {
            my $copy = $other->next_json;
            fields_are($copy, [qw(type message)], 'but not to another');
            is_deeply($copy->{message}, $own->{message}, 'which gets the same message');
        }
        $ann->say('long', client_id => "\x{1f600}" x 64);
        is($ann->next_json->{client_id}, "\x{1f600}" x 64, 'it may have 64 characters');
    };

    subtest "a message that is sent again is not stored again: $name" => sub {
        my $trip = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        $ann->say('once', client_id => 'c-1');
        my $first = $ann->next_json;
        $ann->say('once', client_id => 'c-1');
        is_deeply($ann->next_json, $first, 'the sender gets the stored message');
        $ann->say('other words', client_id => 'c-1');
        is_deeply($ann->next_json, $first, 'whatever the words are the second time');
        my $again = $site->chat(trip => $trip, as => 'ann');
        $again->say('once', client_id => 'c-1');
        is_deeply($again->next_json, $first, 'over a new connection as well');
        is($bob->next_json->{message}{id}, $first->{message}{id}, 'the others have it');
        is_deeply([$bob->messages_before_marker], [], 'once');
        is_deeply(contents_of(@{ $site->chat(trip => $trip)->history->{messages} })->[0], 'once', 'and so has the history');
    };

    subtest "many copies at once are stored once: $name" => sub {
        my $trip = $site->new_trip;
        my @same = map { $site->chat(trip => $trip, as => 'ann') } 1 .. 5;
        my $bob  = $site->chat(trip => $trip, as => 'bob');
        for my $round (1 .. 10) {
            $_->say("round $round", client_id => "c-$round") for @same;
        }
        is_consecutive(seqs_of($bob->next_many(10, 'chat_message')), 1, 10, 'ten rounds are ten messages');
        is_deeply([$bob->messages_before_marker], [], 'and no more');
        for my $client (@same) {
            my @answers;
            while (@answers < 10) {
                my $event = $client->next_json('chat_message');
                push @answers, $event->{client_id} if $event->{client_id};
            }
            is_deeply(\@answers, [map { "c-$_" } 1 .. 10], 'each connection was answered for each of its copies');
        }
    };

    subtest "the same client_id elsewhere is another message: $name" => sub {
        my $trip = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        my $other = $site->chat(trip => $site->new_trip, as => 'ann');
        is($_->said('mine', client_id => 'c-1')->{content}, 'mine', 'stored') for $ann, $other;
        $bob->next_json;
        my $of_bob = $bob->said('of bob', client_id => 'c-1');
        is($of_bob->{content}, 'of bob', 'that of another sender is stored');
        is($of_bob->{seq},     2,        'as the next event');
    };

    subtest "after= gives what came since: $name" => sub {
        my ($trip, @messages) = trip_with($site, map { "message $_" } 1 .. 8);
        my $history = resumed($site, $trip, 5);
        fields_are($history, [qw(type messages last_seq epoch recovered)], 'with recovered beside the usual fields');
        history_is($history, [6 .. 8], 8, 'yes', 'after 5 of 8');
        is_deeply($history->{messages}, [@messages[5 .. 7]], 'they are whole messages, as they were sent out');
        history_is(resumed($site, $trip, 0), [1 .. 8], 8, 'yes', 'after nothing');
        history_is(resumed($site, $trip, 8), [],       8, 'yes', 'after all');
    };

    subtest "after= is not bounded by the history: $name" => sub {
        my $sent = 3 * HISTORY;
        my ($trip) = trip_with($site, map { "message $_" } 1 .. $sent);
        history_is(resumed($site, $trip, 10), [11 .. $sent], $sent, 'yes', 'nothing is missing');
        my $fresh = $site->chat(trip => $trip)->history;
        history_is($fresh, [$sent - HISTORY + 1 .. $sent], $sent, 'not said', 'a new client gets the newest alone');
    };

    subtest "after= gives an edit as an event of its own: $name" => sub {
        my ($trip, @messages) = trip_with($site, 'one', 'two');
        my $ann = $site->chat(trip => $trip);
        $ann->edit($messages[0]{id}, 'one, mended');
        my $edited  = $ann->next_json('message_edited')->{message};
        my $history = resumed($site, $trip, 1);
        history_is($history, [2, 3], 3, 'yes', 'with the number of the edit');
        message_is(
            $history->{messages}[1], 'ann',
            {
                id         => $messages[0]{id},
                content    => 'one, mended',
                is_edited  => 1,
                created_at => $messages[0]{created_at},
                updated_at => $edited->{updated_at},
                seq        => 3,
            },
            'and the whole message'
        );
        history_is(resumed($site, $trip, 2), [3], 3, 'yes', 'the edit alone where that is all');
        history_is(resumed($site, $trip, 3), [],  3, 'yes', 'nothing where that has been seen');
    };

    subtest "after= in the future is a fresh start: $name" => sub {
        my ($trip) = trip_with($site, 'one', 'two');
        history_is(resumed($site, $trip, 3),              [1, 2], 2, 'no', 'one too far');
        history_is(resumed($site, $trip, 9_000_000_000),  [1, 2], 2, 'no', 'far too far');
    };

    subtest "nothing is missing and nothing comes twice between resume and live: $name" => sub {
        my $trip = $site->new_trip;
        my $ann  = $site->chat(trip => $trip);
        my $total = 120;
        my ($seen, @all) = (0);
        for my $number (1 .. $total) {
            $ann->say("message $number");
            next if $number % 10;
            # bob joins while ann's messages are on their way, and gets some of them live.
            my $bob = $site->chat(trip => $trip, as => 'bob', after => $seen);
            push @all, @{ seqs_of(@{ $bob->history->{messages} }) };
            push @all, $bob->next_json('chat_message')->{message}{seq} while ($all[-1] // 0) < $number;
            $seen = $all[-1];
            $bob->disconnect;
        }
        is_consecutive(\@all, 1, $total, 'every event was seen once, in order, over twelve connections');
    };
}

subtest 'after= that is too far back is a fresh start' => sub {
    my $small = site('small');
    my ($trip) = trip_with($small, map { "message $_" } 1 .. RESUME_LIMIT + 5);
    my $last = RESUME_LIMIT + 5;
    history_is(resumed($small, $trip, 5), [6 .. $last], $last, 'yes', 'as many events as the limit are given');
    history_is(resumed($small, $trip, 4), [$last - 4 .. $last], $last, 'no', 'one more, and it is the newest messages');
};

# A script in a browser cannot see why a handshake is refused.
subtest 'after= or epoch= that no server sent is a fresh start, and the log says so' => sub {
    my $server = TripChat::Server->start(log_level => 'warn tripchat:info');
    my $there  = $server->site;
    my ($trip) = trip_with($there, map { "message $_" } 1 .. 3);
    my $token  = $there->token('ann');
    my @bad = map({ "after=$_" } '', qw(undefined null NaN -1 %2B5 1e3 1.5 abc 0x5 5%205 5,6 %00 %zz), '1' x 16, '9' x 400),
        map({ "after=2&epoch=$_" } '', qw(null -1 1.5 4294967296 99999999999), '7' x 20);
    my $at = 0;
    for my $bad (@bad) {
        my $client = (bless $there->connect, 'TripChat::Client')->join_chat($there->path($trip, token => $token) . "&$bad");
        history_is($client->history, [1 .. 3], 3, 'no', substr $bad, 0, 40);
        $client->disconnect;
        my $said = substr $server->error_log, $at;
        is(scalar(() = $said =~ /TC0099:/g), 1, 'with a line in the log');
        $at += length $said;
    }
    stops_clean($server, 'and no other', qr/TC00(?:99|2[1268]):/);
};

subtest 'the answer to a message that is sent again is the message as it is now' => sub {
    $site = site('plain');
    my $ann = $site->chat(trip => $site->new_trip);
    my $message = $ann->said('first words', client_id => 'c-1');
    $ann->edit($message->{id}, 'better words');
    my $edited = $ann->next_json('message_edited')->{message};
    $ann->say('first words', client_id => 'c-1');
    my $again = $ann->next_json;
    is($again->{client_id}, 'c-1', 'it has the client_id');
    message_is(
        $again->{message}, 'ann',
        { id => $message->{id}, seq => 1, content => 'better words', is_edited => 1, updated_at => $edited->{updated_at} },
        'and what the edit made of it'
    );
    is($ann->said('next')->{seq}, 3, 'no number was used up');
};

done_testing;
