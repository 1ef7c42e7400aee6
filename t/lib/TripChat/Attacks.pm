package TripChat::Attacks;

# Attacks of hostile members and strangers on a site. TripChat::Repeater can repeat each of them. The data for an attack
# is made beforehand, so that the attack costs the server more than the attacker.

use strict;
use warnings;

use Exporter 'import';

use TripChat::Ammunition qw(:all);
use TripChat::Frame qw(:all);
use TripChat::Hostile;
use TripChat::Http;
use TripChat::Rest;
use TripChat::WebSocket;

our @EXPORT_OK = qw(attacks);

my %BOMBS = bombs();
my %TEXTS = bad_texts();

use constant {
    SHORT   => text_frame(chat_json('again')),
    LONG    => text_frame(chat_json('x' x 10_000)),
    LARGEST => text_frame(chat_json("\xf0\x9f\x98\x80" x 10_000, LIMIT)),
    SINGLY  => singly(chat_json('one by one', LIMIT)),
    EMPTY   => empty_fragments(chat_json('empty'), 50_000),
    PINGS   => control_flood(OP_PING, 5000, 'x' x 125),
    PONGS   => control_flood(OP_PONG, 5000, 'x' x 125),
    CLOSES  => control_flood(OP_CLOSE, 5000, close_payload(1000)),
};

# One { name, code, connections => at a time } each.
sub attacks {
    my ($server) = @_;
    my ($plain, $tls) = map { $server->site($_) } qw(plain tls);
    my $trip   = $plain->new_trip;
    my $token  = $plain->token('carol');
    my $path   = $plain->path($trip, token => $token);
    # Who has the history, and doesn't look at it.
    my $member = sub {
        my ($site, %opt) = @_;
        my $client = $site->connect(%opt)->open($path);
        $client->next_frame;
        return $client;
    };
    my $either = sub { my ($turn) = @_; return $turn % 2 ? $plain : $tls };
    my @all;

    # So many connections that are held; each turn makes new ones for those that the server has ended.
    my $hold = sub {
        my ($name, $count, $make, $each_turn) = @_;
        my @held;
        push @all, { name => $name, connections => $count, code => sub {
            @held = grep { $_->is_open } @held;
            push @held, $make->(scalar @held) while @held < $count;
            $each_turn->($_) for @held;
        } };
    };
    # A connection or so each turn, which sends something and goes.
    my $send = sub {
        my ($name, $code) = @_;
        push @all, { name => $name, connections => 5, code => $code };
    };

    $hold->('handshakes byte by byte', 8, sub {
        my $stream = $plain->connect;
        $stream->write("GET $path HTTP/1.1\r\nX-Slow: ");
        return $stream;
    }, sub { $_[0]->write('x') });
    $hold->('bodies byte by byte', 4, sub {
        my $stream = $plain->connect;
        $stream->write(TripChat::Http::request_text(method => 'POST', path => TripChat::Rest::messages_path(), fields => {
            'Authorization' => "Bearer $token", 'Content-Type' => 'application/json', 'Content-Length' => 100_000,
        }));
        return $stream;
    }, sub { $_[0]->write(' ') });
    $hold->('TLS handshakes that stop', 4, sub {
        my $stream = $tls->connect(tls => undef);
        $stream->write("\x16\x03\x01\x02\x00\x01");
        return $stream;
    }, sub { });
    $hold->('frames that are not finished', 10, sub {
        my $client = $member->($either->(@_));
        $client->write(substr LONG, 0, 3 + $_[0] * 100);
        return $client;
    }, sub { });
    $hold->('peers that never answer', 10, sub { $member->($either->(@_)) }, sub { });

    my @deaf;
    push @all, { name => 'readers who never read', connections => 11, code => sub {
        my ($turn) = @_;
        @deaf = map { $member->($either->($_), receive_buffer => 4096) } 1 .. 10 if $turn % 20 == 0;
        my $speaker = $member->($plain);
        $speaker->write(LONG x 10);
        $speaker->next_frame for 1 .. 10;
        $speaker->disconnect;
    } };
    my %bytes = (
        'empty fragments' => EMPTY, 'frames of one byte' => SINGLY, 'large messages' => LARGEST x 5, 'pongs' => PONGS,
        'closes' => CLOSES . SHORT x 1000,
    );
    for my $name (sort keys %bytes) {
        $send->($name, sub {
            my ($turn) = @_;
            my $client = $member->($either->($turn));
            $client->write($bytes{$name});
            $client->next_frame if $name ne 'pongs';
            $client->disconnect;
        });
    }
    $send->('pings', sub {
        my ($turn) = @_;
        my $client = $member->($either->($turn));
        $client->write_some(PINGS, 0) for 1 .. 10;
        $client->disconnect;
    });
    $send->('halves of connections', sub {
        my @clients = map { $member->($plain) } 1 .. 5;
        shutdown $clients[$_]{socket}, $_ % 3 for 0 .. $#clients;
    });
    $send->('resets', sub {
        my ($turn) = @_;
        my $request = TripChat::WebSocket::upgrade_request(path => $path);
        for (1 .. 20) {
            my $stream = $plain->connect;
            $stream->write(substr $request, 0, ($turn * 20 + $_) * 13 % length $request);
            TripChat::Hostile::reset_stream($stream);
            TripChat::Hostile::reset_stream($plain->connect->ask_to_open($path));
        }
        TripChat::Hostile::reset_stream($member->($tls));
    });
    $send->('messages that are much work', sub {
        my ($turn) = @_;
        my $client = $member->($either->($turn));
        $client->write(join '', map { text_frame($_) } values %BOMBS);
        $client->next_frame for values %BOMBS;
        $client->disconnect;
    });
    $send->('texts that are none', sub {
        my ($turn) = @_;
        for my $text (values %TEXTS) {
            my $client = $member->($either->($turn));
            $client->write(text_frame($text));
            $client->read_close;
            $client->disconnect;
        }
    });
    $send->('more messages than are allowed', sub {
        my $client = $member->($plain);
        $client->write(SHORT x 500);
        $client->read_close;
        $client->disconnect;
    });
    $send->('tokens that are none', sub {
        my ($turn) = @_;
        my $client = $member->($either->($turn));
        $client->write(join '', map { text_frame(qq({"type":"authenticate","token":"$_"})) } ("${token}x", 'x.' x 4000) x 50);
        $client->next_frame for 1 .. 100;
        $client->disconnect;
    });
    $send->('handshakes without a good token', sub {
        my @clients = map { $plain->connect->ask_to_open($plain->path($trip, token => $_)) } ('x', "${token}x") x 5;
        $_->finish_open->read_close for @clients;
    });
    my %huge = huge_requests("/ws/chat/$trip/");
    $send->('huge requests', sub {
        for my $request (values %huge) {
            my $stream = $plain->connect;
            $stream->write($request);
            $stream->disconnect;
        }
    });
    $send->('connections that come and go', sub {
        $plain->connect->disconnect for 1 .. 20;
        $plain->connect->ask_to_open($path)->disconnect for 1 .. 10;
        $tls->connect->ask_to_open($path)->disconnect for 1 .. 3;
    });
    return @all;
}

1;
