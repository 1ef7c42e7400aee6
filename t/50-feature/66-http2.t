# WebSocket over HTTP/2 (RFC 8441, H2WebSockets): a worker of mod_http2 relays it, few are held, and whoever finds no room
# is told to come over HTTP/1.1. Uses its own servers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Http2;
use TripChat::Test;

plan skip_all => 'this httpd has no H2WebSockets' if !TripChat::Http2::is_possible();

use constant {
    WORKERS  => 8,    # half of them may relay
    RELAYED  => 4,
    A_USERS  => 2,
    ON       => 'H2WebSockets on',
    PAGE     => TripChat::Server::PAGE(),
    REQUIRED => TripChat::Http2::HTTP_1_1_REQUIRED,
    LARGE    => "\x{1f600}" x 10_000,
};

sub start { my (%opt) = @_; return TripChat::Server->start(mpm => 'event', http2 => 1, workers => WORKERS, config => ON, %opt) }

my @connections;

sub connection { my (@to) = @_; push @connections, TripChat::Http2->to(@to); return $connections[-1] }

# A socket on a connection of its own.
sub newcomer { my ($site, %opt) = @_; return connection($site)->chat($site, %opt) }

# Clients are there when the server stops. httpd then closes their sockets while its workers use them, which ThreadSanitizer
# reports.
sub stops {
    my (@stop) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    if (($ENV{TC_UNDER} // '') eq 'thread') { $_->disconnect for @connections }
    @connections = ();
    return stops_clean(@stop);
}

# The code of the reset that an Extended CONNECT is answered with; 'status …' if there is a status.
sub reset_of {
    my ($http2, $site, %opt) = @_;
    my $stream = $http2->stream->ask_to_open($site->path($opt{trip}, token => $site->token($opt{as} // 'ann')));
    my $status = $stream->wait_for_answer;
    return defined $status ? "status $status" : $stream->reset_code;
}

# How many connections the server's peers are, by its own count.
sub connections {
    my ($site) = @_;
    my $page = $site->http_get('/metrics')->{body};
    my $sum = 0;
    $sum += $1 while $page =~ /^tripchat_connections\{[^}]*\} (\d+)/mg;
    return $sum;
}

for my $mpm (qw(event worker)) {
    subtest "members talk under $mpm" => sub {
        my $server = start(mpm => $mpm, tls => 1);
        for my $name (qw(plain tls)) {
            my $site  = $server->site($name);
            my $trip  = $site->new_trip;
            my $http2 = connection($site);
            is($http2->offers_sockets, 1, "sockets are offered over $name");
            my $bob = $site->chat(trip => $trip, as => 'bob');
            my $ann = $http2->chat($site, trip => $trip);
            $ann->say('from HTTP/2');
            is($_->next_json('chat_message')->{message}{content}, 'from HTTP/2', 'what is said over HTTP/2 is heard') for $ann, $bob;
            $bob->say(LARGE);
            ok($_->next_json('chat_message')->{message}{content} eq LARGE, 'a large message comes') for $ann, $bob;
            $ann->say(LARGE);
            ok($_->next_json('chat_message')->{message}{content} eq LARGE, 'a large message goes') for $ann, $bob;
            $ann->write_singly(encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"slow"}'));
            is($bob->next_json('chat_message')->{message}{content}, 'slow', 'a frame may come byte by byte');
            is($http2->get('/index.html')->body, PAGE, 'the site is served on the same connection');
            is(scalar $ann->frames_before_pong, 1, 'a ping is answered');
            is($ann->leave->{code}, 1000, 'a close is answered');
            is($ann->ended, 'eof', 'and the stream ends in order');
            my $path = $site->path($trip, token => $site->token('ann'));
            my $early = $http2->stream->ask_to_open($path, undef, encode_frame(opcode => OP_PING, payload => 'x'))->finish_open;
            my ($pong) = grep { $_->{opcode} == OP_PONG } map { $early->read_frame } 1, 2;
            is($pong->{payload}, 'x', 'what is behind the handshake is not lost');
            $early->disconnect;
            is(newcomer($site, trip => $trip, after => 1)->history->{messages}[0]{content}, LARGE, 'a client resumes')
                or diag 'history';
            $_->disconnect for $bob, $http2;
        }
        like($server->access_log, qr{"GET /ws/chat/[^"]* HTTP/2\.0" 101 }, 'the access log shows the upgrade as 101');
        stops($server, 'the log has nothing to say');
    };
}

subtest 'whoever may not come in is told so' => sub {
    for my $how ([4001, ''], ['status 401', 'TripChatReject http']) {
        my $server = start(site_config => $how->[1]);
        my $site   = $server->site;
        my $stream = connection($site)->stream->ask_to_open($site->path($site->new_trip, token => 'none'));
        my $status = $stream->wait_for_answer;
        is($status == 200 ? $stream->read_close->{code} : "status $status", $how->[0], "with $how->[0]");
        my $version = connection($site)->stream->ask_to_open($site->path($site->new_trip), { 'sec-websocket-version' => 12 });
        is($version->wait_for_answer, 426, 'a wrong version is an error');
        my $body = connection($site)->stream->ask_to_open($site->path($site->new_trip), { 'content-length' => 5 });
        is($body->wait_for_answer, 400, 'a body is none');
        is(connection($site)->get($site->path($site->new_trip))->status, 501, 'a GET is no handshake');
        stops($server, 'the log has nothing to say');
    }
};

subtest 'workers are left for the site' => sub {
    my $server = start(config => ON . qq(\n<Location "/metrics">\nSetHandler tripchat-metrics\n</Location>));
    my $site   = $server->site;
    my $trip   = $site->new_trip(members => [qw(ann bob carol dave)]);
    my $http2  = connection($site);
    my @held   = ($http2->chat($site, trip => $trip), newcomer($site, trip => $trip));
    is(reset_of(connection($site), $site, trip => $trip), REQUIRED, 'a user has a share');
    is(reset_of($http2, $site, trip => $trip, as => 'bob'), REQUIRED, 'a connection of HTTP/2 has one socket');
    push @held, newcomer($site, trip => $trip, as => 'bob'), newcomer($site, trip => $trip, as => 'carol');
    is(reset_of(connection($site), $site, trip => $trip, as => 'dave'), REQUIRED, 'half of the workers are held, not more');
    is($http2->get('/index.html')->body, PAGE, 'the site is served');
    my $dave = $site->chat(trip => $trip, as => 'dave');
    still_talks($dave, 'over HTTP/1.1 there is room');
    is(connections($site), 1 + @held, 'all are members');
    my $again = shift @held;
    for (1 .. 20) {
        $again->disconnect;
        $again = $http2->chat($site, trip => $trip);
    }
    pass('a socket that is reset leaves its place to the next one');
    $_->disconnect for @held, $again;
    until_true('the loop to know', sub { connections($site) == 1 });
    push @held, until_true('workers to be free', sub { eval { newcomer($site, trip => $trip, as => $_) } }) for qw(ann bob carol);
    pass('a client that goes leaves its worker');
    stops($server, 'the log says why', qr/\bTC0054:/);
};

# Each handshake behind a socket would wait for its end, and nobody has looked at a token yet.
subtest 'a stranger does not hold what others need' => sub {
    my $server = start();
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $http2  = connection($site);
    my $ask    = sub { return $http2->stream->ask_to_open($site->path($trip, token => 'none')) };
    is($ask->()->wait_for_answer, 200, 'who is turned away reads why, and does not answer');
    my @more = map { $ask->() } 1 .. 6;
    $http2->wait_for('some to be refused', sub { 3 <= grep { defined $_->{reset_code} } @more });
    is(newcomer($site, trip => $trip)->leave->{code}, 1000, 'meanwhile others come and go');
    $http2->disconnect;
    stops($server, 'the log has nothing to say');
};

# A page renews the token of its stream with a second one, which it opens before it leaves the first.
subtest 'a connection has room for three, one socket among them' => sub {
    my $server = start(workers => 16);
    my $site   = $server->site;
    my $trip   = $site->new_trip(members => [qw(ann bob carol)]);
    my $http2  = connection($site);
    my $list   = TripChat::Rest::list_path($trip);
    my %as     = map { $_ => { authorization => 'Bearer ' . $site->token($_), accept => 'text/event-stream' } } qw(ann bob carol);
    my $opens  = sub { my ($name) = @_; my $stream = $http2->ask($list, %{ $as{$name} }); return ($stream, $stream->wait_for_answer) };
    my ($first, $one) = $opens->('ann');
    my ($next,  $two) = $opens->('ann');
    is_deeply([$one, $two], [200, 200], 'a stream is renewed');
    is(($opens->('ann'))[1], 503, 'a user has a share');
    $first->disconnect;
    my $bob = $http2->chat($site, trip => $trip, as => 'bob');
    $bob->say('to the new stream');
    $http2->wait_for('the message', sub { $next->body =~ /to the new stream/ });
    pass('a socket is beside a stream');
    my ($carol, $status) = $opens->('carol');
    is($status, 200, 'and so is another stream');
    is(($opens->('carol'))[1], 503, 'a fourth has no room');
    is($http2->get("$list?after=0&wait=60", authorization => $as{carol}{authorization})->status, 200, 'a poll beside them is answered at once');
    is($http2->get('/index.html')->body, PAGE, 'the site is served');
    $http2->disconnect;
    stops($server, 'the log has nothing to say');
};

subtest 'a page closes a socket and opens another one' => sub {
    my $server = start(workers => 16);
    my $site   = $server->site;
    my ($here, $there) = map { $site->new_trip } 1, 2;
    my %seen;
    for (1 .. 20) {
        my $http2 = connection($site);
        my $ann   = $http2->chat($site, trip => $here);
        $ann->write(encode_frame(opcode => OP_CLOSE, payload => pack('n', 1000)));
        my $next   = $http2->stream->ask_to_open($site->path($there, token => $site->token('ann')));
        my $status = $next->wait_for_answer;
        $seen{ $status // 'reset ' . $next->reset_code }++;
        $http2->disconnect;
        select undef, undef, undef, 0.1;    # the share of ann is free again
    }
    is_deeply(\%seen, { 200 => 20 }, 'the new one waits for the end of the old one');
    stops($server, 'the log has nothing to say');
};

# mod_http2 works on six streams of a connection at a time, and on two after a client has reset some. Sockets must not hold
# both.
subtest 'a client that resets streams still has the site' => sub {
    my $server = start(workers => 16);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $http2  = connection($site);
    my @held   = $http2->chat($site, trip => $trip);
    push @held, eval { $http2->chat($site, trip => $trip, as => 'bob') } || ();
    my %post = (':method' => 'POST', 'content-type' => 'application/json', authorization => 'Bearer ' . $site->token('ann'));
    for (1 .. 3) {
        my @posts = map { $http2->stream } 1 .. 3;
        $_->send_headers({ ':scheme' => 'http', ':authority' => 'localhost', ':path' => TripChat::Rest::messages_path(), %post }, 0) for @posts;
        select undef, undef, undef, 0.15;    # their workers have begun, and mod_http2 counts the resets one by one
        $_->disconnect for @posts;
        $http2->pump;
    }
    is($http2->get('/index.html')->body, PAGE, 'a file comes');
    $held[0]->say('hello');
    is($held[0]->next_json('chat_message')->{message}{content}, 'hello', 'and the socket is alive');
    $http2->disconnect;
    stops($server, 'the log has nothing to say');
};

subtest 'few workers of mod_http2' => sub {
    my $server = start(config => ON . "\nH2MinWorkers 2\nH2MaxWorkers 2");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $http2  = connection($site);
    my $ann    = $http2->chat($site, trip => $trip);
    is(reset_of(connection($site), $site, trip => $trip, as => 'bob'), REQUIRED, 'one of two is left');
    is($_->get('/index.html')->body, PAGE, 'and serves the site') for $http2, connection($site);
    my $close = $ann->leave;
    is($close->{code}, 1000, 'the socket was alive') or diag explain $close, $ann->reset_code, $server->error_log;
    stops($server, 'the log says why', qr/\bTC0054:/);
};

subtest 'clients that end the stream in other ways' => sub {
    my $server = start(config => ON . qq(\nTimeout 2\n<Location "/metrics">\nSetHandler tripchat-metrics\n</Location>));
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $began  = now();
    my $idle   = newcomer($site, trip => $trip, as => 'carol');
    my $ann    = newcomer($site, trip => $trip);
    $ann->shutdown_write;
    $ann->read_to_end;
    is($ann->ended, 'eof', 'a half-close ends the socket');
    my $end = connection($site)->stream;
    $end->ask_to_open($site->path($trip, token => $site->token('bob')), undef, undef, ends => 1);
    $end->wait_for_answer;
    $end->read_to_end;
    is($end->ended, 'eof', 'and so does a CONNECT that is the end of its stream');
    my $text = newcomer($site, trip => $trip, as => 'bob');
    $text->write("GET / HTTP/1.1\r\n\r\n");
    is($text->read_close->{code}, 1002, 'what is no frame is answered as ever');
    $text->disconnect;
    my $cut = connection($site);
    $cut->chat($site, trip => $trip);
    $cut->disconnect;
    until_true('the loop to know', sub { connections($site) == 1 });
    until_true('the time of Timeout', sub { now() > $began + 3 });
    $idle->say('still here');
    is($idle->next_json('chat_message')->{message}{content}, 'still here', 'Timeout does not end who is silent');
    $idle->leave;
    stops($server, 'the log has nothing to say');
};

subtest 'a slow reader delays nobody' => sub {
    my $server = start(config => ON . "\nTimeout 2", site_config => "TripChatSendQueueSize 64k");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $slow   = connection($site, window => 2000)->chat($site, trip => $trip, as => 'carol');
    $slow->{slow} = 1;
    my ($ann, $bob) = (newcomer($site, trip => $trip), $site->chat(trip => $trip, as => 'bob'));
    for (1 .. 12) {
        $ann->say(LARGE);
        $_->next_json('chat_message') for $ann, $bob;
    }
    pass('members talk on');
    is(connection($site)->get('/index.html')->body, PAGE, 'the site is served');
    $slow->read_to_end;
    ok($slow->ended, 'the slow reader is put out');
    my $next = until_true('its worker to be free', sub { eval { newcomer($site, trip => $trip, as => 'carol') } });
    is($next->leave->{code}, 1000, 'and may come again');
    stops($server, 'the log has nothing to say');
};

subtest 'a reload' => sub {
    my $server = start(tls => 1, config => ON . "\nTripChatDrainTime 1s");
    my $site   = $server->site('tls');
    my $trip   = $site->new_trip;
    my $http2  = connection($site);
    my $ann    = $http2->chat($site, trip => $trip);
    my $seen   = $ann->said('before')->{seq};
    my @old    = $server->child_pids;
    $server->graceful;
    my $close = $ann->read_close;
    is($close->{code}, 1012, 'closes with 1012');
    ok($http2->is_going_away || $http2->ended, 'and ends the connection');
    $http2->disconnect;
    $site->rest->posted($trip, 'meanwhile');
    my $back = newcomer($site, trip => $trip, after => $seen);
    is_deeply(contents_of(@{ $back->history->{messages} }), ['meanwhile'], 'the client comes back and misses nothing');
    until_true('the old child to go', sub { !grep { kill 0, $_ } @old });
    $server->ask_to_stop('WINCH');
    is($back->read_close->{code}, 1001, 'a graceful stop closes with 1001');
    $_->disconnect for @connections;    # else httpd waits for the next request
    stops($server, 'the log has nothing to say');
};

subtest 'tokens are in no log' => sub {
    my $server = start(log_level => 'trace8');
    my $site   = $server->site;
    my ($trip, $token) = ($site->new_trip, $site->token('ann'));
    my %tries = (
        query    => [$site->path($trip, token => $token)],
        field    => [$site->path($trip), { authorization => "Bearer $token" }],
        protocol => [$site->path($trip), { 'sec-websocket-protocol' => "tripchat, bearer.$token" }],
    );
    for my $how (sort keys %tries) {
        my $ann = eval { connection($site)->stream->join_chat(@{ $tries{$how} }) } or diag $@;
        is($ann && $ann->leave->{code}, 1000, "a token may come as a $how");
    }
    my @wrong = $server->stop(keep => 1, allow => [qr/./]);
    my ($secret) = $token =~ /\.([^.]+)\z/;
    for my $log (qw(error_log access_log)) {
        my $text = read_file($server->dir . "/$log");
        like($text, qr{/ws/chat/}, "$log was written");
        unlike($text, qr/\Q$secret\E/, "$log has no token");
    }
};

subtest 'H2WebSockets off' => sub {
    my $server = start(config => 'H2WebSockets off');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $http2  = connection($site);
    is($http2->offers_sockets, 0, 'sockets are not offered');
    my $stream = $http2->stream->ask_to_open($site->path($trip, token => $site->token('ann')));
    $stream->wait_for_answer;
    isnt($stream->status // 'none', 200, 'and not there');
    is(connection($site)->get('/index.html')->body, PAGE, 'the site is served');
    stops($server, 'the log has nothing to say');
};

done_testing;
