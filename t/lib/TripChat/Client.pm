package TripChat::Client;

# A member of a chat: JSON both ways over a WebSocket, pings answered on the way.
# Made by TripChat::Site, which knows the server and can make tokens.

use strict;
use warnings;

use JSON::PP ();
use JSON::XS ();

use TripChat::Frame qw(OP_TEXT OP_CLOSE);
use TripChat::Wait qw(deadline);
use TripChat::WebSocket;

our @ISA = ('TripChat::WebSocket');

my $JSON = JSON::XS->new->utf8->canonical;

# Completes the handshake and takes the message_history that comes first.
# Dies with the close code where the server turns the client away.
sub join_chat {
    my ($self, @request) = @_;
    return $self->ask_to_open(@request)->finish_join;
}

sub finish_join {
    my ($self) = @_;
    $self->finish_open;
    my $first = $self->next_json;
    die "the first message is a $first->{type}\n" if $first->{type} ne 'message_history';
    $self->{history} = $first;
    return $self;
}

sub history { return $_[0]{history} }

sub send_json { my ($self, $message) = @_; return $self->send_text($JSON->encode($message)) }

# A chat message; %more are further fields of it.
sub say {
    my ($self, $content, %more) = @_;
    return $self->send_json({ type => 'chat_message', content => $content, message_type => 'text', %more });
}

sub edit {
    my ($self, $message_id, $content) = @_;
    return $self->send_json({ type => 'edit_message', message_id => $message_id, content => $content });
}

sub typing {
    my ($self, $is_typing) = @_;
    return $self->send_json({ type => 'typing', is_typing => $is_typing ? JSON::PP::true : JSON::PP::false });
}

# The next message from the server. With a type, messages of other types may
# come before it and are dropped, but for errors, of which this dies; without
# one, nothing is dropped.
sub next_json {
    my ($self, $type) = @_;
    my $deadline = deadline();
    while (my $frame = $self->next_frame($deadline)) {
        _die_of_close($frame) if $frame->{opcode} == OP_CLOSE;
        die "a frame with opcode $frame->{opcode} came\n" if $frame->{opcode} != OP_TEXT || !$frame->{fin};
        my $message = $JSON->decode($frame->{payload});
        return $message if !defined $type || $message->{type} eq $type;
        die "the error $message->{code} came\n" if $message->{type} eq 'error';
    }
    die "the stream ended ($self->{ended}) without a close frame\n";
}

# The next $n messages of that type.
sub next_many { my ($self, $n, $type) = @_; return map { $self->next_json($type) } 1 .. $n }

# Says something and returns the message object as it comes back.
sub said {
    my ($self, @message) = @_;
    $self->say(@message);
    return $self->next_json('chat_message')->{message};
}

# Everything that comes before this client's next own message does. The room
# keeps its order, so what was to reach this client because of earlier events
# of the room has reached it by then.
sub messages_before_marker {
    my ($self) = @_;
    my $marker = sprintf 'marker %d of %s', ++$self->{markers}, $self->{history}{last_seq} // 'a room';
    $self->say($marker);
    return $self->messages_until($marker);
}

# The same where another member says the marker.
sub messages_until {
    my ($self, $marker) = @_;
    my @before;
    while (1) {
        my $message = $self->next_json;
        return @before if $message->{type} eq 'chat_message' && $message->{message}{content} eq $marker;
        push @before, $message;
    }
}

# Messages that come before the pong of a ping sent now.
sub json_before_pong {
    my ($self) = @_;
    return map { $JSON->decode($_->{payload}) } $self->frames_before_pong;
}

# Closes in order and waits for the server's half.
sub leave {
    my ($self) = @_;
    $self->send_close(1000);
    my $close = $self->read_close;
    $self->disconnect;
    return $close;
}

sub _die_of_close {
    my ($frame) = @_;
    die sprintf("closed with %s (%s)\n", $frame->{code} // 'no code', $frame->{reason} // '');
}

1;
