package TripChat::Storm::Socket;

# A WebSocket of which many are read in turn: it takes what has come and never waits for more.

use strict;
use warnings;

use IO::Socket::SSL qw(SSL_WANT_READ SSL_WANT_WRITE);

use TripChat::Frame qw(decode_frame);
use TripChat::Stream;
use TripChat::WebSocket;

our @ISA = ('TripChat::WebSocket');

# host, port, tls => 1: its handshake goes on as what it waits for arrives, and what is written waits for its end.
sub connect {    ## no critic
    my ($class, %opt) = @_;
    my $self = $class->SUPER::connect(%opt, tls => 0);
    return $self if !$opt{tls};
    $self->{socket} = TripChat::Stream::start_tls($self->{socket}, {}, SSL_startHandshake => 0);
    @$self{qw(tls waiting)} = (1, '');
    $self->_shake_hands;
    return $self;
}

sub write {    ## no critic
    my ($self, $bytes) = @_;
    return $self->SUPER::write($bytes) if !defined $self->{waiting};
    $self->{waiting} .= $bytes;
    return 1;
}

sub _shake_hands {
    my ($self) = @_;
    if ($self->{socket}->connect_SSL) { return $self->SUPER::write(delete $self->{waiting}) }
    $self->{ended} = "reset: $IO::Socket::SSL::SSL_ERROR"
        if $IO::Socket::SSL::SSL_ERROR != SSL_WANT_READ && $IO::Socket::SSL::SSL_ERROR != SSL_WANT_WRITE;
    return;
}

# The frames that have come whole; none before the handshake is complete. Dies of a handshake that is refused.
sub arrived {
    my ($self) = @_;
    $self->_shake_hands if defined $self->{waiting};
    return if defined $self->{waiting};
    1 while !$self->{ended} && $self->_read_some;
    if (!$self->{answer}) {
        return if $self->{in} !~ /\r\n\r\n/;
        $self->finish_open;
    }
    my @frames;
    while (my $frame = decode_frame(\$self->{in})) { push @frames, $frame }
    return @frames;
}

# Whether anything has come of an answer to the handshake.
sub has_answer { my ($self) = @_; return $self->{answer} || length $self->{in} }

sub fileno     { return fileno $_[0]{socket} }     ## no critic
sub local_port { return $_[0]{socket}->sockport }

1;
