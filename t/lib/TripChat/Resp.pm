package TripChat::Resp;

# A connection to a Redis that speaks its protocol (RESP2), for what redis-cli
# cannot: any bytes as an argument, and listening to a channel.

use strict;
use warnings;

use TripChat::Stream;

our @ISA = ('TripChat::Stream');

# Sends a command and returns its answer: text, number or undef; lists as references. Dies of an error.
sub command {
    my ($self, @words) = @_;
    $self->write(join '', '*', scalar @words, "\r\n", map { sprintf "\$%d\r\n%s\r\n", length $_, $_ } @words);
    return $self->answer;
}

# The next answer, or what a channel brings: ['message', channel, bytes].
sub answer {
    my ($self) = @_;
    my ($kind, $rest) = $self->_line =~ /\A([-+:\$*])(.*)\z/s or die "no RESP\n";
    die "Redis: $rest\n"       if $kind eq '-';
    return $rest               if $kind =~ /[+:]/;
    return                     if $rest < 0;
    return $self->_take($rest) if $kind eq '$';
    return [map { $self->answer } 1 .. $rest];
}

sub _line {
    my ($self) = @_;
    my ($line) = $self->read_until('a line of Redis', sub { ${ $_[0] } =~ s/\A(.*?)\r\n//s ? $1 : () });
    return $line // die "Redis has gone ($self->{ended})\n";
}

sub _take {
    my ($self, $length) = @_;
    my ($bytes) = $self->read_until('bytes of Redis',
        sub { length ${ $_[0] } >= $length + 2 ? substr(substr(${ $_[0] }, 0, $length + 2, ''), 0, $length) : () });
    return $bytes // die "Redis has gone ($self->{ended})\n";
}

1;
