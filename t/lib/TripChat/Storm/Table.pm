package TripChat::Storm::Table;

# What the database holds of all rooms, as TripChat::Checker takes it: trip => { last_seq, events }.

use strict;
use warnings;

use Encode qw(decode);

# Columns between bars, as TripChat::Database gives them: the storm's texts have none.
use constant ROOMS  => 'SELECT trip_id, last_seq FROM chat_rooms';
use constant EVENTS => <<'SQL';
SELECT r.trip_id, m.seq, 'message', m.id, m.client_id, m.content FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id
UNION ALL
SELECT r.trip_id, e.seq, 'edit', e.message_id, '', '' FROM chat_edits e JOIN chat_rooms r ON r.id = e.room_id
SQL

sub read_tables {
    my ($database) = @_;
    my %tables = map { $_->[0] => { last_seq => $_->[1], events => [] } } _rows($database, ROOMS);
    for my $row (_rows($database, EVENTS)) {
        my ($trip, %event) = shift @$row;
        @event{qw(seq kind id client_id content)} = @$row;
        push @{ $tables{$trip}{events} }, \%event;
    }
    return \%tables;
}

sub _rows {
    my ($database, $sql) = @_;
    return map { [split /\|/, decode('UTF-8', $_), -1] } $database->sql("$sql;");
}

1;
