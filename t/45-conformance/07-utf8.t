# Text is UTF-8, and what is not fails as soon as it is there (RFC 6455, section
# 8.1; RFC 3629, section 4).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;

my $server = TripChat::Echo->start;

# A code point as RFC 3629 writes it, whether or not it may: $octets long, the shortest by default.
sub utf8_of {
    my ($code, $octets) = @_;
    $octets //= $code < 0x80 ? 1 : $code < 0x800 ? 2 : $code < 0x10000 ? 3 : $code < 0x200000 ? 4 : $code < 0x4000000 ? 5 : 6;
    return chr $code if $octets == 1;
    my @rest;
    for (2 .. $octets) { unshift @rest, 0x80 | $code & 0x3f; $code >>= 6 }
    return pack 'C*', 0x100 - (0x100 >> $octets) | $code, @rest;
}

my %VALID = (
    'Greek with an accent of its own'  => "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    'ASCII, NUL and DEL'               => "Hello \0 \x7f",
    'one of each length'               => "\x24\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80",
    'combining characters'             => "e\xcc\x81\xcc\xb2",
    'a byte order mark'                => "\xef\xbb\xbfx",
    'from right to left'               => "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
    named('U+%04X, the border of a length', 0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff),
    named('U+%04X, beside the surrogates', 0xd7ff, 0xe000),
    named('U+%04X, no character, but a code point', 0xfdd0, map { ($_ << 16 | 0xfffe, $_ << 16 | 0xffff) } 0 .. 16),
);

sub named { my ($name, @codes) = @_; return map { (sprintf($name, $_) => utf8_of($_)) } @codes }

# Each with the octet (from 1) at which it can be known to be wrong.
my %INVALID = (
    (map { (sprintf('a continuation alone, %02x', $_) => [chr, 1]) } 0x80, 0xbf),
    (map { (sprintf('octet %02x, which is never there', $_) => [chr, 1]) } 0xc0, 0xc1, 0xf5 .. 0xff),
    (map { (sprintf('%02x, a first octet, then a blank', $_) => [chr() . ' ', 2]) } 0xc2, 0xdf, 0xe0, 0xef, 0xf0, 0xf4),
    'two of three octets, then a blank'  => ["\xe2\x82 ", 3],
    'three of four octets, then a blank' => ["\xf0\x9f\x98 ", 4],
    'a first octet inside a character'   => ["\xe2\xe2\x82\xac", 2],
    overlong(2, 1, 0, 0x2f, 0x7f),
    overlong(3, 2, 0, 0x2f, 0x7ff),
    overlong(4, 2, 0, 0x2f, 0xffff),
    (map { (sprintf('U+%04X, a surrogate', $_) => [utf8_of($_), 2]) } 0xd800, 0xdb7f, 0xdbff, 0xdc00, 0xdf80, 0xdfff),
    'a pair of surrogates'     => [utf8_of(0xd800) . utf8_of(0xdc00), 2],
    'U+110000, above the last' => [utf8_of(0x110000), 2],
    'U+1FFFFF, in four octets' => [utf8_of(0x1fffff), 1],
    'U+200000, in five octets' => [utf8_of(0x200000), 1],
    'U+4000000, in six octets' => [utf8_of(0x4000000), 1],
);

sub overlong {
    my ($octets, $wrong_at, @codes) = @_;
    return map { (sprintf('U+%04X in %d octets, overlong', $_, $octets) => [utf8_of($_, $octets), $wrong_at]) } @codes;
}

my %CUT_OFF = map { (unpack('H*', $_) => $_) } "\xc2", "\xdf", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x98";

subtest '8.1: valid text, whole' => sub {
    my $client = $server->client;
    for my $what (sort keys %VALID) {
        my $text = "a$VALID{$what}z";
        answers($client, encode_frame(opcode => OP_TEXT, payload => $text), [[OP_TEXT, $text]], $what);
    }
};

subtest '8.1: valid text, a fragment for each octet' => sub {
    my $client = $server->client;
    for my $what (sort keys %VALID) {
        answers($client, message_frames(OP_TEXT, fragments($VALID{$what}, 1)), [[OP_TEXT, $VALID{$what}]], $what);
    }
};

