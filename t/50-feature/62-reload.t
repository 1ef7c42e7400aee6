# A graceful reload as clients see it. Plain sockets and streams go on in another child without notice, at whatever
# point of a message they were. If there is no room for a second child beside the first one, connections that move wait
# for the next child. Uses its own servers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Deflated;
use TripChat::Process qw(freeze_pids);
use TripChat::Shared qw(is_full);
use TripChat::Succession;
use TripChat::Test;

use constant {
    MANY   => 300,       # messages sent while the server reloads
    LARGE  => 10_000,    # characters of a large message: the longest allowed
    LARGES => 400,       # large messages: more bytes than a socket holds, fewer than a queue
    LIFE_S => 8,         # of a token: a reload takes some time
    IDLE_S => 4,         # of a client that does not answer pings
};

# What a client may have sent in part when the server reloads, and what it receives after it has sent the rest.
my $fragments = join '', encode_frame(opcode => OP_TEXT, fin => 0, payload => '{"type":"chat_message",'),
    encode_frame(opcode => OP_CONTINUATION, payload => '"content":"in two"}');
my $first     = length encode_frame(opcode => OP_TEXT, fin => 0, payload => '{"type":"chat_message",');
my $between   = substr($fragments, 0, $first) . encode_frame(opcode => OP_PING, payload => 'between') . substr $fragments, $first;
my %HALVES    = (
    'half a header'                        => [text_frame('x' x 200), 3,           'x' x 200],
    'a header but for the masking key'     => [text_frame('y'),       2,           'y'],
    'half a payload'                       => [text_frame('abcdefg'), 30,          'abcdefg'],
    'a payload up to within a character'   => [text_frame("n\xc3\xa9"), 6 + length('{"type":"chat_message","content":"n') + 1, "n\x{e9}"],
    'one of two fragments'                 => [$fragments,            $first,      'in two'],
    'a fragment and half a ping behind it' => [$between,              $first + 9,  'in two'],
    'nothing'                              => [text_frame('all'),     0,           'all'],
);

