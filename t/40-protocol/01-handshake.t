# The opening handshake as HTTP (RFC 6455, section 4.2): which requests are
# upgraded, what the answer says, and with which status the others are refused.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;
use TripChat::WebSocket;

my $site = site('plain');
my $path = $site->path($site->new_trip, token => $site->token('ann'));

# The answer to an upgrade request with these changes: see upgrade_request.
sub answer_to {
    my (%changes) = @_;
    return $site->connect->request(TripChat::WebSocket::upgrade_request(path => $path, %changes));
}

sub is_upgraded {
    my ($name, %fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(answer_to(fields => \%fields)->{status}, 101, $name);
}

sub is_refused {
    my ($status, $name, %fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(answer_to(fields => \%fields)->{status}, $status, $name);
}

subtest 'the answer to a right request' => sub {
    my $answer = answer_to(fields => { 'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' });
    my $fields = $answer->{fields};
    is($answer->{status}, 101, 'is 101');
    is_deeply($fields->{'sec-websocket-accept'}, ['s3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
        'has the Sec-WebSocket-Accept of the example in RFC 6455');
    is(lc join(',', @{ $fields->{upgrade} || [] }), 'websocket', 'has Upgrade: websocket');
    like(join(',', @{ $fields->{connection} || [] }), qr/\bUpgrade\b/i, 'has Connection: Upgrade');
    is_deeply([grep { $fields->{$_} } qw(content-length transfer-encoding)], [], 'announces no body');
    is($fields->{'sec-websocket-protocol'},   undef, 'chooses no subprotocol where none was offered');
    is($fields->{'sec-websocket-extensions'}, undef, 'chooses no extension where none was offered');
};

subtest 'requests that ask for the same in other words are upgraded' => sub {
    is_upgraded('Connection is a list',             'Connection' => 'keep-alive, Upgrade');
    is_upgraded('Connection is a list, no blanks',  'Connection' => 'Upgrade,keep-alive');
    is_upgraded('Connection is on two lines',       'Connection' => ['keep-alive', 'Upgrade']);
    is_upgraded('Connection is in lower case',      'Connection' => 'upgrade');
    is_upgraded('Upgrade is in mixed case',         'Upgrade'    => 'WebSocket');
    is_upgraded('Upgrade names a second protocol',  'Upgrade'    => 'websocket, example/1');
    is_upgraded('field names are in lower case',
        'Upgrade' => undef, 'upgrade' => 'websocket', 'Connection' => undef, 'connection' => 'upgrade');
    is_upgraded('a field nobody knows is there', 'X-Unknown' => 'value');
};

subtest 'what the server does not know is not chosen' => sub {
    my $answer = answer_to(
        fields => {
            'Sec-WebSocket-Protocol'   => 'soap, wamp',
            'Sec-WebSocket-Extensions' => 'x-unknown; parameter=1',
        }
    );
    is($answer->{status},                             101,   'the request is upgraded all the same');
    is($answer->{fields}{'sec-websocket-protocol'},   undef, 'without a subprotocol');
    is($answer->{fields}{'sec-websocket-extensions'}, undef, 'without an extension');
};

subtest 'a request that does not ask for an upgrade gets 426' => sub {
    my $answer = answer_to(fields => { 'Upgrade' => undef, 'Connection' => undef });
    is($answer->{status}, 426, 'a plain GET');
    is_deeply($answer->{fields}{upgrade}, ['websocket'], 'and is told to what it may upgrade');
    is_refused(426, 'a GET that only lacks Upgrade', 'Upgrade' => undef);
};

subtest 'a request for another upgrade gets 400' => sub {
    is_refused(400, 'an Upgrade to something else',  'Upgrade'    => 'h2c');
    is_refused(400, 'a longer word in Upgrade',      'Upgrade'    => 'websockets');
    is_refused(400, 'an empty Upgrade',              'Upgrade'    => '');
    is_refused(400, 'no Connection',                 'Connection' => undef);
    is_refused(400, 'another word in Connection',    'Connection' => 'keep-alive');
    is_refused(400, 'a longer word in Connection',   'Connection' => 'upgraded');
};

subtest 'another version than 13 gets 426 and the version to use' => sub {
    for my $version (qw(0 8 12 14 113 130)) {
        my $answer = answer_to(fields => { 'Sec-WebSocket-Version' => $version });
        is_deeply(
            [$answer->{status}, $answer->{fields}{'sec-websocket-version'}],
            [426,               ['13']],
            "version $version"
        );
    }
    for my $version ('1 3', '13x', '+13', 'thirteen') {
        is_refused(426, "'$version' is not the version", 'Sec-WebSocket-Version' => $version);
    }
    is_refused(426, 'no version at all', 'Sec-WebSocket-Version' => undef);
};

subtest 'a key that is not 16 bytes in base64 gets 400' => sub {
    is_refused(400, 'no key',                    'Sec-WebSocket-Key' => undef);
    is_refused(400, 'an empty key',              'Sec-WebSocket-Key' => '');
    is_refused(400, '15 bytes',                  'Sec-WebSocket-Key' => 'MTIzNDU2Nzg5MDEyMzQ1');
    is_refused(400, '17 bytes',                  'Sec-WebSocket-Key' => 'MTIzNDU2Nzg5MDEyMzQ1Njc=');
    is_refused(400, '18 bytes, 24 characters',   'Sec-WebSocket-Key' => 'MTIzNDU2Nzg5MDEyMzQ1Njc4');
    is_refused(400, '16 bytes without padding',  'Sec-WebSocket-Key' => 'MTIzNDU2Nzg5MDEyMzQ1Ng');
    is_refused(400, 'a character not of base64', 'Sec-WebSocket-Key' => 'MTIzNDU2Nzg5MDEyMzQ1N*==');
    is_refused(400, 'a key and more',            'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ== x');
    is_refused(400, 'two keys', 'Sec-WebSocket-Key' => ['dGhlIHNhbXBsZSBub25jZQ==', 'MTIzNDU2Nzg5MDEyMzQ1Ng==']);
};

subtest 'another method than GET gets 405' => sub {
    for my $method (qw(POST PUT DELETE)) {
        my $answer = answer_to(method => $method, fields => { 'Content-Length' => 0 });
        is($answer->{status}, 405, $method);
        is_deeply($answer->{fields}{allow}, ['GET'], "the answer to $method says what is allowed");
    }
    is(answer_to(method => 'HEAD')->{status}, 405, 'HEAD');
};

subtest 'HTTP/1.0 cannot be upgraded' => sub {
    cmp_ok(answer_to(http => '1.0')->{status}, '>=', 400, 'the request is refused');
};

# A proxy in front may take any answer to an upgrade for the beginning of a tunnel. Then what its client sends behind the
# handshake must not be read as further requests.
subtest 'a refusal ends the connection, and what comes behind it is not served' => sub {
    my %wrong = (version => { 'Sec-WebSocket-Version' => 12 }, key => { 'Sec-WebSocket-Key' => 'short' }, body => { 'Content-Length' => 1 });
    for my $what (sort keys %wrong) {
        my $client = $site->connect;
        my $answer = $client->request(TripChat::WebSocket::upgrade_request(path => $path, fields => $wrong{$what})
            . ($what eq 'body' ? 'x' : '') . "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n");
        cmp_ok($answer->{status}, '>=', 400, "$what: refused");
        like(join(', ', @{ $answer->{fields}{connection} || [] }), qr/\bclose\b/, 'the connection ends');
        unlike($client->read_rest, qr/HTTP\/1/, 'with this answer');
    }
};

subtest 'a handshake with a body gets 400' => sub {
    is_refused(400, "Content-Length $_",  'Content-Length' => $_) for 1, 17, '000004';
    is_refused(400, 'a chunked body',     'Transfer-Encoding' => 'chunked');
    is_upgraded('Content-Length 0 is no body', 'Content-Length' => 0);
};

subtest 'the handshake may come byte by byte' => sub {
    my $client = $site->connect;
    $client->write_singly(TripChat::WebSocket::upgrade_request(path => $path));
    is($client->read_response->{status}, 101, 'it is upgraded');
};

done_testing;
