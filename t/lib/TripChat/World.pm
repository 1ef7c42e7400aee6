package TripChat::World;

# The users and trips the tests live in. TripChat::Database holds them.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Exporter 'import';

our @EXPORT_OK = qw(user new_uuid people_sql);

my %PEOPLE = (
    ann   => 'Ann Archer',
    bob   => 'Bob Baker',
    carol => 'Carol Cook',
    dave  => 'Dave Draper',
);

# A person's row, { id, email, username, full_name }.
sub user {
    my ($name) = @_;
    my $full_name = $PEOPLE{$name} or die "nobody is called $name\n";
    return {
        id        => _uuid_of("user $name"),
        email     => "$name\@example.com",
        username  => $name,
        full_name => $full_name,
    };
}

# A UUID that was not there before.
my $made = 0;
sub new_uuid { return _uuid_of(join ' ', 'new', $$, time, ++$made, rand) }

# The statements that put everybody into a database, and no trips.
sub people_sql { return join '', map { _insert_user($_) } sort keys %PEOPLE }

sub _insert_user {
    my $user = user(@_);
    return sprintf "INSERT INTO users (id, email, username, full_name) VALUES ('%s', '%s', '%s', '%s');\n",
        @$user{qw(id email username full_name)};
}

sub _uuid_of {
    my ($hex) = map { sha1_hex($_) } @_;
    return join '-', substr($hex, 0, 8), substr($hex, 8, 4), '4' . substr($hex, 13, 3), 'a' . substr($hex, 17, 3),
        substr $hex, 20, 12;
}

1;
