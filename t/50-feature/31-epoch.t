# The database loses events that clients have seen, as after a fail-over or a restore. No client is told that it has
# everything when it lacks something, no number is given twice, and what the room still had in memory is put back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Postgres;
use TripChat::Test;

use constant {
    LOST  => qr/\bTC0019:|\bTC0012:/,    # a restore changes the tables under their statements
    JUMP  => 1_000_000_000,    # the numbers of the next epoch
};

my $server = TripChat::Server->start(site_config => "TripChatRecheck 3s\nTripChatMaxWait 60s");
my $site   = $server->site;
my $database = $site->database;

# ann and bob, who have seen these messages of ann.
sub members {
    my (@contents) = @_;
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    for my $content (@contents) {
        $ann->say($content);
        $_->next_json('chat_message') for $ann, $bob;
    }
    return ($trip, $ann, $bob, $bob->history->{epoch});
}

sub room_of { my ($trip) = @_; return $site->rest->room($trip)->{json} }

# The database is as it was when the room had come so far.
sub lose {
    my ($trip, $kept, $more) = @_;
    my $room  = room_of($trip)->{id};
    my $begin = $database->is_sqlite ? 'BEGIN IMMEDIATE' : 'BEGIN';
    $database->sql("$begin;\nUPDATE chat_rooms SET last_seq = $kept WHERE id = '$room';\n"
        . "DELETE FROM chat_messages WHERE room_id = '$room' AND seq > $kept;\n"
        . "DELETE FROM chat_events WHERE room_id = '$room' AND seq > $kept;\n"
        . ($more // '') . "\nCOMMIT;");
    return;
}

sub close_code_is { my ($client, $code, $name) = @_; return is($client->read_close->{code}, $code, $name) }

sub starts_afresh {
    my ($trip, $after, $epoch, $contents, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $back = $site->chat(trip => $trip, as => 'bob', after => $after, epoch => $epoch);
    is_deeply([$back->history->{recovered} ? 'recovered' : 'afresh', contents_of(@{ $back->history->{messages} })],
        ['afresh', $contents], $name);
    return $back;
}

subtest 'a history says its epoch, and who names the epoch resumes' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two));
    like($epoch, qr/\A\d+\z/, 'a number');
    is(room_of($trip)->{epoch}, $epoch, 'the room says the same');
    my $back = $site->chat(trip => $trip, as => 'carol', after => 1, epoch => $epoch);
    is_deeply([@{ $back->history }{qw(recovered epoch)}, seqs_of(@{ $back->history->{messages} })],
        [JSON::PP::true, $epoch, [2]], 'the same epoch resumes');
    starts_afresh($trip, 1, $epoch ^ 1, [qw(one two)], 'another one is a fresh start')->leave;
    for my $bad ('x', '-1', '2147483648', '1.5', '') {
        starts_afresh($trip, 1, $bad, [qw(one two)], "what is no epoch is a fresh start: '$bad'")->leave;
        is($site->rest->list($trip, { after => 1, epoch => $bad })->{status}, 400, 'over HTTP, it is refused');
    }
    $_->leave for $ann, $bob, $back;
};

subtest 'over HTTP, another epoch is the newest page' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two));
    my $list = sub { $site->rest->list($trip, {@_})->{json} };
    is_deeply([@{ $list->(after => 1, epoch => $epoch) }{qw(epoch last_seq)}], [$epoch, 2], 'each page says its epoch');
    is_deeply(seqs_of(@{ $list->(after => 1, epoch => $epoch)->{results} }), [2], 'the same epoch reads on');
    is_deeply(seqs_of(@{ $list->(after => 2, epoch => $epoch ^ 1, wait => 60)->{results} }), [1, 2], 'another one does not even wait');
    $_->leave for $ann, $bob;
};

subtest 'who writes finds the loss, before a number is given twice' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two three));
    my $stream = $site->rest(as => 'bob')->follow($trip);
    $stream->next_event;
    lose($trip, 1);
    $ann->say('four', client_id => 'c-4');
    close_code_is($_, 1012, 'members are to come back') for $ann, $bob;
    is(($stream->read_close)[0], 1012, 'readers of streams as well');
    my $back = starts_afresh($trip, 3, $epoch, [qw(one four two three)], 'with the old epoch');
    isnt($back->history->{epoch}, $epoch, 'to which the room does not belong any more');
    is_deeply(seqs_of(@{ $back->history->{messages} }), [1, map { JUMP + $_ } 1 .. 3], 'no number was given twice');
    my @times = map { $_->{created_at} } @{ $back->history->{messages} };
    is_deeply(\@times, [sort @times], 'and times do not decrease');
    my $today = starts_afresh($trip, 3, undef, [qw(one four two three)], 'a client that knows no epoch');
    my $again = $site->chat(trip => $trip, as => 'ann', after => 3, epoch => $epoch);
    $again->say('four', client_id => 'c-4');
    is($again->next_json('chat_message')->{message}{seq}, JUMP + 1, 'the sender learns that it was stored');
    $again->say('five');
    is($_->next_json('chat_message')->{message}{seq}, JUMP + 4, 'the room goes on') for $again, $back, $today;
    my $resumed = $site->chat(trip => $trip, as => 'carol', after => JUMP + 3);
    is_deeply([$resumed->history->{recovered} ? 1 : 0, seqs_of(@{ $resumed->history->{messages} })], [1, [JUMP + 4]],
        'and clients that know no epoch resume again');
    $_->leave for $again, $back, $today, $resumed;
};

