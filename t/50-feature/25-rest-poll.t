# The long poll: a client asks for events after a seq. It is answered as soon as there is an event, or when it has
# waited long enough. 65-rest-takeover.t tests that a poll holds no worker, and how it ends when the server stops.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Sockets qw(tcp_peers);
use TripChat::Test;

use constant {
    MANY => 50,      # clients that poll one room
    SAID => 60,      # messages that a client polls for
};

my $site = site('plain');

# Several clients that wait for events after $after, each on a connection of its own.
sub pollers {
    my ($where, $trip, $after, $count) = @_;
    return map { $where->rest(as => $_ % 2 ? 'ann' : 'bob')->ask_for_news($trip, $after) } 1 .. $count;
}

# A connection has been taken over when its request is in the access log.
sub are_held {
    my ($where, $trip, $count) = @_;
    my $line = qr{"GET /api/v1/chat/rooms/\Q$trip\E/messages/[^"]*" 200 \d+ 0(?: |$)}m;
    return until_true("$count polls to be held", sub { $count == (() = read_file($where->access_log) =~ /$line/g) });
}

# Waits until the connections have ended. The answers come before that, but the places are free only then.
sub has_let_go {
    my ($server, $where) = @_;
    return until_true('the connections to be gone', sub { !grep { $_ } map { tcp_peers($_, $where->port) } $server->child_pids });
}

# The answer to a request without wait=.
sub read_now { my ($where, $trip, $after) = @_; return $where->rest->list($trip, { after => $after })->{json} }

subtest 'news is answered at once' => sub {
    my $trip = $site->new_trip;
    my @messages = map { $site->rest->posted($trip, $_) } qw(one two);
    is_deeply($site->rest->ask_for_news($trip, 1)->news->{results}, [$messages[1]], 'what came since');
    is_deeply($site->rest->ask_for_news($trip, 0)->news, read_now($site, $trip, 0), 'as without wait=');
    is_deeply($site->rest->list($trip, { after => 2, wait => 0 })->{json}{results}, [], 'wait=0 waits for nothing');
};

subtest 'a wait of any length is held, and cut to TripChatMaxWait' => sub {
    for my $wait ('9' x 15, '9223372036855', '18446744073710', 61) {
        my $trip = $site->new_trip;
        $site->rest->posted($trip, 'one');
        my $reader = $site->rest->ask_for_news($trip, 1, wait => $wait);
        are_held($site, $trip, 1);
        sleep 1;    # a wait that became too short is over by then
        my $news = $site->rest->posted($trip, 'two');
        is_deeply($reader->news->{results}, [$news], "wait=$wait");
    }
};

subtest 'after= in the future is answered at once' => sub {
    my $trip = $site->new_trip;
    $site->rest->posted($trip, 'one');
    my $page = $site->rest->ask_for_news($trip, 2)->news;
    is_deeply([$page->{results}, $page->{last_seq}], [[], 1], 'with the last_seq, by which a client can tell');
};

