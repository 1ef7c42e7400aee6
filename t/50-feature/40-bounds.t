# Bounds: what happens at each of them, and what the other members notice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Test;
use TripChat::WebSocket;

use constant {
    BURST           => 500,
    LARGE           => 8000,         # characters of a large message; the small site allows 9000
    AT_A_TIME       => 20,           # unread messages: fewer than the small site's queue of 50
    QUEUES_BYTES    => 2_000_000,    # more than the small site's queue and a small receive buffer hold
    MAX_CONNECTIONS => 5,
    DESCRIPTORS     => 150,
    LARGEST_TEXT    => "\xf0\x9f\x98\x80" x 10_000,
};
use constant LARGEST_FRAME =>
    encode_frame(opcode => OP_TEXT, payload => sprintf '{"type":"chat_message","content":"%s"}', LARGEST_TEXT);

# How many large messages are more than the server can write to a client that does not read. The kernel alone takes as
# many bytes as tcp_wmem says.
sub more_than_fits {
    my (undef, undef, $kernel_bytes) = split ' ', read_file('/proc/sys/net/ipv4/tcp_wmem');
    return AT_A_TIME * int(($kernel_bytes + QUEUES_BYTES) / LARGE / AT_A_TIME + 1);
}

# The number in a message, found without parsing its large text as JSON.
sub seq_in { my ($frame) = @_; return $frame->{payload} =~ /"seq":\s*(\d+)/ ? $1 : 'no number' }

sub next_seqs { my ($client, $n) = @_; return map { seq_in($client->next_frame) } 1 .. $n }

# Reads to the end of the connection and returns (the numbers of the messages, the close code if any).
sub read_all {
    my ($client) = @_;
    my @seqs;
    while (my $frame = $client->next_frame) {
        return (\@seqs, $frame->{code}) if $frame->{opcode} == OP_CLOSE;
        push @seqs, seq_in($frame);
    }
    return (\@seqs, undef);
}

for my $name (qw(plain small)) {
    subtest "five hundred messages at once are all stored: the site $name" => sub {
        my $trip = site($name)->new_trip;
        my $ann  = site($name)->chat(trip => $trip);
        my @contents = map { "burst $_" } 1 .. BURST;
        $ann->write(join '',
            map { encode_frame(opcode => OP_TEXT, payload => qq({"type":"chat_message","content":"$_"})) } @contents);
        my @messages = $ann->next_many(BURST, 'chat_message');
        is_deeply(contents_of(@messages), \@contents, 'all come back, in order');
        is_consecutive(seqs_of(@messages), 1, BURST, 'with numbers in a row');
    };
}

