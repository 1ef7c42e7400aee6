package TripChat::Deflated;

# A member of a chat, or any WebSocket client, over permessage-deflate (RFC 7692): what it sends can be compressed,
# what comes is inflated, each message for itself.

use strict;
use warnings;

use Compress::Raw::Zlib qw(Z_OK Z_BUF_ERROR Z_STREAM_END Z_SYNC_FLUSH);

use TripChat::Client;
use TripChat::Frame qw(decode_frame OP_TEXT);

our @ISA = ('TripChat::Client');

use constant RSV1 => 4;
use constant TAIL => "\0\0\xff\xff";

# Completes a handshake with these offers; $self->{extensions} is the answer.
sub open_deflated {    ## no critic
    my ($self, $path, $offers, $fields) = @_;
    $self->open($path, { %{ $fields || {} }, 'Sec-WebSocket-Extensions' => $offers });
    $self->{extensions} = $self->{answer}{fields}{'sec-websocket-extensions'}[0];
    return $self;
}

# The payload that stands for these bytes, made by a compressor that forgets; bits => of its window
sub deflated {
    my ($bytes, %opt) = @_;
    my ($deflater) = Compress::Raw::Zlib::Deflate->new(-WindowBits => -($opt{bits} // 15), -AppendOutput => 1);
    return _deflate($deflater, $bytes);
}

# The same by one that remembers what it has made before.
sub deflated_on {
    my ($self, $bytes) = @_;
    $self->{deflater} //= (Compress::Raw::Zlib::Deflate->new(-WindowBits => -15, -AppendOutput => 1))[0];
    return _deflate($self->{deflater}, $bytes);
}

sub _deflate {
    my ($deflater, $bytes) = @_;
    my $out = '';
    $deflater->deflate($bytes, $out) == Z_OK && $deflater->flush($out, Z_SYNC_FLUSH) == Z_OK or die "zlib\n";
    $out =~ s/\0\0\xff\xff\z// or die "no end of a block\n";
    return $out eq '' ? "\0" : $out;
}

sub inflated {
    my ($bytes, $bits) = @_;
    my ($inflater) = Compress::Raw::Zlib::Inflate->new(-WindowBits => -($bits // 15), -AppendOutput => 1);
    my $in  = $bytes . TAIL;
    my $out = '';
    my $status = $inflater->inflate($in, $out);
    die "what comes is not DEFLATE: $status\n" if $status != Z_OK && $status != Z_BUF_ERROR && $status != Z_STREAM_END;
    return $out;
}

sub send_deflated {
    my ($self, $bytes, $opcode) = @_;
    return $self->send_frame($opcode // OP_TEXT, deflated($bytes), rsv => RSV1);
}

# Says whether it came compressed in { deflated }, and how long it was then.
sub read_frame {
    my ($self) = @_;
    my ($frame) = $self->read_until('a frame', sub { decode_frame($_[0], RSV1) });
    if ($frame && $frame->{rsv}) {
        $frame->{deflated} = length $frame->{payload};
        $frame->{payload}  = inflated($frame->{payload}, $self->{bits});
    }
    return $frame;
}

1;
