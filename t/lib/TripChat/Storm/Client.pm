package TripChat::Storm::Client;

# One client of the storm: it comes, talks, edits, types, goes, is cut off and comes back with ?after=, to
# whichever server, and sends each message with its client_id until its own copy has come back. What it
# sees goes into its record; a connection that ends without a reason is a complaint.

use strict;
use warnings;

use JSON::XS ();

use TripChat::Frame qw(OP_TEXT OP_CLOSE OP_PING OP_PONG);
use TripChat::Record;
use TripChat::Storm::Socket;
use TripChat::Wait qw(now);
use TripChat::World qw(user);

use constant {
    WINDOW       => 3,       # messages on their way
    EDITABLE     => 20,      # own messages that may be edited, the newest
    THINK_S      => 0.6,
    BACKOFF_S    => 0.05,    # before the first try to come back; each doubles it, up to
    BACKOFF_MOST => 5,       # so many times
};

my @FILLERS = ('', 'a word', 'quotes " and \\ in the middle of it', "na\x{ef}ve \x{20ac} \x{1f600}", 'long ' x 200);
my $JSON    = JSON::XS->new->utf8;
my %ON      = (
    message_history => \&_on_history,
    chat_message    => \&_on_event,
    message_edited  => \&_on_event,
    typing          => \&_on_typing,
    error           => \&_on_error,
);

# storm, name, room => its number, trip, as => who, dice
# think_s => between two things it does, on the average
sub new {
    my ($class, %self) = @_;
    return bless {
        think_s  => THINK_S,
        %self,
        record   => TripChat::Record->new("$self{name} ($self{as})"),
        letters  => {},                          # client_id => { content, try_at }: not confirmed yet
        edits    => {},                          # client_id => 1: not answered yet
        own      => [],                          # ids of own messages
        made     => 0,                           # client_ids
        due      => now() + $self{dice}->fraction,
        failures => 0,
    }, $class;
}

sub record { return $_[0]{record} }
sub room   { return $_[0]{room} }
sub trip   { return $_[0]{trip} }

sub is_open    { return $_[0]{joined} }
sub connection { return $_[0]{connections} }

# Nothing of its own is under way.
sub is_settled {
    my ($self) = @_;
    return $self->{joined} && !$self->{leaving} && !%{ $self->{letters} } && !%{ $self->{edits} };
}

# The local port, where there is a connection.
sub port { my ($self) = @_; return $self->{socket} && $self->{socket}->local_port }

# The child that has the connection is about to be killed.
sub doom { my ($self) = @_; $self->{excuse} = 1; return }

sub cut {
    my ($self) = @_;
    $self->come_back if $self->{socket};
    return;
}

# Over whichever connection it has then.
sub ping {
    my ($self) = @_;
    $self->{pong} = 0;
    $self->{socket}->send_ping('all') if $self->{joined};
    return;
}

sub has_pong { return $_[0]{pong} }

# ---- time ----

sub tick {
    my ($self, $now) = @_;
    return if $now < $self->{due};
    return $self->_connect if !$self->{socket};
    $self->{due} = $now + $self->{think_s} * 2 * $self->{dice}->fraction;
    return if !$self->{joined} || $self->{leaving};
    $self->_send_again($now);
    $self->act if !$self->{storm}->is_calm;
    return;
}

# Does one thing, of its own accord.
sub act {
    my ($self) = @_;
    my $choice = $self->{dice}->below(1000);
    if    ($choice < 650) { $self->say }
    elsif ($choice < 850) { $self->edit }
    elsif ($choice < 980) { $self->type($choice & 1) }
    elsif ($choice < 990) { $self->cut }
    else                  { $self->leave }
    return;
}

# ---- what it says ----

