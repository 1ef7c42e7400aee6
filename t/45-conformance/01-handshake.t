# The opening handshake (RFC 6455, section 4) as any path of the echo server
# answers it, and what may stand right behind it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;
use TripChat::WebSocket;

my $server = TripChat::Echo->start(tls => 1);

sub answer_to {
    my (%changes) = @_;
    return $server->site->connect->request(TripChat::WebSocket::upgrade_request(path => '/', %changes));
}

sub status_is {
    my ($status, $name, %fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(answer_to(fields => \%fields)->{status}, $status, $name);
}

# The accept values that RFC 6455 gives, or that follow from its rule, for a key.
subtest '4.2.2: the answer' => sub {
    for my $key ('dGhlIHNhbXBsZSBub25jZQ==', 'x3JJHMbDL1EzLkh9GBhXDw==', 'AAAAAAAAAAAAAAAAAAAAAA==', '/////////////////////w==') {
        my $answer = answer_to(fields => { 'Sec-WebSocket-Key' => $key });
        my $fields = $answer->{fields};
        is($answer->{status}, 101, "101 for the key $key");
        is_deeply($fields->{'sec-websocket-accept'}, [TripChat::WebSocket::accept_for($key)], 'with its Sec-WebSocket-Accept');
        is_deeply([map { lc } @{ $fields->{upgrade} }], ['websocket'], 'Upgrade: websocket');
        like(join(',', @{ $fields->{connection} }), qr/\bupgrade\b/i, 'Connection: Upgrade');
        is_deeply([grep { /\A(?:content-length|transfer-encoding|sec-websocket-(?:extensions|protocol))\z/ } keys %$fields],
            [], 'no body, and neither extension nor subprotocol that nobody offered');
    }
    is(TripChat::WebSocket::accept_for('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '1.3: the example');
};

subtest '4.1: the resource name is any path, with or without a query' => sub {
    is(answer_to(path => $_)->{status}, 101, $_)
        for '/', '/chat', '/a/deep/path/', '/%7Euser/x', '/?query', '/x?a=b&c=%20d', '/' . 'long' x 1000;
};

subtest '4.2.1: fields that ask for the same in other words' => sub {
    status_is(101, 'Upgrade in another case',     'Upgrade'    => 'WEBSocket');
    status_is(101, 'Connection in another case',  'Connection' => 'uPGRADE');
    status_is(101, 'Connection as a list',        'Connection' => 'keep-alive,  Upgrade');
    status_is(101, 'Connection twice',            'Connection' => ['Upgrade', 'keep-alive']);
    status_is(101, 'an Origin',                   'Origin'     => 'http://example.org');
    status_is(101, 'a Host with a port',          'Host'       => 'localhost:9001');
    status_is(101, 'the other cases of names',    'Sec-WebSocket-Key' => undef, 'SEC-WEBSOCKET-KEY' => TripChat::WebSocket::KEY);
    status_is(101, 'fields of proxies and others', 'X-Forwarded-For' => '192.0.2.1', 'Cookie' => 'a=b');
};

subtest '4.2.1: what is no handshake is refused' => sub {
    status_is(426, 'no Upgrade',              'Upgrade'               => undef);
    status_is(400, 'another Upgrade',         'Upgrade'               => 'TLS/1.0');
    status_is(400, 'no Connection',           'Connection'            => undef);
    status_is(400, 'Connection without it',   'Connection'            => 'keep-alive');
    status_is(400, 'no key',                  'Sec-WebSocket-Key'     => undef);
    status_is(400, 'a key of 12 bytes',       'Sec-WebSocket-Key'     => 'dHdlbHZlIGJ5dGVz');
    status_is(400, 'a key of 20 bytes',       'Sec-WebSocket-Key'     => 'dHdlbnR5IGJ5dGVzIGluIGFsbA==');
    status_is(400, 'no Host',                 'Host'                  => undef);
    is(answer_to(method => $_, fields => { 'Content-Length' => 0 })->{status}, 405, "4.1, 2: $_ instead of GET") for qw(POST PUT);
    is(answer_to(http => '1.0')->{status}, 400, '4.1, 2: HTTP/1.0');
};

subtest '4.4: another version is told which to use' => sub {
    for my $version (undef, qw(0 7 8 12 14 255 1e3 13.0)) {
        my $answer = answer_to(fields => { 'Sec-WebSocket-Version' => $version });
        is_deeply([$answer->{status}, $answer->{fields}{'sec-websocket-version'}], [426, ['13']], 'version ' . ($version // 'none'));
    }
};

subtest '9.1: an extension that the server does not know is not accepted' => sub {
    for my $offer ('x-unknown', 'x-unknown; a=1; b="two", another', ['x-one', 'x-two']) {
        my $answer = answer_to(fields => { 'Sec-WebSocket-Extensions' => $offer });
        is_deeply([$answer->{status}, $answer->{fields}{'sec-websocket-extensions'}], [101, undef], ref $offer ? "@$offer" : $offer);
    }
};

subtest '4.1: what comes behind the handshake in the same write is not lost' => sub {
    my $frame = encode_frame(opcode => OP_BINARY, payload => 'early');
    for my $at (0 .. length $frame) {
        my $client = $server->site->connect;
        $client->open('/', undef, substr $frame, 0, $at);
        $client->write(substr $frame, $at);
        comes_back($client, OP_BINARY, 'early', "$at bytes of a frame");
    }
    my @many   = map { "early $_" } 1 .. 500;
    my $client = $server->site->connect->open('/', undef, join '', map { encode_frame(opcode => OP_TEXT, payload => $_) } @many);
    answers($client, '', [map { [OP_TEXT, $_] } @many], 'five hundred messages');
};

# More than is taken out of httpd: the rest waits in the socket.
for my $site (qw(plain tls)) {
    subtest "4.1: much behind the handshake, $site" => sub {
        for my $bytes (50_000, 65_536, 100_000, 1 << 20, 10_000_001) {
            my $payload = substr pack('N*', 0 .. $bytes / 4), 0, $bytes;
            my $client  = $server->site($site)->connect(tls => $site eq 'tls');
            $client->open('/', undef, encode_frame(opcode => OP_BINARY, payload => $payload));
            comes_back($client, OP_BINARY, $payload, "$bytes bytes");
            still_echoes($client, 'and it goes on');
        }
    };
}

subtest '4.1: the handshake itself may come octet by octet' => sub {
    my $client = $server->site->connect;
    $client->write_singly(TripChat::WebSocket::upgrade_request(path => '/'));
    is($client->read_response->{status}, 101, 'it is upgraded');
    still_echoes($client, 'and echoes');
};

stops_clean($server);

done_testing;