subtest 'a room in which nobody writes notices, too' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two));
    my $poller = $site->rest(as => 'bob')->ask_for_news($trip, 2, epoch => $epoch);
    lose($trip, 0);
    close_code_is($_, 1012, 'members are to come back') for $ann, $bob;
    $poller->news;
    starts_afresh($trip, 2, $epoch, [qw(one two)], 'what they had seen is there again')->leave;
    is_deeply([map { $_->{content} } @{ $site->rest->list($trip, { after => 2, epoch => $epoch })->{json}{results} }],
        [qw(one two)], 'over HTTP as well');
};

subtest 'edits are put back, but not over later ones' => sub {
    my ($trip, $ann, $bob) = members(qw(one two));
    my @ids = map { $_->{id} } @{ $site->rest->list($trip)->{json}{results} };
    for my $i (0, 1) {
        $ann->edit($ids[$i], "edited $i");
        $_->next_json('message_edited') for $ann, $bob;
    }
    lose($trip, 2, "UPDATE chat_messages SET content = 'one', is_edited = "
        . ($database->is_sqlite ? 0 : 'false') . ", updated_at = created_at WHERE id = '$ids[0]';\n"
        . "UPDATE chat_messages SET content = 'edited later', updated_at = "
        . ($database->is_sqlite ? "'2999-01-01T00:00:00.000000Z'" : "now() + interval '1 day'") . " WHERE id = '$ids[1]';");
    close_code_is($_, 1012, 'members are to come back') for $ann, $bob;
    my $back = starts_afresh($trip, 4, undef, ['edited 0', 'edited later'], 'the edit that was lost is there again');
    is($back->history->{last_seq}, JUMP + 1, 'as an event of its own');
    $back->leave;
};

subtest 'who was deleted is not missed' => sub {
    my ($trip, $ann, $bob) = members('one');
    my $dave = $site->chat(trip => $trip, as => 'carol');
    $dave->said('of somebody who goes');
    lose($trip, 0);
    my $room = room_of($trip)->{id};
    close_code_is($_, 1012, 'members are to come back') for $ann, $bob, $dave;
    starts_afresh($trip, 2, undef, ['one', 'of somebody who goes'], 'the room goes on')->leave;
};

subtest 'a backup is restored while the chat runs' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two));
    my ($restore, $copy) = (undef, "$database->{params}.copy");
    if ($database->is_sqlite) {
        $database->sql("VACUUM INTO '$copy'");
        $restore = ".restore $copy";
    }
    else { $restore = 'BEGIN;' . TripChat::Postgres->shared->dump($database, '--clean') . 'COMMIT;' }
    $ann->say('three');
    $_->next_json('chat_message') for $ann, $bob;
    $database->sql($restore);
    close_code_is($_, 1012, 'members are to come back') for $ann, $bob;
    my $back = starts_afresh($trip, 3, $epoch, [qw(one two three)], 'and nothing is missing');
    is($back->said('four')->{seq}, JUMP + 2, 'no number is given twice');
    $back->leave;
};

subtest 'after a restore, the administrator gives all rooms another epoch' => sub {
    my ($trip, $ann, $bob, $epoch) = members(qw(one two));
    $_->leave for $ann, $bob;
    $server->restart;    # its children would put back what they still know
    lose($trip, 1);
    $database->sql($database->is_sqlite
        ? 'UPDATE chat_rooms SET last_seq = (last_seq / 1000000000 + 1) * 1000000000, epoch = abs(random() % 2147483647)'
        : 'SELECT chat_begin_epochs()');
    my $other = TripChat::Server->start(database => $database);
    my $back  = $other->site->chat(trip => $trip, as => 'bob', after => 2, epoch => $epoch);
    is_deeply([$back->history->{recovered} ? 1 : 0, contents_of(@{ $back->history->{messages} })], [0, ['one']], 'so clients start afresh');
    is($back->said('next')->{seq}, JUMP + 1, 'and numbers are new');
    stops_clean($other, 'the log says nothing');
};

stops_clean($server, 'the log says what was lost', LOST);

done_testing;