sub say {
    my ($self) = @_;
    return if keys %{ $self->{letters} } >= WINDOW;
    my $client_id = sprintf '%s-%d', $self->{name}, ++$self->{made};
    $self->{letters}{$client_id} = { content => $self->_text("$client_id says") };
    $self->{letters}{$client_id}{reply_to} = $self->{last_seen} if $self->{last_seen} && $self->{dice}->percent(10);
    return $self->_send_letter($client_id);
}

sub _text {
    my ($self, $beginning) = @_;
    return join ' ', $beginning, $self->{dice}->pick(@FILLERS);
}

sub _send_letter {
    my ($self, $client_id) = @_;
    my $letter = $self->{letters}{$client_id};
    delete $letter->{try_at};
    $self->{record}->sent($client_id);
    return $self->_send({ type => 'chat_message', client_id => $client_id, %$letter });
}

# What was refused for a while and is due.
sub _send_again {
    my ($self, $now) = @_;
    my $letters = $self->{letters};
    my @due = grep { defined $letters->{$_}{try_at} && $now >= $letters->{$_}{try_at} } sort keys %$letters;
    $self->_send_letter($_) for @due;
    return;
}

sub edit {
    my ($self) = @_;
    return if !@{ $self->{own} } || %{ $self->{edits} };
    my $client_id = sprintf '%s-%d', $self->{name}, ++$self->{made};
    $self->{edits}{$client_id} = 1;
    return $self->_send({
        type => 'edit_message', message_id => $self->{dice}->pick(@{ $self->{own} }),
        client_id => $client_id, content => $self->_text("$client_id puts it better"),
    });
}

sub type { my ($self, $is_typing) = @_; return $self->_send({ type => 'typing', is_typing => $is_typing ? \1 : \0 }) }

sub _send { my ($self, $message) = @_; $self->{socket}->send_text($JSON->encode($message)); return }

# ---- what it hears ----

sub on_readable {
    my ($self) = @_;
    my $socket = $self->{socket};
    my @frames = eval { $socket->arrived };
    $self->_complain("met a broken stream: $@") if $@;
    for my $frame (@frames) {
        $self->_on_frame($frame);
        return if !$self->{socket};
    }
    $self->_on_end("$socket->{ended} without a close frame") if $socket->ended || $@;
    return;
}

