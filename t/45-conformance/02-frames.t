# The base framing (RFC 6455, section 5.2) and masking (5.1, 5.3).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;

my $server = TripChat::Echo->start;

my %NAMES = (OP_TEXT, 'text', OP_BINARY, 'binary');

# So many bytes that are no text, or characters that are.
sub payload_of {
    my ($opcode, $bytes) = @_;
    my $unit = $opcode == OP_TEXT ? 'k*J' : join '', map { chr } 0 .. 255;
    return substr $unit x ($bytes / length($unit) + 1), 0, $bytes;
}

subtest '5.2: payloads of every length encoding, at its borders' => sub {
    for my $opcode (OP_TEXT, OP_BINARY) {
        my $client = $server->client;
        for my $bytes (0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 32_767, 32_768, 65_534, 65_535, 65_536, 65_537, 131_072) {
            my $payload = payload_of($opcode, $bytes);
            $client->send_frame($opcode, $payload);
            comes_back($client, $opcode, $payload, "$bytes bytes, $NAMES{$opcode}");
        }
    }
};

subtest '5.2: a frame cut into two writes, at every octet' => sub {
    my $client = $server->client;
    for my $bytes (0, 5, 125, 126, 300) {
        my $payload = payload_of(OP_BINARY, $bytes);
        my $frame   = encode_frame(opcode => OP_BINARY, payload => $payload);
        my @wrong   = grep { !comes_back_cut($client, $frame, $_, $payload) } 1 .. length($frame) - 1;
        is("@wrong", '', "$bytes bytes of payload");
    }
    my $payload = payload_of(OP_BINARY, 65_536);
    my $frame   = encode_frame(opcode => OP_BINARY, payload => $payload);
    my @wrong   = grep { !comes_back_cut($client, $frame, $_, $payload) } 1 .. 20, 65_535, 65_536, length($frame) - 1;
    is("@wrong", '', '65536 bytes of payload, in the header and near the end');
};

sub comes_back_cut {
    my ($client, $frame, $at, $payload) = @_;
    $client->write(substr $frame, 0, $at);
    $client->write(substr $frame, $at);
    return $client->read_frame->{payload} eq $payload;
}

subtest '5.2: frames octet by octet, and in chops of other sizes' => sub {
    my $client = $server->client;
    for my $bytes (0, 125, 126, 1000) {
        my $payload = payload_of(OP_TEXT, $bytes);
        $client->write_singly(encode_frame(opcode => OP_TEXT, payload => $payload));
        comes_back($client, OP_TEXT, $payload, "$bytes bytes, one octet a write");
    }
    my $payload = payload_of(OP_TEXT, 65_536);
    for my $chop (997, 8192, 65_536) {
        $client->write($_) for unpack "(a$chop)*", encode_frame(opcode => OP_TEXT, payload => $payload);
        comes_back($client, OP_TEXT, $payload, "65536 bytes, $chop octets a write");
    }
};

subtest '5.2: many frames in one write, and in writes that match no frame' => sub {
    my $client   = $server->client;
    my @messages = map { [$_ % 2 ? OP_TEXT : OP_BINARY, payload_of($_ % 2 ? OP_TEXT : OP_BINARY, $_)] } 100 .. 200;
    my $bytes    = join '', map { encode_frame(opcode => $_->[0], payload => $_->[1]) } @messages;
    answers($client, $bytes, \@messages, 'in one write');
    for my $size (7, 128, 1009) {
        $client->write($_) for unpack "(a$size)*", $bytes;
        answers($client, '', \@messages, "$size octets a write");
    }
};

subtest '5.2: a length must be in its shortest form' => sub {
    for my $opcode (OP_TEXT, OP_BINARY) {
        for my $bytes (0, 1, 124, 125) {
            for my $bits (16, 64) {
                my $frame = encode_frame(opcode => $opcode, length_as => $bits, payload => 'x' x $bytes);
                fails_with($server, $frame, 1002, "$bytes in $bits bits, $NAMES{$opcode}");
            }
        }
        for my $bytes (126, 65_535) {
            my $frame = encode_frame(opcode => $opcode, length_as => 64, payload => 'x' x $bytes);
            fails_with($server, $frame, 1002, "$bytes in 64 bits, $NAMES{$opcode}");
        }
    }
};

subtest '5.2: the most significant bit of a 64-bit length must be 0' => sub {
    for my $length (1 << 63, (1 << 63) + 5, ~0) {
        my $frame = encode_frame(opcode => OP_BINARY, length_as => 64, claimed_length => $length);
        fails_with($server, $frame, 1002, sprintf 'length %x', $length);
    }
};

subtest '5.2: a reserved bit without an extension that defines it' => sub {
    for my $rsv (1 .. 7) {
        for my $opcode (OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG) {
            my $frame = encode_frame(opcode => $opcode, rsv => $rsv, payload => $opcode == OP_CLOSE ? close_payload(1000) : 'x');
            fails_with($server, $frame, 1002, sprintf 'bits %03b, opcode %x', $rsv, $opcode);
        }
        my $client = $server->client;
        $client->write(encode_frame(opcode => OP_TEXT, payload => 'before')
                . encode_frame(opcode => OP_TEXT, rsv => $rsv, payload => 'with')
                . encode_frame(opcode => OP_PING, payload => 'behind'));
        closes_with_only($client, 1002, sprintf('bits %03b between good frames', $rsv), OP_TEXT);
    }
};

subtest '5.2: reserved opcodes' => sub {
    for my $opcode (0x3 .. 0x7, 0xB .. 0xF) {
        fails_with($server, encode_frame(opcode => $opcode), 1002, sprintf 'opcode %x, empty', $opcode);
        fails_with($server, encode_frame(opcode => $opcode, payload => 'payload'), 1002, sprintf 'opcode %x', $opcode);
        my $client = $server->client;
        $client->write(encode_frame(opcode => OP_BINARY, payload => 'before')
                . encode_frame(opcode => $opcode, payload => 'it')
                . encode_frame(opcode => OP_PING, payload => 'behind'));
        closes_with_only($client, 1002, sprintf('opcode %x between good frames', $opcode), OP_BINARY);
    }
};

subtest '5.1: a client that does not mask' => sub {
    for my $opcode (OP_TEXT, OP_BINARY, OP_PING, OP_PONG, OP_CLOSE) {
        my $payload = $opcode == OP_CLOSE ? close_payload(1000) : 'x';
        fails_with($server, encode_frame(opcode => $opcode, mask => 0, payload => $payload), 1002, sprintf 'opcode %x', $opcode);
        fails_with($server, encode_frame(opcode => $opcode, mask => 0), 1002, sprintf 'opcode %x, empty', $opcode);
    }
};

subtest '5.3: any masking key, for payloads of any length and cut' => sub {
    my $client = $server->client;
    for my $key ("\0\0\0\0", "\xff\xff\xff\xff", "\0\xff\0\xff", "\x80\x01\x7f\xfe", "\1\2\3\4") {
        my @wrong;
        for my $bytes (0 .. 40, 65_537) {
            my $payload = payload_of(OP_BINARY, $bytes);
            $client->send_frame(OP_BINARY, $payload, masking_key => $key);
            push @wrong, $bytes if $client->read_frame->{payload} ne $payload;
        }
        is("@wrong", '', 'key ' . unpack 'H*', $key);
    }
    my $payload = payload_of(OP_BINARY, 50);
    $client->write_singly(encode_frame(opcode => OP_BINARY, masking_key => "\1\2\3\4", payload => $payload));
    comes_back($client, OP_BINARY, $payload, 'a payload octet by octet');
};

stops_clean($server);

done_testing;
