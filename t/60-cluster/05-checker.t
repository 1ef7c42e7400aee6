# The checker of the storm test finds what it has to find. It reports nothing for correct records. For each kind of
# wrong record it reports what is wrong, and nothing else.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Checker qw(complaints);
use TripChat::Record;

# A room with six events: four messages and two edits of the first one.
my %CLIENT_ID = (m1 => 'c-1', m2 => 'c-2', m3 => 'c-3', m4 => 'c-4');

sub message { my ($seq, $id, $content) = @_; return { seq => $seq, id => $id, content => $content // "text of $id" } }

sub table {
    my @messages = map { { kind => 'message', client_id => $CLIENT_ID{ $_->{id} }, %$_ } }
        message(1, 'm1', 'third words'), message(2, 'm2'), message(4, 'm3'), message(6, 'm4');
    return { last_seq => 6, events => [@messages, map { { kind => 'edit', seq => $_, id => 'm1' } } 3, 5] };
}

# The events as a client gets them, by seq.
sub events {
    return map { $_->{message}{seq} => $_ } (
        { type => 'chat_message',   message => message(1, 'm1', 'first words') },
        { type => 'chat_message',   message => message(2, 'm2') },
        { type => 'message_edited', message => message(3, 'm1', 'second words') },
        { type => 'chat_message',   message => message(4, 'm3') },
        { type => 'message_edited', message => message(5, 'm1', 'third words') },
        { type => 'chat_message',   message => message(6, 'm4') },
    );
}

# The record of ann, who sent all messages, got the confirmations, and saw these events; %change replaces some events.
sub ann_who_saw {
    my ($seqs, %change) = @_;
    my %events = (events(), %change);
    my $ann    = TripChat::Record->new('ann');
    $ann->joined({ last_seq => 0, messages => [] });
    $ann->sent($_) for sort values %CLIENT_ID;
    for my $event (map { $events{$_} } @$seqs) {
        my $client_id = $event->{type} eq 'chat_message' ? $CLIENT_ID{ $event->{message}{id} } : undef;
        $ann->saw({ %$event, defined $client_id ? (client_id => $client_id) : () });
    }
    return $ann;
}

# The record of bob, who sent nothing.
sub bob_who_saw {
    my ($seqs, %change) = @_;
    my %events = (events(), %change);
    my $bob    = TripChat::Record->new('bob');
    $bob->joined({ last_seq => 0, messages => [] });
    $bob->saw($events{$_}) for @$seqs;
    return $bob;
}

sub complains {
    my ($table, $records, $complaints, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply([complaints($table, $records)], $complaints, $name);
}

# The complaints about bob's record, together with a correct record of ann.
sub complains_of_bob { my ($bob, @rest) = @_; return complains(table(), [ann_who_saw([1 .. 6]), $bob], @rest) }

subtest 'right records are right' => sub {
    complains_of_bob(bob_who_saw([1 .. 6]), [], 'everything, live');

    my $late = TripChat::Record->new('bob');
    $late->joined({ last_seq => 3, messages => [message(1, 'm1', 'second words'), message(2, 'm2')] });
    my %events = events();
    $late->saw($events{$_}) for 4 .. 6;
    complains_of_bob($late, [], 'the newest messages, and what came then');

    my $resumed = bob_who_saw([1, 2]);
    $resumed->joined(
        { recovered => 1, last_seq => 5, messages => [message(3, 'm1', 'third words'), message(4, 'm3'), message(5, 'm1', 'third words')] }, 2);
    $resumed->saw($events{6});
    complains_of_bob($resumed, [], 'a resume in the middle, with messages as they read now');

    my $again = bob_who_saw([1, 2]);
    $again->joined({ last_seq => 6, messages => [message(1, 'm1', 'third words'), message(2, 'm2'), message(4, 'm3'), message(6, 'm4')] });
    complains_of_bob($again, [], 'a fresh start in the middle');
};

subtest 'an answer to what was sent again is no event' => sub {
    my %events = events();
    my $ann    = ann_who_saw([1 .. 6]);
    $ann->sent('c-2');
    $ann->saw({ %{ $events{2} }, client_id => 'c-2' });
    complains(table(), [$ann], [], 'that is right');
    $ann->saw({ %{ $events{2} }, client_id => 'c-2' });
    complains(table(), [$ann], ['ann got 3 copies of c-2, which it sent 2 times'], 'one answer too many is not');
};

subtest 'a gap' => sub {
    complains_of_bob(bob_who_saw([1, 2, 4, 5, 6]), ['bob never saw seq 3'],                                      'in the middle');
    complains_of_bob(bob_who_saw([2 .. 6]),        ['bob never saw seq 1'],                                      'at the beginning');
    complains_of_bob(bob_who_saw([1 .. 5]),        ['bob has come to seq 5, the table to 6'],                    'at the end');
    complains_of_bob(bob_who_saw([1, 4, 5, 6]),    ['bob never saw seq 2', 'bob never saw seq 3'],               'of two');
    my $resumed = bob_who_saw([1 .. 4]);
    $resumed->joined({ recovered => 1, last_seq => 6, messages => [message(6, 'm4')] }, 4);
    complains_of_bob($resumed, ['bob never saw seq 5', "bob reads 'second words' in m1, the table says 'third words'"],
        'in a resume');
    my $hollow = bob_who_saw([1 .. 5]);
    $hollow->joined({ recovered => 1, last_seq => 6, messages => [] }, 5);
    complains_of_bob($hollow, ['bob never saw seq 6'], 'that a resume hides behind its last_seq');
};

subtest 'a swap' => sub {
    complains_of_bob(bob_who_saw([1, 2, 4, 3, 5, 6]), ['bob saw seq 3 after seq 4'], 'of neighbours');
    complains_of_bob(bob_who_saw([1, 3, 4, 5, 6, 2]), ['bob saw seq 2 after seq 6'], 'over the whole room');
};

subtest 'a duplicate' => sub {
    complains_of_bob(bob_who_saw([1, 2, 2, 3, 4, 5, 6]), ['bob saw seq 2 again'], 'at once');
    complains_of_bob(bob_who_saw([1 .. 6, 4]),           ['bob saw seq 4 again'], 'later');
    my $late = TripChat::Record->new('bob');
    $late->joined({ last_seq => 2, messages => [message(1, 'm1', 'first words'), message(2, 'm2')] });
    my %events = events();
    $late->saw($events{$_}) for 2 .. 6;
    complains_of_bob($late, ['bob saw seq 2 again'], 'of what the history held');
    my $resumed = bob_who_saw([1 .. 5]);
    $resumed->joined({ recovered => 1, last_seq => 6, messages => [message(5, 'm1', 'third words'), message(6, 'm4')] }, 5);
    complains_of_bob($resumed, ['bob saw seq 5 again'], 'in a resume');
    my $stranger = bob_who_saw([1 .. 6]);
    $stranger->saw({ %{ $events{2} }, client_id => 'c-2' });
    complains_of_bob($stranger, ['bob saw seq 2 again', 'bob got 1 copies of c-2, which it sent 0 times'],
        "that looks like an answer to another's message");
};

subtest 'an event that is not in the table' => sub {
    my $extra = { type => 'chat_message', message => message(7, 'm5') };
    complains_of_bob(bob_who_saw([1 .. 7], 7 => $extra), ['bob saw seq 7, which the table does not have'], 'an extra');
};

subtest 'another event than the table has' => sub {
    my $other = { type => 'chat_message', message => message(4, 'm9') };
    complains_of_bob(bob_who_saw([1 .. 6], 4 => $other), ['bob saw seq 4 as m9, in the table it is m3'], 'another message');
    my $edit = { type => 'message_edited', message => message(4, 'm3') };
    complains_of_bob(bob_who_saw([1 .. 6], 4 => $edit), ['bob saw seq 4 as edit, in the table it is message'], 'another kind');
};

subtest 'a wrong content' => sub {
    my $forged = { type => 'chat_message', message => message(2, 'm2', 'forged') };
    complains_of_bob(bob_who_saw([1 .. 6], 2 => $forged),
        ["bob reads 'forged' in m2, the table says 'text of m2'"], 'of a message');
    my $stale = { type => 'message_edited', message => message(5, 'm1', 'second words') };
    complains_of_bob(bob_who_saw([1 .. 6], 5 => $stale),
        ["bob reads 'second words' in m1, the table says 'third words'"], 'of an edit');
};

subtest 'a wrong history' => sub {
    my $lacking = TripChat::Record->new('bob');
    $lacking->joined({ last_seq => 6, messages => [message(2, 'm2'), message(4, 'm3'), message(6, 'm4')] });
    complains_of_bob($lacking,
        ['bob got a history up to 6 of other messages than the table\'s: 2 m2, 4 m3, 6 m4 instead of 1 m1, 2 m2, 4 m3, 6 m4'],
        'one that lacks a message');
    is_deeply([complaints(table(), [ann_who_saw([1 .. 6]), $lacking], history => 3)], [], 'but for its limit');
};

subtest 'a resume that did not recover' => sub {
    my $lost = bob_who_saw([1, 2]);
    $lost->joined(
        { recovered => 0, last_seq => 6, messages => [message(1, 'm1', 'third words'), message(2, 'm2'), message(4, 'm3'), message(6, 'm4')] }, 2);
    complains_of_bob($lost, ['bob could not resume from 2: recovered is false'], 'is one complaint');
};

subtest 'what a sender was told' => sub {
    my $table = table();
    my $ann   = ann_who_saw([1 .. 6]);
    my %events = events();
    $ann->sent('c-9');
    complains($table, [$ann], ['ann was never told what became of c-9'], 'nothing');

    $ann = ann_who_saw([1 .. 6]);
    $ann->sent('c-9');
    $ann->saw({ type => 'chat_message', message => message(6, 'm4'), client_id => 'c-9' });
    complains($table, [$ann], ['ann was told that c-9 is stored, the table does not have it'], 'of a message that is lost');

    $ann = ann_who_saw([1 .. 6]);
    $ann->sent('c-2');
    $ann->saw({ type => 'chat_message', message => message(4, 'm3'), client_id => 'c-2' });
    complains($table, [$ann], ['ann was told that c-2 is seq 4, in the table it is seq 2'], 'of another message');
};

subtest 'a wrong table' => sub {
    my ($ann, $table) = (ann_who_saw([1 .. 6]), table());
    $_->{client_id} = 'c-2' for grep { $_->{id} eq 'm4' } @{ $table->{events} };
    is_deeply(
        [complaints($table, [$ann])],
        [
            'the table has c-2 2 times (seq 2 6)',
            'ann was told that c-4 is stored, the table does not have it',
        ],
        'a client_id stored twice'
    );

    $table = table();
    push @{ $table->{events} }, { kind => 'message', client_id => 'c-5', %{ message(7, 'm5') } };
    $table->{last_seq} = 7;
    my $seven = { type => 'chat_message', message => message(7, 'm5') };
    complains($table, [ann_who_saw([1 .. 6]), bob_who_saw([1 .. 7], 7 => $seven)],
        ["the table has what nobody sent: 'c-5' (seq 7)", 'ann has come to seq 6, the table to 7'], 'what nobody sent');

    $table = table();
    @{ $table->{events} } = grep { $_->{seq} != 3 } @{ $table->{events} };
    complains($table, [ann_who_saw([1 .. 6])], ['the table lacks seq 3', 'ann saw seq 3, which the table does not have'],
        'a number that is missing');

    $table = table();
    $table->{last_seq} = 5;
    complains($table, [ann_who_saw([1 .. 6])], ["the table has seq 6 beyond the room's last, 5"], 'a room that lags behind');

    $table = table();
    push @{ $table->{events} }, { kind => 'edit', seq => 5, id => 'm1' };
    complains($table, [ann_who_saw([1 .. 6])], ['the table has seq 5 2 times'], 'a number that is there twice');
};

done_testing;