sub _on_frame {
    my ($self, $frame) = @_;
    my $opcode = $frame->{opcode};
    return $self->_on_message($JSON->decode($frame->{payload})) if $opcode == OP_TEXT;
    return $self->{socket}->send_pong($frame->{payload})        if $opcode == OP_PING;
    return $self->{pong} = 1                                    if $opcode == OP_PONG;
    return $self->_complain("got a frame with opcode $opcode")  if $opcode != OP_CLOSE;
    $self->{socket}->send_close($frame->{code}) if !$self->{leaving};
    return $self->_on_end(sprintf('%s (%s)', $frame->{code} // 'no code', $frame->{reason} // ''), $frame->{code});
}

sub _on_message {
    my ($self, $message) = @_;
    my $on = $ON{ $message->{type} } or return $self->_complain("got a $message->{type}");
    return $self->_complain("got a $message->{type} before its history")
        if !$self->{joined} && $on != \&_on_history;
    return $self->$on($message);
}

sub _on_history {
    my ($self, $history) = @_;
    return $self->_complain('got a second history') if $self->{joined};
    $self->{record}->joined($history, $self->{after});
    $self->{joined}   = 1;
    $self->{failures} = 0;
    $self->{storm}->count('resumes') if defined $self->{after};
    $self->_send_letter($_) for sort keys %{ $self->{letters} };
    $self->ping if defined $self->{pong} && !$self->{pong};
    return;
}

sub _on_event {
    my ($self, $event) = @_;
    $self->{record}->saw($event);
    $self->{storm}->count('deliveries');
    $self->{last_seen} = $event->{message}{id};
    $self->_on_answer($event) if defined $event->{client_id};
    return;
}

# The own copy of a message or an edit.
sub _on_answer {
    my ($self, $event) = @_;
    my $client_id = $event->{client_id};
    if (delete $self->{letters}{$client_id}) {
        push @{ $self->{own} }, $event->{message}{id};
        shift @{ $self->{own} } if @{ $self->{own} } > EDITABLE;
        $self->{storm}->count('stored');
    }
    elsif (delete $self->{edits}{$client_id}) {
        $self->{storm}->count('stored');
        $self->{storm}->count('edits');
    }
    return;
}

sub _on_typing {
    my ($self, $typing) = @_;
    $self->{storm}->count('typings');
    $self->_complain('hears of its own typing') if $typing->{user_id} eq user($self->{as})->{id};
    return;
}

# A message is sent again later; what became of an edit is not known, and it is left at that.
sub _on_error {
    my ($self, $error) = @_;
    my $client_id = $error->{client_id} // 'what it said';
    return $self->_complain("was told $error->{code} of $client_id") if !$error->{retry_after};
    $self->{storm}->count('refusals');
    return if delete $self->{edits}{$client_id};
    my $letter = $self->{letters}{$client_id}
        or return $self->_complain("was told $error->{code} of $client_id, which it has seen");
    $letter->{try_at} = now() + $error->{retry_after} * $self->{dice}->fraction;
    return;
}

# ---- coming and going ----

sub choose_site  { my ($self) = @_; return $self->{dice}->pick($self->{storm}->sites) }
sub choose_after { my ($self) = @_; return $self->{dice}->percent(90) ? $self->{record}->cursor : undef }

sub _connect {
    my ($self) = @_;
    my $site = $self->choose_site;
    $self->{after} = $self->choose_after;
    @$self{qw(joined leaving excuse)} = ();
    $self->{begun}  = now();
    $self->{socket} = TripChat::Storm::Socket->connect(host => '127.0.0.1', port => $site->port, tls => $site->{tls});
    $self->{connections}++;
    $self->{storm}->watch($self->{socket}->fileno, $self);
    $self->{socket}->ask_to_open($site->path($self->{trip}, token => $self->{storm}->token($self->{as}),
        defined $self->{after} ? (after => $self->{after}) : ()));
    return;
}

sub leave {
    my ($self) = @_;
    $self->{leaving} = 1;
    $self->{socket}->send_close(1000);
    return;
}

sub _on_end {
    my ($self, $how, $code) = @_;
    $self->_complain("lost its connection: $how") if !$self->is_excused($code // 0, $how);
    $self->{failures}++ if !$self->{joined};
    return $self->come_back;
}

# Nobody is let in while the database is away; otherwise a connection lasts as long as its child.
sub is_excused {
    my ($self, $code) = @_;
    return 1 if $self->{leaving} || $self->{excuse};
    return 0 if $self->{joined} || $code != 1013 || !$self->{storm}->database_was_away($self->{begun});
    $self->{storm}->count('turned_away');
    $self->{storm}->count('refusals');
    return 1;
}

# Edits under way are in doubt, and left at that; messages are sent again when it is back.
sub come_back {
    my ($self) = @_;
    my $tries = $self->{failures} < BACKOFF_MOST ? $self->{failures} : BACKOFF_MOST;
    $self->{storm}->unwatch($self->{socket}->fileno);
    $self->{socket}->disconnect;
    $self->{socket} = undef;
    $self->{joined} = 0;
    $self->{edits}  = {};
    $self->{due}    = now() + BACKOFF_S * 2**$tries * (0.5 + $self->{dice}->fraction);
    $self->{storm}->count('comebacks');
    return;
}

sub _complain {
    my ($self, $what) = @_;
    $self->{storm}->complain(sprintf '%s %s (at %.2f s, connection %d from port %s, seq %s)', $self->{record}->name, $what,
        $self->{storm}->seconds, $self->{connections}, $self->port // 'none', $self->{record}->cursor // 'none');
    return;
}

1;
