# The metrics are right: the test knows everything that happens in a scripted run, and compares it with the page for
# Prometheus before and after the run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Client;
use TripChat::Metrics qw(metrics_config page_of metrics_of parse_page value_of grown sum_of);
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    PERIOD => '10h',    # no token comes back within a test
    LARGE  => 9000,     # characters of a large message
};

sub server_with {
    my (%opt) = @_;
    my $config = join "\n", metrics_config(), $opt{site_config} // ();
    return TripChat::Server->start(%opt, site_config => $config);
}

# The metrics that have grown between two moments, once they do not change any more. The names are those of sum_of().
sub grows_by {
    my ($site, $before, $expected, $name) = @_;
    my @names = do { my %seen; grep { !$seen{$_}++ } map { s/\{.*//r } keys %$expected };
    my $grown;
    eval {
        until_true('the counts', sub {
            $grown = grown($before, metrics_of($site), @names);
            join(' ', map { "$_ $grown->{$_}" } sort keys %$grown) eq join(' ', map { "$_ $expected->{$_}" } grep { $expected->{$_} } sort keys %$expected);
        });
    };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply($grown, { map { $expected->{$_} ? ($_ => $expected->{$_}) : () } keys %$expected }, $name);
}

sub handshakes { my ($outcome, $reason) = @_; return qq(tripchat_handshakes_total{outcome="$outcome",reason="$reason"}) }
sub closes     { my ($code, $side) = @_; return qq(tripchat_closes_total{code="$code",side="$side"}) }
sub of         { my ($metric, $label, $value) = @_; return qq(tripchat_$metric\{$label="$value"}) }

my $server = server_with(tls => 1);
my $site   = $server->site;

subtest 'the page' => sub {
    my $answer = page_of($site);
    answer_is($answer, 200, { 'Content-Type' => 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control' => 'no-store' },
        'is text that nobody keeps');
    my $page = eval { parse_page($answer->{body}) };
    ok($page, 'is as the format says') or diag $@;
    is($page->{families}{tripchat_build_info}{type}, 'gauge', 'and says what runs');
    my $rest = $site->rest;
    is($rest->head(TripChat::Metrics::PATH)->{status}, 200, 'HEAD');
    is($rest->call('POST', TripChat::Metrics::PATH, body => 'x')->{status}, 405, 'but not POST');
    is_deeply([promtool_says($answer->{body})], [], 'promtool has nothing to say');
};

# The complaints of promtool, if it is installed.
sub promtool_says {
    my ($page) = @_;
    return if !grep { -x "$_/promtool" } split /:/, $ENV{PATH};
    my $dir = $server->dir;
    TripChat::File::write_file("$dir/page", $page);
    return split /\n/, `promtool check metrics < $dir/page 2>&1`;
}

subtest 'handshakes and connections' => sub {
    my $trip   = $site->new_trip;
    my $before = metrics_of($site);
    my @chats  = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol);
    my $path   = $site->path($trip, token => $site->token('ann'));
    turned_away_with($site, $site->path($trip, token => 'no token'),            undef, 4001, 'no token');
    turned_away_with($site, $site->path($trip, token => $site->token('dave')), undef, 4003, 'not on the trip') for 1, 2;
    turned_away_with($site, $path, { Origin => 'https://evil.example' }, 4003, 'a page of another origin');
    is($site->http_get($path)->{status}, 400, 'no handshake') for 1, 2;
    grows_by($site, $before, {
        handshakes('accepted', 'none')       => 3,
        handshakes('closed', 'unauthorized') => 1,
        handshakes('closed', 'forbidden')    => 2,
        handshakes('closed', 'origin')       => 1,
        handshakes('refused', 'malformed')   => 2,
        of('takeovers_total', 'kind', 'plain') => 7,
        closes(4001, 'server') => 1,
        closes(4003, 'server') => 3,
    }, 'handshakes by outcome and reason');
    my $now = metrics_of($site);
    my $open = 'tripchat_connections{state="open",transport="websocket"}';
    is(value_of($now, $open), 3, 'connections are there');
    is(value_of($now, 'tripchat_rooms'), 1, 'in a room');
    is(value_of($now, 'tripchat_children'), 1, 'of a child');
    cmp_ok(value_of($now, 'tripchat_max_connections'), '>', 3, 'which may hold more');
    $chats[0]->leave;
    $chats[1]->send_close(3456);
    $chats[1]->read_to_end;
    $chats[2]->disconnect;
    grows_by($site, $before, {
        closes(1000, 'client') => 1, closes('other', 'client') => 1, closes(1006, 'client') => 1,
        closes(4001, 'server') => 1, closes(4003, 'server') => 3,
    }, 'closes by code and side');
    until_true('nobody to be there', sub { sum_of(metrics_of($site), 'tripchat_connections') == 0 });
    pass('they go');
};

subtest 'messages, edits, errors and deliveries' => sub {
    my $trip   = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $before = metrics_of($site);
    my $id     = $ann->said('one')->{id};
    $ann->said("message $_") for 2 .. 5;
    $ann->edit($id, "edit $_"), $ann->next_json('message_edited') for 1 .. 2;
    $bob->messages_until('message 5');
    $bob->next_json('message_edited') for 1 .. 2;
    $ann->typing(1);
    is($bob->next_json->{type}, 'typing', 'typing');
    $ann->send_text('{"type":"ping"}');
    is($ann->next_json->{type}, 'pong', 'a ping');
    $ann->send_text('no JSON');
    is($ann->next_json->{code}, 'invalid_json', 'no JSON');
    $bob->edit($id, 'mine');
    is($bob->next_json->{code}, 'not_sender', 'what is not his');
    $bob->send_json({ type => 'authenticate', token => $site->token('bob') });
    is($bob->next_json->{type}, 'authenticated', 'another token');
    grows_by($site, $before, {
        of('messages_received_total', 'type', 'chat_message') => 5,
        of('messages_received_total', 'type', 'edit_message') => 3,
        of('messages_received_total', 'type', 'typing')       => 1,
        of('messages_received_total', 'type', 'ping')         => 1,
        of('messages_received_total', 'type', 'authenticate') => 1,
        of('messages_received_total', 'type', 'invalid')      => 1,
        of('errors_sent_total', 'code', 'invalid_json')       => 1,
        of('errors_sent_total', 'code', 'not_sender')         => 1,
        of('events_stored_total', 'kind', 'message')          => 5,
        of('events_stored_total', 'kind', 'edit')             => 2,
        tripchat_deliveries_total                             => 14,
        tripchat_delivery_seconds_count                       => 7,
        tripchat_database_batch_writes_sum                    => 8,    # with the edit that was refused
        tripchat_frames_received_total                        => 12,
    }, 'each is counted once');
    my $now = metrics_of($site);
    my $writes = of('database_seconds_count', 'operation', 'write');
    cmp_ok(value_of($now, $writes) - value_of($before, $writes), '<=', 8, 'the database was asked no more often');
    my $took = value_of($now, 'tripchat_delivery_seconds_sum') - value_of($before, 'tripchat_delivery_seconds_sum');
    cmp_ok($took, '>', 0, 'deliveries take their time');
    cmp_ok($took, '<', 7 * 5, 'but not long');
    is(value_of($now, 'tripchat_database_jobs'), 0, 'nothing waits');
    $_->leave for $ann, $bob;
};

# How many bytes the server's frames have.
sub bytes_of { my $sum = 0; $sum += length($_->{payload}) + (length $_->{payload} < 126 ? 2 : 4) for @_; return $sum }

subtest 'frames and bytes' => sub {
    my $before;
    until_true('nobody is there', sub { $before = metrics_of($site); sum_of($before, 'tripchat_connections') == 0 });
    my $ann  = $site->chat(trip => $site->new_trip);
    my $sent = value_of($before, 'tripchat_frames_sent_total');
    until_true('the history is counted', sub {
        $before = metrics_of($site);
        value_of($before, 'tripchat_frames_sent_total') == $sent + 1;
    });
    $ann->send_ping('abc');                                                             # 2 + 4 + 3
    my @got = $ann->next_frame;
    $ann->send_frame(OP_TEXT, '{"type":', fin => 0);                                    # 2 + 4 + 8
    $ann->send_frame(OP_CONTINUATION, '"ping"}');                                               # 2 + 4 + 7
    push @got, $ann->next_frame;
    my $text = '{"type":"ping","client_id":"' . 'x' x 60 . '"}' . ' ' x 200;
    $ann->send_text($text);                                                             # 4 + 4 and the text
    push @got, $ann->next_frame;
    grows_by($site, $before, {
        tripchat_frames_received_total => 4,
        tripchat_received_bytes_total  => 9 + 14 + 13 + 8 + length $text,
        tripchat_frames_sent_total     => 3,
        tripchat_sent_bytes_total      => bytes_of(@got),
    }, 'to the last');
    $ann->leave;
};

subtest 'over HTTP' => sub {
    my $trip   = $site->new_trip;
    my $rest   = $site->rest;
    my $before = metrics_of($site);
    my $first  = $rest->posted($trip, 'one');
    is($rest->edit($first->{id}, 'two')->{status}, 200, 'an edit');
    is($rest->list($trip, {})->{status}, 200, 'a page');
    is($rest->room(new_uuid())->{status}, 403, 'a room that is none');
    is($rest->call('DELETE', TripChat::Rest::room_path($trip))->{status}, 405, 'what cannot be done');
    my $reader = $site->rest->follow($trip, { after => 2 });
    my $poll   = $site->rest->ask_for_news($trip, 2);
    until_true('both to be held', sub { sum_of(metrics_of($site), 'tripchat_connections') == 2 });
    my $now = metrics_of($site);
    is(value_of($now, 'tripchat_connections{state="open",transport="poll"}'),   1, 'a poll');
    is(value_of($now, 'tripchat_connections{state="open",transport="events"}'), 1, 'a stream');
    $rest->posted($trip, 'three');
    is(scalar @{ $poll->news->{results} }, 1, 'the poll is answered');
    is($reader->next_json('chat_message')->{message}{content}, 'three', 'the stream brings it');
    $reader->disconnect;
    my $requests = sub { my ($method, $status) = @_; qq(tripchat_rest_requests_total{method="$method",status="$status"}) };
    grows_by($site, $before, {
        $requests->('POST',  '2xx') => 2,
        $requests->('PATCH', '2xx') => 1,
        $requests->('GET',   '2xx') => 3,
        $requests->('GET',   '4xx') => 1,
        $requests->('other', '4xx') => 1,
        of('messages_received_total', 'type', 'chat_message') => 2,
        of('messages_received_total', 'type', 'edit_message') => 1,
        of('errors_sent_total', 'code', 'forbidden')          => 1,
        of('errors_sent_total', 'code', 'method_not_allowed') => 1,
        of('takeovers_total', 'kind', 'plain')                => 2,
        tripchat_deliveries_total                             => 2,
    }, 'requests by method and status');
    until_true('nobody to be there', sub { sum_of(metrics_of($site), 'tripchat_connections') == 0 });
};

subtest 'TLS, on a site of its own' => sub {
    my $tls    = $server->site('tls');
    my ($here, $before) = (metrics_of($site), metrics_of($tls));
    my $ann    = $tls->chat(trip => $tls->new_trip);
    my $others = qr/\A(?:tripchat_children|tripchat_max|tripchat_memory|tripchat_shed|tripchat_bus|tripchat_typing_dropped|tripchat_redis|tripchat_database_)/;
    is($ann->said('hello')->{content}, 'hello', 'a message');
    grows_by($tls, $before, {
        of('takeovers_total', 'kind', 'tls')         => 1, 'tripchat_tls_connections' => 1,
        of('events_stored_total', 'kind', 'message') => 1,
        handshakes('accepted', 'none')               => 1,
    }, 'is counted there');
    my $now = metrics_of($site);
    is_deeply([grep { !/$others/ && $now->{$_} != value_of($here, $_) } sort keys %$now], [], 'and not on the other');
    $ann->leave;
};

subtest 'what counts, stays over a reload' => sub {
    my $ann    = $site->chat(trip => $site->new_trip);
    $ann->said('before');
    my $before = metrics_of($site);
    $server->graceful;
    my $after  = metrics_of($site);
    my @fallen = grep { /_(?:total|count|sum|bucket)\b/ && value_of($after, $_) < $before->{$_} } sort keys %$before;
    is_deeply(\@fallen, [], 'no counter falls');
    cmp_ok(sum_of($after, 'tripchat_events_stored_total'), '>', 0, 'nor begins anew');
    until_true('the old child to be gone', sub { value_of(metrics_of($site), 'tripchat_children') == 1 });
    my $bob = $site->chat(trip => $site->new_trip);
    $bob->said('after');
    grows_by($site, $before, { of('events_stored_total', 'kind', 'message') => 1 }, 'and goes on');
    $_->disconnect for $ann, $bob;
};

subtest 'mod_status' => sub {
    my $ann    = $site->chat(trip => $site->new_trip);
    my $status = $site->server_status;
    is($status->{TripChatConnections}, 1, 'says for programs how many are connected');
    cmp_ok($status->{TripChatEventsStored}, '>', 5, 'and what was stored');
    my $page = $site->http_get('/server-status')->{body};
    like($page, qr{<h2>Chat</h2>}, 'and for people');
    like($page, qr{<td>localhost:@{[$site->port]}</td><td>1</td>}, 'by site');
    $ann->leave;
};

stops_clean($server, 'the log has nothing to say');

subtest 'limits' => sub {
    my $strict = server_with(site_config => join "\n", map { "TripChat$_" } 'HandshakeRate 5/' . PERIOD, 'UserConnections 2',
        'MessageRate 2/' . PERIOD, 'TypingInterval 0', 'TypingRate 1/' . PERIOD, 'EditRate 1/' . PERIOD);
    my ($there, $trip) = ($strict->site, $strict->site->new_trip);
    my $path   = $there->path($trip, token => $there->token('ann'));
    my $before = metrics_of($there);
    my ($ann, $again) = map { $there->chat(trip => $trip) } 1, 2;
    turned_away_with($there, $path, undef, 1008, 'a third connection');
    my $id = $ann->said('one')->{id};
    $ann->said('two');
    $ann->say('three'), is($ann->next_json->{code}, 'rate_limited', 'a message too many') for 1, 2;
    $ann->typing(1) for 1, 2;
    is($ann->next_json->{code}, 'rate_limited', 'typing too often');
    $ann->edit($id, 'x'), $ann->next_json('message_edited');
    $ann->edit($id, 'y'), is($ann->next_json->{code}, 'rate_limited', 'an edit too many');
    my @bobs = map { $there->chat(trip => $trip, as => 'bob') } 1, 2;
    ok(!eval { $there->chat(trip => $trip, as => 'carol') }, 'a handshake too many');
    grows_by($there, $before, {
        handshakes('accepted', 'none')           => 4,
        handshakes('closed', 'user_connections') => 1,
        handshakes('refused', 'address_rate')    => 1,
        of('rate_refusals_total', 'action', 'handshake') => 1,
        of('rate_refusals_total', 'action', 'message')   => 2,
        of('rate_refusals_total', 'action', 'typing')    => 1,
        of('rate_refusals_total', 'action', 'edit')      => 1,
        of('errors_sent_total', 'code', 'rate_limited')  => 4,
        closes(1008, 'server')                           => 1,
    }, 'refusals by what was refused');
    stops_clean($strict, 'the log has nothing to say');
};

subtest 'a reader who does not read' => sub {
    my $narrow = server_with(site_config => "TripChatSendQueue 16\nTripChatTypingInterval 0");
    my ($there, $trip) = ($narrow->site, $narrow->site->new_trip);
    my ($ann, $bob) = map { $there->chat(trip => $trip, as => $_) } qw(ann bob);
    my $carol  = $there->chat(trip => $trip, as => 'carol', receive_buffer => 4096);
    my $before = metrics_of($there);
    # What the kernel takes for her, and her queue.
    my (undef, undef, $kernel_bytes) = split ' ', TripChat::File::read_file('/proc/sys/net/ipv4/tcp_wmem');
    for (0 .. 2 * $kernel_bytes / (10 * LARGE)) {
        $ann->say('x' x LARGE), $bob->typing(1) for 1 .. 10;
        $ann->next_many(10, 'chat_message'), $bob->json_before_pong;
        last if value_of(metrics_of($there), 'tripchat_slow_readers_total');
    }
    grows_by($there, $before, { tripchat_slow_readers_total => 1, closes(1013, 'server') => 1 }, 'is counted');
    cmp_ok(value_of(metrics_of($there), 'tripchat_typing_dropped_total'), '>', 0, 'after typing was left out for her');
    $_->disconnect for $carol, $ann, $bob;
    stops_clean($narrow, 'the log has nothing to say');
};

subtest 'refused over HTTP' => sub {
    my $plain  = server_with(config => 'TripChatMaxConnections 1', site_config => 'TripChatReject http');
    my ($there, $trip) = ($plain->site, $plain->site->new_trip);
    my $before = metrics_of($there);
    my $ann    = $there->chat(trip => $trip);
    ok(!eval { $there->chat(trip => $trip, as => 'bob') }, 'no room');
    $ann->leave;
    until_true('room', sub { sum_of(metrics_of($there), 'tripchat_connections') == 0 });
    ok(!eval { $there->chat(trip => $trip, as => 'dave') }, 'not on the trip');
    grows_by($there, $before, {
        handshakes('accepted', 'none') => 1, handshakes('refused', 'full') => 1, handshakes('refused', 'forbidden') => 1,
    }, 'by reason');
    stops_clean($plain, 'the log says that it is full', qr/TC0061/);
};

if (is_full()) {
    subtest 'children count together, and those that die' => sub {
        my $many = server_with(children => 3);
        my ($there, $trip) = ($many->site, $many->site->new_trip);
        my @members = map { $there->chat(trip => $trip, as => $_) } qw(ann bob carol) x 3;
        my $before  = metrics_of($there);
        is(sum_of($before, 'tripchat_connections'), 9, 'all are counted');
        $members[0]->said('hello');
        grows_by($there, $before, { of('events_stored_total', 'kind', 'message') => 1, tripchat_deliveries_total => 9 }, 'as one');
        my $now = metrics_of($there);
        kill 'KILL', $many->child_pids;
        until_true('them to be gone', sub { sum_of(eval { metrics_of($there) } // $now, 'tripchat_connections') == 0 });
        my $after = metrics_of($there);
        is_deeply([grep { /_total\b/ && value_of($after, $_) < $now->{$_} } sort keys %$now], [], 'what they counted stays');
        stops_clean($many, 'and the log has nothing else to say', qr/exit signal Killed/);
    };
}

done_testing;
