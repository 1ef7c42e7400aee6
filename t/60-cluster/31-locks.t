# What another program has locked (a user, a room, a message, a table) delays only the messages that need it. All others
# of the same child are stored and shown meanwhile. Nothing is stored twice, and programs of the site never meet a deadlock.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Postgres;
use TripChat::Session;
use TripChat::Test;

use constant {
    ROUNDS  => 6,     # of messages, while a lock is held
    POSTS   => 30,    # messages of a program that locks a user first
    # One thread of one child stores everything, so that no message comes through another thread.
    ONE     => 'TripChatDBThreads 1',
};

my $postgres = TripChat::Postgres->shared;
my $database = $postgres->new_database;
my $server   = TripChat::Server->start(database => $database, config => ONE);
my $site     = $server->site;
my $ids      = 0;

# A room with these people: (trip, members).
sub room {
    my @names = @_;
    my $trip = $site->new_trip;
    return ($trip, map { $site->chat(trip => $trip, as => $_) } @names);
}

# Sends a message or, with edit => id of a message, an edit. Returns the content.
sub send_one {
    my ($member, %opt) = @_;
    my $content = 'text ' . ++$ids;
    if   ($opt{edit}) { $member->edit($opt{edit}, $content) }
    else              { $member->say($content, client_id => $content, %opt) }
    return $content;
}

