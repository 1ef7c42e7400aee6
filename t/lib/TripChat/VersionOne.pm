package TripChat::VersionOne;

# Writes messages and edits as modules made for version 1 of the chat's tables did: the same statements, in the same order,
# in one transaction, over a connection that stays. What fails is tried again, as the module did.

use strict;
use warnings;

use JSON::PP ();

use TripChat::Session;
use TripChat::World qw(new_uuid);

use constant {
    TRIES => 3,
    BEGINNING => "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s';"
        . " SET LOCAL idle_in_transaction_session_timeout = '10s'",
    PGSQL_COLUMNS => q{m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited::int,}
        . q{ to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),}
        . q{ to_char(m.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p.id, p.content, p.sender_id, m.client_id},
    SQLITE_COLUMNS => 'm.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited, m.created_at, m.updated_at,'
        . ' p.id, p.content, p.sender_id, m.client_id',
    REPLY => 'LEFT JOIN chat_messages p ON p.id = m.reply_to_id',
    NOW   => '2026-01-02T03:04:05.678901Z',
};

my $JSON = JSON::PP->new->canonical;

sub new { my ($class, $database) = @_; return bless { database => $database }, $class }

# Stores a message (room, sender, content, client_id, reply_to) or an edit (room, edit => id, content). Returns
# { id, seq, repeated }. Dies when it fails as often as the module tried.
sub store {
    my ($self, %job) = @_;
    for my $try (1 .. TRIES) {
        my $stored = eval { $self->_try(%job) };
        return $stored if $stored;
        delete $self->{session};
        die "version 1 cannot write: $@" if $try == TRIES;
    }
    return;
}

# In the order of the statements: "seq|kind|id|…" is how a stored message comes back.
sub _try {
    my ($self, %job) = @_;
    my $run = sub { ($self->{session} //= TripChat::Session->open($self->{database}))->run(@_) };
    my $is_sqlite = $self->{database}->is_sqlite;
    $run->($is_sqlite ? 'BEGIN IMMEDIATE' : BEGINNING);
    my ($room) = $run->($is_sqlite ? "SELECT id, last_seq FROM chat_rooms WHERE id = '$job{room}'"
        : 'SELECT r.id, r.last_seq FROM chat_rooms r JOIN ' . _rows('chat_rooms', id => $job{room})
        . ' ON x.id = r.id ORDER BY r.id FOR NO KEY UPDATE OF r');
    my $seq = 1 + (split /\|/, $room)[1];
    my ($sent) = defined $job{client_id} ? $run->($self->_find('sender_id' => $job{sender}, room_id => $job{room}, client_id => $job{client_id})) : ();
    my ($target) = map { $run->($self->_find(id => $_)) } grep { defined } $job{edit}, $job{reply_to};
    my $result;
    if (defined $sent) { $result = { id => (split /\|/, $sent)[2], seq => (split /\|/, $sent)[0], repeated => 1 } }
    elsif ($job{edit}) { $result = { id => $job{edit}, seq => $seq }; $run->($_) for $self->_edit(%job, seq => $seq) }
    else               { $result = { id => new_uuid(), seq => $seq }; $run->($self->_insert(%job, %$result)) }
    $run->($is_sqlite ? "UPDATE chat_rooms SET last_seq = $seq WHERE id = '$job{room}'"
        : 'UPDATE chat_rooms r SET last_seq = x.last_seq FROM ' . _rows('chat_rooms', id => $job{room}, last_seq => $seq)
        . ' WHERE r.id = x.id') if !$result->{repeated};
    $run->('COMMIT');
    return $result;
}

# Messages by their id, or what was sent under a client_id.
sub _find {
    my ($self, %key) = @_;
    my @columns = sort keys %key;
    return 'SELECT m.seq, 0, ' . SQLITE_COLUMNS . ' FROM chat_messages m ' . REPLY . ' WHERE '
        . join ' AND ', map { "m.$_ = '$key{$_}'" } @columns if $self->{database}->is_sqlite;
    return 'SELECT m.seq, 0, ' . PGSQL_COLUMNS . ' FROM ' . _rows('chat_messages', %key) . ' JOIN chat_messages m ON '
        . join(' AND ', map { "m.$_ = x.$_" } @columns) . ' ' . REPLY;
}

sub _insert {
    my ($self, %job) = @_;
    my %row = (
        id => $job{id}, room_id => $job{room}, seq => $job{seq}, sender_id => $job{sender}, client_id => $job{client_id},
        content => $job{content}, message_type => 'text', reply_to_id => $job{reply_to},
    );
    my $columns = 'id, room_id, seq, sender_id, client_id, content, message_type, reply_to_id, is_edited, created_at, updated_at';
    my @cells   = map { s/, is_edited.*//r } $columns;
    my @names   = split /, /, $cells[0];
    return "INSERT INTO chat_messages ($columns) VALUES ("
        . join(', ', (map { defined $row{$_} ? "'$row{$_}'" : 'NULL' } @names), 0, ("'${\ NOW }'") x 2) . ')'
        if $self->{database}->is_sqlite;
    return "INSERT INTO chat_messages ($columns) SELECT " . join(', ', map { "x.$_" } @names)
        . ', false, x.created_at, x.updated_at FROM ' . _rows('chat_messages', %row, created_at => _now(), updated_at => _now());
}

sub _edit {
    my ($self, %job) = @_;
    return ("UPDATE chat_messages SET content = '$job{content}', is_edited = 1, updated_at = '${\ NOW }' WHERE id = '$job{edit}'",
        "INSERT INTO chat_edits (room_id, seq, message_id, edited_at) VALUES ('$job{room}', $job{seq}, '$job{edit}', '${\ NOW }')")
        if $self->{database}->is_sqlite;
    return ('UPDATE chat_messages m SET content = x.content, is_edited = true, updated_at = x.updated_at FROM '
            . _rows('chat_messages', id => $job{edit}, content => $job{content}, updated_at => _now()) . ' WHERE m.id = x.id',
        'INSERT INTO chat_edits (room_id, seq, message_id, edited_at) SELECT x.room_id, x.seq, x.message_id, x.edited_at FROM '
            . _rows('chat_edits', room_id => $job{room}, seq => $job{seq}, message_id => $job{edit}, edited_at => _now()));
}

# The module's own clock.
sub _now {
    my @now = gmtime;
    return sprintf '%d-%02d-%02dT%02d:%02d:%02dZ', $now[5] + 1900, $now[4] + 1, @now[3, 2, 1, 0];
}

# A row of a table, as PostgreSQL makes it of JSON.
sub _rows {
    my ($table, %row) = @_;
    my $json = $JSON->encode([\%row]) =~ s/'/''/gr;
    return "json_populate_recordset(NULL::$table, '$json'::json) x";
}

1;
