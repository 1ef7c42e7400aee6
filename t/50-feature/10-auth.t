# Authentication and access: which tokens get in, which users may enter a trip, and what the others are told. By
# default a connection that is turned away is upgraded first and then closed, because a browser cannot see why a
# handshake was refused. TripChatReject http changes that.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Test;
use TripChat::Token qw(issued_secrets);
use TripChat::WebSocket;

my $site  = site('plain');
my $trip  = $site->new_trip;
my $token = $site->token('ann');

sub is_let_in {
    my ($path, $fields, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $type = eval { (bless $site->connect, 'TripChat::Client')->join_chat($path, $fields)->history->{type} };
    return is($type, 'message_history', $name) || diag($@);
}

sub is_unauthorized {
    my ($bad_token, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return turned_away_with($site, $site->path($trip, token => $bad_token), undef, 4001, $name);
}

# A token for ann, valid except for what the arguments change: see make_token.
sub token_with {
    return make_token(secret => $site->{secret}, claims => access_claims(user('ann')->{id}), @_);
}

subtest 'a token is taken from each place it may come in' => sub {
    is_let_in($site->path($trip, token => $token), undef, 'from the query');
    is_let_in("/ws/chat/$trip/?x=1&token=$token&y=2", undef, 'from a query with more in it');
    is_let_in($site->path($trip), { 'Authorization' => "Bearer $token" }, 'from Authorization');
    is_let_in($site->path($trip), { 'Authorization' => "bearer $token" }, 'from Authorization in lower case');
    is_let_in($site->path($trip), { 'Sec-WebSocket-Protocol' => "tripchat, bearer.$token" }, 'from the subprotocols');
    is_let_in($site->path($trip), { 'Sec-WebSocket-Protocol' => "bearer.$token, tripchat" }, 'in either order');
    is_let_in($site->path($trip), { 'Sec-WebSocket-Protocol' => ['tripchat', "bearer.$token"] }, 'or on two lines');
};

subtest 'the subprotocol that is answered is never the one with the token' => sub {
    my $client = $site->connect->open($site->path($trip), { 'Sec-WebSocket-Protocol' => "tripchat, bearer.$token" });
    is_deeply($client->{answer}{fields}{'sec-websocket-protocol'}, ['tripchat'], 'but tripchat');
};

# Chromium drops a connection whose answer chooses none of its offers, and the page is told 1006 and nothing else.
subtest 'a page that offers no subprotocol of ours gets one of its own' => sub {
    my ($host, $long) = ($site->connect->{host}, 'x' x 65);
    my %chosen = (
        "bearer.$token"                => ["bearer.$token", 'history'],
        "bearer.$token, chat"          => ['chat',          'history'],
        "TripChat, bearer.$token"      => ['TripChat',      'history'],
        "access_token, $token"         => ['access_token',  4001],
        "$token, access_token"         => ['access_token',  4001],
        "$long, soap"                  => ['soap',          4001],
        'graphql-ws'                   => ['graphql-ws',    4001],
        $token                         => [$token,          4001],
        'tripchat'                     => ['tripchat',      4001],
    );
    for my $offers (sort keys %chosen) {
        my ($name, $end) = @{ $chosen{$offers} };
        my $fields = { 'Sec-WebSocket-Protocol' => $offers, Origin => 'http://localhost' };
        my $client = (bless $site->connect, 'TripChat::Client')->open($site->path($trip), $fields);
        is_deeply($client->{answer}{fields}{'sec-websocket-protocol'}, [$name], substr $offers, 0, 40);
        if ($end eq 'history') { is($client->next_json->{type}, 'message_history', 'and is let in') }
        else                   { is($client->read_close->{code}, $end, "and told $end") }
        $client->disconnect;
    }
    my $program = $site->connect->open($site->path($trip), { 'Sec-WebSocket-Protocol' => "bearer.$token" });
    is($program->{answer}{fields}{'sec-websocket-protocol'}, undef, 'a program, which sends no Origin, gets none');
};

subtest 'the last slash of the path may be missing' => sub {
    is_let_in("/ws/chat/$trip?token=$token", undef, 'the member is let in');
    my $there = $site->chat(trip => $trip, as => 'bob');
    my $here  = (bless $site->connect, 'TripChat::Client')->join_chat("/ws/chat/$trip?token=$token");
    $here->say('without a slash');
    is($there->next_json('chat_message')->{message}{content}, 'without a slash', 'to the same room');
};

subtest 'claims may be left out where they have no part' => sub {
    my $now = time;
    my %claims = (
        'no token_type'           => [token_type => undef],
        'no iat'                  => [iat => undef],
        'nbf that has passed'     => [nbf => $now - 10],
        'exp with a fraction'     => [exp => $now + 3600.5],
        'claims nobody knows'     => [roles => ['admin'], jti => 'x'],
    );
    for my $what (sort keys %claims) {
        is_let_in($site->path($trip, token => $site->token('ann', @{ $claims{$what} })), undef, $what);
    }
};

subtest 'a trip id is the same in capitals' => sub {
    my $there = $site->chat(trip => $trip, as => 'bob');
    my $here  = $site->chat(trip => uc $trip);
    $here->say('in capitals');
    is($there->next_json('chat_message')->{message}{content}, 'in capitals', 'and leads to the same room');
};

subtest 'a missing or broken token closes with 4001' => sub {
    turned_away_with($site, $site->path($trip), undef, 4001, 'none');
    is_unauthorized('',                        'an empty one');
    is_unauthorized('nonsense',                'a word');
    is_unauthorized('..',                      'two dots');
    is_unauthorized('a.b.c',                   'three words');
    is_unauthorized($token =~ s/\.[^.]*\z//r,  'one without a signature');
    is_unauthorized($token =~ s/[^.]*\z//r,    'one with an empty signature');
    is_unauthorized("$token.x",                'one of four parts');
    is_unauthorized("x$token",                 'one with a letter before it');
    is_unauthorized(token_with(claims => 'not JSON'), 'one whose claims are no JSON');
    is_unauthorized(token_with(claims => '[]'),       'one whose claims are a list');
    turned_away_with($site, $site->path($trip), { 'Authorization' => "Basic $token" }, 4001, 'one by another scheme');
    turned_away_with($site, $site->path($trip), { 'Authorization' => 'Bearer' },       4001, 'a scheme without one');
    turned_away_with($site, $site->path($trip), { 'Sec-WebSocket-Protocol' => 'tripchat' }, 4001,
        'a subprotocol without one');
};

subtest 'a token that is not signed as it must be closes with 4001' => sub {
    is_unauthorized(token_with(secret => 'another secret of some length'), 'with another secret');
    is_unauthorized(token_with(secret => ''),                              'with no secret');
    is_unauthorized(token_with(signature => ''),                           'not at all');
    is_unauthorized(token_with(signature => "\0" x 32),                    'with zeroes');
    for my $none (qw(none None NONE nOnE)) {
        is_unauthorized(token_with(header => { alg => $none }, signature => ''), "not at all, alg $none");
        is_unauthorized(token_with(header => { alg => $none }), "well, but alg says $none");
    }
    for my $alg (qw(HS384 HS512)) {
        is_unauthorized(token_with(header => { alg => $alg }, signed_as => $alg), "with $alg");
        is_unauthorized(token_with(header => { alg => $alg }), "as HS256, but alg says $alg");
    }
    is_unauthorized(token_with(header => { alg => 'RS256' }), 'well, but alg says RS256');
    is_unauthorized(token_with(header => { alg => '' }),      'well, but alg is empty');
    is_unauthorized(token_with(header => { alg => undef }),   'well, but alg is null');
    is_unauthorized(token_with(header => { alg => 256 }),     'well, but alg is a number');
};

subtest 'a token whose claims do not let anybody in closes with 4001' => sub {
    my $now = time;
    is_unauthorized($site->token('ann', exp => $now - 3600),          'it has expired');
    is_unauthorized($site->token('ann', exp => 0),                    'it expired long ago');
    is_unauthorized($site->token('ann', exp => undef),                'it does not say when it expires');
    is_unauthorized($site->token('ann', exp => 'tomorrow'),           'it says when it expires in words');
    is_unauthorized($site->token('ann', nbf => $now + 3600),          'it is not valid yet');
    is_unauthorized($site->token('ann', nbf => 'now'),                'it says in words from when it is valid');
    is_unauthorized($site->token('ann', token_type => ['access']),    'its type is a list');
    is_unauthorized($site->token('ann', token_type => 'refresh'),     'it is a refresh token');
    is_unauthorized($site->token('ann', user_id => undef),            'it names no user');
    is_unauthorized($site->token('ann', user_id => ''),               'it names an empty user');
    is_unauthorized($site->token('ann', user_id => [user('ann')->{id}]), 'it names a list of users');
    is_unauthorized($site->token('ann', user_id => "x' OR '1'='1"),   'it names a piece of SQL');
    is_unauthorized($site->token('ann', user_id => new_uuid()),       'it names a user who does not exist');
};

subtest 'a stranger learns nothing about trips' => sub {
    my $theirs = $site->new_trip(members => ['bob']);
    my %path   = (
        'a trip of others'                 => $theirs,
        'a trip that does not exist'       => new_uuid(),
        'a trip that is no UUID'           => 'not-a-uuid',
        'a number'                         => '12345',
        'a UUID and more'                  => $trip . '0',
        'a UUID without its last digit'    => substr($trip, 0, -1),
        'a piece of SQL'                   => q{%27%20OR%20%271%27=%271},
    );
    my %told;
    for my $what (sort keys %path) {
        my $close = $site->turned_away($site->path($path{$what}, token => $token));
        is($close->{code}, 4003, "$what closes with 4003");
        $told{ $close->{reason} // 'none' } = 1;
    }
    is(scalar keys %told, 1, 'and all with the same reason') or diag explain \%told;
    turned_away_with($site, $site->path($trip, token => $site->token('dave')), undef, 4003, 'dave is on no trip at all');
};

subtest 'nothing of a room reaches somebody who was turned away' => sub {
    my $bob   = $site->chat(trip => $trip, as => 'bob');
    my $dave  = $site->connect->open($site->path($trip, token => $site->token('dave')));
    $dave->send_text('{"type":"chat_message","content":"let me in"}');
    my $close = $dave->read_frame;
    $dave->send_close($close->{code});
    is_deeply([map { $_->{opcode} } $close, $dave->rest_of_frames], [OP_CLOSE], 'the close is all');
    is_deeply([$bob->messages_before_marker], [], 'nor does anything come of what is sent');
};

subtest 'TripChatReject http answers with a status' => sub {
    my $http      = site('http');
    my $http_trip = $http->new_trip;
    my $answer    = sub {
        my ($path, $fields) = @_;
        return $http->connect->request(TripChat::WebSocket::upgrade_request(path => $path, fields => $fields));
    };
    my $no_token = $answer->($http->path($http_trip));
    is($no_token->{status}, 401, '401 without a token');
    like($no_token->{fields}{'www-authenticate'}[0] // '', qr/\ABearer\b/, 'with WWW-Authenticate: Bearer');
    is($answer->($http->path($http_trip, token => 'nonsense'))->{status}, 401, '401 with a bad one');
    is($answer->($http->path($http_trip, token => $token))->{status}, 401, '401 with one of another site');
    for my $place ($http->new_trip(members => ['bob']), new_uuid(), 'not-a-uuid') {
        is($answer->($http->path($place, token => $http->token('ann')))->{status}, 403, "403 for $place");
    }
    ok($http->chat(trip => $http_trip), 'and a member is let in as everywhere');
};

subtest 'no log and no status page holds a token' => sub {
    my $refused = $site->connect->request("GET " . $site->path($trip, token => $token) . " HTTP/1.1\r\nHost: x\r\n\r\n");
    is($refused->{status}, 426, 'a request that is no handshake leaves a line as well');
    my $log = until_true('that line',
        sub { my $text = read_file($site->access_log); $text =~ m{ /ws/chat/$trip/.*" 426 } && $text });
    like($log, qr{GET /ws/chat/\Q$trip\E/.*" 101 }, 'the requests are in the access log');
    my %place = (
        'the access log'  => $log,
        'the error log'   => read_file($site->error_log),
        'the status page' => $site->http_get('/server-status')->{body},
    );
    for my $where (sort keys %place) {
        my @found = grep { index($place{$where}, $_) >= 0 } issued_secrets();
        is_deeply(\@found, [], "$where holds none");
    }
};

done_testing;
