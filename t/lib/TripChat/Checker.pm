package TripChat::Checker;

# Compares what the clients of a room saw (TripChat::Record) with what its table holds, and says in words
# what is wrong: nothing, if all is well. No socket, no database.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(complaints);

use constant {
    HISTORY => 50,    # messages of a fresh start: TripChatHistory by default
    SHORT   => 60,    # characters of a content in a complaint
};

# $table: { last_seq => n, events => [{ seq, kind => message | edit, id, and of messages client_id, content }] }
# history => messages of a fresh start
sub complaints {
    my ($table, $records, %opt) = @_;
    my $self = bless { table => _indexed($table), history => $opt{history} // HISTORY, complaints => [] };
    $self->_check_table($table, $records);
    $self->_check_record($_) for @$records;
    return @{ $self->{complaints} };
}

# The events by seq, the messages in order, by id and by client_id.
sub _indexed {
    my ($table) = @_;
    my @messages = sort { $a->{seq} <=> $b->{seq} } grep { $_->{kind} eq 'message' } @{ $table->{events} };
    my %by_client_id;
    push @{ $by_client_id{ $_->{client_id} // '' } }, $_ for @messages;
    return {
        last_seq     => $table->{last_seq},
        by_seq       => { map { $_->{seq} => $_ } @{ $table->{events} } },
        by_id        => { map { $_->{id} => $_ } @messages },
        messages     => \@messages,
        by_client_id => \%by_client_id,
    };
}

sub _complain { my ($self, @words) = @_; push @{ $self->{complaints} }, join '', @words; return }

# ---- the table itself ----

sub _check_table {
    my ($self, $table, $records) = @_;
    $self->_check_numbers($table);
    my %sent = map { %{ $_->sends } } @$records;
    for my $client_id (sort keys %{ $self->{table}{by_client_id} }) {
        my @stored = map { $_->{seq} } @{ $self->{table}{by_client_id}{$client_id} };
        $self->_complain("the table has what nobody sent: '$client_id' (seq @stored)") if !$sent{$client_id};
        $self->_complain("the table has $client_id ", 0 + @stored, " times (seq @stored)") if @stored > 1;
    }
    return;
}

sub _check_numbers {
    my ($self, $table) = @_;
    my %times;
    $times{ $_->{seq} }++ for @{ $table->{events} };
    for my $seq (1 .. $table->{last_seq}) {
        $self->_complain("the table lacks seq $seq") if !$times{$seq};
    }
    for my $seq (sort { $a <=> $b } keys %times) {
        $self->_complain("the table has seq $seq $times{$seq} times") if $times{$seq} > 1;
        $self->_complain("the table has seq $seq beyond the room's last, $table->{last_seq}") if $seq > $table->{last_seq};
    }
    return;
}

# ---- one client ----

sub _check_record {
    my ($self, $record) = @_;
    my @stretches = $record->stretches;
    local $self->{who} = $record->name;
    $self->_check_stretch($_) for @stretches;
    $self->_check_end($stretches[-1]) if @stretches;
    $self->_check_answers($record);
    return;
}

sub _complain_of_client { my ($self, @words) = @_; return $self->_complain("$self->{who} ", @words) }

sub _check_stretch {
    my ($self, $stretch) = @_;
    $self->_complain_of_client("could not resume from $stretch->{unrecovered}: recovered is false")
        if defined $stretch->{unrecovered};
    $self->_check_history($stretch);
    $self->_check_order($stretch);
    $self->_check_event($_) for @{ $stretch->{seen} };
    return;
}

# A fresh start is the newest messages up to its last_seq, oldest first.
sub _check_history {
    my ($self, $stretch) = @_;
    my @right = map { "$_->{seq} $_->{id}" } grep { $_->{seq} <= $stretch->{begin} } @{ $self->{table}{messages} };
    splice @right, 0, -$self->{history} if @right > $self->{history};
    my @given = map { "@$_" } @{ $stretch->{history} };
    return if "@given" eq "@right";
    $self->_complain_of_client("got a history up to $stretch->{begin} of other messages than the table's: ",
        join(', ', @given), ' instead of ', join(', ', @right));
    return;
}

# Each seq once, in order, none left out, from the history on as far as the client has come.
sub _check_order {
    my ($self, $stretch) = @_;
    my ($last, %seen) = ($stretch->{begin});
    for my $event (@{ $stretch->{seen} }) {
        my $seq = $event->{seq};
        if    ($seen{$seq}++ || $seq <= $stretch->{begin}) { $self->_complain_of_client("saw seq $seq again") }
        elsif ($seq < $last)                                { $self->_complain_of_client("saw seq $seq after seq $last") }
        $last = $seq if $seq > $last;
    }
    $self->_complain_of_client("never saw seq $_") for grep { !$seen{$_} } $stretch->{begin} + 1 .. $stretch->{cursor};
    return;
}

sub _check_event {
    my ($self, $event) = @_;
    my $stored = $self->{table}{by_seq}{ $event->{seq} };
    if (!$stored) {
        $self->_complain_of_client("saw seq $event->{seq}, which the table does not have");
        return;
    }
    $self->_complain_of_client("saw seq $event->{seq} as $event->{id}, in the table it is $stored->{id}")
        if $event->{id} ne $stored->{id};
    $self->_complain_of_client("saw seq $event->{seq} as $event->{kind}, in the table it is $stored->{kind}")
        if defined $event->{kind} && $event->{kind} ne $stored->{kind};
    return;
}

# At the end the client has come as far as the room, and reads what the table reads.
sub _check_end {
    my ($self, $stretch) = @_;
    my $last = $self->{table}{last_seq};
    return $self->_complain_of_client("has come to seq $stretch->{cursor}, the table to $last")
        if $stretch->{cursor} < $last;
    for my $id (sort keys %{ $stretch->{contents} }) {
        my $stored = $self->{table}{by_id}{$id} or next;    # _check_event() has said so
        my $content = $stretch->{contents}{$id};
        next if $content eq $stored->{content};
        $self->_complain_of_client(sprintf "reads '%s' in $id, the table says '%s'",
            map { _short($_) } $content, $stored->{content});
    }
    return;
}

sub _short { my ($text) = @_; return length $text > SHORT ? substr($text, 0, SHORT) . '...' : $text }

# What the client was told of its own messages.
sub _check_answers {
    my ($self, $record) = @_;
    my ($sends, $copies) = ($record->sends, $record->copies);
    for my $client_id (sort keys %{ { %$sends, %$copies } }) {
        my ($times, @got) = ($sends->{$client_id} // 0, @{ $copies->{$client_id} || [] });
        $self->_complain_of_client("was never told what became of $client_id") if !@got;
        $self->_complain_of_client('got ', 0 + @got, " copies of $client_id, which it sent $times times")
            if @got > $times;
        $self->_check_copy($client_id, $_) for @got;
    }
    return;
}

sub _check_copy {
    my ($self, $client_id, $copy) = @_;
    my ($stored) = @{ $self->{table}{by_client_id}{$client_id} || [] };
    if (!$stored) {
        $self->_complain_of_client("was told that $client_id is stored, the table does not have it");
        return;
    }
    $self->_complain_of_client("was told that $client_id is seq $copy->{seq}, in the table it is seq $stored->{seq}")
        if $copy->{seq} != $stored->{seq} || $copy->{id} ne $stored->{id};
    return;
}

1;
