package TripChat::Events;

# Reads a stream of server-sent events (HTML standard, 9.2.6), one by one. What a browser would forgive, it
# does not: every line is a field or a comment and ends in LF.

use strict;
use warnings;

use JSON::XS ();

use TripChat::Wait qw(deadline);

my $JSON = JSON::XS->new->utf8->canonical;

my %FIELD = map { $_ => 1 } qw(id event data);

# A TripChat::Http that has read the head of the answer.
sub new {
    my ($class, $stream, $head) = @_;
    return bless { stream => $stream, head => $head, last_id => undef }, $class;
}

sub head    { return $_[0]{head} }
sub last_id { return $_[0]{last_id} }    # what a browser would send as Last-Event-ID
sub last_seq { return $_[0]{last_id} =~ s/-\d+\z//r }
sub ended   { return $_[0]{stream}->ended }

sub disconnect { return $_[0]{stream}->disconnect }

# The next event, { id, event, data } as far as it has them, or { comment }. Undef: the stream has ended.
sub next_event {
    my ($self, $deadline) = @_;
    my ($lines) = $self->{stream}->read_until('an event', sub { ${ $_[0] } =~ s/\A(.*?\n)\n//s ? $1 : () }, $deadline);
    return _end($self) if !defined $lines;
    my %event;
    for my $line (split /\n/, $lines) {
        if ($line =~ /\A:(.*)\z/s) { $event{comment} = $1; next }
        my ($name, $value) = $line =~ /\A(\w+): ([^\r]*)\z/ or die "no line of an event: $line\n";
        die "an event has $name, or has it twice\n" if !$FIELD{$name} || exists $event{$name};
        $event{$name} = $value;
    }
    $self->{last_id} = $event{id} if defined $event{id};
    return \%event;
}

sub _end {
    my ($self) = @_;
    die "the stream ended within an event: $self->{stream}{in}\n" if length $self->{stream}{in};
    return;
}

# The next message, as TripChat::Client gives it. With a type, others before it are dropped. Dies of a goodbye.
sub next_json {
    my ($self, $type) = @_;
    my $deadline = deadline();
    while (my $event = $self->next_event($deadline)) {
        next if exists $event->{comment};
        die "the server said goodbye: $event->{data}\n" if defined $event->{event};
        my $message = $JSON->decode($event->{data});
        return $message if !defined $type || $message->{type} eq $type;
    }
    die "the stream has ended\n";
}

sub next_many { my ($self, $n, $type) = @_; return map { $self->next_json($type) } 1 .. $n }

# Everything up to the goodbye: (its code, the messages before it).
sub read_close {
    my ($self) = @_;
    my @before;
    while (my $event = $self->next_event) {
        next if exists $event->{comment};
        return ($JSON->decode($event->{data})->{code}, @before) if ($event->{event} // '') eq 'close';
        push @before, $JSON->decode($event->{data});
    }
    return (undef, @before);
}

1;
