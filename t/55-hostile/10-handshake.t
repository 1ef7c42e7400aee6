# The way in, misused: requests that come byte by byte, that stop, that are huge, that break off, that bring
# no good token, and connections that come and go by the hundred. With one child of event, and with prefork,
# whose one worker everybody has to share.
#
# Against those who are slow there is mod_reqtimeout, here with a second for each stage; docs/operations.md
# says what to set.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(huge_requests);
use TripChat::Hostile;
use TripChat::Test;
use TripChat::Wait qw(until_true);
use TripChat::WebSocket;

use constant {
    WORKERS     => 8,
    SLOW        => 12,      # more than there are workers
    HUNDREDS    => 300,
    DRIP_S      => 0.02,
    NO_TIMEOUTS => "RequestReadTimeout handshake=0 header=0 body=0\n",
};

# Each gets another byte of $bytes, which may begin anew, until the server has ended them all.
sub drip {
    my ($bytes, @streams) = @_;
    my $at = 0;
    until_true('all of them to be cut off', sub {
        my @open = grep { $_->is_open } @streams;
        $_->write(substr $bytes, $at % length $bytes, 1) for @open;
        $at++;
        select undef, undef, undef, DRIP_S;
        return !@open;
    });
    $_->disconnect for @streams;
    return;
}

sub upgrade { my ($site, $trip, $token) = @_; return TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $token)) }

for my $mpm (qw(event prefork)) {
    my $slow   = $mpm eq 'prefork' ? 2 : SLOW;       # one after the other
    my $server = TripChat::Hostile->start(mpm => $mpm, workers => WORKERS, tls => 1, shared => 1);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $whole  = upgrade($site, $trip, $site->token('ann'));

    my $attack = sub {
        my ($name, $connections, $code) = @_;
        $server->withstands("$name ($mpm)", $connections, $code);
    };

    $attack->('handshakes that come byte by byte', $slow, sub {
        my @streams = map { $site->connect } 1 .. $slow;
        $_->write("GET /ws/chat/$trip/ HTTP/1.1\r\nX-Slow: ") for @streams;
        drip('x', @streams);
        pass('are cut off by mod_reqtimeout');
    });

    $attack->('bodies that come byte by byte', $slow, sub {
        my @streams = map { $site->connect } 1 .. $slow;
        my $head    = TripChat::Http::request_text(
            method => 'POST', path => TripChat::Rest::messages_path(),
            fields => {
                'Authorization' => 'Bearer ' . $site->token('ann'), 'Content-Type' => 'application/json',
                'Content-Length' => 100_000,
            },
        );
        $_->write($head) for @streams;
        drip(' ', @streams);
        pass('are cut off by mod_reqtimeout');
    });

    $attack->('TLS handshakes that stop after the first bytes', $slow, sub {
        my @streams = map { $server->site('tls')->connect(tls => undef) } 1 .. $slow;
        $_->write("\x16\x03\x01\x02\x00\x01") for @streams;
        $_->read_to_end for @streams;
        pass('are cut off by mod_reqtimeout');
        $_->disconnect for @streams;
    });

    $attack->('resets at every stage of a handshake', 1, sub {
        my $hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        for my $at (map { $_ * 7 } 0 .. length($whole) / 7) {
            my $stream = $site->connect;
            $stream->write(substr $whole, 0, $at) if $at;
            TripChat::Hostile::reset_stream($stream);
        }
        for (1 .. 50) {
            my $stream = $site->connect->ask_to_open($site->path($trip, token => $site->token('ann')));
            TripChat::Hostile::reset_stream($stream);
            my $broken = $server->site('tls')->connect(tls => undef);
            $broken->write(substr $hello, 0, $_ % length $hello);
            TripChat::Hostile::reset_stream($broken);
        }
        for (1 .. 20) {
            my $stream = $server->site('tls')->connect;
            $stream->write($whole) if $_ % 2;
            TripChat::Hostile::reset_stream($stream);
        }
        pass('harm nobody');
    });

    $attack->('handshakes with bad tokens, which do not answer the close', HUNDREDS, sub {
        my @bad = ('x', 'a.b.c', 'x.' x 3900, $site->token('ann') . 'x', $site->token('ann', exp => time - 10),
            make_token(secret => 'x' x 32, claims => access_claims(user('ann')->{id})),
            make_token(secret => $site->{secret}, claims => '{' x 1000));
        my @clients = map { $site->connect->ask_to_open($site->path($trip, token => $bad[$_ % @bad])) } 1 .. HUNDREDS;
        is_deeply([map { $_->finish_open->read_close->{code} } @clients], [(4001) x HUNDREDS], 'each is closed with 4001');
        is_deeply([grep { !/\A(?:eof|reset)\z/ } map { $_->read_to_end } @clients], [], 'and not waited for');
        $_->disconnect for @clients;
    });

    $attack->('huge requests', 1, sub {
        my %requests = huge_requests("/ws/chat/$trip/");
        for my $name (sort keys %requests) {
            my $stream = $site->connect;
            my $answer = eval { $stream->request($requests{$name}) } // { status => $stream->ended };
            like($answer->{status}, qr/\A(?:101|400|414|431|reset)\z/, $name);
            is($stream->read_close->{code}, 4001, 'is closed with 4001') if $answer->{status} eq '101';
            $stream->disconnect;
        }
    });

    $attack->('connections that come and go at once', 1, sub {
        $site->connect->disconnect                                                          for 1 .. HUNDREDS;
        $site->connect->ask_to_open($site->path($trip, token => $site->token('ann')))->disconnect for 1 .. HUNDREDS;
        $site->chat(trip => $trip)->disconnect                                              for 1 .. HUNDREDS / 3;
        $server->site('tls')->chat(trip => $trip)->disconnect                               for 1 .. HUNDREDS / 6;
        pass('harm nobody');
    });

    $server->is_unharmed;
}

# What is not protected without mod_reqtimeout: httpd's workers, and with them newcomers. Who is there, stays.
subtest 'members talk on while every worker is held' => sub {
    my $server  = TripChat::Hostile->start(workers => WORKERS, config => NO_TIMEOUTS);
    my $site    = $server->site;
    my $trip    = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my @holders = map { $site->connect } 1 .. WORKERS - 1;
    $_->write("GET / HTTP/1.1\r\n") for @holders;
    until_true('all but one worker to be busy', sub { $site->server_status->{BusyWorkers} == WORKERS });
    push @holders, $site->connect;
    $holders[-1]->write("GET / HTTP/1.1\r\n");
    my $page = $site->connect;
    $page->write("GET /index.html HTTP/1.0\r\n\r\n");
    my @contents = map { "message $_" } 1 .. 100;
    $ann->say($_) for @contents;
    is_deeply(contents_of($_->next_many(100, 'chat_message')), \@contents, 'everything is heard') for $ann, $bob;
    $_->disconnect for @holders;
    is($page->read_response->{status}, 200, 'and httpd serves again when the workers are free');
    $_->disconnect for $page, $ann, $bob;
    $server->is_unharmed;
};

done_testing;
