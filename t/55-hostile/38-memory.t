# Clients who together make a child hold more than TripChatMemory allows, each within every limit of a connection. The
# child ends those who hold most, and the others talk on.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(chat_json text_frame);
use TripChat::Hostile;
use TripChat::Metrics qw(metrics_config metrics_of value_of);
use TripChat::Test;

use constant {
    MEMORY_KB => 24 * 1024,          # TripChatMemory
    SPARE_KB  => 36 * 1024,          # what a child may have beyond that: a batch, sockets, malloc's holes
    PART      => 900_000,            # of a message that is not completed
    AUTHORS   => 80,                 # who keep 72 MB
    READERS   => 40,
    BUSY      => 300,                # messages of 10,000 characters, which one queue may hold
    ROOMS     => 12,                 # each with histories and resumes of its own
    LARGE     => '\u0001' x 10_000,  # 60 KB in a frame
    LARGES    => 40,                 # of these in a room
    DBD       => 16,                 # connections to the database that a child may open meanwhile
};

my $server = TripChat::Hostile->start(shared => 1, config => metrics_config() . "TripChatMemory 24m\n", site_config => <<'CONF');
TripChatMaxMessageSize 1m
TripChatSendQueueSize 16m
TripChatSendQueue 100000
TripChatFrameTimeout 1h
TripChatPongTimeout 1h
TripChatRoomCache 64m
TripChatMessageRate 0
TripChatUserMessageRate 0
CONF
my $site = $server->site;

sub shed { my ($what) = @_; return value_of(metrics_of($site), "tripchat_shed_total{what=\"$what\"}") // 0 }

# Runs an attack. What the child takes is bounded whatever the number of connections.
sub withstands {
    my ($name, $attack) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return subtest $name => sub {
        my $idle   = $server->descriptors;
        my $before = $server->memory->{VmRSS};
        $server->forget_peak;
        my @clients = $attack->();
        my $grown = $server->memory->{VmHWM} - $before;
        cmp_ok($grown, '<', MEMORY_KB + SPARE_KB, 'the child takes no more than it may') if !$ENV{TC_UNDER};
        is($server->member->said('still here')->{content}, 'still here', 'a member who holds little talks on');
        $_->disconnect for @clients;
        ok(until_true("all to be gone", sub { $server->descriptors <= $idle + DBD }), 'every connection is gone');
        is("@{[$server->child_pids]}", $server->child, 'the child is the same');
    };
}

withstands('messages that are not completed', sub {
    my $before  = shed('connection');
    my $part    = encode_frame(opcode => OP_TEXT, fin => 0, payload => 'x' x PART);
    my @authors = map { $site->chat(trip => $site->new_trip) } 1 .. AUTHORS;
    $_->write($part) for @authors;
    until_true('some to be ended', sub { shed('connection') - $before >= AUTHORS - MEMORY_KB * 1024 / PART });
    my @frames = map { $_->frames_at_hand } @authors;
    my @ended  = grep { $_->{opcode} == OP_CLOSE } @frames;
    is_deeply([grep { $_->{code} != 1013 } @ended], [], 'those who hold most are closed with 1013');
    cmp_ok(scalar @ended, '<', AUTHORS, 'and not all of them');
    return @authors;
});

# One frame in forty queues is one frame.
withstands('a busy room whose members do not read', sub {
    my $before  = shed('connection');
    my $trip    = $site->new_trip;
    my $speaker = $site->chat(trip => $trip);
    my @slow    = map { $site->chat(trip => $trip, as => 'bob', receive_buffer => 4096) } 1 .. READERS;
    for (1 .. BUSY / 10) {
        $speaker->write(text_frame(chat_json('x' x 10_000)) x 10);
        $speaker->next_json('chat_message') for 1 .. 10;
    }
    is(shed('connection'), $before, 'what is shared counts once');
    return ($speaker, @slow);
});

withstands('histories of many rooms that nobody reads', sub {
    my %before = map { $_ => shed($_) } qw(room connection);
    my @slow;
    for (1 .. ROOMS) {
        my $trip    = $site->new_trip;
        my $speaker = $site->chat(trip => $trip);
        for (1 .. LARGES) { # one by one: whoever does not read what they have said is heavy, too
            $speaker->write(text_frame(chat_json(LARGE)));
            $speaker->next_json('chat_message');
        }
        $speaker->leave;
        push @slow, map {
            $site->connect(receive_buffer => 4096)->ask_to_open($site->path($trip, token => $site->token('bob'), $_ ? (after => LARGES - $_) : ()))
        } 0 .. 10;
    }
    until_true('rooms to be without a cache', sub { shed('room') > $before{room} });
    until_true('some to be ended', sub { shed('connection') > $before{connection} });
    my $trip = $site->new_trip;
    $site->chat(trip => $trip)->said('one');
    is($site->chat(trip => $trip)->history->{messages}[0]{content}, 'one', 'newcomers get their histories');
    return @slow;
});

$server->is_unharmed(qr/TC0110: /);

done_testing;
