package TripChat::Storm::Dice;

# Numbers that look like chance and are the same for the same seed, on any machine (xorshift, 32 bits).

use strict;
use warnings;

use Digest::SHA qw(sha1);

# Dice of that name: another name, other numbers.
sub new {
    my ($class, $seed, $name) = @_;
    return bless { state => unpack('N', sha1("$seed $name")) | 1 }, $class;
}

sub _next {
    my ($self) = @_;
    my $x = $self->{state};
    $x ^= $x << 13 & 0xffffffff;
    $x ^= $x >> 17;
    $x ^= $x << 5 & 0xffffffff;
    return $self->{state} = $x;
}

sub below   { my ($self, $n) = @_; return $self->_next % $n }
sub between { my ($self, $least, $greatest) = @_; return $least + $self->below($greatest - $least + 1) }
sub pick    { my ($self, @list) = @_; return $list[$self->below(scalar @list)] }

# True so many times in a hundred.
sub percent { my ($self, $n) = @_; return $self->below(100) < $n }

# From 0 to 1.
sub fraction { my ($self) = @_; return $self->_next / 0xffffffff }

sub shuffle {
    my ($self, @list) = @_;
    for my $i (reverse 1 .. $#list) {
        my $j = $self->below($i + 1);
        @list[$i, $j] = @list[$j, $i];
    }
    return @list;
}

1;
