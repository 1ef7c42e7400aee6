package TripChat::Http2::Stream;

# A stream of a TripChat::Http2. After an Extended CONNECT (RFC 8441) it is a member of a chat as any other.

use strict;
use warnings;

use TripChat::Client;
use TripChat::Wait qw(deadline);

our @ISA = ('TripChat::Client');

use constant { FRAME_BYTES => 16_384, CANCEL => 0x8 };

sub new {
    my ($class, $http2, $id) = @_;
    return bless {
        http2 => $http2, id => $id, in => '', ended => undef, status => undef,
        send_window => $http2->{first_send_window},
        slow => 0,    # 1: the server gets no new window for what the test has received
    }, $class;
}

sub status     { return $_[0]{status} }
sub body       { return $_[0]{in} }
sub reset_code { return $_[0]{reset_code} }

# ---- requests ----

# Literals without an index and without Huffman codes (RFC 7541, 6.2.2), in the order that RFC 9113, 8.3 asks for.
sub send_headers {
    my ($self, $fields, $ends) = @_;
    my $block = join '', map { "\0" . _string(lc $_) . _string($fields->{$_}) } sort keys %$fields;
    return $self->{http2}->send_headers($self->{id}, $block, $ends);
}

sub _string { my ($bytes) = @_; return _integer(7, 0, length $bytes) . $bytes }

sub _integer {
    my ($bits, $first, $value) = @_;
    my $most = (1 << $bits) - 1;
    return chr($first | $value) if $value < $most;
    my $bytes = chr($first | $most);
    for ($value -= $most; $value >= 128; $value >>= 7) { $bytes .= chr($value & 127 | 128) }
    return $bytes . chr $value;
}

# An Extended CONNECT; ends => 1: with nothing behind it. Overrides WebSocket.pm, as does the next function.
sub ask_to_open {
    my ($self, $path, $fields, $behind, %opt) = @_;
    my %fields = (
        ':method' => 'CONNECT', ':protocol' => 'websocket', ':scheme' => $self->{http2}->scheme, ':authority' => 'localhost',
        ':path' => $path, 'sec-websocket-version' => '13', %{ $fields || {} },
    );
    $self->send_headers({ map { $_ => $fields{$_} } grep { defined $fields{$_} } keys %fields }, $opt{ends});
    $self->write($behind) if defined $behind;
    return $self;
}

sub finish_open {
    my ($self) = @_;
    my $status = $self->wait_for_answer;
    die 'handshake refused: ' . ($status // "reset $self->{reset_code}") . "\n" if ($status // 0) != 200;
    return $self;
}

# The status; undef if the server has reset the stream.
sub wait_for_answer {
    my ($self, $deadline) = @_;
    $self->{http2}->wait_for("an answer on stream $self->{id}", sub { defined $self->{status} || $self->{ended} }, $deadline);
    return $self->{status};
}

sub read_to_end_of_body {
    my ($self) = @_;
    $self->{http2}->wait_for("the end of stream $self->{id}", sub { $self->{ended} });
    return $self->{in};
}

# ---- what TripChat::Stream does with a socket ----

sub write {    ## no critic
    my ($self, $bytes) = @_;
    my ($http2, $deadline) = ($self->{http2}, deadline());
    while (length $bytes) {
        my ($room) = sort { $a <=> $b } $self->{send_window}, $http2->{send_window}, FRAME_BYTES, length $bytes;
        return 0 if $self->{ended};
        if ($room <= 0) {
            $http2->wait_for('a window', sub { $self->{ended} || ($self->{send_window} > 0 && $http2->{send_window} > 0) }, $deadline);
            next;
        }
        $http2->send_data($self->{id}, substr $bytes, 0, $room, '');
        $_->{send_window} -= $room for $self, $http2;
    }
    return 1;
}

sub write_singly { my ($self, $bytes) = @_; $self->write($_) for split //, $bytes; return }

# Half-closes.
sub shutdown_write {
    my ($self) = @_;
    return $self->{http2}->send_data($self->{id}, '', 1);
}

# What a browser does when the page goes.
sub disconnect {
    my ($self) = @_;
    return if $self->{ended};
    $self->{ended} = 'eof';
    return $self->{http2}->send_reset($self->{id}, CANCEL);
}

sub _read_some {
    my ($self) = @_;
    my $had = length $self->{in};
    $self->{http2}->pump;
    return $self->{ended} || length $self->{in} > $had;
}

sub _wait_to_read { my ($self, @wait) = @_; return $self->{http2}->_wait_to_read(@wait) }

# ---- what the server sends ----

sub take_data {
    my ($self, $bytes) = @_;
    $self->{in} .= $bytes;
    return if $self->{slow} || !length $bytes;
    return $self->give_window(length $bytes);
}

sub give_window {
    my ($self, $bytes) = @_;
    return $self->{http2}->give_window($self->{id}, $bytes);
}

# Only the status is read. The tables are empty, as the test's SETTINGS say, except the static one.
sub take_headers {
    my ($self, $block) = @_;
    my %indexed = (8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404, 14 => 500);
    my $status;
    while (length $block && !defined $status) {
        my $first = ord $block;
        if ($first & 0x80) { $status = $indexed{ _take_integer(\$block, 7) }; next }
        if (($first & 0xe0) == 0x20) { _take_integer(\$block, 5); next }
        my $name = _take_integer(\$block, $first & 0x40 ? 6 : 4);
        _take_string(\$block) if !$name;
        my $value = _take_string(\$block);
        $status = $value if $indexed{$name};
    }
    $self->{status} //= $status if defined $status && $status >= 200;
    return;
}

sub _take_integer {
    my ($bytes, $bits) = @_;
    my $most  = (1 << $bits) - 1;
    my $value = ord(substr $$bytes, 0, 1, '') & $most;
    return $value if $value < $most;
    for (my $shift = 0; ; $shift += 7) {
        my $byte = ord substr $$bytes, 0, 1, '';
        $value += ($byte & 127) << $shift;
        return $value if $byte < 128;
    }
}

# Digits alone have their Huffman codes here (RFC 7541, appendix B).
my %DIGITS = ('00000' => 0, '00001' => 1, '00010' => 2, map { sprintf('%06b', 22 + $_) => $_ } 3 .. 9);

sub _take_string {
    my ($bytes) = @_;
    my $huffman = ord($$bytes) & 0x80;
    my $string  = substr $$bytes, 0, _take_integer($bytes, 7), '';
    return $string if !$huffman;
    my ($bits, $text) = (unpack('B*', $string), '');
    while ($bits =~ s/\A(0000[01]|00010|\d{6})//) { $text .= $DIGITS{$1} // last }
    return $text;
}

1;
