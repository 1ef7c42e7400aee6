package TripChat::Frame;

# WebSocket frames (RFC 6455, section 5.2) as bytes. No socket.
# encode() writes any frame, the forbidden ones included; decode() takes only
# what a server may send, and dies with the reason otherwise.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(
    encode_frame decode_frame close_payload
    OP_CONTINUATION OP_TEXT OP_BINARY OP_CLOSE OP_PING OP_PONG
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

use constant {
    OP_CONTINUATION => 0x0,
    OP_TEXT         => 0x1,
    OP_BINARY       => 0x2,
    OP_CLOSE        => 0x8,
    OP_PING         => 0x9,
    OP_PONG         => 0xA,
};

use constant MASKING_KEY => "\x37\xfa\x21\x3d";    # the key of the examples in RFC 6455

my %KNOWN = map { $_ => 1 } OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG;

# opcode, payload (bytes)
# fin            => 1     rsv => 0 (three bits: 4, 2, 1)     mask => 1
# masking_key    => 4 bytes
# length_as      => 7, 16 or 64: how the length is written; the shortest by default
# claimed_length => what the length says, where that is not the payload's
sub encode_frame {
    my (%frame) = (fin => 1, rsv => 0, mask => 1, payload => '', masking_key => MASKING_KEY, @_);
    my $length = $frame{claimed_length} // length $frame{payload};
    my $head   = chr(($frame{fin} ? 0x80 : 0) | $frame{rsv} << 4 | $frame{opcode});
    $head .= _length_bytes($length, $frame{length_as} // _shortest($length), $frame{mask});
    return $head . $frame{payload} if !$frame{mask};
    return $head . $frame{masking_key} . _masked($frame{payload}, $frame{masking_key});
}

sub close_payload {
    my ($code, $reason) = @_;
    return '' if !defined $code;
    return pack('n', $code) . ($reason // '');
}

# Takes one frame off the front of $$buffer: { fin, opcode, payload } and, for
# a close, { code, reason }. The empty list while bytes are missing.
# $rsv are the reserved bits that it may have.
sub decode_frame {
    my ($buffer, $rsv) = @_;
    return if length $$buffer < 2;
    my ($first, $second) = unpack 'CC', $$buffer;
    my $opcode = $first & 0x0f;
    _check_head($first, $second, $opcode, $rsv // 0);
    my ($head, $length) = _decoded_length($buffer, $second & 0x7f);
    return if !defined $length || length $$buffer < $head + $length;
    _check_control($first, $opcode, $length) if $opcode & 0x8;
    my $payload = substr $$buffer, $head, $length;
    substr($$buffer, 0, $head + $length) = '';
    my $frame = { fin => !!($first & 0x80), rsv => ($first & 0x70) >> 4, opcode => $opcode, payload => $payload };
    return $opcode == OP_CLOSE ? _with_close_fields($frame) : $frame;
}

sub _shortest { my ($length) = @_; return $length < 126 ? 7 : $length < 65_536 ? 16 : 64 }

sub _length_bytes {
    my ($length, $as, $mask) = @_;
    my $mask_bit = $mask ? 0x80 : 0;
    return pack 'C',   $mask_bit | $length         if $as == 7;
    return pack 'Cn',  $mask_bit | 126, $length    if $as == 16;
    return pack 'CQ>', $mask_bit | 127, $length;
}

sub _masked {
    my ($payload, $key) = @_;
    my $times = int(length($payload) / 4) + 1;
    return $payload ^ substr($key x $times, 0, length $payload);
}

sub _check_head {
    my ($first, $second, $opcode, $rsv) = @_;
    die sprintf("server frame has reserved bits: %02x\n", $first)  if $first & 0x70 & ~($rsv << 4);
    die sprintf("server frame has opcode %x\n",           $opcode) if !$KNOWN{$opcode};
    die "server frame is masked\n"                                  if $second & 0x80;
    return;
}

sub _check_control {
    my ($first, $opcode, $length) = @_;
    die sprintf("server control frame %x is fragmented\n", $opcode)      if !($first & 0x80);
    die sprintf("server control frame %x has %d bytes\n",  $opcode, $length) if $length > 125;
    return;
}

# (bytes of the head, payload length); the length is undef while bytes are missing.
sub _decoded_length {
    my ($buffer, $short) = @_;
    return (2, $short) if $short < 126;
    my ($head, $format, $least) = $short == 126 ? (4, 'x2n', 126) : (10, 'x2Q>', 65_536);
    return ($head, undef) if length $$buffer < $head;
    my $length = unpack $format, $$buffer;
    die "server frame writes the length $length too long\n" if $length < $least;
    return ($head, $length);
}

sub _with_close_fields {
    my ($frame) = @_;
    return $frame if $frame->{payload} eq '';
    die "server close frame has a payload of one byte\n" if length $frame->{payload} == 1;
    @$frame{qw(code reason)} = unpack 'na*', $frame->{payload};
    return $frame;
}

1;
