# A room as a stream of server-sent events: the same events as on a socket, for clients that only listen, and how such
# a client resumes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::File qw(read_file);
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    HISTORY   => 50,
    LARGE     => 8000,         # characters of a large message
    AT_A_TIME => 20,           # large messages: fewer than the small site's queue of 50
    QUEUE     => 2_000_000,    # more bytes than the small site's queue and a small receive buffer hold
};

my $site = site('plain');

# bob's stream, after its history was read; %opt: query => {}, last => Last-Event-ID, site
sub follow {
    my ($trip, %opt) = @_;
    my $events = begin($trip, %opt);
    $events->{history} = $events->next_event;
    return $events;
}

sub begin {
    my ($trip, %opt) = @_;
    my $where = $opt{site} // $site;
    return $where->rest(as => $opt{as} // 'bob', map { defined $opt{$_} ? ($_ => $opt{$_}) : () } 'receive_buffer', 'tls')
        ->follow($trip, $opt{query}, fields => { 'Last-Event-ID' => $opt{last} });
}

sub history_of { my ($events) = @_; return JSON::PP->new->utf8->decode($events->{history}{data}) }

# The same room over a socket.
sub history_is_that_of_a_socket {
    my ($where, $trip, $after, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $socket = $where->chat(trip => $trip, as => 'bob', after => $after);
    my $events = follow($trip, site => $where, defined $after ? (query => { after => $after }) : ());
    my @ids    = ($events->{history}{id});
    is_deeply(history_of($events), $socket->history, $name);
    is_deeply(\@ids, [join '-', @{ $socket->history }{qw(last_seq epoch)}], 'its id is how far it brings the reader, and the epoch');
    $_->disconnect for $socket, $events;
    return;
}

for my $name (qw(plain forgetful)) {
    my $where = site($name);

    subtest "a stream begins as a socket does: $name" => sub {
        my $trip = $where->new_trip;
        history_is_that_of_a_socket($where, $trip, undef, 'an empty room');
        my $ann = $where->chat(trip => $trip);
        $ann->say("message $_") for 1 .. HISTORY + 10;
        my @messages = $ann->next_many(HISTORY + 10, 'chat_message');
        $ann->edit($messages[-1]{message}{id}, 'mended');
        $ann->next_json('message_edited');
        history_is_that_of_a_socket($where, $trip, undef, 'the newest fifty');
        history_is_that_of_a_socket($where, $trip, $_, "after $_") for 0, HISTORY + 9, HISTORY + 11, 999_999;
    };

    subtest "each event comes once, as on a socket: $name" => sub {
        my $trip = $where->new_trip;
        my ($ann, $bob) = map { $where->chat(trip => $trip, as => $_) } qw(ann bob);
        my $events  = follow($trip, site => $where);
        my $message = $ann->said('one');
        $ann->edit($message->{id}, 'two');
        $ann->say('three');
        for my $seq (1 .. 3) {
            my $event = $events->next_event;
            is_deeply(JSON::PP->new->utf8->decode($event->{data}), $bob->next_json, "event $seq");
            is_deeply([sort keys %$event], [qw(data id)], 'an id and data, nothing else');
            is($event->{id}, $seq . '-' . history_of($events)->{epoch}, 'the id is the seq, and its epoch');
        }
    };

    subtest "nothing is missing and nothing comes twice over many connections: $name" => sub {
        my $trip = $where->new_trip;
        my $ann  = $where->chat(trip => $trip);
        my ($last, $total, $id, @all) = (0, 120);
        for my $number (1 .. $total) {
            $ann->say("message $number");
            next if $number % 10;
            my $events = follow($trip, site => $where, $last % 20 ? (last => $id) : (query => { after => $last }));
            push @all, @{ seqs_of(@{ history_of($events)->{messages} }) };
            push @all, $events->next_json('chat_message')->{message}{seq} while ($all[-1] // 0) < $number;
            ($last, $id) = ($events->last_seq, $events->last_id);
            $events->disconnect;
        }
        is_consecutive(\@all, 1, $total, 'every event was seen once, in order');
    };
}

subtest 'the head is that of a stream' => sub {
    my $events = begin($site->new_trip);
    answer_is($events->head, 200,
        { 'Content-Type' => 'text/event-stream', 'Cache-Control' => 'no-store', Connection => 'close',
            'Content-Length' => undef, 'X-Accel-Buffering' => 'no' }, 'which no proxy keeps back');
};

subtest 'Accept chooses the stream, and nothing else does' => sub {
    my $trip = $site->new_trip;
    my $type = sub { my ($accept) = @_; my $rest = $site->rest->ask('GET', TripChat::Rest::list_path($trip), fields => { Accept => $accept });
        my $head = $rest->stream->read_response; $rest->disconnect; return $head->{fields}{'content-type'}[0] };
    is($type->($_), 'text/event-stream', $_) for 'text/event-stream', 'Text/Event-Stream', 'text/event-stream, */*;q=0.1';
    is($type->($_), 'application/json', $_ // 'none') for undef, '*/*', 'application/json', 'text/*', 'text/event';
};

subtest 'Last-Event-ID resumes, and counts before after=' => sub {
    my $trip = $site->new_trip;
    $site->rest->posted($trip, "message $_") for 1 .. 5;
    my $seqs = sub { my $history = history_of(follow($trip, @_)); return [$history->{recovered} ? 1 : 0, @{ seqs_of(@{ $history->{messages} }) }] };
    is_deeply($seqs->(last => 3),                         [1, 4, 5],    'what came since');
    is_deeply($seqs->(last => 3, query => { after => 1 }), [1, 4, 5],    'though the page said something else when it began');
    is_deeply($seqs->(last => '', query => { after => 4 }), [1, 5],      'an empty one is none');
    is_deeply($seqs->(last => 0),                         [1, 1 .. 5],  'from the beginning');
    is_deeply($seqs->(last => 99),                        [0, 1 .. 5],  'from the future it is a fresh start');
    my $epoch = $site->chat(trip => $trip)->history->{epoch};
    is_deeply($seqs->(last => "3-$epoch"),                [1, 4, 5],    'with its epoch');
    is_deeply($seqs->(last => 3, query => { epoch => 0 }), [1, 4, 5],    'an id without one counts before the page\'s epoch=');
    is_deeply($seqs->(last => '3-' . ($epoch ^ 1)),       [0, 1 .. 5],  'in another epoch it is a fresh start');
    for my $bad ('x', '-1', '1.5', '1 2', '9999999999999999', '1-', '1-x', '1-2-3', '1-2147483648', '-') {
        is_deeply($seqs->(last => $bad, query => { after => 4 }), [0, 1 .. 5], "what is no id is a fresh start: $bad");
    }
    for my $bad ('', qw(undefined null NaN -1 %2B5 1e3 x %zz), '1' x 16) {
        is_deeply($seqs->(query => { after => $bad }),             [0, 1 .. 5], "after=$bad as well");
        is_deeply($seqs->(query => { after => 4, epoch => $bad }), [0, 1 .. 5], "and epoch=$bad");
    }
    is_deeply($seqs->(query => { after => 4, limit => 'x', before => 2, wait => '9' x 15 }), [1, 5], 'what is for pages is ignored');
};

subtest 'typing is told to others, and has no id' => sub {
    my $trip = $site->new_trip;
    my $ann  = $site->chat(trip => $trip);
    my ($bob, $own) = map { follow($trip, as => $_) } qw(bob ann);
    $ann->typing(1);
    my $event = $bob->next_event;
    is_deeply([sort keys %$event], ['data'], 'data alone');
    is_deeply(JSON::PP->new->utf8->decode($event->{data}),
        { type => 'typing', user_id => user('ann')->{id}, user_email => 'ann@example.com', is_typing => JSON::PP::true }, 'as on a socket');
    is($bob->last_seq, 0, 'a reader resumes from the event before');
    $ann->say('typed');
    like($own->next_event->{id}, qr{\A1-}, 'who types is not told');
};

subtest 'a text cannot break out of its event' => sub {
    my $trip   = $site->new_trip;
    my $events = follow($trip);
    my $text   = "one\n\ndata: two\r\nid: 99\revent: close\x{2028}\x{2029}\x{85}: three";
    $site->rest->posted($trip, $text);
    my $event = $events->next_event;
    is(JSON::PP->new->utf8->decode($event->{data})->{message}{content}, $text, 'it is data');
    like($event->{id}, qr{\A1-}, 'the id is the server\'s');
};

subtest 'a stream without events says that it lives' => sub {
    my $where  = site('pinging');
    my $events = follow($where->new_trip, site => $where);
    is_deeply([map { $events->next_event } 1 .. 3], [({ comment => '' }) x 3], 'in comments, which readers ignore');
    $events->disconnect;
};

subtest 'a reader that does not read is cut off, and resumes' => sub {
    my $small = site('small');
    my $trip  = $small->new_trip;
    my $slow  = begin($trip, site => $small, receive_buffer => 4096);
    my $quick = follow($trip, site => $small, as => 'carol');
    my $ann   = $small->chat(trip => $trip);
    my (undef, undef, $kernel_bytes) = split ' ', read_file('/proc/sys/net/ipv4/tcp_wmem');
    my $rounds = int(($kernel_bytes + QUEUE) / LARGE / AT_A_TIME) + 1;
    for (1 .. $rounds) {
        $ann->say('x' x LARGE) for 1 .. AT_A_TIME;
        $ann->next_many(AT_A_TIME, 'chat_message');
        $quick->next_many(AT_A_TIME, 'chat_message');
    }
    my $total = $rounds * AT_A_TIME;
    is($quick->last_seq, $total, 'the others have everything');
    my ($code, $first, @seen) = $slow->read_close;
    is($code, 1013, 'the slow one is told why');
    ok($slow->{stream}->read_to_end, 'and the stream ends');
    cmp_ok(scalar @seen, '<', $total, 'before it had everything');
    is_consecutive(seqs_of(@seen), 1, scalar @seen, 'what it has is in order, without a gap');
    is($slow->last_seq, @seen, 'it knows how far it has come');
    my $again = history_of(follow($trip, site => $small, last => $total - 5));
    is_deeply(seqs_of(@{ $again->{messages} }), [$total - 4 .. $total], 'and may come back');
};

subtest 'a history larger than the queue does not count as slowness' => sub {
    my $where  = site('plain');
    my $trip   = $where->new_trip;
    my $rest   = $where->rest;
    $rest->posted($trip, "\x{1f600}" x 10_000) for 1 .. HISTORY;
    my $slow = begin($trip, receive_buffer => 4096);
    $rest->posted($trip, "while bob reads, $_") for 1 .. 3;
    my $history = seqs_of(@{ $slow->next_json->{messages} });
    my $last    = $history->[-1];    # the room may be read behind what is said meanwhile
    is(scalar @$history, HISTORY, 'the history comes');
    is_deeply($last < HISTORY + 3 ? seqs_of($slow->next_many(HISTORY + 3 - $last)) : [], [$last + 1 .. HISTORY + 3], 'and what was said meanwhile');
};

subtest 'a stream in a child full of connections is refused' => sub {
    my $server = TripChat::Server->start(config => 'TripChatMaxConnections 2');
    my $where  = $server->site;
    my $trip   = $where->new_trip;
    my @held   = map { follow($trip, site => $where) } 1, 2;
    refusal_is($where->rest->list($trip, {}, fields => { Accept => 'text/event-stream' }), 503, { code => 'overloaded', retry_after => 2 }, 'with 503');
    (pop @held)->disconnect;
    my $again = until_true('a place to be free', sub { eval { follow($trip, site => $where) } });
    like($again->{history}{id}, qr{\A0-}, 'one that goes without a word gives its place back');
    $_->disconnect for @held, $again;
    stops_clean($server, 'the log has nothing to say', qr/\bTC0061:/);
};

subtest 'on Redis a room is the same in every child and server' => sub {
    plan skip_all => 'TC_STACK=full runs it' if !is_full();
    my $database = TripChat::Postgres->shared->new_database;
    my @servers  = map { TripChat::Server->start(children => 2, database => $database) } 1, 2;
    my @sites    = map { $_->site } @servers;
    my $trip     = $sites[0]->new_trip;
    my @streams  = map { follow($trip, site => $sites[ $_ % 2 ]) } 1 .. 8;
    my @pollers  = map { $sites[ $_ % 2 ]->rest->ask_for_news($trip, 0) } 1 .. 8;
    my $socket   = $sites[1]->chat(trip => $trip, as => 'bob');
    my $message  = $sites[0]->rest->posted($trip, 'to all');
    is_deeply($_->next_json('chat_message')->{message}, $message, 'a stream has it') for @streams;
    is_deeply($_->news->{results}, [$message], 'a poll has it') for @pollers;
    is_deeply($socket->next_json('chat_message')->{message}, $message, 'a socket has it');
    my @rests = map { $sites[ $_ % 2 ]->rest } 1 .. 6;
    $rests[ $_ % 6 ]->posted($trip, "message $_") for 1 .. 30;
    is_consecutive(seqs_of($_->next_many(30, 'chat_message')), 2, 30, 'and what is posted here and there, in order') for @streams, $socket;
    is($sites[0]->rest->post($trip, 'x', client_id => 'c')->{status}, 201, 'a client_id');
    is($sites[1]->rest->post($trip, 'x', client_id => 'c')->{status}, 200, 'is known everywhere');
    $_->disconnect for @streams, $socket;
    stops_clean($_, 'the log has nothing to say') for @servers;
};

subtest 'a reader who writes' => sub {
    my $trip   = $site->new_trip;
    my $socket = $site->chat(trip => $trip, as => 'ann');
    my $events = follow($trip);
    $events->{stream}->write('x' x 200_000);
    $socket->said('hello');
    is($events->next_json('chat_message')->{message}{content}, 'hello', 'a little is passed over');
    $events->{stream}->write('x' x 900_000);
    is(($events->read_close)[0], 1008, 'much is not');
    my $poll = $site->rest(as => 'bob');
    $poll->ask_for_news($trip, 1);
    $poll->{stream}->write('x' x 1_100_000);
    is_deeply($poll->news->{results}, [], 'nor by a poll, which is answered');
    $_->disconnect for $socket, $poll;
};

done_testing;
