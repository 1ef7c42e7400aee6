# Single frames (RFC 6455, section 5.2): every opcode, the reserved bits, the
# mask and the three ways to write a length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use JSON::PP ();

use TripChat::Test;

my $site = site('plain');
my $trip = $site->new_trip;

sub frame_closes_with {
    my ($code, $name, %frame) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return bytes_close_with($site, $trip, encode_frame(%frame), $code, $name);
}

# A chat message as JSON, made this long with blanks, which mean nothing there.
sub padded_message {
    my ($content, $bytes) = @_;
    my $json = JSON::PP->new->utf8->encode({ type => 'chat_message', content => $content });
    return $json . ' ' x ($bytes - length $json);
}

subtest 'a reserved opcode closes with 1002' => sub {
    for my $opcode (0x3 .. 0x7, 0xB .. 0xF) {
        frame_closes_with(1002, sprintf('opcode %X', $opcode), opcode => $opcode);
    }
};

subtest 'a reserved bit closes with 1002' => sub {
    for my $rsv (1 .. 7) {
        frame_closes_with(1002, "bits $rsv of a text frame", opcode => OP_TEXT, rsv => $rsv, payload => '{}');
    }
    for my $opcode (OP_CONTINUATION, OP_CLOSE, OP_PING, OP_PONG) {
        frame_closes_with(1002, "the first bit with opcode $opcode", opcode => $opcode, rsv => 4);
    }
};

subtest 'a frame without a mask closes with 1002' => sub {
    frame_closes_with(1002, 'text',  opcode => OP_TEXT,  mask => 0, payload => '{}');
    frame_closes_with(1002, 'empty', opcode => OP_TEXT,  mask => 0);
    frame_closes_with(1002, 'ping',  opcode => OP_PING,  mask => 0, payload => 'x');
    frame_closes_with(1002, 'close', opcode => OP_CLOSE, mask => 0, payload => close_payload(1000));
};

subtest 'a length that could be written shorter closes with 1002' => sub {
    frame_closes_with(1002, '0 in 16 bits',      opcode => OP_TEXT, length_as => 16);
    frame_closes_with(1002, '125 in 16 bits',    opcode => OP_TEXT, length_as => 16, payload => ' ' x 125);
    frame_closes_with(1002, '125 in 64 bits',    opcode => OP_TEXT, length_as => 64, payload => ' ' x 125);
    frame_closes_with(1002, '65535 in 64 bits',  opcode => OP_TEXT, length_as => 64, payload => ' ' x 65_535);
    frame_closes_with(1002, '5 in 16, a ping',   opcode => OP_PING, length_as => 16, payload => 'hello');
};

subtest 'a length with the top bit set closes with 1002' => sub {
    frame_closes_with(1002, '2 to the 63rd', opcode => OP_TEXT, length_as => 64, claimed_length => 1 << 63);
    frame_closes_with(1002, 'all bits',      opcode => OP_TEXT, length_as => 64, claimed_length => ~0);
};

subtest 'a control frame that is long or a fragment closes with 1002' => sub {
    for my $opcode (OP_CLOSE, OP_PING, OP_PONG) {
        my $payload = close_payload(1000, 'x' x 124);
        frame_closes_with(1002, "126 bytes with opcode $opcode", opcode => $opcode, payload => $payload);
        frame_closes_with(1002, "a fragment with opcode $opcode", opcode => $opcode, fin => 0);
        frame_closes_with(1002, "65536 bytes claimed with opcode $opcode",
            opcode => $opcode, claimed_length => 65_536);
    }
};

subtest 'a binary message closes with 1003' => sub {
    frame_closes_with(1003, 'whole',      opcode => OP_BINARY, payload => '{"type":"typing","is_typing":true}');
    frame_closes_with(1003, 'empty',      opcode => OP_BINARY);
    my $fragments = encode_frame(opcode => OP_BINARY, fin => 0, payload => "\xff")
        . encode_frame(opcode => OP_CONTINUATION, payload => "\xfe");
    bytes_close_with($site, $trip, $fragments, 1003, 'in two frames, and its bytes need not be UTF-8');
};

subtest 'each way to write a length is read' => sub {
    my $client = $site->chat(trip => $trip);
    for my $bytes (100, 125, 126, 127, 1000, 65_535, 65_536, 100_000) {
        $client->send_text(padded_message("in $bytes bytes", $bytes));
        is($client->next_json('chat_message')->{message}{content}, "in $bytes bytes", "$bytes bytes");
    }
};

subtest 'the mask is taken off whatever the key is' => sub {
    my $client = $site->chat(trip => $trip);
    for my $key ("\0\0\0\0", "\xff\xff\xff\xff", "\0\xff\0\xff", "\x80\x01\x7f\xfe") {
        $client->send_frame(OP_TEXT, padded_message('masked', 101), masking_key => $key);
        is($client->next_json('chat_message')->{message}{content}, 'masked', 'key ' . unpack 'H*', $key);
    }
};

subtest 'frames do not depend on how they are cut into packets' => sub {
    my $client = $site->chat(trip => $trip);
    $client->write_singly(encode_frame(opcode => OP_TEXT, payload => padded_message('byte by byte', 300)));
    is($client->next_json('chat_message')->{message}{content}, 'byte by byte', 'a frame byte by byte');

    my @contents = map { "one of many $_" } 1 .. 50;
    my $bytes    = join '', map { encode_frame(opcode => OP_TEXT, payload => padded_message($_, 130)) } @contents;
    $client->write($bytes);
    is_deeply(contents_of($client->next_many(50, 'chat_message')), \@contents, 'fifty frames in one write');

    for my $size (7, 131, 1000) {
        $client->write($_) for unpack "(a$size)*", $bytes;
        is_deeply(contents_of($client->next_many(50, 'chat_message')), \@contents, "the same, $size bytes a write");
    }
};

done_testing;