# Of many members that wait for the database, some are served in the very moment in which they would begin to wait.
# The ping interval is so long that no ping wakes them.
subtest 'who has as many messages on their way as may be is read on when some are stored' => sub {
    my $server  = TripChat::Server->start(site_config => "TripChatMaxPending 2\nTripChatPingInterval 1h");
    my @members = map { $server->site->chat(trip => $server->site->new_trip) } 1 .. 8;
    my @seqs    = map { [] } @members;
    for my $round (1 .. 100) {
        $_->write(encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"x"}') x 10) for @members;
        push @{ $seqs[$_] }, next_seqs($members[$_], 10) for 0 .. $#members;
    }
    is_consecutive($_, 1, 1000, 'each of a thousand is stored and comes back') for @seqs;
    $_->leave for @members;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'members who read are not too slow, however much comes at once' => sub {
    my $site = site('plain');
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    # More bytes than a queue may hold, in as many messages as one client may have in flight.
    $ann->write(LARGEST_FRAME x 60);
    is_consecutive([next_seqs($_, 60)], 1, 60, 'all of them come') for $ann, $bob;
};

subtest 'a history that is larger than the queue does not count as slowness' => sub {
    my $site  = site('plain');
    my $trip  = $site->new_trip;
    my $ann   = $site->chat(trip => $trip);
    my $total = int(more_than_fits() * LARGE / length LARGEST_TEXT);
    for (1 .. $total / AT_A_TIME) {
        $ann->write(LARGEST_FRAME x AT_A_TIME);
        next_seqs($ann, AT_A_TIME);
    }
    my $said = $total - $total % AT_A_TIME;
    my $path = $site->path($trip, token => $site->token('bob'), after => 0);
    my $bob  = bless $site->connect(receive_buffer => 4096), 'TripChat::Client';
    $bob->open($path);
    $bob->read_until('the beginning of the history', sub { length ${ $_[0] } > 64 ? 1 : () });
    $ann->said("while bob reads, $_") for 1 .. 3;
    my @frames = map { $bob->next_frame // {} } 1 .. 4;
    is(($frames[0]{payload} // '') =~ /"last_seq":\s*(\d+)/ && $1, $said, 'bob gets the history');
    is_deeply([map { $_->{payload} ? seq_in($_) : 'nothing' } @frames[1 .. 3]], [$said + 1 .. $said + 3],
        'and what was said while he read it');
};

subtest 'a member who does not read costs only itself' => sub {
    my $site = site('small');
    my $trip = $site->new_trip;
    my $slow = $site->chat(trip => $trip, as => 'carol', receive_buffer => 4096);
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my ($large, $total) = ('x' x LARGE, more_than_fits());
    my @seen;
    for (1 .. $total / AT_A_TIME) {
        $ann->say($large) for 1 .. AT_A_TIME;
        next_seqs($ann, AT_A_TIME);
        push @seen, next_seqs($bob, AT_A_TIME);
    }
    is_consecutive(\@seen, 1, $total, 'the others have seen every message');
    my ($seqs, $code) = read_all($slow);
    my $got = @$seqs;
    cmp_ok($got, '<', $total, 'it was closed before it had them all');
    is_consecutive($seqs, 1, $got, 'what it got is in order and without a gap');
    like($code // 'the stream ended', qr/\A(?:1013|the stream ended)\z/, 'and then 1013, if that could be sent');
    my $history = $site->chat(trip => $trip, as => 'carol', after => $total - 3)->history;
    is_consecutive(seqs_of(@{ $history->{messages} }), $total - 2, 3, 'it may come back');
};

subtest 'TripChatMaxConnections is the number of connections of a child' => sub {
    my $server = TripChat::Server->start(config => "TripChatMaxConnections @{[MAX_CONNECTIONS]}");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my @held   = map { $site->chat(trip => $trip) } 1 .. MAX_CONNECTIONS;
    turned_away_with($site, $site->path($trip, token => $site->token('bob')), undef, 1013, 'one more is closed with 1013');
    still_talks($_, 'the others stay') for $held[0];
    (pop @held)->leave;
    my $bob = until_true('a place to be free', sub { eval { $site->chat(trip => $trip, as => 'bob') } });
    still_talks($bob, 'when one has left, another may come');
    $_->leave for @held, $bob;
    stops_clean($server, 'and the server stops in order', qr/\bTC0061:/);
};

subtest 'with TripChatReject http one more gets 503' => sub {
    my $server = TripChat::Server->start(config => 'TripChatMaxConnections 1', site_config => 'TripChatReject http');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $ann    = $site->chat(trip => $trip);
    my $answer = $site->connect->request(
        TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $site->token('bob'))));
    is($answer->{status}, 503, 'one more gets 503');
    like($answer->{fields}{'retry-after'}[0] // '', qr/\A\d+\z/, 'and is told when to come again');
    $ann->leave;
    my $bob = until_true('a place to be free', sub { eval { $site->chat(trip => $trip, as => 'bob') } });
    ok($bob, 'a refusal holds no place') && $bob->leave;
    stops_clean($server, 'and the server stops in order', qr/\bTC0061:/);
};

subtest 'by default the descriptor limit leaves enough for HTTP' => sub {
    my $server = TripChat::Server->start(descriptors => DESCRIPTORS);
    my $site   = $server->site;
    my $path   = $site->path($site->new_trip, token => $site->token('ann'));
    my (@held, $close);
    while (@held < DESCRIPTORS && !$close) {
        my $client = $site->connect->open($path);
        my $first  = $client->next_frame;
        $first->{opcode} == OP_CLOSE ? $close = $first : push @held, $client;
    }
    is($close && $close->{code}, 1013, 'at some number another is closed with 1013');
    cmp_ok(scalar @held, '>=', 50, 'which is not a small one');
    is($site->http_get('/index.html')->{status}, 200, "a file is served while @{[scalar @held]} are held");
    $_->disconnect for @held;
    stops_clean($server, 'and the server stops in order', qr/\bTC0061:/);
};

done_testing;