# Notes an event that a member got in %$outcome, as content => seq, or the error's code. An error of an edit does not say
# which: the oldest one that has no answer gets it.
sub note {
    my ($outcome, $contents, $event) = @_;
    my ($first) = grep { !defined $outcome->{$_} } @$contents;
    if ($event->{type} eq 'error') { $outcome->{ $event->{client_id} // $first } = $event->{code} }
    elsif ($event->{message})      { $outcome->{ $event->{message}{content} } = $event->{message}{seq} }
    return;
}

# What becomes of these contents of a member.
sub outcome_of {
    my ($member, $contents, $outcome) = @_;
    $outcome //= {};
    note($outcome, $contents, $member->next_json) while grep { !defined $outcome->{$_} } @$contents;
    return { map { $_ => $outcome->{$_} } @$contents };
}

# The contents of a trip's room in the table, in order.
sub stored_in {
    my ($trip) = @_;
    return map { (split / /, $_, 2)[1] } $database->sql("SELECT e.seq || ' ' || m.content FROM chat_messages m"
        . " JOIN chat_rooms r ON r.id = m.room_id JOIN chat_events e ON e.message_id = m.id AND e.room_id = m.room_id"
        . " WHERE r.trip_id = '$trip' AND m.content LIKE 'text %' AND e.kind = m.is_edited::integer ORDER BY e.seq");
}

# Members who talk, each waiting for their own copy. Nobody may be told of an error.
sub go_on {
    my ($members, $name) = @_;
    my @said     = map { send_one($_) } @$members;
    my @outcomes = map { outcome_of($members->[$_], [$said[$_]])->{ $said[$_] } } 0 .. $#said;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply([grep { !/\A\d+\z/ } @outcomes], [], $name);
}

# While a session holds the locks of $lock, one member sends what concerns a locked row, and others talk. Then what was
# delayed has been stored once and in order, or its sender was told `unavailable`.
# send => code that sends one, and returns the content   told => who sends   others => the others   trip => of the sender
sub delays_only {
    my ($name, $lock, %opt) = @_;
    for my $released (1, 0) {
        subtest $name . ($released ? '' : ', for long') => sub {
            my $session = TripChat::Session->open($database);
            my (@contents, %outcome);
            my $first = 0;    # how often the locked ones had their answer first
            $session->run("BEGIN; $lock");
            for (1 .. ROUNDS) {
                push @contents, $opt{send}->();
                go_on($opt{others}, 'all others are stored meanwhile');
                note(\%outcome, \@contents, $_) for $opt{told}->json_before_pong;
                $first++ if defined $outcome{ $contents[-1] };
            }
            cmp_ok($first, '<', ROUNDS, 'and do not stand behind what waits');
            $session->run('ROLLBACK') if $released;
            my $outcome = outcome_of($opt{told}, \@contents, \%outcome);
            $session->run('ROLLBACK') if !$released;
            $session->end;
            my @fine = grep { $outcome->{$_} =~ /\A\d+\z/ } @contents;
            is_deeply([grep { !/\A(?:\d+|unavailable)\z/ } values %$outcome], [],
                'what waits is stored or, after a while, unavailable');
            is_deeply([map { $outcome->{$_} } @fine], [sort { $a <=> $b } map { $outcome->{$_} } @fine], 'in order');
            my $last = send_one($opt{told});
            outcome_of($opt{told}, [$last]);
            my %known = map { $_ => 1 } @contents;
            is_deeply([grep { $known{$_} } stored_in($opt{trip})], $opt{edits} ? [($fine[-1]) x @fine] : \@fine,
                'the table has what was shown, once');
            ok((grep { $_ eq $last } stored_in($opt{trip})), 'and all goes on');
        };
    }
    return;
}

{
    my ($trip, $ann, $bob) = room(qw(ann bob));
    my ($other, $carol)    = room(qw(carol));
    my ($third, $dave)     = room(qw(bob));
    my $user = user('ann')->{id};
    my %room = (trip => $trip, told => $ann, others => [$bob, $carol, $dave]);
    my $anns = $ann->said('to be edited');
    my ($bobs) = ($bob->next_json, $bob->said('to be replied to'))[1];

    delays_only("a sender's row", "SELECT 1 FROM users WHERE id = '$user' FOR UPDATE", %room,
        send => sub { send_one($ann) });
    delays_only('a sender who gets another e-mail address', "UPDATE users SET email = 'ann\@elsewhere.example' WHERE id = '$user'",
        %room, send => sub { send_one($ann) });
    delays_only("a sender's row, and they reply", "SELECT 1 FROM users WHERE id = '$user' FOR UPDATE", %room,
        send => sub { send_one($ann, reply_to => $bobs->{id}) });
    delays_only('a room', "SELECT 1 FROM chat_rooms WHERE trip_id = '$trip' FOR UPDATE", %room, others => [$carol, $dave],
        send => sub { send_one($ann) });
    delays_only('a message that is edited', "SELECT 1 FROM chat_messages WHERE id = '$anns->{id}' FOR UPDATE", %room,
        edits => 1, send => sub { send_one($ann, edit => $anns->{id}) });

    subtest 'a message that is replied to delays nothing' => sub {
        my $session = TripChat::Session->open($database);
        $session->run("BEGIN; SELECT 1 FROM chat_messages WHERE id = '$bobs->{id}' FOR UPDATE");
        my $reply = $ann->said('a reply', reply_to => $bobs->{id});
        is($reply->{reply_to}{content}, 'to be replied to', 'the reply is stored at once');
        $session->end;
    };

    subtest 'many locks at a time: the batch does not wait for each of them' => sub {
        my @locked = map { [room('ann')] } 1 .. 12;
        my $session = TripChat::Session->open($database);
        my $trips   = join ', ', map { "'$_->[0]'" } @locked;
        $session->run("BEGIN; SELECT 1 FROM chat_rooms WHERE trip_id IN ($trips) FOR UPDATE;"
            . " SELECT 1 FROM users WHERE id = '$user' FOR UPDATE");
        my @said = map { send_one($_) } (map { $_->[1] } @locked), $ann;
        go_on([$bob, $carol, $dave], 'others go on');
        $session->run('ROLLBACK');
        my @outcomes = map { values %{ outcome_of($_, [shift @said]) } } (map { $_->[1] } @locked), $ann;
        is_deeply([grep { !/\A(?:\d+|unavailable)\z/ } @outcomes], [], 'and the locked ones afterwards');
        $_->[1]->leave for @locked;
    };

    subtest 'a table' => sub {
        my $session = TripChat::Session->open($database);
        $session->run('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
        my %said = map { $_ => send_one($_) } $ann, $bob, $carol;
        is_deeply([grep { $_->{client_id} } map { $_->json_before_pong } $ann, $bob, $carol], [],
            'nothing is shown that is not stored');
        $session->run('ROLLBACK');
        my @outcomes = map { values %{ outcome_of($_, [$said{$_}]) } } $ann, $bob, $carol;
        is_deeply([grep { !/\A(?:\d+|unavailable)\z/ } @outcomes], [], 'all are stored, or unavailable');
        go_on([$ann, $bob, $carol], 'and all go on');
    };
    $_->leave for $ann, $bob, $carol, $dave;
}

my %ORDER = (
    'lock a user and post' => sub { my ($lock, $post) = @_; ($lock, $post) },    # as select_for_update() does
    'post and lock a user' => sub { my ($lock, $post) = @_; ($post, $lock) },
);

for my $order (sort keys %ORDER) { subtest "programs that $order never meet a deadlock" => sub {
    my ($trip, $ann, $bob) = room(qw(ann bob));
    my @programs = map { TripChat::Session->open($database) } 1 .. 2;
    my $user     = user('ann')->{id};
    my $lock     = "SELECT 1 FROM users WHERE id = '$user' FOR UPDATE";
    my $failure  = eval {
        for my $n (1 .. POSTS) {
            $ann->say("ann $n", client_id => "ann $n");
            $bob->say("bob $n", client_id => "bob $n");
            for my $i (0, 1) {
                $programs[$i]->finish if $n > 1;
                my $post = "SELECT chat_post('$trip', '$user', 'program $i, $n')";
                $programs[$i]->start(join '; ', 'BEGIN', $ORDER{$order}->($lock, $post), 'COMMIT');
            }
        }
        $_->finish for @programs;
        '';
    } // $@;
    is($failure, '', 'no statement of theirs failed');
    my %outcome = (%{ outcome_of($ann, [map { "ann $_" } 1 .. POSTS]) }, %{ outcome_of($bob, [map { "bob $_" } 1 .. POSTS]) });
    my @shown  = grep { $outcome{$_} =~ /\A\d+\z/ } sort keys %outcome;
    is_deeply([grep { !/\A(?:\d+|unavailable)\z/ } values %outcome], [], 'members are answered');
    $ann->messages_before_marker;    # the child has noticed what the programs posted last
    my %row = map { reverse split / /, $_, 2 } $database->sql("SELECT m.seq || ' ' || m.content FROM chat_messages m"
        . " JOIN chat_rooms r ON r.id = m.room_id WHERE r.trip_id = '$trip'");
    is_deeply({ map { $_ => $row{$_} } @shown }, { map { $_ => $outcome{$_} } @shown }, 'as the table says');
    is(scalar(grep { /\Aprogram/ } keys %row), 2 * POSTS, 'what the programs posted is stored');
    is_consecutive([sort { $a <=> $b } values %row], 1, scalar keys %row, 'with the numbers in between');
    my $late = $site->chat(trip => $trip, as => 'carol', after => 0);
    is_deeply(contents_of(@{ $late->history->{messages} }), [sort { $row{$a} <=> $row{$b} } keys %row], 'and who comes sees all');
    $_->leave for $ann, $bob, $late;
    $_->end for @programs;
} }

subtest 'who comes first to a trip that another program has locked waits for a moment only' => sub {
    my $trip    = $site->new_trip;
    my $session = TripChat::Session->open($database);
    $session->run("BEGIN; SELECT 1 FROM trips WHERE id = '$trip' FOR UPDATE");
    turned_away_with($site, $site->path($trip, token => $site->token('ann')), undef, 1013, 'the client is told to come again');
    $session->run('ROLLBACK');
    $session->end;
    my $ann = $site->chat(trip => $trip);
    still_talks($ann, 'and is let in then');
    $ann->leave;
};

stops_clean($server, 'the server stops in order, and the log says nothing of other locks', qr/TC0012: cannot make a room: .*55P03/);

done_testing;
