package TripChat::Record;

# What one client of a room has seen, over all its connections, which messages it sent, and which answers it got.
# TripChat::Checker decides whether all of this is right. No socket.
#
# A stretch begins when a message_history is a fresh start for the client. A resume continues the stretch.

use strict;
use warnings;

sub new {
    my ($class, $name) = @_;
    return bless { name => $name, stretches => [], sends => {}, copies => {} }, $class;
}

sub name { return $_[0]{name} }

# { begin => seq that the history reached, history => [[seq, id]], seen => [event], cursor => seq,
#   unrecovered => seq that it wanted to resume from, and could not }
sub stretches { return @{ $_[0]{stretches} } }

# client_id => how often it was sent
sub sends { return $_[0]{sends} }

# client_id => [{ seq, id }]: each copy that came back
sub copies { return $_[0]{copies} }

# How far the client has come: what it resumes from. Undef before its first history.
sub cursor {
    my ($self) = @_;
    return $self->{stretches}[-1] && $self->{stretches}[-1]{cursor};
}

sub sent { my ($self, $client_id) = @_; $self->{sends}{$client_id}++; return }

# A message_history came, $after being what was asked for: a seq, or undef for a fresh start.
sub joined {
    my ($self, $history, $after) = @_;
    return $self->_begin_stretch($history, $after) if !defined $after || !$history->{recovered};
    $self->_see(undef, $_) for @{ $history->{messages} };
    $self->_come_to($history->{last_seq});
    return;
}

# An event came: chat_message or message_edited. A copy of what the client has seen already is an answer
# to what it sent again, and no event.
sub saw {
    my ($self, $event) = @_;
    my ($message, $kind) = ($event->{message}, $event->{type} eq 'message_edited' ? 'edit' : 'message');
    my $is_copy = $kind eq 'message' && defined $event->{client_id};
    push @{ $self->{copies}{ $event->{client_id} } }, { seq => $message->{seq}, id => $message->{id} } if $is_copy;
    return if $is_copy && $message->{seq} <= $self->cursor && $self->{sends}{ $event->{client_id} };
    $self->_see($kind, $message);
    $self->_come_to($message->{seq});
    return;
}

sub _begin_stretch {
    my ($self, $history, $after) = @_;
    my @messages = @{ $history->{messages} };
    push @{ $self->{stretches} }, {
        begin       => $history->{last_seq},
        cursor      => $history->{last_seq},
        history     => [map { [$_->{seq}, $_->{id}] } @messages],
        contents    => { map { $_->{id} => $_->{content} } @messages },
        seen        => [],
        unrecovered => $after,
    };
    return;
}

# A resume does not say of what kind an event is.
sub _see {
    my ($self, $kind, $message) = @_;
    my $stretch = $self->{stretches}[-1];
    push @{ $stretch->{seen} }, { seq => $message->{seq}, kind => $kind, id => $message->{id} };
    $stretch->{contents}{ $message->{id} } = $message->{content};
    return;
}

sub _come_to {
    my ($self, $seq) = @_;
    my $stretch = $self->{stretches}[-1];
    $stretch->{cursor} = $seq if $seq > $stretch->{cursor};
    return;
}

1;
