# Peers that do not do their part: who never read in a busy room, who close one half, who vanish.
# Under event and prefork, plain and over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IPC::Open3 qw(open3);
use Test::More;

use TripChat::Ammunition qw(chat_json text_frame);
use TripChat::Hostile;
use TripChat::Httpd qw(top_dir);
use TripChat::Repeater;
use TripChat::Test;

use constant {
    READERS   => 20,
    MESSAGE   => 10_000,     # characters
    AT_A_TIME => 10,
    ROUNDS    => 400,        # at most
    VANISHED  => 30,
};

my $key_updates = top_dir() . '/build/hostile/key_updates';
-x $key_updates or die "there is no $key_updates: run make build/hostile/key_updates\n";

# A busy room: says so much at a time, and reads it, until nobody is left who does not.
sub talk_until {
    my ($speaker, $is_done) = @_;
    my $frames = text_frame(chat_json('x' x MESSAGE)) x AT_A_TIME;
    for my $round (1 .. ROUNDS) {
        $speaker->write($frames);
        $speaker->next_frame for 1 .. AT_A_TIME;
        return $round if $is_done->();
    }
    return;
}

# How a socket's or a stream's end looks to somebody who begins to read at last.
sub how_it_ended {
    my ($client) = @_;
    my $close = $client->read_close;
    return $close->{code} // $close->{ended};
}

for my $mpm (qw(event prefork)) {
    my $server = TripChat::Hostile->start(mpm => $mpm, tls => 1, shared => 1);
    my $site   = $server->site;

    for my $how (qw(plain tls)) {
        my $there = $server->site($how);
        $server->withstands("readers who never read ($mpm, $how)", READERS, sub {
            my $trip    = $site->new_trip;
            my $speaker = $site->chat(trip => $trip);
            my @slow    = map { $there->chat(trip => $trip, as => 'bob', receive_buffer => 4096) } 1 .. READERS;
            my $all     = $server->descriptors;
            ok(talk_until($speaker, sub { $server->descriptors <= $all - READERS }), 'are let go');
            my @ends = map { how_it_ended($_) } @slow;
            is_deeply([grep { !/\A(?:1013|reset|eof)\z/ } @ends], [], 'with 1013, if that could be sent');
            $_->disconnect for @slow;
            $speaker->leave;
        });
    }

    $server->withstands("followers who never read ($mpm)", READERS, sub {
        my $trip      = $site->new_trip;
        my $speaker   = $site->chat(trip => $trip);
        my @followers = map { $site->rest(as => 'bob', receive_buffer => 4096)->follow($trip) } 1 .. READERS;
        my $all       = $server->descriptors;
        ok(talk_until($speaker, sub { $server->descriptors <= $all - READERS }), 'are let go');
        $speaker->leave;
    });

    $server->withstands("halves of connections ($mpm)", 60, sub {
        my $trip = $site->new_trip;
        for my $half (0, 1, 2) {
            my @members = map { $site->chat(trip => $trip) } 1 .. 10;
            my @new     = map { $site->connect->ask_to_open($site->path($trip, token => $site->token('ann'))) } 1 .. 10;
            my @asking  = map { $site->connect } 1 .. 10;
            $_->write("GET /ws/chat/$trip/ HTTP/1.1\r\n") for @asking;
            shutdown $_->{socket}, $half for @members, @new, @asking;
            next if $half == 0;      # the other end cannot know
            is_deeply([grep { !/\A(?:eof|reset)\z/ } map { $_->read_to_end } @members], [],
                ('', 'who has ended his half is let go', 'and who has ended both')[$half]);
        }
        pass('none is waited for');
    });

    # What is to be written before reading goes on is not helped by what there is to read: waiting must be no work.
    $server->withstands("somebody who asks for new keys and does not read the answers ($mpm)", 1, sub {
        my $there = $server->site('tls');
        my $path  = $there->path($server->site->new_trip, token => $there->token('ann'));
        my $pid   = open3(my $in, my $out, undef, $key_updates, $there->port, $path);
        is(scalar <$out>, "full\n", 'is not read for ever');
        ok(eval { until_true('the server to rest', sub { $server->is_at_rest }) }, 'and the server has nothing to do meanwhile')
            or diag($@);
        close $in;
        waitpid $pid, 0;
    });

    $server->is_unharmed;
}

# A process that stands still keeps its sockets, and its kernel acknowledges what comes: to the server it looks
# like a machine that is gone.
for my $how (qw(plain tls)) {
    my $server = TripChat::Hostile->start(
        tls => 1, shared => 1, staying => 0, site_config => "TripChatPingInterval 1s\nTripChatPongTimeout 4s",
    );
    my $trip = $server->site->new_trip;
    $server->withstands("clients that vanish ($how)", VANISHED, sub {
        my $before = $server->descriptors;
        my @clients;
        my $crowd = TripChat::Repeater->start(name => 'the crowd', nice => 0, pause_s => 0.02, code => sub {
            push @clients, $server->site($how)->chat(trip => $trip) if @clients < VANISHED;
            $_->frames_at_hand for @clients;
        });
        $crowd->wait_for_turns(4 * VANISHED);
        is($server->descriptors - $before, VANISHED, 'who answers the pings stays');
        $crowd->freeze;
        ok(eval { until_true('the server to miss them', sub { $server->descriptors == $before }) }, 'who does not, goes');
        $crowd->stop;
    });
    $server->is_unharmed;
}

done_testing;
