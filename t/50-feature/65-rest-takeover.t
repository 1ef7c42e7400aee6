# Long polls and streams of events hold no worker, under any MPM, plain or over TLS, and are told when the server
# stops. Uses its own servers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use POSIX ();
use Test::More;

use TripChat::Rest;
use TripChat::Test;

use constant {
    HELD => 200,      # requests of each kind, on a few workers
    FEW  => 10,
    MANY => 1000,     # requests on the only worker of a prefork child
    PAGE => TripChat::Server::PAGE(),
    LONG => 'TripChatPingInterval 1h',
};

my @TRANSPORTS = (
    ['plain',   'plain', undef],
    ['TLS 1.2', 'tls',   { version => 'TLSv1_2' }],
    ['TLS 1.3', 'tls',   { version => 'TLSv1_3' }],
);

# So many clients that wait for events after the first one.
sub pollers {
    my ($site, $trip, $count, %opt) = @_;
    return map { $site->rest(as => $_ % 2 ? 'ann' : 'bob', %opt)->ask_for_news($trip, 1) } 1 .. $count;
}

# So many clients that follow the room and have its history.
sub readers {
    my ($site, $trip, $count, %opt) = @_;
    my @asking = map { $site->rest(as => $_ % 2 ? 'ann' : 'bob', %opt)->ask_to_follow($trip) } 1 .. $count;
    my @events = map { $_->finish_follow } @asking;
    $_->next_json('message_history') for @events;
    return @events;
}

# A trip with one message.
sub trip_with_one { my ($site) = @_; my $trip = $site->new_trip; $site->rest->posted($trip, 'one'); return $trip }

# The server has taken over so many polls of the trip: they are in the access log.
sub are_held {
    my ($server, $trip, $count) = @_;
    my $line = qr{"GET /api/v1/chat/rooms/\Q$trip\E/messages/\?after=[^"]*" 200 \d+ \d+$}m;
    return until_true("$count polls to be held", sub { $count == (() = $server->access_log =~ /$line/g) });
}