subtest 'a room that keeps nothing says where the news is' => sub {
    my $server = TripChat::Server->start(site_config => 'TripChatRoomCache 0');
    my $there  = $server->site;
    my $trip   = $there->new_trip;
    $there->rest->posted($trip, 'one');
    my $reader = $there->rest->ask_for_news($trip, 1);
    are_held($there, $trip, 1);
    my $news = $there->rest->posted($trip, 'two');
    my $page = $reader->news;
    is($page->{last_seq}, 2, 'it is answered when there is some');
    is_deeply($reader->get($page->{next})->{json}{results}, [$news], 'which next brings');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'where the newest were deleted with their user the answer is held as well' => sub {
    my $trip = $site->new_trip;
    $site->rest->posted($trip, $_) for qw(one two);
    my $room = $site->rest->room($trip)->{json}{id};
    $site->sql("DELETE FROM chat_messages WHERE room_id = '$room' AND content = 'two'");
    my $reader = $site->rest->ask_for_news($trip, 1);
    are_held($site, $trip, 1);
    my $news = $site->rest->posted($trip, 'three');
    is_deeply($reader->news->{results}, [$news], 'until there is news');
};

subtest 'without news the answer is empty when the time is over' => sub {
    my $trip = $site->new_trip;
    $site->rest->posted($trip, 'one');
    my $start  = now();
    my $answer = $site->rest->list($trip, { after => 1, wait => 1 });
    cmp_ok(now() - $start, '>=', 0.9, 'which is not before');
    answer_is($answer, 200, { 'Content-Type' => 'application/json', 'Cache-Control' => 'no-store', Connection => 'close' }, 'an answer as any');
    is_deeply([@{ $answer->{json} }{qw(next results last_seq)}], [undef, [], 1], 'and says how far the room has come');
};

subtest 'wait= longer than TripChatMaxWait is cut' => sub {
    my $server = TripChat::Server->start(site_config => 'TripChatMaxWait 1s');
    my $trip   = $server->site->new_trip;
    is_deeply($server->site->rest->ask_for_news($trip, 0, wait => 999_999)->news->{results}, [], 'it is answered within the test');
    stops_clean($server, 'and the log has nothing to say');
};

# What wakes waiting clients, and what they get: a page like any other.
my %NEWS = (
    'a message from a socket' => sub { my ($socket) = @_; $socket->say('news') },
    'a message over HTTP'     => sub { my (undef, $rest, $message) = @_; $rest->post($message->{chat_room_id}, 'news') },
    'an edit from a socket'   => sub { my ($socket, undef, $message) = @_; $socket->edit($message->{id}, 'news') },
    'an edit over HTTP'       => sub { my (undef, $rest, $message) = @_; $rest->edit($message->{id}, 'news') },
);

for my $what (sort keys %NEWS) {
    subtest "$what wakes all who wait" => sub {
        my $trip    = $site->new_trip;
        my $socket  = $site->chat(trip => $trip);
        my $message = $socket->said('one');
        my @waiting = pollers($site, $trip, 1, MANY);
        are_held($site, $trip, MANY);
        $NEWS{$what}->($socket, $site->rest, $message);
        my @pages = map { $_->news } @waiting;
        message_is($pages[0]{results}[0], 'ann', { content => 'news', seq => 2, is_edited => $what =~ /edit/ ? 1 : 0 }, 'with the whole message');
        my $plain = read_now($site, $trip, 1);
        delete $_->{previous} for $plain, $pages[0];
        is_deeply($pages[0], $plain, 'the answer is that of a read without wait=');
        is(scalar(grep { $_->{results}[0]{seq} != 2 || @{ $_->{results} } != 1 } @pages), 0, 'every one of them');
    };
}

subtest 'the answer leads back as any page does' => sub {
    my $trip   = $site->new_trip;
    my $rest   = $site->rest;
    $rest->posted($trip, 'one');
    my $poller = $site->rest->ask_for_news($trip, 1);
    are_held($site, $trip, 1);
    $rest->posted($trip, 'two');
    is($poller->news->{previous}, read_now($site, $trip, 1)->{previous}, 'to what was before it');
};

subtest 'several events that come together are answered together, up to limit=' => sub {
    my $trip    = $site->new_trip;
    my $socket  = $site->chat(trip => $trip);
    my ($one, $some) = ($site->rest->ask_for_news($trip, 0, limit => 1), $site->rest->ask_for_news($trip, 0));
    are_held($site, $trip, 2);
    $socket->write(join '', map { encode_frame(opcode => OP_TEXT, payload => qq({"type":"chat_message","content":"$_"})) } 1 .. 5);
    my $page = $one->news;
    is_deeply(seqs_of(@{ $page->{results} }), [1], 'one, where no more are wanted');
    my $got = @{ seqs_of(@{ $some->news->{results} }) };
    cmp_ok($got, '>=', 1, "the other has $got of five");
    $socket->next_many(5, 'chat_message');
    is_deeply(seqs_of(@{ read_now($site, $trip, 1)->{results} }), [2 .. 5], 'and the rest with the next');
};

subtest 'typing wakes nobody' => sub {
    my $trip   = $site->new_trip;
    my ($socket, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $poller = $site->rest(as => 'carol')->ask_for_news($trip, 0);
    are_held($site, $trip, 1);
    $socket->typing(1);
    $bob->next_json('typing');
    $socket->say('typed');
    is_deeply(contents_of(@{ $poller->news->{results} }), ['typed'], 'the answer is the message');
};

# On the site "forgetful" a room keeps nothing in memory. The first answer may only say that there is an event; then
# the next one has it.
for my $name (qw(plain forgetful)) {
    my $where = site($name);

    subtest "who asks again and again gets everything once: $name" => sub {
        my $trip   = $where->new_trip;
        my $socket = $where->chat(trip => $trip);
        my $bob    = $where->rest(as => 'bob');
        my ($after, $asked, @seqs) = (0, 0);
        $socket->say("message $_") for 1 .. SAID;
        while ($after < SAID + 1) {
            my $page = $bob->ask_for_news($trip, $after)->news;
            $socket->say('the last') if !$asked++;
            push @seqs, @{ seqs_of(@{ $page->{results} }) };
            $after = $seqs[-1] // 0;
        }
        is_consecutive(\@seqs, 1, SAID + 1, "in $asked answers");
    };
}

subtest 'who is held is counted, and not when it is gone' => sub {
    my $server = TripChat::Server->start(config => 'TripChatMaxConnections 3');
    my $where  = $server->site;
    my $trip   = $where->new_trip;
    my @held   = pollers($where, $trip, 0, 3);
    are_held($where, $trip, 3);
    my $one_more = $where->rest->list($trip, { after => 0, wait => 60 });
    refusal_is($one_more, 503, { code => 'overloaded', retry_after => 2 }, 'one more is refused');
    answer_is($one_more, 503, { 'Retry-After' => 2 }, 'for a moment');
    is($where->rest->list($trip, { after => 0 })->{status}, 200, 'who does not wait is served');
    $_->disconnect for @held;
    my $again = until_true('a place to be free', sub {
        my $rest = $where->rest->ask_for_news($trip, 0, wait => 1);
        my $answer = $rest->answer;
        return $answer->{status} == 200 && $answer;
    });
    is_deeply($again->{json}{results}, [], 'a client that goes without a word gives its place back');
    has_let_go($server, $where);
    my @more = pollers($where, $trip, 0, 3);
    is($where->rest->posted($trip, 'news')->{seq}, 1, 'a message');
    is_deeply(contents_of(map { @{ $_->news->{results} } } @more), [('news') x 3], 'is told to three again');
    has_let_go($server, $where);
    my @fourth = pollers($where, $trip, 1, 3);
    is(scalar(grep { $_->stream->is_open } @fourth), 3, 'and an answer gives a place back as well');
    $_->disconnect for @fourth;
    stops_clean($server, 'the log has nothing to say', qr/\bTC0061:/);
};

subtest 'a connection may have served requests before' => sub {
    my $trip = $site->new_trip;
    my $rest = $site->rest;
    $rest->room($trip);
    $rest->posted($trip, 'one');
    $rest->ask_for_news($trip, 1);
    are_held($site, $trip, 1);
    $site->rest->posted($trip, 'two');
    is_deeply(seqs_of(@{ $rest->news->{results} }), [2], 'a poll');
    is($rest->connections, 1, 'on the same connection');
    is($rest->room($trip)->{status}, 200, 'after which it is another');
    is($rest->connections, 2, 'made anew');
};

subtest 'what a client sends while it waits is not waited for' => sub {
    my $trip = $site->new_trip;
    my $rest = $site->rest->ask_for_news($trip, 0);
    $rest->stream->write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" x 100);
    are_held($site, $trip, 1);
    $rest->stream->write('x' x 100_000);
    $site->rest->posted($trip, 'news');
    is_deeply(seqs_of(@{ $rest->news->{results} }), [1], 'it gets its answer');
};

done_testing;
