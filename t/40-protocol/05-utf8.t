# Text messages are UTF-8 (RFC 6455, section 8.1; RFC 3629): what is valid comes
# back as it went, what is not closes with 1007 as soon as it is there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Encode qw(decode encode);

use TripChat::Test;

my $site = site('plain');
my $trip = $site->new_trip;

use constant {
    BEFORE => '{"type":"chat_message","content":"',
    AFTER  => '"}',
};

# The first and the last code point of each length, and the borders of the surrogates.
my @VALID = map { encode('UTF-8', chr $_) }
    0x20, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x1f600, 0x10ffff;

my %INVALID = (
    'a continuation byte alone'             => "\x80",
    'the last continuation byte alone'      => "\xbf",
    'two bytes, the second is no such byte' => "\xc2a",
    'three bytes, the third is no such'     => "\xe2\x82a",
    'four bytes, the fourth is no such'     => "\xf0\x9f\x98a",
    'a slash in two bytes'                  => "\xc0\xaf",
    'the largest overlong two bytes'        => "\xc1\xbf",
    'a slash in three bytes'                => "\xe0\x80\xaf",
    'the largest overlong three bytes'      => "\xe0\x9f\xbf",
    'a slash in four bytes'                 => "\xf0\x80\x80\xaf",
    'the largest overlong four bytes'       => "\xf0\x8f\xbf\xbf",
    'the first surrogate'                   => "\xed\xa0\x80",
    'the last surrogate'                    => "\xed\xbf\xbf",
    'one above the last code point'         => "\xf4\x90\x80\x80",
    'a first byte of five'                  => "\xf8\x88\x80\x80\x80",
    'the byte FE'                           => "\xfe",
    'the byte FF'                           => "\xff",
);

my %TRUNCATED = (
    'one of two'    => "\xc2",
    'one of three'  => "\xe2",
    'two of three'  => "\xe2\x82",
    'three of four' => "\xf0\x9f\x98",
);

sub two_fragments {
    my ($bytes, $at, %last) = @_;
    return encode_frame(opcode => OP_TEXT, fin => 0, payload => substr $bytes, 0, $at)
        . encode_frame(opcode => OP_CONTINUATION, payload => substr($bytes, $at), %last);
}

subtest 'valid text comes back as it went' => sub {
    my $client = $site->chat(trip => $trip);
    for my $bytes (@VALID) {
        my $content = 'x' . $bytes . 'x';
        $client->send_text(BEFORE . $content . AFTER);
        is(encode('UTF-8', $client->next_json->{message}{content}), $content, 'the bytes ' . unpack 'H*', $bytes);
    }
};

subtest 'a character may be cut anywhere' => sub {
    my $client  = $site->chat(trip => $trip);
    my $content = join '', @VALID;
    for my $at (length(BEFORE) .. length(BEFORE) + length $content) {
        $client->write(two_fragments(BEFORE . $content . AFTER, $at));
        is($client->next_json->{message}{content}, decode('UTF-8', $content), "cut at byte $at of the text");
    }
};

subtest 'invalid text closes with 1007' => sub {
    for my $what (sort keys %INVALID) {
        my $frame = encode_frame(opcode => OP_TEXT, payload => BEFORE . $INVALID{$what} . AFTER);
        bytes_close_with($site, $trip, $frame, 1007, $what);
    }
};

subtest 'invalid text closes with 1007 wherever it is cut' => sub {
    for my $what (sort keys %INVALID) {
        for my $at (1 .. length($INVALID{$what}) - 1) {
            my $bytes = two_fragments(BEFORE . $INVALID{$what} . AFTER, length(BEFORE) + $at);
            bytes_close_with($site, $trip, $bytes, 1007, "$what, cut at $at");
        }
    }
};

subtest 'invalid text closes as it arrives, not when the message ends' => sub {
    for my $what (sort keys %INVALID) {
        my $frame = encode_frame(opcode => OP_TEXT, fin => 0, payload => BEFORE . $INVALID{$what});
        bytes_close_with($site, $trip, $frame, 1007, $what);
    }
    my $later = two_fragments(BEFORE . "\xc2" . 'a', length(BEFORE) + 1, fin => 0);
    bytes_close_with($site, $trip, $later, 1007, 'in the second of three fragments');
};

subtest 'a character that the end of the message cuts off closes with 1007' => sub {
    for my $what (sort keys %TRUNCATED) {
        my $bytes = BEFORE . $TRUNCATED{$what};
        bytes_close_with($site, $trip, encode_frame(opcode => OP_TEXT, payload => $bytes), 1007, $what);
        bytes_close_with($site, $trip, two_fragments($bytes, length $bytes), 1007, "$what, the last fragment is empty");
    }
};

subtest 'text is checked, not only what is in the JSON' => sub {
    bytes_close_with($site, $trip, encode_frame(opcode => OP_TEXT, payload => "\xff"), 1007, 'a message of one bad byte');
    my $client = $site->chat(trip => $trip);
    $client->send_text("\xc3\xa4");
    error_is($client, { code => 'invalid_json' }, 'a message of one good character is only no JSON');
};

done_testing;