sub workers_are_idle {
    my ($server, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $busy = until_true('the workers to be idle',
        sub { my $workers = $server->site->server_status->{BusyWorkers}; $workers <= 1 && $workers });
    return is($busy, 1, $name);
}

# All clients have this message, once.
sub all_have {
    my ($message, $pollers, $readers, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @pages  = map { $_->news->{results} } @$pollers;
    my @events = map { $_->next_json } @$readers;
    my @deaf   = ((grep { @$_ != 1 || $_->[0]{id} ne $message->{id} } @pages), grep { $_->{message}{id} ne $message->{id} } @events);
    return is(scalar @deaf, 0, $name);
}

# Streams end with an event that has this code, polls are answered with an empty page.
sub all_are_told {
    my ($code, $pollers, $readers, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my (%codes, %pages);
    $pages{ @{ $_->{results} } . ' of ' . ($_->{last_seq} // '') }++ for map { $_->news } @$pollers;
    for my $events (@$readers) {
        my ($goodbye, @before) = $events->read_close;
        $codes{ ($goodbye // 'none') . (@before ? ' late' : '') }++;
        $events->disconnect;
    }
    return is_deeply([\%codes, \%pages], [{ $code => scalar @$readers }, { '0 of 1' => scalar @$pollers }], $name);
}

for my $mpm (qw(event worker prefork)) {
    subtest "polls and streams under $mpm" => sub {
        my $server = TripChat::Server->start(mpm => $mpm, tls => 1, workers => 2, shared => 1, site_config => LONG);
        my $trip   = trip_with_one($server->site);
        for my $transport (@TRANSPORTS) {
            my ($name, $site_name, $tls) = @$transport;
            my ($site, @tls) = ($server->site($site_name), $tls ? (tls => $tls) : ());
            my $there   = trip_with_one($site);
            my @pollers = pollers($site, $there, FEW, @tls);
            my @readers = readers($site, $there, FEW, @tls);
            is($pollers[0]->stream->tls_version, $tls->{version}, "the connection is $name") if $tls;
            are_held($server, $there, FEW);
            all_have($site->rest->posted($there, "\x{1f600}" x 10_000), \@pollers, \@readers, "everybody has a large message over $name");
            $_->disconnect for @readers;
        }
        my @pollers = map { pollers($server->site($_), $trip, HELD / 2) } qw(plain tls);
        my @readers = map { readers($server->site($_), $trip, HELD / 2) } qw(plain tls);
        are_held($server, $trip, HELD);
        workers_are_idle($server, 'no worker is busy while they are held');
        is($server->site($_)->http_get('/index.html')->{body}, PAGE, "a file is served over $_") for qw(plain tls);
        my @woken = splice @pollers, 0, HELD / 4;
        @woken = (@woken, splice @pollers, -HELD / 4);
        $_->disconnect for @pollers;
        all_have($server->site->rest->posted($trip, 'to all of you'), \@woken, \@readers, 'everybody has a message');
        $_->disconnect for @readers;
        stops_clean($server, 'nothing is left, in the log or of processes');
    };

    subtest "the server stops under $mpm" => sub {
        my $server = TripChat::Server->start(mpm => $mpm, tls => 1, workers => 2, shared => 1, site_config => LONG);
        my $trip   = trip_with_one($server->site);
        my @pollers = map { pollers($server->site($_), $trip, FEW) } qw(plain tls);
        my @readers = map { readers($server->site($_), $trip, FEW) } qw(plain tls);
        are_held($server, $trip, scalar @pollers);
        $server->ask_to_stop;
        all_are_told(1001, \@pollers, \@readers, 'all are told');
        stops_clean($server, 'nothing is left, in the log or of processes');
    };

    subtest "a graceful restart under $mpm" => sub {
        my $server = TripChat::Server->start(mpm => $mpm, tls => 1, workers => 2, shared => 1, site_config => LONG);
        my $trip   = trip_with_one($server->site);
        my @pollers = map { pollers($server->site($_), $trip, FEW) } qw(plain tls);
        my @plain = readers($server->site('plain'), $trip, FEW);
        my @tls   = readers($server->site('tls'),   $trip, FEW);
        are_held($server, $trip, scalar @pollers);
        my @old = $server->child_pids;
        $server->graceful;
        all_are_told(1012, \@pollers, \@tls, 'who cannot be moved is told');
        until_true('the old child to go', sub { !grep { kill 0, $_ } @old });
        my @again = pollers($server->site, $trip, FEW);
        my $events = $server->site->rest->follow($trip, {}, fields => { 'Last-Event-ID' => 0 });
        is_deeply(seqs_of(@{ $events->next_json->{messages} }), [1], 'who comes back resumes');
        all_have($server->site->rest->posted($trip, 'and on'), \@again, [$events, @plain], 'and hears on, as those do who were moved');
        $_->disconnect for $events, @plain;
        stops_clean($server, 'nothing is left, in the log or of processes');
    };
}

subtest 'a prefork child with one worker holds a thousand polls and streams' => sub {
    my $server = TripChat::Server->start(mpm => 'prefork', tls => 1, shared => 1, site_config => LONG);
    is(scalar $server->child_pids, 1, 'there is one child');
    my $trip    = trip_with_one($server->site);
    my @pollers = (pollers($server->site('plain'), $trip, MANY * 4 / 10), pollers($server->site('tls'), $trip, MANY / 10));
    my @readers = (readers($server->site('plain'), $trip, MANY * 4 / 10), readers($server->site('tls'), $trip, MANY / 10));
    are_held($server, $trip, MANY / 2);
    is(@pollers + @readers, MANY, 'they are held');
    workers_are_idle($server, 'the worker is idle');
    is($server->site($_)->http_get('/index.html')->{body}, PAGE, "a file is served over $_") for qw(plain tls);
    all_have($server->site->rest->posted($trip, 'to all of you'), \@pollers, \@readers, 'all of them have a message');
    is(scalar $server->child_pids, 1, 'there is still one child');
    $_->disconnect for @readers;
    stops_clean($server, 'the server stops in order');
};

subtest 'a client that goes while it is held is forgotten' => sub {
    my $server = TripChat::Server->start(tls => 1, workers => 2, shared => 1, config => 'TripChatMaxConnections ' . 2 * FEW, site_config => LONG);
    my $trip   = trip_with_one($server->site);
    for my $name (qw(plain tls)) {
        my $site = $server->site($name);
        my @gone = ((map { $_->stream } pollers($site, $trip, FEW)), readers($site, $trip, FEW));
        $_->disconnect for @gone;
        my @again = map { until_true('a place to be free', sub { eval { (readers($site, $trip, 1))[0] } }) } 1 .. 2 * FEW;
        is(scalar @again, 2 * FEW, "as many may come again over $name");
        $_->disconnect for @again;
        until_true('the places to be free again', sub { my ($one) = eval { readers($site, $trip, 1) }; $one && ($one->disconnect, 1) });
    }
    stops_clean($server, 'and that is no error');
};

subtest 'the deadlines of mod_reqtimeout and Timeout are those of requests' => sub {
    my $server = TripChat::Server->start(
        tls         => 1,
        shared      => 1,
        config      => "Timeout 1\nKeepAliveTimeout 1\nRequestReadTimeout handshake=1 header=1 body=1",
        site_config => 'TripChatPingInterval 1500ms',
    );
    my $trip    = trip_with_one($server->site);
    my @pollers = map { pollers($server->site($_), $trip, 1) } qw(plain tls);
    my @readers = map { readers($server->site($_), $trip, 1) } qw(plain tls);
    # The comment comes when the longest of the deadlines has passed.
    is_deeply($_->next_event, { comment => '' }, 'a stream lives') for @readers;
    my $message = $server->site->rest->posted($trip, 'later');
    is($_->next_json('chat_message')->{message}{id}, $message->{id}, 'and goes on') for @readers;
    all_have($message, \@pollers, [], 'a poll as well');
    $_->disconnect for @readers;
    stops_clean($server, 'and the log has nothing to say');
};

# An HTTP/2 answer as curl reports it: its status and its body.
sub over_http2 {
    my ($site, $path, @fields) = @_;
    my $url    = sprintf 'http://127.0.0.1:%d%s', $site->port, $path;
    my $fields = join ' ', map { qq(-H '$_') } 'Authorization: Bearer ' . $site->token('ann'), @fields;
    my $said   = `curl -s -w '\n%{http_version} %{http_code}' --max-time 60 --http2-prior-knowledge $fields '$url'`;
    my ($body, $status) = $said =~ /\A(.*)\n(\S+ \S+)\z/s or die "curl: $said\n";
    return ($status, JSON::PP->new->utf8->decode($body));
}

# A curl that follows a room over HTTP/2, and the next line of its output that begins so.
sub follow_over_http2 {
    my ($site, $trip) = @_;
    my $url   = sprintf 'http://127.0.0.1:%d%s', $site->port, TripChat::Rest::list_path($trip);
    my $token = $site->token('ann');
    my $pid   = open my $curl, '-|', 'curl', '-sN', '--http2-prior-knowledge', '-H', "Authorization: Bearer $token",
        '-H', 'Accept: text/event-stream', $url;
    return $pid ? ($pid, $curl) : die "curl: $!\n";
}

sub next_line {
    my ($curl, $start) = @_;
    while (my $line = <$curl>) {
        return $line if index($line, $start) == 0;
    }
    return '';
}

subtest 'over HTTP/2 a worker relays polls and streams' => sub {
    my $server = TripChat::Server->start(mpm => 'event', http2 => 1, workers => 4);
    my $site   = $server->site;
    my $trip   = trip_with_one($site);
    my ($status, $page) = over_http2($site, TripChat::Rest::list_path($trip));
    is_deeply([$status, seqs_of(@{ $page->{results} })], ['2 200', [1]], 'a page');
    my ($pid, $curl) = follow_over_http2($site, $trip);
    like(next_line($curl, 'data: '), qr/"message_history"/, 'a stream begins with the history');
    my $poster = fork // die "fork: $!\n";
    if (!$poster) {
        until_true('the poll to be held', sub { 2 == (() = $server->error_log =~ /TC0026/g) });
        $site->rest->posted($trip, 'two');
        POSIX::_exit(0);
    }
    ($status, $page) = over_http2($site, TripChat::Rest::list_path($trip, after => 1, wait => 60));
    waitpid $poster, 0;
    is_deeply([$status, seqs_of(@{ $page->{results} })], ['2 200', [2]], 'a poll is answered when there is news');
    like(next_line($curl, 'data: '), qr/"two"/, 'and the stream has it, too');
    my @old = $server->child_pids;
    $server->graceful;
    is(next_line($curl, 'event: '), "event: close\n", 'a reload ends the stream');
    like(next_line($curl, 'data: '), qr/^data: \{"code":1012,/, 'with 1012');
    close $curl;
    until_true('the old child to go', sub { !grep { kill 0, $_ } @old });
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'over HTTP/2 a client that goes leaves its worker' => sub {
    my $server = TripChat::Server->start(mpm => 'event', http2 => 1, workers => 4, site_config => LONG);
    my $site   = $server->site;
    my $trip   = trip_with_one($site);
    my @gone   = map { [follow_over_http2($site, $trip)] } 1, 2;    # half of the workers
    like(next_line($_->[1], 'data: '), qr/"message_history"/, 'a stream begins') for @gone;
    for (@gone) { kill 'KILL', $_->[0]; close $_->[1] }
    my ($pid, $curl) = @{ until_true('a worker to be free', sub {
        my @next = follow_over_http2($site, $trip);
        return \@next if next_line($next[1], 'data: ');
        close $next[1];
        return;
    }) };
    pass('and another may follow');
    kill 'KILL', $pid;
    close $curl;
    stops_clean($server, 'and the log has nothing to say', qr/\bTC0054:/);
};

subtest 'polls and streams through a filter nobody knows are relayed' => sub {
    my $server = TripChat::Server->start(
        modules     => ['dumpio'],
        site_config => 'DumpIOInput On',
        log_level   => 'info tripchat:debug dumpio:trace7',
        workers     => 4,
    );
    my $site    = $server->site;
    my $trip    = trip_with_one($site);
    my @pollers = pollers($site, $trip, 1);
    my @readers = readers($site, $trip, 1);
    my $message = $site->rest->posted($trip, 'two');
    all_have($message, [], \@readers, 'a stream has what comes');
    is_deeply([map { $_->{id} } @{ $pollers[0]->news->{results} }], [$message->{id}], 'a poll as well');
    $_->disconnect for @readers;
    stops_clean($server, 'that is all', qr/\bTC0051:/);
};

done_testing;