subtest '8.1: valid text, a frame cut into writes at every octet' => sub {
    my $client = $server->client;
    my $text   = join '', map { $VALID{$_} } grep { !/no character/ } sort keys %VALID;
    $client->write_singly(encode_frame(opcode => OP_TEXT, payload => $text));
    comes_back($client, OP_TEXT, $text, 'all in one message, octet by octet');
};

subtest '8.1: invalid text, whole' => sub {
    fails_with($server, encode_frame(opcode => OP_TEXT, payload => "a$INVALID{$_}[0]z"), 1007, $_) for sort keys %INVALID;
};

subtest '8.1: invalid text, a fragment for each octet' => sub {
    fails_with($server, message_frames(OP_TEXT, fragments("a$INVALID{$_}[0]z", 1)), 1007, $_) for sort keys %INVALID;
};

# The octets up to the one that is wrong, in a fragment that is not the last, or in a frame that never comes whole.
subtest '8.1: invalid text fails at the first octet that is wrong' => sub {
    for my $what (sort keys %INVALID) {
        my ($bytes, $wrong_at) = @{ $INVALID{$what} };
        my $text = 'a' . substr $bytes, 0, $wrong_at;
        fails_with($server, encode_frame(opcode => OP_TEXT, fin => 0, payload => $text), 1007, "$what, in a first fragment");
        my $frame = encode_frame(opcode => OP_TEXT, payload => $text . 'never sent');
        fails_with($server, substr($frame, 0, -length 'never sent'), 1007, "$what, in half a frame");
    }
};

subtest '8.1: and not before' => sub {
    for my $what (sort keys %INVALID) {
        my ($bytes, $wrong_at) = @{ $INVALID{$what} };
        my $client = $server->client;
        answers($client, encode_frame(opcode => OP_TEXT, fin => 0, payload => 'a' . substr $bytes, 0, $wrong_at - 1), [], "$what, before it is");
        $client->write(encode_frame(opcode => OP_CONTINUATION, payload => substr $bytes, $wrong_at - 1, 1));
        closes_with_only($client, 1007, "$what, when it is");
    }
};

subtest '8.1: a character that the message cuts off' => sub {
    for my $octets (sort keys %CUT_OFF) {
        my $text = "a$CUT_OFF{$octets}";
        fails_with($server, encode_frame(opcode => OP_TEXT, payload => $text), 1007, "$octets, whole");
        fails_with($server, message_frames(OP_TEXT, [$text, '']), 1007, "$octets, before an empty last fragment");
        my $client = $server->client;
        answers($client, encode_frame(opcode => OP_TEXT, fin => 0, payload => $text), [], "$octets, before the end");
        $client->write(encode_frame(opcode => OP_CONTINUATION));
        closes_with_only($client, 1007, "$octets, at the end");
    }
};

subtest '5.6: what one message cut off does not count for the next' => sub {
    my $client = $server->client;
    my @order  = ([OP_BINARY, "\xe2\x82"], [OP_TEXT, 'good'], [OP_BINARY, "\xac"], [OP_TEXT, "\xe2\x82\xac"]);
    answers($client, join('', map { encode_frame(opcode => $_->[0], payload => $_->[1]) } @order), \@order, 'binary and text in turn');
};

subtest '5.6: a binary message is any octets' => sub {
    my $client = $server->client;
    for my $what (sort keys %INVALID) {
        my $bytes = $INVALID{$what}[0];
        answers($client, message_frames(OP_BINARY, fragments($bytes, 1)), [[OP_BINARY, $bytes]], $what);
    }
    my $all = join '', map { chr } 0 .. 255;
    answers($client, encode_frame(opcode => OP_BINARY, payload => $all), [[OP_BINARY, $all]], 'all of them');
};

subtest '5.5: the payloads of pings and pongs are any octets' => sub {
    my $client = $server->client;
    answers($client, encode_frame(opcode => OP_PING, payload => "\xff\x80"), [[OP_PONG, "\xff\x80"]], 'a ping');
    answers($client, encode_frame(opcode => OP_PONG, payload => "\xff\x80"), [], 'a pong');
};

stops_clean($server);

done_testing;
