package TripChat::WebSocket;

# A WebSocket client that does what the test says, right or wrong: the handshake
# as text, and frames in which the test sets every bit. Client.pm adds the chat.

use strict;
use warnings;

use Digest::SHA qw(sha1_base64);
use MIME::Base64 qw(encode_base64);

use TripChat::Frame qw(:all);
use TripChat::Http;
use TripChat::Wait qw(deadline);

our @ISA = ('TripChat::Http');

use constant GUID => '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
use constant KEY  => encode_base64('a tests 16 bytes', '');

# The text of an upgrade request.
# path, method => GET, http => 1.1
# fields => { name => value | undef (left out) | [values: a line each] } over the usual ones
sub upgrade_request {
    my (%opt) = (method => 'GET', http => '1.1', @_);
    my %fields = (
        'Host'                  => 'localhost',
        'Upgrade'               => 'websocket',
        'Connection'            => 'Upgrade',
        'Sec-WebSocket-Key'     => KEY,
        'Sec-WebSocket-Version' => '13',
        %{ $opt{fields} || {} },
    );
    my @lines = ("$opt{method} $opt{path} HTTP/$opt{http}");
    for my $name (sort keys %fields) {
        my $value = $fields{$name};
        push @lines, map { "$name: $_" } ref $value ? @$value : defined $value ? $value : ();
    }
    return join "\r\n", @lines, '', '';
}

sub accept_for {
    my ($key) = @_;
    return sha1_base64($key . GUID) . '=';
}

# Completes a handshake; $behind goes out in the same write. Dies unless it is a right 101.
sub open {    ## no critic
    my ($self, @request) = @_;
    return $self->ask_to_open(@request)->finish_open;
}

# The two halves of open(), for those who open many at once.
sub ask_to_open {
    my ($self, $path, $fields, $behind) = @_;
    $self->write(upgrade_request(path => $path, fields => $fields) . ($behind // ''));
    return $self;
}

sub finish_open {
    my ($self) = @_;
    my $answer = $self->read_response;
    die "handshake refused: $answer->{raw}\n" if $answer->{status} != 101;
    my $accept = $answer->{fields}{'sec-websocket-accept'}[0] // '';
    die "wrong Sec-WebSocket-Accept: $accept\n" if $accept ne accept_for(KEY);
    $self->{answer} = $answer;
    return $self;
}

sub send_frame {
    my ($self, $opcode, $payload, %bits) = @_;
    return $self->write(encode_frame(opcode => $opcode, payload => $payload, %bits));
}

sub send_text  { my ($self, $bytes) = @_; return $self->send_frame(OP_TEXT, $bytes) }
sub send_ping  { my ($self, $bytes) = @_; return $self->send_frame(OP_PING, $bytes // '') }
sub send_pong  { my ($self, $bytes) = @_; return $self->send_frame(OP_PONG, $bytes // '') }
sub send_close { my ($self, @close) = @_; return $self->send_frame(OP_CLOSE, close_payload(@close)) }

# The next frame, whatever it is; undef when the stream has ended. $deadline as for read_until().
sub read_frame {
    my ($self, $deadline) = @_;
    my ($frame) = $self->read_until('a frame', \&decode_frame, $deadline);
    return $frame;
}

# The next frame that is not a ping of the server's (those are answered).
# Does not put fragments together: the server has no reason to send any.
sub next_frame {
    my ($self, $deadline) = @_;
    $deadline //= deadline();
    while (my $frame = $self->read_frame($deadline)) {
        return $frame if $frame->{opcode} != OP_PING;
        $self->send_pong($frame->{payload});
    }
    return;
}

# The frames that are here by now, without waiting. Pings of the server's are answered and not among them.
sub frames_at_hand {
    my ($self) = @_;
    my @frames;
    1 while !$self->{ended} && $self->_read_some;
    while (my ($frame) = decode_frame(\$self->{in})) {
        if ($frame->{opcode} == OP_PING) { $self->send_pong($frame->{payload}) } else { push @frames, $frame }
    }
    return @frames;
}

# Reads up to the server's close frame, dropping what comes before it. Returns
# that frame, or { code => undef, ended => how } where the stream ends without.
sub read_close {
    my ($self) = @_;
    my $deadline = deadline();
    while (my $frame = $self->read_frame($deadline)) {
        return $frame if $frame->{opcode} == OP_CLOSE;
    }
    return { code => undef, ended => $self->{ended} };
}

# Every frame up to the end of the stream.
sub rest_of_frames {
    my ($self) = @_;
    my @frames;
    while (my $frame = $self->read_frame) { push @frames, $frame }
    return @frames;
}

# Sends a ping and returns what arrives before its pong: by then the server has
# read everything sent before it on this connection.
sub frames_before_pong {
    my ($self) = @_;
    my $mark = sprintf 'mark %d', ++$self->{marks};
    $self->send_ping($mark);
    my @before;
    while (my $frame = $self->next_frame) {
        return @before if $frame->{opcode} == OP_PONG && $frame->{payload} eq $mark;
        push @before, $frame;
    }
    die "the stream ended ($self->{ended}) before the pong\n";
}

1;
