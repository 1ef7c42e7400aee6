# Taking a connection over from httpd: it holds no worker, under any MPM, plain or over TLS, and httpd is not
# disturbed. Uses its own servers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;
use TripChat::TlsBytes;
use TripChat::WebSocket;

use constant {
    WORKERS => 4,
    NO_SLOT => qr/\bAH00288:/,    # worker, while the old child has the only one
    HELD    => 20,       # connections of each kind: many times the number of workers
    MANY    => 1000,     # connections on the only worker of a prefork child
    PARTS   => 24,       # how many places are tried to cut a run of TLS records
    PAGE    => TripChat::Server::PAGE(),
};

my @TRANSPORTS = (
    ['plain',   'plain', undef],
    ['TLS 1.2', 'tls',   { version => 'TLSv1_2' }],
    ['TLS 1.3', 'tls',   { version => 'TLSv1_3' }],
);

# $count members of a new trip of the site.
sub members {
    my ($site, $count, %opt) = @_;
    my $trip = $site->new_trip;
    return $site->chats(map { { trip => $trip, as => $_ % 2 ? 'ann' : 'bob', %opt } } 1 .. $count);
}

# No worker is busy except the one that answers this. The worker of the last handshake may still be writing its line of
# the log.
sub workers_are_idle {
    my ($server, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $busy = until_true('the workers to be idle',
        sub { my $workers = $server->site->server_status->{BusyWorkers}; $workers <= 1 && $workers });
    return is($busy, 1, $name);
}

sub all_hear {
    my ($name, $speaker, @listeners) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $speaker->say($name);
    my @deaf = grep { $_->next_json('chat_message')->{message}{content} ne $name } $speaker, @listeners;
    return is(scalar @deaf, 0, $name);
}

# All of these connections get this close code before the stream ends.
sub all_are_closed_with {
    my ($code, $name, @clients) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %codes;
    for my $client (@clients) {
        my $close = $client->read_close;
        $client->send_close($close->{code});
        $client->read_to_end;
        $client->disconnect;
        $codes{ $close->{code} // 'none' }++;
    }
    return is_deeply(\%codes, { $code => scalar @clients }, $name);
}

# A server with the modules that work on connections, each of them active: mod_http2 offers h2, mod_reqtimeout has its
# deadlines, mod_logio counts and mod_remoteip trusts a field.
sub crowded_server {
    my (%opt) = @_;
    return TripChat::Server->start(
        tls => 1, http2 => 1, workers => WORKERS,
        config => "RemoteIPHeader X-Forwarded-For\nRequestReadTimeout handshake=20 header=20-40,MinRate=500 body=20",
        %opt
    );
}

for my $mpm (qw(event worker prefork)) {
    subtest "under $mpm" => sub {
        my $server = crowded_server(mpm => $mpm);
        for my $transport (@TRANSPORTS) {
            my ($name, $site_name, $tls) = @$transport;
            my $site = $server->site($site_name);
            my ($ann, $bob) = members($site, 2, $tls ? (tls => $tls) : ());
            is($ann->tls_version, $tls->{version}, "the connection is $name") if $tls;
            all_hear("the chat works over $name", $ann, $bob);
            my $path = $site->path($site->new_trip, token => $site->token('ann'));
            my $early = $site->connect(tls => $tls)->open($path, undef, encode_frame(opcode => OP_PING, payload => 'x'));
            my ($pong) = grep { $_->{opcode} == OP_PONG } map { $early->read_frame } 1, 2;
            is($pong->{payload}, 'x', "what is behind the handshake is not lost over $name");
            $ann->write_singly(encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"slow"}'));
            is($bob->next_json('chat_message')->{message}{content}, 'slow', "a frame may come byte by byte over $name");
            my $large = "\x{1f600}" x 10_000;
            $ann->say($large);
            ok($bob->next_json('chat_message')->{message}{content} eq $large, "a large message comes over $name");
            is($bob->leave->{code}, 1000, "a close is answered over $name");
        }
        my @plain = members($server->site('plain'), HELD);
        my @tls   = members($server->site('tls'),   HELD);
        workers_are_idle($server, 'no worker is busy while sockets are held');
        is($server->site($_)->http_get('/index.html')->{body}, PAGE, "a file is served over $_") for qw(plain tls);
        all_hear('plain sockets are alive', @plain);
        all_hear('TLS sockets are alive',   @tls);
        like($server->access_log, qr{"GET /ws/chat/[^"]*" 101 \d+ \d+$}m, 'the access log shows the upgrade as 101');
        $server->ask_to_stop;
        all_are_closed_with(1001, 'a server that stops closes with 1001', @plain, @tls);
        stops_clean($server, 'and leaves nothing behind, in the log or of processes');
    };

    subtest "a graceful restart under $mpm" => sub {
        my $server = crowded_server(mpm => $mpm);
        my @plain = members($server->site('plain'), HELD);
        my @tls   = members($server->site('tls'),   HELD);
        my $trip  = $server->site('tls')->new_trip;
        my $ann   = $server->site('tls')->chat(trip => $trip);
        my $seen  = $ann->said('before the restart')->{seq};
        $ann->said('not seen before the restart');
        my @old  = $server->child_pids;
        $server->graceful;
        all_are_closed_with(1012, 'closes the TLS sockets of the old child with 1012', @tls, $ann);
        all_hear('moves the plain ones to the new one', @plain);
        until_true('the old child to go', sub { !grep { kill 0, $_ } @old });
        pass('the old child goes');
        my $back    = $server->site('tls')->chat(trip => $trip, after => $seen);
        my $history = $back->history;
        $back->leave;
        is_deeply([contents_of(@{ $history->{messages} })->[0], $history->{recovered} ? 1 : 0],
            ['not seen before the restart', 1], 'who comes back gets what was missed');
        for my $name (qw(plain tls)) {
            my @members = members($server->site($name), 2);
            all_hear("the chat works again over $name", @members);
            $_->leave for @members;
        }
        stops_clean($server, 'nothing is left in the log or of processes', NO_SLOT);
    };
}

subtest 'a prefork child with one worker holds a thousand sockets' => sub {
    # No client answers pings while the other connections are still being opened.
    my $server = TripChat::Server->start(mpm => 'prefork', tls => 1, site_config => 'TripChatPingInterval 1h');
    is(scalar $server->child_pids, 1, 'there is one child');
    my @plain = members($server->site('plain'), MANY / 2);
    my @tls   = members($server->site('tls'),   MANY / 2);
    is(@plain + @tls, MANY, 'they are open');
    is($server->site($_)->http_get('/index.html')->{body}, PAGE, "a file is served over $_") for qw(plain tls);
    workers_are_idle($server, 'the worker is idle');
    all_hear('all plain ones hear a message', @plain);
    all_hear('all TLS ones hear a message',   @tls);
    is(scalar $server->child_pids, 1, 'there is still one child');
    # A tool looks through the child's memory at its end, which takes longer than httpd's patience.
    stops_clean($server, 'the server stops in order with all of them', $ENV{TC_UNDER} ? qr/\bAH00045:/ : ());
};

for my $version (qw(TLSv1_2 TLSv1_3)) {
    subtest "what is behind the handshake may be cut anywhere in its records: $version" => sub {
        my $server = TripChat::Server->start(tls => 1, workers => WORKERS);
        my $site   = $server->site('tls');
        my @frames = map { encode_frame(opcode => OP_TEXT, payload => qq({"type":"chat_message","content":"$_"})) }
            'one', 'two' x 3000, 'three';
        my $trip = $site->new_trip;
        my %seen;
        for my $part (map { $_ / PARTS } 0 .. PARTS) {
            my $ann = TripChat::TlsBytes->connect(host => '127.0.0.1', port => $site->port, version => $version);
            my $path    = $site->path($trip, token => $site->token('ann'), after => 0);
            my $request = $ann->sealed(TripChat::WebSocket::upgrade_request(path => $path));
            my $records = join '', map { $ann->sealed($_) } @frames;
            # Most cuts are in the first and the last kilobyte, where the small records are.
            my $at = int($part < 0.5 ? $part * 800 : length($records) - (1 - $part) * 800);
            $ann->write_sealed($request . substr $records, 0, $at);
            my $cut = "cut after byte $at";
            is($ann->read_response->{status}, 101, $cut);
            $ann->write_sealed(substr $records, $at);
            my @got;
            while (@got < @frames) {
                my $event = $ann->next_json;
                push @got, $event->{message}{content} if $event->{type} eq 'chat_message';
            }
            ok("@got" eq join(' ', 'one', 'two' x 3000, 'three'), "all is there, $cut");
            $ann->disconnect;
        }
        stops_clean($server, 'and the log has nothing to say');
    };
}

subtest 'a resumed TLS session is taken over like a new one' => sub {
    my $server = TripChat::Server->start(tls => 1, workers => WORKERS);
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my @tls     = (tls => { version => $version, resume => 1 });
        my $site    = $server->site('tls');
        my $trip    = $site->new_trip;
        my @clients = map { $site->chat(trip => $trip, @tls) } 1 .. 4;
        ok($clients[-1]->tls_is_resumed, "a later connection resumes the session of an earlier one, $version");
        all_hear("they chat over $version", @clients);
        $_->leave for @clients;
    }
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'the deadlines of mod_reqtimeout and Timeout are those of requests' => sub {
    my $server = TripChat::Server->start(
        tls         => 1,
        config      => "Timeout 1\nKeepAliveTimeout 1\nRequestReadTimeout handshake=1 header=1 body=1",
        site_config => 'TripChatPingInterval 1500ms',
    );
    # The ping comes when the longest of the deadlines has passed.
    my @clients = map { members($server->site($_), 1) } qw(plain tls);
    for my $client (@clients) {
        is($client->read_frame->{opcode}, OP_PING, 'a ping comes after they have passed');
        still_talks($client, 'and the client talks');
        $client->leave;
    }
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'a connection that mod_remoteip has introduced is taken over' => sub {
    my $server = TripChat::Server->start(site_config => 'RemoteIPProxyProtocol On');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $path   = $site->path($trip, token => $site->token('ann'));
    my $client = bless $site->connect, 'TripChat::Client';
    my $ping   = encode_frame(opcode => OP_PING, payload => 'early');
    $client->write("PROXY TCP4 192.0.2.1 127.0.0.1 50000 80\r\n"
            . TripChat::WebSocket::upgrade_request(path => $path) . $ping);
    $client->finish_open;
    my ($pong) = grep { $_->{opcode} == OP_PONG } map { $client->read_frame } 1, 2;
    is($pong->{payload}, 'early', 'with what was behind the handshake');
    still_talks($client, 'and chats');
    $client->leave;
    like($server->access_log, qr{^192\.0\.2\.1 .*" 101 }m, 'the access log has the address it was introduced with');
    stops_clean($server, 'and the error log has nothing to say');
};

subtest 'a connection with a filter nobody knows is relayed by a worker' => sub {
    my $server = TripChat::Server->start(
        modules     => ['dumpio'],
        site_config => 'DumpIOInput On',
        log_level   => 'info tripchat:debug dumpio:trace7',
        workers     => 4,
    );
    my $site    = $server->site;
    my @members = members($site, 2);
    all_hear('members talk', @members);
    my $large = "\x{1f600}" x 10_000;
    $members[0]->say($large);
    ok($_->next_json('chat_message')->{message}{content} eq $large, 'a large message comes') for @members;
    log_says($server, qr/\bTC0051:.*dumpio_in/, 'the log names the filter');
    my $answer = $site->connect->request(
        TripChat::WebSocket::upgrade_request(path => $site->path($site->new_trip, token => $site->token('ann'))));
    is($answer->{status}, 503, 'half of the workers may be held, not more');
    is((shift @members)->leave->{code}, 1000, 'a close is answered');
    push @members, until_true('a worker to be free again', sub { eval { (members($site, 1))[0] } });
    my @old = $server->child_pids;
    $server->graceful;
    all_are_closed_with(1012, 'a reload closes with 1012', @members);
    until_true('the old child to go', sub { !grep { kill 0, $_ } @old });
    stops_clean($server, 'that is all', qr/\bTC005[14]:/);
};

subtest 'a user has a share of the workers that relay' => sub {
    my $server = TripChat::Server->start(
        modules     => ['dumpio'],
        site_config => 'DumpIOInput On',
        log_level   => 'info tripchat:debug dumpio:trace7',
        workers     => 8,                                     # four may relay, two for a user
    );
    my $site = $server->site;
    my $trip = $site->new_trip;
    my @anns = map { $site->chat(trip => $trip) } 1, 2;
    my $answer = $site->connect->request(TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $site->token('ann'))));
    is($answer->{status}, 503, 'a third connection of a user is refused');
    log_says($server, qr/\bTC0120:/, 'and the log says why');
    my $bob = $site->chat(trip => $trip, as => 'bob');
    all_hear('others have room', @anns, $bob);
    (shift @anns)->leave;
    push @anns, until_true('a worker to be free', sub { eval { $site->chat(trip => $trip) } });
    pass('the user may come again');
    $_->leave for @anns, $bob;    # httpd closes the sockets of busy workers under their feet
    stops_clean($server, 'that is all', qr/\bTC0051:/);
};

subtest 'a worker of prefork that relays lets its child end' => sub {
    my $server = TripChat::Server->start(
        mpm         => 'prefork',
        modules     => ['dumpio'],
        site_config => 'DumpIOInput On',
        log_level   => 'info tripchat:debug dumpio:trace7',
    );
    my ($member) = members($server->site, 1);
    log_says($server, qr/\bTC0051:.*dumpio_in/, 'it relays');
    $server->ask_to_stop('WINCH');
    all_are_closed_with(1001, 'a graceful stop closes with 1001', $member);
    stops_clean($server, 'that is all', qr/\bTC0051:/);
};

subtest 'a client that goes without a word is forgotten' => sub {
    my $server = TripChat::Server->start(tls => 1, workers => WORKERS);
    for my $name (qw(plain tls)) {
        my ($stays, @go) = members($server->site($name), HELD);
        $_->disconnect for @go;
        still_talks($stays, "the others talk on over $name");
        $stays->leave;
    }
    workers_are_idle($server, 'no worker is busy');
    stops_clean($server, 'and that is no error');
};

subtest 'HTTP/2 cannot be upgraded, and does not disturb what can' => sub {
    my $server = TripChat::Server->start(mpm => 'event', tls => 1, http2 => 1);
    my $plain  = $server->site('plain');
    my $url    = sprintf 'http://127.0.0.1:%d%s', $plain->port, $plain->path($plain->new_trip, token => $plain->token('ann'));
    my $fields = '-H "Upgrade: websocket" -H "Connection: Upgrade" -H "Sec-WebSocket-Version: 13"';
    my $status = `curl -s -o /dev/null -w '%{http_version} %{http_code}' --max-time 60 --http2-prior-knowledge $fields '$url'`;
    is($status, '2 501', 'an HTTP/2 stream gets 501');
    my ($ann, $bob) = members($server->site('tls'), 2, tls => { alpn => ['http/1.1'] });
    all_hear('HTTP/1.1 over ALPN is upgraded as ever', $ann, $bob);
    $_->leave for $ann, $bob;
    stops_clean($server, 'and the log has nothing to say');
};

done_testing;
