# Clients for whom something waits that does not leave. Who takes nothing is let go, whatever they send meanwhile. Who
# takes a little all the time stays, and gets everything.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(chat_json text_frame control_flood);
use TripChat::Hostile;
use TripChat::Test;

use constant {
    CONTENT  => '\u0001' x 10_000,    # six bytes each
    MESSAGES => 8,                    # 480 KB, more than all buffers of the kernel hold
    STUCK    => 10,
    PONG_S   => 1,                    # TripChatPongTimeout
    PIECE    => 8192,                 # what a slow client reads at a time
    PAUSE_S  => 0.1,
    SOON_S   => $ENV{TC_UNDER} ? 60 : 15,
};

# A frame may take an hour, and a client may be silent for one.
my $server = TripChat::Hostile->start(tls => 1, shared => 1, site_config => <<'CONF');
TripChatFrameTimeout 1h
TripChatPongTimeout 1s
TripChatControlRate 0
CONF
my $site = $server->site;
my $trip = $site->new_trip;
my $idle = $server->descriptors;

# Has somebody write long messages.
sub fill_room {
    my ($there, $room) = @_;
    my $speaker = $there->chat(trip => $room);
    for (1 .. MESSAGES) {
        $speaker->write(text_frame(chat_json(CONTENT)));
        $speaker->next_frame;
    }
    $speaker->leave;
    return;
}

fill_room($site, $trip);

sub pause { return select undef, undef, undef, PAUSE_S }
sub all_others_are_gone { return until_true('the others to be gone', sub { $server->descriptors <= $idle }) }

# Somebody who asks for a history and does not read it.
sub silent_reader {
    my ($there) = @_;
    return $there->connect(receive_buffer => 4096)->ask_to_open($there->path($trip, token => $there->token('bob')));
}

# What a client may send without reading an answer.
my %chatter = (
    nothing => sub { },
    pongs   => sub { $_[0]->write_some(control_flood(OP_PONG, 1, 'here'), 0) },
    pings   => sub { $_[0]->write_some(control_flood(OP_PING, 1, 'x'), 0) },
    typing  => sub { $_[0]->write_some(text_frame('{"type":"typing","is_typing":true}'), 0) },
);

for my $how (qw(plain tls)) {
    my $there = $server->site($how);
    for my $what (sort keys %chatter) {
        $server->withstands("readers who read nothing and send $what ($how)", STUCK, sub {
            all_others_are_gone();
            my @stuck = map { silent_reader($there) } 1 .. STUCK;
            until_true('all to be in', sub { $server->descriptors >= $idle + STUCK });
            my $start = now();
            until_true('them to be let go', sub { $chatter{$what}->($_) for @stuck; pause(); $server->descriptors <= $idle });
            cmp_ok(now() - $start, '<', SOON_S, 'are let go soon');
            $_->disconnect for @stuck;
        }, histories => 1);
    }
}

$server->withstands('followers who read nothing', STUCK, sub {
    all_others_are_gone();
    my @stuck = map { my $rest = $site->rest(as => 'bob', receive_buffer => 4096); $rest->ask_to_follow($trip); $rest } 1 .. STUCK;
    until_true('all to be in', sub { $server->descriptors >= $idle + STUCK });
    my $start = now();
    until_true('them to be let go', sub { pause(); $server->descriptors <= $idle });
    cmp_ok(now() - $start, '<', SOON_S, 'are let go soon');
    $_->disconnect for @stuck;
}, histories => 1);

# Reads a piece now and then, until $enough->(what was read) is true. Returns all of it.
sub read_slowly {
    my ($socket, $enough) = @_;
    my $in = '';
    until_true('a slow client to have everything', sub {
        my $n = sysread $socket, $in, PIECE, length $in;
        die "the server ended it after @{[length $in]} bytes\n" if defined $n && $n == 0;
        pause();
        return $enough->($in);
    });
    return $in;
}

# These take several times TripChatPongTimeout, and are pinged meanwhile. The pings are behind what they read.
my $gentle = TripChat::Hostile->start(tls => 1, shared => 1, site_config => <<'CONF');
TripChatFrameTimeout 30s
TripChatPingInterval 1s
TripChatPongTimeout 1s
TripChatCloseTimeout 1s
TripChatMaxContent 100000
TripChatMaxMessageSize 1m
CONF
{
    my $there   = $gentle->site;
    my $busy    = $there->new_trip;
    fill_room($there, $busy);
    my $all = 6 * 10_000 * MESSAGES;

    for my $how (qw(plain tls)) {
        subtest "a reader who is slow but moves stays ($how)" => sub {
            my $client = $gentle->site($how)->connect(receive_buffer => 4096);
            $client->ask_to_open($gentle->site($how)->path($busy, token => $there->token('bob')));
            my $start = now();
            read_slowly($client->{socket}, sub { length $_[0] > $all && $_[0] =~ /"epoch":\d+\}/ });
            cmp_ok(now() - $start, '>', 3 * PONG_S, 'it takes its time');
            ok($client->is_open, 'and is still in');
            $client->disconnect;
        };
    }

    subtest 'so does a follower' => sub {
        my $rest = $there->rest(as => 'bob', receive_buffer => 4096);
        $rest->ask_to_follow($busy);
        my $in = read_slowly($rest->{stream}{socket}, sub { length $_[0] > $all && $_[0] =~ /"epoch":\d+\}\n\n/ });
        unlike($in =~ s/\A.*?\r\n\r\n//sr, qr/\A(?::\n\n){2}/, 'who is sent no signs of life that pile up');
        $rest->disconnect;
    };

    subtest 'the answer to a poll takes longer than a client has for a Close' => sub {
        my $quiet = $there->new_trip;
        my $ann   = $there->chat(trip => $quiet);
        my $rest  = $there->rest(as => 'bob', receive_buffer => 4096);
        my $first = $ann->said('one');
        $rest->ask_for_news($quiet, 1);
        until_true('the poll to wait', sub { $there->server_status->{BusyWorkers} <= 1 });
        $ann->write(text_frame(chat_json(CONTENT x MESSAGES)));
        my $in = read_slowly($rest->{stream}{socket}, sub {
            return $_[0] =~ /Content-Length: (\d+)\r\n(?:.*?\r\n)?\r\n(.*)/s && length $2 >= $1;
        });
        cmp_ok(length $in, '>', $all, 'all of it comes');
        $_->disconnect for $rest, $ann;
    };
}

$_->is_unharmed for $server, $gentle;

done_testing;
