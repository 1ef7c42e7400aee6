#!/usr/bin/perl
# Makes the seeds of the fuzz targets that are no text, so that none lies in git:
#
#   t/10-fuzz/seeds.pl build/fuzz/seeds     writes build/fuzz/seeds/<target>/<name>
#
# A seed of fuzz_reader begins with the limit of a message and the sizes of four pieces.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path 'make_path';

use TripChat::Frame qw(:all);

my $out = shift or die "usage: $0 DIRECTORY\n";

sub text   { return encode_frame(opcode => OP_TEXT,         payload => shift, @_) }
sub more   { return encode_frame(opcode => OP_CONTINUATION, payload => shift, @_) }
sub binary { return encode_frame(opcode => OP_BINARY,       payload => shift, @_) }
sub ping   { return encode_frame(opcode => OP_PING,         payload => shift, @_) }
sub goodbye {
    return encode_frame(opcode => OP_CLOSE, payload => close_payload(@_));
}

my @begun = (fin => 0);
my $emoji = "\xf0\x9f\x98\x80";

# Name => the stream, read with a limit of 200 bytes in pieces of 1, 1, 3 and 7 bytes.
my %streams = (
    'text'              => text('Hello, team!'),
    'text-empty'        => text(''),
    'text-non-ascii'    => text("\xc3\xa9\xe2\x82\xac$emoji"),
    'text-two'          => text('one') . text('two'),
    'text-without-mask' => encode_frame(opcode => OP_TEXT, payload => 'a', mask => 0),
    'text-mask-of-zero' => text('plain to the fuzzer', masking_key => "\0\0\0\0"),
    'binary'            => binary("\x00\xff\x80"),
    'length-16-bits'    => binary('b' x 150),
    'length-too-long'   => text('a', length_as => 16),
    'length-64-bits'    => encode_frame(opcode => OP_BINARY, claimed_length => 1 << 40),
    'length-top-bit'    => "\x82\xff\x80" . "\0" x 11,
    'length-over-limit' => text('c' x 201),
    'fragments' => text('Hel', @begun) . more('lo,', @begun) . more(' team!'),
    'fragments-empty' => text('', @begun) . more('', @begun) . more(''),
    'fragments-of-emoji' =>
        text("\xf0\x9f", @begun) . ping('between') . more("\x98", @begun) . more("\x80"),
    'fragments-end-in-emoji' => text("\xf0\x9f", @begun) . more(''),
    'fragments-over-limit' => binary('d' x 120, @begun) . more('e' x 120),
    'fragments-unfinished' => text('never', @begun) . ping(''),
    'fragments-of-nothing' => more('what?'),
    'fragments-nested'     => text('a', @begun) . text('b'),
    'control'           => ping('') . ping('p' x 125) . encode_frame(opcode => OP_PONG, payload => 'pong'),
    'control-too-long'  => ping('p' x 126),
    'control-fragment'  => ping('p', @begun),
    'close'             => goodbye(),
    'close-reason'      => goodbye(1000, "bye \xe2\x82\xac"),
    'close-own-code'    => goodbye(4001, 'r' x 123),
    'close-bad-code'    => goodbye(1005),
    'close-half-code'   => encode_frame(opcode => OP_CLOSE, payload => "\x03"),
    'close-bad-utf8'    => goodbye(1001, "\xf0\x9f\x98"),
    'opcode-reserved'   => encode_frame(opcode => 3) . encode_frame(opcode => 11),
    'rsv-1'             => text('compressed', rsv => 4),
    'utf8-surrogate'    => text("ok \xed\xa0\x80"),
    'utf8-overlong'     => text("ok \xc0\xaf"),
    'utf8-cut'          => text("\xf0\x9f\x98"),
);

my %seeds = (
    reader => { map { $_ => pack('C*', 200, 0, 1, 3, 7) . $streams{$_} } keys %streams },
    chat   => {
        'utf8-surrogate' => qq({"type":"chat_message","content":"\xed\xa0\x80"}),
        'utf8-noncharacters' => qq({"type":"chat_message","content":"\xef\xbf\xbf\xf4\x8f\xbf\xbf"}),
        'blank-of-all-kinds' =>
            qq({"type":"chat_message","content":"\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\xa8\xe3\x80\x80"}),
    },
    json => { 'nul' => qq({"a":\x001}), 'no-utf8' => qq({"\xff":"\xfe"}), 'nul-behind' => "{}\0" },
    # Window kept or not and the bound, the first message's length, two messages: from the examples of RFC 7692.
    inflate => {
        'hello-twice'  => "\x03\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00",
        'hello-forgot' => "\x02\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00",
        'stored'       => "\x04\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00\x00",
        'final'        => "\x03\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xf2\x00\x11\x00\x00",
        'two-blocks'   => "\x02\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        'too-big'      => "\x02\x09\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08\x0a",
        'broken'       => "\xff\x04\xff\xff\xff\xff\x07",
    },
    rest => { 'no-utf8' => qq({"content":"\xff"}) },
);

for my $target (sort keys %seeds) {
    make_path("$out/$target");
    for my $name (sort keys %{ $seeds{$target} }) {
        open my $to, '>:raw', "$out/$target/$name" or die "$out/$target/$name: $!\n";
        print {$to} $seeds{$target}{$name};
        close $to or die "$out/$target/$name: $!\n";
    }
}
