package TripChat::Echo;

# A private httpd with the echo server (t/echo): every path answers an upgrade,
# every message comes back. And the assertions of t/45-conformance on it, which
# report the line of the test that calls them.

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use TripChat::Frame qw(:all);
use TripChat::Httpd qw(echo_module_file);
use TripChat::Server;

our @ISA = ('TripChat::Server');

our @EXPORT = (
    qw(fragments message_frames comes_back answers fails_with closes_with_only still_echoes stops_clean),
    @TripChat::Frame::EXPORT_OK,
);

# Bytes of the longest message.
use constant LIMIT => 16 * 1024 * 1024;

# %opt as in TripChat::Server
sub start {
    my ($class, %opt) = @_;
    my $module = echo_module_file();
    die "there is no echo server at $module: run make build/mod_tripchat_echo.so\n" if !-e $module;
    return $class->SUPER::start(
        module_file => $module, no_chat => 1, no_database => 1,
        config      => qq(<Location "/">\nSetHandler tripchat-echo\nRequire all granted\n</Location>),
        %opt,
    );
}

# A client behind its handshake. %opt as in TripChat::Stream; site => name
sub client {
    my ($self, %opt) = @_;
    my $site = delete $opt{site};
    return $self->site($site)->connect(%opt)->open('/');
}

# ---- frames to send ----

# The frames of one message in these parts; each of @between goes behind each part but the last.
sub message_frames {
    my ($opcode, $parts, @between) = @_;
    return join '', map {
        my $last = $_ == $#$parts;
        encode_frame(opcode => $_ == 0 ? $opcode : OP_CONTINUATION, fin => $last, payload => $parts->[$_])
            . ($last ? '' : join '', @between);
    } 0 .. $#$parts;
}

# $bytes in parts of $size.
sub fragments { my ($bytes, $size) = @_; return [$bytes eq '' ? '' : unpack "(a$size)*", $bytes] }

# ---- assertions ----

# A frame as a failing test should show it: not all of a long payload.
sub _shown {
    my ($frame) = @_;
    return 'the end of the stream' if !$frame;
    return sprintf 'fin %d, opcode %x, %d bytes: %s', $frame->{fin}, $frame->{opcode}, length $frame->{payload},
        unpack 'H80', $frame->{payload};
}

sub _is {
    my ($frame, $opcode, $payload) = @_;
    return $frame && $frame->{fin} && $frame->{opcode} == $opcode && $frame->{payload} eq $payload;
}

# The next frame is this message, in one frame.
sub comes_back {
    my ($client, $opcode, $payload, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $frame = eval { $client->read_frame };
    return Test::More::ok(_is($frame, $opcode, $payload), $name) || Test::More::diag($@ || 'got ' . _shown($frame));
}

# These bytes, written at once, are answered with these frames, [opcode, payload] each, in order, and with
# nothing else: what comes before the pong of a ping behind them is all there is.
sub answers {
    my ($client, $bytes, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $client->write($bytes);
    my @got = eval { $client->frames_before_pong };
    my @wrong = $@ ? $@ : ();
    push @wrong, scalar(@got) . ' frames came' if @got != @$expected;
    for my $i (grep { $_ < @got && !_is($got[$_], @{ $expected->[$_] }) } 0 .. $#$expected) {
        push @wrong, "frame $i: " . _shown($got[$i]);
    }
    return Test::More::is(join('; ', @wrong), '', $name);
}

# The server sends a close with this code (undef: with none) and ends the stream in order. Before it come
# frames with the opcodes @before, and no others.
sub closes_with_only {
    my ($client, $code, $name, @before) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @frames = eval { $client->rest_of_frames };
    my @got    = map { $_->{opcode} == OP_CLOSE ? 'close ' . ($_->{code} // '') : $_->{opcode} } @frames;
    return Test::More::is_deeply([@got, $client->ended], [@before, 'close ' . ($code // ''), 'eof'], $name)
        || Test::More::diag($@, map { 'reason: ' . ($_->{reason} // 'none') } @frames);
}

# A new client that writes these bytes has its connection failed with this code (RFC 6455, 7.1.7).
sub fails_with {
    my ($server, $bytes, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $client = $server->client;
    $client->write($bytes);
    return closes_with_only($client, $code, $name);
}

sub still_echoes {
    my ($client, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $client->send_text('still here');
    return comes_back($client, OP_TEXT, 'still here', $name);
}

sub stops_clean {
    my ($server) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is_deeply([$server->stop], [], 'the server stops, with nothing unexplained in its log');
}

1;
