# Messages that are much work, no text, too many or refused: what members may send, all of it at full speed.
# Plain and over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(chat_json text_frame bombs bad_texts LIMIT);
use TripChat::Hostile;
use TripChat::Test;
use TripChat::Wait qw(now);

use constant {
    PERIOD   => '10h',      # no token comes back within a test
    RATE     => 100,
    REFUSALS => 500,
    AT_ONCE  => 1000,
    TIMES    => 5,          # each bomb
    LONG     => 32_768,     # bytes; the server looks at 64 KB a second of messages that are refused
    BYTES_S  => 65_536,
};

my $server = TripChat::Hostile->start(tls => 1, shared => 1, site_config => 'TripChatFrameTimeout 1h');
my $rated  = TripChat::Hostile->start(tls => 1, shared => 1, site_config => join "\n", 'TripChatFrameTimeout 1h',
    "TripChatMessageRate @{[RATE]}/" . PERIOD, "TripChatRefusalRate @{[REFUSALS]}/" . PERIOD);

my %bombs = bombs();
my %texts = bad_texts();

# What bombs are answered with; all others are no JSON.
my %ANSWERS = (
    'arrays in arrays'               => 'too_deep',
    'objects in objects'             => 'too_deep',
    'arrays of fourteen levels'      => 'too_deep',
    'empty objects'                  => 'too_deep',
    'numbers'                        => 'too_deep',
    'one key a thousand times'       => 'too_deep',
    'many keys'                      => 'too_deep',
    'a string of escapes'            => 'content_too_long',
    'a string of escaped characters' => 'content_too_long',
    'a key of escapes'               => 'invalid_message',
);

for my $how (qw(plain tls)) {
    $server->withstands("messages that are much work ($how)", 1, sub {
        my $client = $server->site($how)->chat(trip => $server->site->new_trip);
        for my $name (sort keys %bombs) {
            $client->write(text_frame($bombs{$name}) x TIMES);
            my @codes = map { $client->next_json->{code} } 1 .. TIMES;
            is_deeply(\@codes, [($ANSWERS{$name} // 'invalid_json') x TIMES], $name);
        }
        $client->leave;
    });

    $server->withstands("texts that are none ($how)", 1, sub {
        my $trip = $server->site->new_trip;
        for my $name (sort keys %texts) {
            my $client = $server->site($how)->chat(trip => $trip);
            $client->write(text_frame($texts{$name}) . text_frame($texts{$name}) x 20);
            closes_with($client, 1007, $name);
        }
    });

    $server->withstands("large messages at full speed ($how)", 3, sub {
        my $trip    = $server->site->new_trip;
        my @members = map { $server->site($how)->chat(trip => $trip, as => $_) } qw(ann bob carol);
        my $frame   = text_frame(chat_json("\xf0\x9f\x98\x80" x 10_000, LIMIT));
        my %seqs;
        for (1 .. 20) {
            $_->write($frame) for @members;
            for my $member (@members) {
                push @{ $seqs{$member} }, map { $member->next_frame->{payload} =~ /"seq":(\d+)/ ? $1 : 'none' } @members;
            }
        }
        is_consecutive($_, 1, 20 * @members, 'come to everybody, in order') for values %seqs;
        $_->disconnect for @members;
    });

    $rated->withstands("many more messages than are allowed ($how)", 1, sub {
        my $trip   = $rated->site->new_trip;
        my $client = $rated->site($how)->chat(trip => $trip);
        $client->write(text_frame(chat_json('again')) x AT_ONCE);
        my (%times, $close);
        while (my $frame = $client->next_frame) {
            if ($frame->{opcode} == OP_CLOSE) { $close = $frame->{code}; last }
            $times{ $frame->{payload} =~ /"code":"(\w+)"/ ? $1 : 'stored' }++;
        }
        $times{stored} //= 0;
        is($times{rate_limited}, REFUSALS, 'are refused so often');
        is($close, 1008, 'and then no longer listened to');
        my ($stored) = $rated->site->sql("SELECT last_seq FROM chat_rooms WHERE trip_id = '$trip'");
        is($stored, RATE, 'and as many as are allowed are stored');
    });

    # What is allowed is used up by then. Messages that are refused cost work, too: only few of them are looked at a second.
    $rated->withstands("long messages that are refused ($how)", 1, sub {
        my $client = $rated->site($how)->chat(trip => $rated->site->new_trip);
        $client->write(text_frame(chat_json('again')) x RATE);
        $client->next_json for 1 .. RATE;
        my ($long, $begun) = (text_frame(chat_json('x' x LONG)), now());
        $client->write($long x 3);
        is($client->next_json->{code}, 'rate_limited', 'a long message') for 1 .. 3;
        cmp_ok(now() - $begun, '>=', 2 * LONG / BYTES_S, 'takes its time, and those behind it wait');
        $client->write(text_frame('{"type":"ping","client_id":"p"}'));
        is($client->next_json->{code}, 'rate_limited', 'afterwards the client is read again');
        $client->leave;
    });

    $rated->withstands("tokens that are none, again and again ($how)", 1, sub {
        my $client = $rated->site($how)->chat(trip => $rated->site->new_trip);
        my @tokens = ('x', 'x.' x 4000, $rated->site->token('ann') . 'x', $rated->site->token('bob'), '');
        $client->write(join '', map { text_frame(qq({"type":"authenticate","token":"$tokens[$_ % @tokens]"})) } 1 .. AT_ONCE);
        my %times;
        while (my $frame = $client->next_frame) {
            last if $frame->{opcode} == OP_CLOSE && ++$times{ $frame->{code} };
            $times{ $frame->{payload} =~ /"code":"(\w+)"/ ? $1 : $frame->{payload} }++;
        }
        is_deeply(\%times, { unauthorized => RATE, rate_limited => REFUSALS, 1008 => 1 }, 'are counted as messages are');
    });
}

$_->is_unharmed for $server, $rated;

done_testing;
