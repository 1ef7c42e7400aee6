# The closing handshake (RFC 6455, sections 5.5.1 and 7).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Encode qw(encode);

use TripChat::Echo;

my $server = TripChat::Echo->start;

sub close_frame { my (@close) = @_; return encode_frame(opcode => OP_CLOSE, payload => close_payload(@close)) }

# The server answers a close of this payload with that code, alone, and ends the stream (7.1.1).
sub close_is_answered {
    my ($payload, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return fails_with($server, encode_frame(opcode => OP_CLOSE, payload => $payload), $code, $name);
}

subtest '7.4: codes that may be sent are sent back' => sub {
    close_is_answered(close_payload($_), $_, "code $_") for 1000 .. 1003, 1007 .. 1014, 3000, 3001, 3999, 4000, 4998, 4999;
};

subtest '7.4: codes that may not be sent are an error' => sub {
    close_is_answered(close_payload($_), 1002, "code $_")
        for 0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 32_768, 65_535;
    close_is_answered(close_payload(1005, 'a reason'), 1002, 'code 1005 with a reason');
};

subtest '5.5.1: a close without a code' => sub {
    close_is_answered('', undef, 'is answered by one without');
};

subtest '5.5.1: a payload of one octet' => sub {
    close_is_answered($_, 1002, 'octet ' . unpack 'H*', $_) for "\0", "\x03", "\xff";
};

subtest '5.5.1: a reason' => sub {
    close_is_answered(close_payload(1000, 'good bye'), 1000, 'a short one');
    close_is_answered(close_payload(1000, 'x' x 123), 1000, 'of 123 octets, the most');
    close_is_answered(close_payload(3000, encode('UTF-8', "\x{3ba}\x{1f79}\x{3c3}\x{3bc}\x{3b5} \x{1f44b}")), 3000, 'in characters of several octets');
    close_is_answered(close_payload(1000, "x\0y"), 1000, 'with a NUL in it');
};

subtest '7.1.6, 8.1: a reason that is not UTF-8' => sub {
    my %bad = (
        'a byte that is never there' => "\xff",
        'a continuation alone'       => "\x80",
        'cut off'                    => "bye \xe2\x82",
        'a surrogate'                => "\xed\xa0\x80",
        'overlong'                   => "\xc0\x80",
        'above the last code point'  => "\xf4\x90\x80\x80",
        'good, bad, good'            => "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    );
    close_is_answered(close_payload(1000, $bad{$_}), 1007, $_) for sort keys %bad;
};

subtest '5.5.1: a close cut into two writes, at every octet' => sub {
    my $reason = "l\xc3\xb6s";
    my $frame  = close_frame(4000, $reason);
    for my $at (1 .. length($frame) - 1) {
        my $client = $server->client;
        $client->write(substr $frame, 0, $at);
        $client->write(substr $frame, $at);
        closes_with_only($client, 4000, "cut at $at");
    }
    my $client = $server->client;
    $client->write_singly($frame);
    closes_with_only($client, 4000, 'octet by octet');
    $client = $server->client;
    $client->write_singly(close_frame(1000, "\xc3"));
    closes_with_only($client, 1007, 'octet by octet, the reason ends inside a character');
};

subtest '5.5.1: what came before the close is answered' => sub {
    my $client = $server->client;
    $client->write(encode_frame(opcode => OP_TEXT, payload => 'last words') . encode_frame(opcode => OP_PING) . close_frame(1000));
    closes_with_only($client, 1000, 'a message and a ping', OP_TEXT, OP_PONG);
    $client = $server->client;
    $client->write(encode_frame(opcode => OP_BINARY, payload => 'x' x 1_000_000) . close_frame(1000));
    closes_with_only($client, 1000, 'a megabyte', OP_BINARY);
};

subtest '1.4, 5.5.1: what comes behind the close is ignored' => sub {
    my %behind = (
        'a message'             => encode_frame(opcode => OP_TEXT, payload => 'too late'),
        'a ping'                => encode_frame(opcode => OP_PING, payload => 'too late'),
        'another close'         => close_frame(1001),
        'a frame with an error' => encode_frame(opcode => 0xF),
        'half a frame'          => substr(encode_frame(opcode => OP_TEXT, payload => 'too late'), 0, 5),
        'no frame at all'       => 'GET / HTTP/1.1',
        'a megabyte'            => encode_frame(opcode => OP_BINARY, payload => 'x' x 1_000_000),
    );
    for my $what (sort keys %behind) {
        my $client = $server->client;
        $client->write(close_frame(1000) . $behind{$what});
        closes_with_only($client, 1000, $what);
    }
};

subtest '7.1.7: nothing that comes behind an error counts' => sub {
    my $client = $server->client;
    $client->write(encode_frame(opcode => 0x3) . encode_frame(opcode => OP_TEXT, payload => 'x') . close_frame(1000));
    closes_with_only($client, 1002, 'a message and a close');
    $client = $server->client;
    $client->write(encode_frame(opcode => OP_TEXT, payload => "\xff") . encode_frame(opcode => 0x3));
    closes_with_only($client, 1007, 'another error');
};

subtest '7.1.1: the server ends the stream, and a client that goes first is let go' => sub {
    my $client = $server->client;
    $client->send_text('without a close');
    $client->shutdown_write;
    like($client->read_to_end, qr/\A(?:eof|reset)\z/, 'who ends his half is let go');
    my $other = $server->client;
    $server->client->disconnect;
    still_echoes($other, 'who leaves without a word disturbs nobody');
};

subtest '7.4.1: a server that goes away says so' => sub {
    my $client = $server->client;
    $server->ask_to_stop;
    my $close = $client->read_close;
    is($close->{code}, 1001, 'with 1001');
    $client->send_close(1001);
    is($client->read_to_end, 'eof', 'and ends the stream');
};

stops_clean($server);

done_testing;
