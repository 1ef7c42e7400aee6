package TripChat::OwnKeys;

# Sites that existed before the chat, with keys of their own kinds: tables with other names, ids that are integers,
# texts, or UUIDs without hyphens. TripChat::Server runs the chat on them.

use strict;
use warnings;

use TripChat::Database;
use TripChat::File qw(read_file);
use TripChat::Httpd qw(sql_dir);
use TripChat::Postgres;
use TripChat::Shared qw(is_full);
use TripChat::Surroundings qw(var_dir);

my $made = 0;

# A database with a site's tables and the chat's.
#   users, trips, members => names of tables, as SQL has them    schema => SQL that makes the schema (PostgreSQL)
#   user_id, trip_id      => names of the key columns
#   user_type, trip_type  => their types
#   people => { name => id }    on => { trip => [names] }
sub new {
    my ($class, %site) = @_;
    my $database = is_full() ? TripChat::Postgres->shared->new_database(empty => 1)
        : TripChat::Database->sqlite(sprintf '%s/own-keys-%d-%d.db', var_dir(), $$, ++$made);
    my $self = bless { user_id => 'id', trip_id => 'id', schema => '', %site, database => $database }, $class;
    $database->sql($self->_tables);
    $self->_make_chat_tables;
    return $self;
}

sub database { return $_[0]{database} }

sub sql { my ($self, $sql) = @_; return $self->{database}->sql($sql) }

# The SQL of text, a doubled quote for each.
sub quoted { my ($text) = @_; return q{'} . $text =~ s/'/''/gr . q{'} }

sub add_trip {
    my ($self, $trip, @names) = @_;
    $self->sql(join '', "INSERT INTO $self->{trips} VALUES (" . quoted($trip) . ');', map { $self->_member($trip, $_) } @names);
    return;
}

sub take_off {
    my ($self, $trip, $name) = @_;
    $self->sql("DELETE FROM $self->{members} WHERE trip = " . quoted($trip) . ' AND person = ' . quoted($self->{people}{$name}));
    return;
}

sub delete_trip {
    my ($self, $trip) = @_;
    $self->sql("DELETE FROM $self->{members} WHERE trip = " . quoted($trip)
        . "; DELETE FROM $self->{trips} WHERE $self->{trip_id} = " . quoted($trip));
    return;
}

sub _member {
    my ($self, $trip, $name) = @_;
    return "INSERT INTO $self->{members} VALUES (" . quoted($trip) . ', ' . quoted($self->{people}{$name}) . ');';
}

sub _tables {
    my ($self) = @_;
    my ($people, $on) = @$self{qw(people on)};
    return join "\n", $self->{schema},
        "CREATE TABLE $self->{users} ($self->{user_id} $self->{user_type} NOT NULL PRIMARY KEY, email text, username text, full_name text);",
        "CREATE TABLE $self->{trips} ($self->{trip_id} $self->{trip_type} NOT NULL PRIMARY KEY);",
        "CREATE TABLE $self->{members} (trip $self->{trip_type} NOT NULL, person $self->{user_type} NOT NULL);",
        (map { sprintf q{INSERT INTO %s VALUES (%s, '%s@example.com', '%s', '%s Archer');}, $self->{users},
            quoted($people->{$_}), $_, $_, ucfirst } sort keys %$people),
        (map { "INSERT INTO $self->{trips} VALUES (" . quoted($_) . ');' } sort keys %$on),
        map { my $trip = $_; map { $self->_member($trip, $_) } @{ $on->{$trip} } } sort keys %$on;
}

# As docs/operations.md says: variables of psql, or for SQLite, whose shell has no variables, an edit of the script.
sub _make_chat_tables {
    my ($self) = @_;
    my %by = (
        users => $self->{users}, user_key => $self->{user_type}, user_column => $self->{user_id},
        trips => $self->{trips}, trip_key => $self->{trip_type}, trip_column => $self->{trip_id},
    );
    return $self->{database}->run_file(sql_dir() . '/chat.pgsql.sql', $self->{database}->variables, %by) if is_full();
    my $script = read_file(sql_dir() . '/chat.sqlite3.sql');
    $script =~ s/REFERENCES users \(id\)/REFERENCES $by{users} ($by{user_column})/g;
    $script =~ s/REFERENCES trips \(id\)/REFERENCES $by{trips} ($by{trip_column})/g;
    $script =~ s/^( +sender_id +)TEXT/$1$by{user_key}/gm;
    $script =~ s/^( +trip_id +)TEXT/$1$by{trip_key}/gm;
    $self->{database}->sql($script);
    return;
}

1;