for my $mpm (qw(event worker prefork)) {
    for my $room (rooms_under($mpm, is_full())) {
        my ($has_room, $room_name) = @$room;
        subtest "a reload under $mpm, $room_name" => sub {
            my $server  = start_server(mpm => $mpm, %$has_room, site_config => 'TripChatTypingInterval 0');
            my $site    = $server->site;
            my %clients = map { $_ => $site->chat(trip => $site->new_trip) } keys %HALVES;
            my $trip    = $site->new_trip;
            my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
            my $stream = $site->rest(as => 'carol')->follow($trip);
            $stream->next_json('message_history');
            $_->frames_before_pong for values %clients;
            $clients{$_}->write(substr $HALVES{$_}[0], 0, $HALVES{$_}[1]) for keys %HALVES;
            reload($server);
            for my $half (sort keys %HALVES) {
                my ($bytes, $sent, $content) = @{ $HALVES{$half} };
                $clients{$half}->write(substr $bytes, $sent);
                if ($half =~ /ping/) { is($clients{$half}->next_frame->{payload}, 'between', 'half a ping is gone on with') }
                hears($clients{$half}, $content, "a client that had sent $half goes on");
            }
            $ann->typing(1);
            is($bob->next_json->{type}, 'typing', 'typing is told');
            my $first = $ann->said('one');
            hears($bob, 'one', 'members hear each other');
            is($stream->next_json('chat_message')->{message}{seq}, $first->{seq}, 'a stream of events goes on');
            is($stream->last_seq, $first->{seq}, 'with the next id');
            my $second = $site->rest->posted($trip, 'two');
            is_consecutive([$first->{seq}, $second->{seq}], 1, 2, 'newcomers are in the same room');
            hears($_, 'two', 'and are heard') for $ann, $bob;
            reload($server) for 1, 2;
            $ann->said('three');
            hears($bob, 'three', 'a second reload and a third are as the first');
            is($stream->next_json('chat_message')->{message}{content}, $_, 'for a stream, too') for qw(two three);
            $_->leave for $ann, $bob, values %clients;
            $stream->disconnect;
            stops_clean($server, 'the log has nothing to say');
        };

        subtest "a long poll is answered under $mpm, $room_name" => sub {
            my $server = start_server(mpm => $mpm, %$has_room, drain => "TripChatDrainTime 1s\n");
            my $poll   = $server->site->rest->ask_for_news($server->site->new_trip, 0);
            wait_for_takeovers($server, 1);
            reload($server);
            is_deeply($poll->news->{results}, [], 'nothing is new');
            stops_clean($server, 'the log has nothing to say');
        };

        subtest "what is said in the very moment of a reload under $mpm, $room_name" => sub {
            my $server = start_server(mpm => $mpm, %$has_room, site_config => 'TripChatMaxPending 4');
            my $trip   = $server->site->new_trip;
            my ($ann, $bob) = map { $server->site->chat(trip => $trip, as => $_) } qw(ann bob);
            my @old  = $server->child_pids;
            my @said = map { { type => 'chat_message', client_id => "c$_", content => "message $_" } } 1 .. MANY;
            $ann->write(join '', map { encode_frame(opcode => OP_TEXT, payload => JSON::PP::encode_json($_)) } @said[0 .. MANY / 2 - 1]);
            kill 'USR1', $server->pid;
            $ann->send_json($_) for @said[MANY / 2 .. $#said];
            my @answers = map { $ann->next_json } 1 .. MANY;
            is_deeply([map { $_->{client_id} } @answers], [map { $_->{client_id} } @said], 'is answered once, in order');
            is_deeply([$ann->json_before_pong], [], 'and no more');
            is_consecutive(seqs_of($bob->next_many(MANY, 'chat_message')), 1, MANY, 'and comes to others once, in order');
            wait_for_end_of(@old);
            $_->leave for $ann, $bob;
            stops_clean($server, 'the log has nothing to say');
        };
    }
}

subtest 'what a client has not read yet comes whole and in order' => sub {
    my $server = start_server(site_config => "TripChatSendQueueSize 64m\nTripChatCloseTimeout 60s\n");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $ann    = $site->chat(trip => $trip);
    my $bob    = $site->chat(trip => $trip, as => 'bob', receive_buffer => 4096);
    my $large  = "\x{1f600}" x LARGE;
    for (1 .. LARGES / 50) {
        $ann->say($large) for 1 .. 50;
        $ann->next_frame  for 1 .. 50;
    }
    my $bytes = length($large) * 4 * LARGES;
    reload($server);
    $ann->say('at last');
    my @frames = map { $bob->next_frame // {} } 1 .. LARGES + 1;
    is_consecutive([map { ($_->{payload} // '') =~ /"seq":\s*(\d+)/ ? $1 : 'nothing' } @frames], 1, LARGES + 1, "$bytes bytes");
    is(scalar(grep { length $_->{payload} > LARGE * 4 } @frames[0 .. $#frames - 1]), LARGES, 'each as long as it was');
    $_->leave for $ann, $bob;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'pings that are open over a reload' => sub {
    my $server = start_server(site_config => "TripChatPingInterval 1s\nTripChatPongTimeout @{[IDLE_S - 1]}s\n");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($ann, $bob, $mute) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol);
    my $begun = now();
    is($_->read_frame->{opcode}, OP_PING, 'everybody is pinged') for $ann, $mute;
    my @children = $server->child_pids;
    freeze_pids(@children);
    $bob->send_ping('over the reload');
    kill 'USR1', $server->pid;
    kill 'CONT', @children;
    my @pongs;
    until_true('the pong', sub { push @pongs, grep { $_->{opcode} == OP_PONG } $bob->frames_at_hand; @pongs });
    is_deeply([map { $_->{payload} } @pongs], ['over the reload'], 'a ping of the client\'s is answered');
    wait_for_end_of(@children);
    $ann->send_pong;
    my $close;
    until_true('the end of who is silent', sub {
        ($close) = grep { $_->{opcode} == OP_CLOSE } $mute->{ended} ? () : map { $_ // () } $mute->read_frame;
        $_->frames_at_hand for $ann, $bob;
        return $close;
    });
    is($close->{code}, 1001, 'who does not answer the server\'s is closed with 1001');
    cmp_ok(now() - $begun, '>=', IDLE_S - 0.2, 'not before its time');
    still_talks($ann, 'who does goes on');
    $_->leave for $ann, $bob;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'with permessage-deflate' => sub {
    my $server = start_server(site_config => 'TripChatDeflate on');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $join   = sub {
        my ($name, $offers) = @_;
        my $client = bless $site->connect, 'TripChat::Deflated';
        $client->open_deflated($site->path($trip, token => $site->token($name)), $offers);
        $client->{history} = $client->next_json;
        return $client;
    };
    my $ann   = $join->('ann', 'permessage-deflate; client_no_context_takeover; client_max_window_bits');
    my $bob   = $site->chat(trip => $trip, as => 'bob');
    my $text  = 'What a lovely day for a walk along the river. ' x 20;
    my $frame = encode_frame(opcode => OP_TEXT, rsv => TripChat::Deflated::RSV1, payload => TripChat::Deflated::deflated(chat_json($text)));
    $ann->write(substr $frame, 0, 20);
    $ann->frames_at_hand;
    reload($server);
    $ann->write(substr $frame, 20);
    hears($_, $text, 'a message of which half had come is inflated') for $ann, $bob;
    $bob->say($text);
    my $heard = $ann->next_frame;
    cmp_ok($heard->{deflated} // LARGE, '<', length $text, 'what comes is compressed as before');
    $_->leave for $ann, $bob;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'the right to be there moves along' => sub {
    my $server = start_server(site_config => "TripChatRecheck 1s\nTripChatTokenWarning 1s\nTripChatUserConnections 3\n");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $exp    = time + LIFE_S;
    my ($ann, $renewed) = map { $site->chat(trip => $trip, token => $site->token('ann', exp => $exp)) } 1, 2;
    my ($bob, $carol) = map { $site->chat(trip => $trip, as => $_) } qw(bob carol);
    my $stream = $site->rest(as => 'ann')->follow($trip);
    reload($server);
    # A connection on its way from one child to the other is counted by neither for a moment.
    until_true('all three to be counted', sub {
        my $comer = eval { $site->chat(trip => $trip) };
        $comer->leave if $comer;
        return !$comer && $@ =~ /closed with 1008/;
    });
    $renewed->send_json({ type => 'authenticate', token => $site->token('ann'), client_id => 'a1' });
    is($renewed->next_json('authenticated')->{client_id}, 'a1', 'a token can be given after the move');
    is($ann->next_json->{type}, 'token_expiring', 'who has an old one is warned');
    cmp_ok(time, '>=', $exp - 2, 'not before the time');
    closed_with($ann, 4001, 'and closed when it expires');
    cmp_ok(time, '>=', $exp, 'not before that');
    $ann->disconnect;
    still_talks($renewed, 'who has a new one stays');
    my $back = until_true('the place to be free', sub { eval { $site->chat(trip => $trip) } });
    $site->sql(sprintf "DELETE FROM trip_collaborators WHERE trip_id = '%s' AND user_id = '%s'", $trip, user('bob')->{id});
    closed_with($bob, 4003, 'who is taken off the trip has to go');
    $carol->messages_before_marker;
    pass('others stay');
    $_->leave for $back, $renewed, $carol;
    $_->disconnect for $bob, $stream;
    stops_clean($server, 'the log has nothing to say');
};

# What has come of a message may be more than is allowed now, and what its frame has announced may be, too.
subtest 'unfinished messages, and a reload that allows shorter ones' => sub {
    my $server = start_server(shared => 1, site_config => 'TripChatMaxMessageSize 128k');
    my $site   = $server->site;
    my $begun  = encode_frame(opcode => OP_TEXT, fin => 0, payload => 'x' x 100_000);
    my %begin  = (
        'a fragment'        => $begun,
        'half a fragment'   => substr($begun, 0, 500),
        'a frame and a bit' => $begun . substr(encode_frame(opcode => OP_CONTINUATION, payload => 'x' x 5000), 0, 500),
    );
    my %clients = map { $_ => $site->chat(trip => $site->new_trip) } keys %begin, 'a short one';
    $_->frames_before_pong for values %clients;
    my $short = encode_frame(opcode => OP_TEXT, fin => 0, payload => '{"type":"chat_message",');
    $clients{$_}->write($begin{$_} // $short) for keys %clients;
    $server->reconfigure(site_config => 'TripChatMaxMessageSize 64k');
    reload($server);
    for my $what (sort keys %begin) {
        my $more = encode_frame(opcode => OP_CONTINUATION, fin => 0, payload => 'x' x 50_000);
        $clients{$what}->write($more) for 1 .. 10;
        is($clients{$what}->read_close->{code}, 1009, "who had sent $what is closed with 1009");
        $clients{$what}->disconnect;
    }
    my $client = delete $clients{'a short one'};
    $client->write(encode_frame(opcode => OP_CONTINUATION, payload => '"content":"short"}'));
    hears($client, 'short', 'a message that is still short enough is gone on with');
    $client->leave;
};

subtest 'typing that is due is told by the next child' => sub {
    my $server = start_server(site_config => 'TripChatTypingInterval 6s');
    my $trip   = $server->site->new_trip;
    my ($ann, $bob) = map { $server->site->chat(trip => $trip, as => $_) } qw(ann bob);
    $ann->typing(1);
    my $begun = now();
    ok($bob->next_json('typing')->{is_typing}, 'she types');
    $ann->typing(0);
    $ann->frames_before_pong;
    reload($server);
    ok(!$bob->next_json('typing')->{is_typing}, 'she has ceased to');
    cmp_ok(now() - $begun, '>=', 5.5, 'which is told no more often than it may be') if now() - $begun > 3;
    $_->leave for $ann, $bob;
    stops_clean($server, 'the log has nothing to say');
};

done_testing;
