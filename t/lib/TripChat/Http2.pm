package TripChat::Http2;

# An HTTP/2 client that does what the test says, right or wrong (RFC 9113): one connection, of which the test opens and
# resets streams. A stream is a TripChat::Http2::Stream, which is a TripChat::Client if it is a socket (RFC 8441).

use strict;
use warnings;

use IO::Select;

use TripChat::File qw(read_file);
use TripChat::Http2::Stream;
use TripChat::Httpd;
use TripChat::Stream;
use TripChat::Wait qw(deadline seconds_left);

our @ISA = ('TripChat::Stream');

use constant PREFACE => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
use constant { DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8 };
use constant { END_STREAM => 0x1, ACK => 0x1, END_HEADERS => 0x4 };
use constant { HEADER_TABLE_SIZE => 1, ENABLE_PUSH => 2, INITIAL_WINDOW_SIZE => 4, ENABLE_CONNECT_PROTOCOL => 8 };
use constant FIRST_WINDOW => 65_535;

# The codes of RST_STREAM that tests speak of.
use constant { NO_ERROR => 0x0, HTTP_1_1_REQUIRED => 0xd };

# Does this httpd have sockets over HTTP/2 (2.4.58)?
sub is_possible {
    my $module = TripChat::Httpd::libexec_dir() . '/mod_http2.so';
    return -e $module && read_file($module) =~ /H2WebSockets/;
}

# host, port, tls as in TripChat::Stream; window => bytes that the server may send on a stream before the test takes them
sub connect {    ## no critic (the name of the system call it makes)
    my ($class, %opt) = @_;
    my $tls  = $opt{tls} ? { alpn => ['h2'] } : undef;
    my $self = $class->SUPER::connect(%opt, tls => $tls);
    $self->{$_} = {} for qw(streams server_settings);
    @$self{qw(next_id send_window first_send_window window)} = (1, FIRST_WINDOW, FIRST_WINDOW, $opt{window} // 1 << 20);
    my %settings = (HEADER_TABLE_SIZE, 0, ENABLE_PUSH, 0, INITIAL_WINDOW_SIZE, $self->{window});
    $self->TripChat::Stream::write(PREFACE . _frame(SETTINGS, 0, 0, join '', map { pack 'nN', $_, $settings{$_} } sort keys %settings));
    $self->give_window(0, 1 << 30);
    return $self;
}

# A connection to a site of a TripChat::Server.
sub to {
    my ($class, $site, %opt) = @_;
    return $class->connect(host => $site->{host}, port => $site->port, tls => $site->{tls}, %opt);
}

# Does the server say that it takes sockets?
sub offers_sockets {
    my ($self) = @_;
    $self->wait_for('SETTINGS', sub { $self->{has_settings} });
    return $self->{server_settings}{ (ENABLE_CONNECT_PROTOCOL) } // 0;
}

# A stream on which nothing was said yet.
sub stream {
    my ($self) = @_;
    my $id = $self->{next_id};
    $self->{next_id} += 2;
    return $self->{streams}{$id} = TripChat::Http2::Stream->new($self, $id);
}

# Somebody who has joined the trip's chat: trip, as => name (ann), after
sub chat {
    my ($self, $site, %opt) = @_;
    my %query = (token => $site->token($opt{as} // 'ann'), defined $opt{after} ? (after => $opt{after}) : ());
    return $self->stream->join_chat($site->path($opt{trip}, %query));
}

# The answer to a GET: its stream, complete.
sub get {
    my ($self, $path, %fields) = @_;
    my $stream = $self->ask($path, %fields);
    $stream->read_to_end_of_body;
    return $stream;
}

# The same without waiting.
sub ask {
    my ($self, $path, %fields) = @_;
    my $stream = $self->stream;
    $stream->send_headers({ ':method' => 'GET', ':scheme' => $self->scheme, ':authority' => 'localhost', ':path' => $path, %fields }, 1);
    return $stream;
}

sub scheme { return $_[0]{tls} ? 'https' : 'http' }

# ---- frames ----

sub send_headers { my ($self, $id, $block, $ends) = @_; return $self->send_frame(HEADERS, END_HEADERS | ($ends ? END_STREAM : 0), $id, $block) }
sub send_data    { my ($self, $id, $bytes, $ends) = @_; return $self->send_frame(DATA, $ends ? END_STREAM : 0, $id, $bytes) }
sub send_reset   { my ($self, $id, $code) = @_; return $self->send_frame(RST_STREAM, 0, $id, pack 'N', $code) }
sub give_window  { my ($self, $id, $bytes) = @_; return $self->send_frame(WINDOW_UPDATE, 0, $id, pack 'N', $bytes) }

sub send_frame { my ($self, @frame) = @_; return $self->TripChat::Stream::write(_frame(@frame)) }

sub _frame {
    my ($type, $flags, $id, $payload) = @_;
    return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $id) . $payload;
}

# Takes the frames that are here by now, without waiting.
sub pump {
    my ($self) = @_;
    1 while !$self->{ended} && !$self->{rests} && $self->_read_some;
    while (length $self->{in} >= 9) {
        my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $self->{in};
        my $length = $high << 16 | $low;
        last if length $self->{in} < 9 + $length;
        my $payload = substr $self->{in}, 9, $length;
        substr($self->{in}, 0, 9 + $length) = '';
        $self->_take($type, $flags, $id & 0x7fff_ffff, $payload);
    }
    if ($self->{ended}) { $_->{ended} //= $self->{ended} for values %{ $self->{streams} } }
    return;
}

# Pumps until $look->() says yes.
sub wait_for {
    my ($self, $what, $look, $deadline) = @_;
    $deadline //= deadline();
    while (1) {
        $self->pump;
        return 1 if $look->();
        die "the connection ended ($self->{ended}) before $what\n" if $self->{ended};
        $self->_wait_to_read($deadline, $what);
    }
}

# Has the server announced the end of the connection?
sub is_going_away { my ($self) = @_; $self->pump; return $self->{goaway} }

sub _take {
    my ($self, $type, $flags, $id, $payload) = @_;
    my $stream = $self->{streams}{$id};
    if ($type == SETTINGS) { return $flags & ACK ? undef : $self->_take_settings($payload) }
    if ($type == PING) { return $flags & ACK ? undef : $self->send_frame(PING, ACK, 0, $payload) }
    if ($type == GOAWAY) { return $self->{goaway} = 1 }
    if ($type == WINDOW_UPDATE) { ($id ? $stream : $self)->{send_window} += unpack 'N', $payload if $stream || !$id; return }
    return if !$stream;
    $stream->take_headers($payload) if $type == HEADERS;
    $stream->take_data($payload) if $type == DATA;
    if ($type == RST_STREAM) { $stream->{reset_code} = unpack 'N', $payload; $stream->{ended} //= 'reset' }
    $stream->{ended} //= 'eof' if ($type == DATA || $type == HEADERS) && $flags & END_STREAM;
    return;
}

sub _take_settings {
    my ($self, $payload) = @_;
    my %given = map { unpack 'nN', $_ } unpack '(a6)*', $payload;
    %{ $self->{server_settings} } = (%{ $self->{server_settings} }, %given);
    if (defined(my $window = $given{ (INITIAL_WINDOW_SIZE) })) {
        $_->{send_window} += $window - $self->{first_send_window} for values %{ $self->{streams} };
        $self->{first_send_window} = $window;
    }
    $self->{has_settings} = 1;
    return $self->send_frame(SETTINGS, ACK, 0, '');
}

1;
