# Frames of people who mean harm: a million of them, of no bytes, of one, unfinished, unasked for, too late.
# Plain and over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(chat_json text_frame singly empty_fragments control_flood LIMIT);
use TripChat::Hostile;
use TripChat::Test;

use constant {
    MILLION => 1_000_000,
    MANY    => 100_000,
    FLOODS  => 20,         # of a thousand pings; who sends more before he reads is too slow a reader
    SLOW    => 50,         # who leave a frame unfinished
};

# Here a million frames are on their way for longer than a frame may be elsewhere, and control frames are in no rate.
my $patient = TripChat::Hostile->start(tls => 1, shared => 1, site_config => "TripChatFrameTimeout 1h\nTripChatControlRate 0");
my $hasty   = TripChat::Hostile->start(tls => 1, shared => 1);
my $trip    = { map { ($_ => $_->site->new_trip) } $patient, $hasty };

sub member { my ($server, $how) = @_; return $server->site($how)->chat(trip => $trip->{$server}) }

sub comes_back {
    my ($client, $content, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($client->next_json('chat_message')->{message}{content}, $content, $name);
}

for my $how (qw(plain tls)) {
    my $attack = sub {
        my ($name, $code) = @_;
        $patient->withstands("$name ($how)", 1, sub { my $client = member($patient, $how); $code->($client); $client->disconnect });
    };

    $attack->('a million empty fragments are one message' => sub {
        my ($client) = @_;
        $client->write(empty_fragments(chat_json('empty'), MILLION));
        comes_back($client, 'empty', 'it comes when it is whole');
    });

    $attack->('a million fragments of one byte are too much' => sub {
        my ($client) = @_;
        $client->write(encode_frame(opcode => OP_TEXT, fin => 0) . encode_frame(opcode => OP_CONTINUATION, fin => 0, payload => ' ') x MILLION);
        closes_with($client, 1009, 'when they are more than a message may hold');
    });

    $attack->('a message of maximal size in frames of one byte' => sub {
        my ($client) = @_;
        $client->write(singly(chat_json('one by one', LIMIT)));
        comes_back($client, 'one by one', 'it comes');
        $client->write(singly(chat_json('one too many', LIMIT + 1)));
        closes_with($client, 1009, 'and with one byte more it does not');
    });

    $attack->('control frames between all bytes of a message' => sub {
        my ($client) = @_;
        my $between = control_flood(OP_PONG, 1, 'x' x 125) . control_flood(OP_PONG, 2) . control_flood(OP_PING, 1);
        $client->write(singly(chat_json('in between', 10_000), $between));
        my @frames = $client->frames_before_pong;
        is(scalar(grep { $_->{opcode} == OP_PONG } @frames), 10_000 - 1, 'every ping is answered');
        my ($text) = grep { $_->{opcode} == OP_TEXT } @frames;
        $text ? like($text->{payload}, qr/in between/, 'and the message comes') : comes_back($client, 'in between', 'and the message comes');
    });

    $attack->('a flood of pongs that nobody asked for' => sub {
        my ($client) = @_;
        $client->write(control_flood(OP_PONG, MANY, 'x' x 125));
        still_talks($client, 'is of no consequence');
    });

    $attack->('a flood of pings' => sub {
        my ($client) = @_;
        my $pongs = 0;
        for (1 .. FLOODS) {
            $client->write(control_flood(OP_PING, 1000, 'y'));
            $pongs += $client->frames_before_pong;
        }
        is($pongs, 1000 * FLOODS, 'is answered to the last, to who reads the answers');
    });

    $attack->('a flood of pings whose sender does not read' => sub {
        my ($client) = @_;
        my $flood  = control_flood(OP_PING, MANY, 'y' x 125);
        my $before = $patient->descriptors;
        my $at     = 0;
        until_true('the server to lose patience', sub {
            $at += $client->write_some($flood, $at % length $flood) // 0;
            $patient->descriptors < $before;
        });
        my $close = $client->read_close;
        like($close->{code} // $close->{ended}, qr/\A(?:1013|reset|eof)\z/, 'ends with 1013, if that gets through');
    });

    $attack->('a flood of closes' => sub {
        my ($client) = @_;
        $client->write(control_flood(OP_CLOSE, MANY, close_payload(1000)));
        my @frames = $client->rest_of_frames;
        is_deeply([map { $_->{code} } @frames], [1000], 'is answered with one');
    });

    $attack->('data behind a close' => sub {
        my ($client) = @_;
        $client->write(control_flood(OP_CLOSE, 1, close_payload(1000)) . text_frame(chat_json('too late')) x MANY);
        my @frames = $client->rest_of_frames;
        is_deeply([map { $_->{opcode} } @frames], [OP_CLOSE], 'is not looked at');
    });

    $attack->('data behind a close of the server, which is never answered' => sub {
        my ($client) = @_;
        $client->send_frame(OP_BINARY, 'not here');
        is($client->read_close->{code}, 1003, 'it closes');
        my $flood = text_frame(chat_json('too late')) x 1000;
        until_true('the server to end it', sub { !$client->write($flood) || !$client->is_open });
        ok($client->ended, 'and does not wait for ever');
    });

    $hasty->withstands("frames whose rest does not come ($how)", SLOW, sub {
        my $frame   = text_frame(chat_json('never', 1000));
        my $prefix  = encode_frame(opcode => OP_TEXT, fin => 0, payload => '{');
        my @begun   = ((map { substr $frame, 0, $_ } 1, 2, 3, 7, 8, 500, length($frame) - 1),
            $prefix, $prefix . control_flood(OP_PING, 1), encode_frame(opcode => OP_TEXT, claimed_length => LIMIT));
        my @clients = map { member($hasty, $how) } 1 .. SLOW;
        $clients[$_]->write($begun[$_ % @begun]) for 0 .. $#clients;
        is_deeply([map { $_->read_close->{code} } @clients], [(1008) x SLOW], 'each is closed with 1008');
        $_->disconnect for @clients;
    });

    # By default a connection may send a thousand of these a minute.
    my %flood = (
        pings                 => control_flood(OP_PING, MANY, 'x'),
        pongs                 => control_flood(OP_PONG, MANY, ''),
        'empty fragments'     => encode_frame(opcode => OP_TEXT, fin => 0, payload => '{') . encode_frame(opcode => OP_CONTINUATION, fin => 0) x MANY,
        'pings and fragments' => encode_frame(opcode => OP_TEXT, fin => 0) . (encode_frame(opcode => OP_CONTINUATION, fin => 0) . control_flood(OP_PING, 1)) x MANY,
    );
    for my $of (sort keys %flood) {
        $hasty->withstands("a flood of $of ($how)", 1, sub {
            my $client = member($hasty, $how);
            $client->write_some($flood{$of}, 0);
            my @frames = $client->rest_of_frames;
            is($frames[-1] && $frames[-1]{code}, 1008, 'ends the connection with 1008');
            cmp_ok(scalar(grep { $_->{opcode} == OP_PONG } @frames), '<=', 1000, 'after a thousand answers at most');
            $client->disconnect;
        });
    }

    $hasty->withstands("a thousand control frames ($how)", 1, sub {
        my $client = member($hasty, $how);
        $client->write(control_flood(OP_PING, 499) . control_flood(OP_PONG, 499));
        is(scalar(grep { $_->{opcode} == OP_PONG } map { $client->next_frame } 1 .. 499), 499, 'are allowed');
        still_talks($client, 'and their sender stays');
        $client->disconnect;
    });

    $hasty->withstands("a message that grows for ever, by nothing ($how)", 1, sub {
        my $client = member($hasty, $how);
        $client->write(encode_frame(opcode => OP_TEXT, fin => 0, payload => '{'));
        my $more = encode_frame(opcode => OP_CONTINUATION, fin => 0) x 10 . control_flood(OP_PONG, 10);
        until_true('the server to lose patience', sub { !$client->write($more) || !$client->is_open || length $client->{in} });
        is($client->read_close->{code}, 1008, 'it is closed with 1008');
        $client->disconnect;
    });
}

$_->is_unharmed for $patient, $hasty;

done_testing;
