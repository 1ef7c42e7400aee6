package TripChat::Stream;

# A byte stream to the server, plain or TLS, for tests that decide what goes
# out in which write. Not a protocol: WebSocket.pm puts frames on top.
# The socket never blocks; every wait has the deadline of TripChat::Wait.

use strict;
use warnings;

use Errno ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL qw(SSL_VERIFY_NONE);
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_RCVBUF SOCK_STREAM);

use TripChat::Wait qw(deadline seconds_left);

use constant READ_BYTES => 65_536;

# host, port
# tls            => true, or { version => 'TLSv1_2' | 'TLSv1_3', alpn => [...], resume => 1 }
#                   (resume: continue the last session with that server, where there is one)
# receive_buffer => bytes of SO_RCVBUF, set before the connection is made
sub connect {    ## no critic (the name of the system call it makes)
    my ($class, %opt) = @_;
    my $socket = _tcp_socket(%opt);
    $socket = start_tls($socket, ref $opt{tls} ? $opt{tls} : {}) if $opt{tls};
    $socket->blocking(0);
    return bless { socket => $socket, in => '', ended => undef, tls => !!$opt{tls} }, $class;
}

sub _tcp_socket {
    my (%opt) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'tcp', Type => SOCK_STREAM) or die "socket: $!\n";
    if ($opt{receive_buffer}) {
        setsockopt $socket, SOL_SOCKET, SO_RCVBUF, $opt{receive_buffer} or die "SO_RCVBUF: $!\n";
    }
    my $where = Socket::pack_sockaddr_in($opt{port}, Socket::inet_aton($opt{host}));
    $socket->connect($where) or die "connect to $opt{host}:$opt{port}: $!\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1 or die "TCP_NODELAY: $!\n";
    return $socket;
}

# @more are further options of IO::Socket::SSL.
sub start_tls {
    my ($socket, $tls, @more) = @_;
    my $secure = IO::Socket::SSL->start_SSL(
        $socket,
        SSL_reuse_ctx => _tls_context($tls),
        SSL_hostname  => 'localhost',
        SSL_session_key => 'the server',
        Timeout       => TripChat::Wait::patience_s(),
        @more,
    );
    return $secure || die "TLS handshake: $IO::Socket::SSL::SSL_ERROR\n";
}

# A context for each kind of connection: making one reads all the CAs of the machine.
my %tls_contexts;

sub _tls_context {
    my ($tls) = @_;
    my @alpn = @{ $tls->{alpn} || [] };
    return $tls_contexts{ join ' ', $tls->{version} // '', $tls->{resume} // 0, @alpn } //= IO::Socket::SSL::SSL_Context->new(
        SSL_verify_mode => SSL_VERIFY_NONE,    # the certificate is made for the test
        $tls->{version} ? (SSL_version        => $tls->{version}) : (),
        @alpn           ? (SSL_alpn_protocols => \@alpn)         : (),
        $tls->{resume}  ? (SSL_session_cache_size => 10)         : (),
    ) || die "TLS context: $IO::Socket::SSL::SSL_ERROR\n";
}

sub tls_version { return $_[0]{socket}->get_sslversion }
sub tls_is_resumed { return $_[0]{socket}->get_session_reused }

# 'eof': the server ended the stream in order. 'reset': it did not. undef: open.
sub ended { return $_[0]{ended} }

# Has the server ended it, as far as can be known now? What has come is kept.
sub is_open { my ($self) = @_; $self->_read_some; return !$self->{ended} }

# Writes all of $bytes. A server that stops reading until its own output is
# taken must not block the test: while waiting to write, input is read as well.
sub write {    ## no critic
    my ($self, $bytes) = @_;
    my ($deadline, $done) = (deadline(), 0);
    while ($done < length $bytes) {
        $! = 0;
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $done, $done;
        if (defined $n) { $done += $n; next }
        if (!_would_block()) { $self->{ended} //= 'reset'; return 0 }
        $self->_wait_to_write($deadline);
        $self->_read_some;
    }
    return 1;
}

# Writes what the socket takes now of $bytes from $at on, and reads nothing. How many bytes that was.
sub write_some {
    my ($self, $bytes, $at) = @_;
    return syswrite($self->{socket}, $bytes, length($bytes) - $at, $at) // 0;
}

# One system call, hence one segment or TLS record, for each byte.
sub write_singly {
    my ($self, $bytes) = @_;
    $self->write($_) for split //, $bytes;
    return;
}

# Reads until $take->(\$buffer) returns a list that is not empty, and returns
# that list; the empty list when the stream ends first. $deadline: of several reads that wait for one thing.
sub read_until {
    my ($self, $what, $take, $deadline) = @_;
    $deadline //= deadline();
    while (1) {
        my @taken = $take->(\$self->{in});
        return @taken if @taken;
        return        if $self->{ended};
        $self->_wait_to_read($deadline, $what) if !$self->_read_some;
    }
}

# Reads and drops whatever still comes until the server ends the stream.
sub read_to_end {
    my ($self) = @_;
    $self->read_until('the end of the stream', sub { ${ $_[0] } = ''; return });
    return $self->{ended};
}

# Half-closes (plain only) or closes at once, without a close frame.
sub shutdown_write { return shutdown $_[0]{socket}, 1 }

sub disconnect {
    my ($self) = @_;
    return if !$self->{socket};
    # One whose handshake has failed is an ordinary socket again.
    $self->{socket}->isa('IO::Socket::SSL') ? $self->{socket}->close(SSL_no_shutdown => 1) : $self->{socket}->close;
    $self->{ended} //= 'eof';
    return;
}

# True when something was read or the stream has ended.
sub _read_some {
    my ($self) = @_;
    return 1 if $self->{ended};
    $! = 0;
    my $n = sysread $self->{socket}, $self->{in}, READ_BYTES, length $self->{in};
    return 1 if $n;
    if (defined $n) { $self->{ended} = 'eof'; return 1 }
    return 0 if _would_block();
    $self->{ended} = 'reset';
    return 1;
}

sub _would_block {
    return $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR};    # IO::Socket::SSL says it the same way
}

sub _wait_to_read {
    my ($self, $deadline, $what) = @_;
    IO::Select->new($self->{socket})->can_read(seconds_left($deadline, "waiting for $what"));
    return;
}

sub _wait_to_write {
    my ($self, $deadline) = @_;
    my $set = IO::Select->new($self->{socket});
    IO::Select->select($set, $set, undef, seconds_left($deadline, 'waiting to write'));
    return;
}

1;
