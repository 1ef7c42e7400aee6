package TripChat::Reloads::Client;

# A client of a storm of reloads (TripChat::Reloads). A plain client keeps its connection, or leaves by itself and
# reconnects. A client over TLS is closed with 1012 at a reload, and reconnects after the time that it was told. Any
# other end of a connection is a complaint.
#
# There is one exception. When a child of the event MPM begins to end, it may have accepted a connection that none of
# its threads will serve. The connection is reset when the process ends. The child has not read anything from it, so the
# client connects again.

use strict;
use warnings;

use TripChat::Storm::Client;
use TripChat::Wait qw(now);

our @ISA = ('TripChat::Storm::Client');

# site => TripChat::Site, leaves => 1: of its own accord, now and then
sub choose_site  { return $_[0]{site} }
sub choose_after { return $_[0]{record}->cursor }

sub act {
    my ($self) = @_;
    my $choice = $self->{dice}->below(100);
    if    ($self->{leaves} && $choice >= 50) { $self->_leave_for_a_while }
    elsif ($choice < 85)                     { $self->say }
    else                                     { $self->type($choice & 1) }
    return;
}

sub _leave_for_a_while {
    my ($self) = @_;
    $self->{storm}->count('left');
    return $self->leave;
}

# Leaves for good.
sub go_home {
    my ($self) = @_;
    $self->{is_at_home} = !$self->{socket};
    return $self->{socket} && $self->leave;
}

sub is_at_home { return $_[0]{is_at_home} }

sub tick {
    my ($self, @now) = @_;
    return if defined $self->{is_at_home};
    return $self->SUPER::tick(@now);
}

sub is_excused {
    my ($self, $code, $how) = @_;
    return 1 if $self->{leaving} || $self->_was_lost_by_httpd($code);
    return 0 if !$self->{site}{tls} || $code != 1012;
    ($self->{retry_ms}) = $how =~ /\(server reloads, retry after (\d+) ms\)/ or return 0;
    $self->{storm}->count('closed with 1012');
    return 1;
}

sub _was_lost_by_httpd {
    my ($self, $code) = @_;
    return 0 if $code || $self->{socket}->has_answer;
    $self->{storm}->count('lost by httpd');
    return 1;
}

sub come_back {
    my ($self) = @_;
    $self->SUPER::come_back;
    $self->{is_at_home} = 1 if defined $self->{is_at_home};
    $self->{due} = now() + delete($self->{retry_ms}) / 1000 if defined $self->{retry_ms};
    return;
}

1;
