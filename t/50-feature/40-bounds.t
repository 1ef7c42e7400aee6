# What is bounded, and what a member notices when somebody else reaches a bound.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Test;

use constant {
    BURST           => 500,
    LARGE           => 8000,         # characters of a large message; the small site allows 9000
    AT_A_TIME       => 20,           # unread ones: less than the small site's queue of 50
    QUEUES_BYTES    => 2_000_000,    # more than the small site's queue and a small receive buffer
    MAX_CONNECTIONS => 5,
};

# How many large messages are more than the server can get rid of to a client
# that does not read: the kernel alone takes as much as tcp_wmem says.
sub more_than_fits {
    my (undef, undef, $kernel_bytes) = split ' ', read_file('/proc/sys/net/ipv4/tcp_wmem');
    return AT_A_TIME * int(($kernel_bytes + QUEUES_BYTES) / LARGE / AT_A_TIME + 1);
}

# The number in a message, without reading all of its large text as JSON.
sub seq_in { my ($frame) = @_; return $frame->{payload} =~ /"seq":\s*(\d+)/ ? $1 : 'no number' }

sub next_seqs { my ($client, $n) = @_; return map { seq_in($client->next_frame) } 1 .. $n }

# Reads up to the end of the connection: (the numbers of the messages, the close code if any).
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
    stops_clean($server, 'and the server stops in order');
};

done_testing;
