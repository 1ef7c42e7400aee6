package TripChat::Storm::Socket;

# A WebSocket of which many are read in turn: it takes what has come and never waits for more.

use strict;
use warnings;

use TripChat::Frame qw(decode_frame);
use TripChat::WebSocket;

our @ISA = ('TripChat::WebSocket');

# The frames that have come whole; none before the handshake is complete. Dies of a handshake that is refused.
sub arrived {
    my ($self) = @_;
    1 while !$self->{ended} && $self->_read_some;
    if (!$self->{answer}) {
        return if $self->{in} !~ /\r\n\r\n/;
        $self->finish_open;
    }
    my @frames;
    while (my $frame = decode_frame(\$self->{in})) { push @frames, $frame }
    return @frames;
}

sub fileno     { return fileno $_[0]{socket} }     ## no critic
sub local_port { return $_[0]{socket}->sockport }

1;
