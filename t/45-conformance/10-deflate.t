# permessage-deflate (RFC 7692): what is negotiated (5, 7.1), messages both ways (6, 7.2), and what fails a connection.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Deflated;
use TripChat::Echo;
use TripChat::Frame qw(:all);

use constant {
    RSV1 => TripChat::Deflated::RSV1,
    OURS => 'permessage-deflate; server_no_context_takeover',
    NO_CONTEXT => '; client_no_context_takeover',
};

my $server = TripChat::Echo->start;

sub client_with {
    my ($offers) = @_;
    return (bless $server->site->connect, 'TripChat::Deflated')->open_deflated('/', $offers // 'permessage-deflate');
}

sub text_of { my ($bytes) = @_; return substr 'The quick brown fox jumps over the lazy dog. ' x ($bytes / 45 + 1), 0, $bytes }

sub is_echo {
    my ($client, $payload, $name, $opcode) = @_;
    my $frame = $client->read_frame;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($frame && $frame->{payload} eq $payload && $frame->{opcode} == ($opcode // OP_TEXT), $name);
}

sub fails {
    my ($client, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($client->read_close->{code}, $code, $name);
}

subtest '5, 7.1: offers and answers' => sub {
    my %answer = (
        'permessage-deflate' => OURS,
        'permessage-deflate; client_no_context_takeover' => OURS . NO_CONTEXT,
        'permessage-deflate; client_max_window_bits' => OURS,
        'permessage-deflate; server_max_window_bits=10' => OURS . '; server_max_window_bits=10',
        'permessage-deflate; server_max_window_bits="9"; server_no_context_takeover' => OURS . '; server_max_window_bits=9',
        'permessage-foo; x=1, permessage-deflate' => OURS,
        'permessage-deflate; server_max_window_bits=7, permessage-deflate; client_no_context_takeover' => OURS . NO_CONTEXT,
    );
    is(client_with($_)->{extensions}, $answer{$_}, $_) for sort keys %answer;
    for my $declined ('permessage-foo', 'permessage-deflate; server_max_window_bits', 'permessage-deflate; client_max_window_bits=16',
        'permessage-deflate; unknown', 'permessage-deflate; server_no_context_takeover=1', 'permessage-deflate; server_max_window_bits=08',
        'permessage-deflate; client_max_window_bits; client_max_window_bits') {
        my $client = client_with($declined);
        is($client->{extensions}, undef, "declined: $declined");
        $client->send_text('plain');
        is_echo($client, 'plain', 'and all goes on without');
    }
};

subtest '6.1, 7.2: messages of all sizes, compressed or not' => sub {
    my $client = client_with();
    for my $bytes (0, 1, 2, 127, 128, 1000, 65_535, 65_536, 1_000_000) {
        my $text = text_of($bytes);
        $client->send_deflated($text);
        is_echo($client, $text, "$bytes bytes, compressed");
        $client->send_text($text);
        is_echo($client, $text, "$bytes bytes, not compressed");
        $client->send_deflated(join('', map { chr 255 - $_ % 256 } 1 .. $bytes % 5000), OP_BINARY);
        is($client->read_frame->{opcode}, OP_BINARY, 'binary');
    }
    my $frame = do { $client->send_text(text_of(10_000)); $client->read_frame };
    cmp_ok($frame->{deflated}, '<', 500, 'what is worth it comes back compressed');
    ok(!do { $client->send_text('short'); $client->read_frame }->{deflated}, 'and what is not does not');
};

subtest '6.1: fragments, of which the first has the bit, with control frames between them' => sub {
    my $client = client_with();
    my $text   = text_of(3000);
    my $packed = TripChat::Deflated::deflated($text);
    for my $parts (1, 2, 3, length $packed) {
        my $size = int(length($packed) / $parts) || 1;
        my @pieces = unpack "(a$size)*", $packed;
        for my $i (0 .. $#pieces) {
            $client->send_frame($i ? OP_CONTINUATION : OP_TEXT, $pieces[$i], fin => $i == $#pieces, rsv => $i ? 0 : RSV1);
            next if $i == $#pieces || $parts > 3;
            $client->send_ping("between $i");
            is($client->read_frame->{payload}, "between $i", 'a pong in between');
        }
        is_echo($client, $text, @pieces . ' fragments');
    }
    $client->send_frame(OP_TEXT, $packed, fin => 0, rsv => RSV1);
    $client->send_frame(OP_CONTINUATION, '', fin => 1);
    is_echo($client, $text, 'an empty last fragment');
    $client->write_singly(encode_frame(opcode => OP_TEXT, payload => $packed, rsv => RSV1));
    is_echo($client, $text, 'octet by octet');
};

subtest '6: the bit stands nowhere else' => sub {
    my $packed = TripChat::Deflated::deflated('Hello');
    my %wrong = (
        'on a continuation' => sub { $_[0]->send_frame(OP_TEXT, 'He', fin => 0); $_[0]->send_frame(OP_CONTINUATION, 'llo', rsv => RSV1) },
        'on a continuation of a compressed message' => sub { $_[0]->send_frame(OP_TEXT, $packed, fin => 0, rsv => RSV1); $_[0]->send_frame(OP_CONTINUATION, '', rsv => RSV1) },
        'on a ping'  => sub { $_[0]->send_frame(OP_PING,  'x', rsv => RSV1) },
        'on a pong'  => sub { $_[0]->send_frame(OP_PONG,  'x', rsv => RSV1) },
        'on a close' => sub { $_[0]->send_frame(OP_CLOSE, close_payload(1000), rsv => RSV1) },
        'with the second' => sub { $_[0]->send_frame(OP_TEXT, $packed, rsv => 6) },
        'the second alone' => sub { $_[0]->send_frame(OP_TEXT, 'x', rsv => 2) },
        'the third alone'  => sub { $_[0]->send_frame(OP_TEXT, 'x', rsv => 1) },
    );
    for my $where (sort keys %wrong) {
        my $client = client_with();
        $wrong{$where}->($client);
        fails($client, 1002, $where);
    }
    my $client = client_with('permessage-foo');
    $client->send_frame(OP_TEXT, $packed, rsv => RSV1);
    fails($client, 1002, 'where nothing was negotiated');
};

subtest '7.2.2: what is broken fails the connection' => sub {
    my %broken = (
        'no DEFLATE data' => "\xff\xff\xff\xff\xff",
        'a reserved block type' => "\x07",
        'a stored block whose lengths differ' => "\x00\x05\x00\x00\x00Hello",
        'cut short' => substr(TripChat::Deflated::deflated(text_of(500)), 0, 20),
        'a reference to what is not there' => "\xf2\x00\x11\x00\x00",
    );
    for my $what (sort keys %broken) {
        my $client = client_with();
        $client->send_frame(OP_BINARY, $broken{$what}, rsv => RSV1);
        fails($client, 1007, $what);
    }
    my $client = client_with();
    $client->send_deflated("no UTF-8: \xff");
    fails($client, 1007, 'text that is no UTF-8, once inflated');
    $client = client_with();
    $client->send_deflated("\xc3");
    fails($client, 1007, 'text that ends inside a character');
};

subtest 'the limit of a message counts when it is inflated' => sub {
    my $client = client_with();
    my $most   = 16 << 20;
    $client->send_deflated("\0" x $most, OP_BINARY);
    is(length $client->read_frame->{payload}, $most, 'sixteen megabytes');
    $client->send_deflated("\0" x ($most + 1), OP_BINARY);
    fails($client, 1009, 'and one byte');
};

subtest '7.1.1.2: a client may refer to what it has sent before, where it was not told otherwise' => sub {
    my $client = client_with();
    my @packed = map { $client->deflated_on(text_of(2000)) } 1 .. 5;
    cmp_ok(length $packed[1], '<', length($packed[0]) / 2, 'which makes messages shorter');
    for my $packed (@packed) {
        $client->send_frame(OP_TEXT, $packed, rsv => RSV1);
        is_echo($client, text_of(2000), length($packed) . ' bytes');
    }
    my $forgetful = client_with('permessage-deflate; client_no_context_takeover');
    for (1 .. 3) {
        $forgetful->send_deflated(text_of(2000));
        is_echo($forgetful, text_of(2000), 'each for itself');
    }
    $forgetful->send_frame(OP_TEXT, $packed[0], rsv => RSV1);
    is_echo($forgetful, text_of(2000), 'the first of those');
    $forgetful->send_frame(OP_TEXT, $packed[1], rsv => RSV1);
    fails($forgetful, 1007, 'but not the second');
};

subtest '7.1.2.1: what goes to a client fits into its window' => sub {
    for my $bits (8 .. 15) {
        my $client = client_with("permessage-deflate; server_max_window_bits=$bits");
        $client->{bits} = $bits < 9 ? 9 : $bits;
        for my $bytes (200, 256, 257, 500, 5000, 40_000, 100_000) {
            my $text = join '', map { sprintf '%x', ($_ * 7919) % 65_521 } 1 .. $bytes;
            $text = substr(substr($text, 0, $bytes / 2) x 2, 0, $bytes);
            $client->send_text($text);
            is_echo($client, $text, "$bits bits, $bytes bytes");
        }
    }
};

subtest '7.2.3: the examples of the RFC' => sub {
    my $client = client_with();
    my $hello  = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    $client->send_frame(OP_TEXT, $hello, rsv => RSV1);
    is_echo($client, 'Hello', '7.2.3.1');
    $client->send_frame(OP_TEXT, substr($hello, 0, 3), rsv => RSV1, fin => 0);
    $client->send_frame(OP_CONTINUATION, substr $hello, 3);
    is_echo($client, 'Hello', '7.2.3.1, two fragments');
    $client->send_frame(OP_TEXT, "\xf2\x00\x11\x00\x00", rsv => RSV1);
    is_echo($client, 'Hello', '7.2.3.2, sharing the window');
    $client->send_frame(OP_TEXT, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", rsv => RSV1);
    is_echo($client, 'Hello', '7.2.3.3, a block without compression');
    $client->send_frame(OP_TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", rsv => RSV1);
    is_echo($client, 'Hello', '7.2.3.4, a final block');
    $client->send_frame(OP_TEXT, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", rsv => RSV1);
    is_echo($client, 'Hello', '7.2.3.5, two blocks');
    $client->send_frame(OP_TEXT, "\x00", rsv => RSV1);
    is_echo($client, '', '7.2.3.6, nothing');
};

done_testing;
