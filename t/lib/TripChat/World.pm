package TripChat::World;

# The users and trips the tests live in, and the SQLite file that holds them.
# The schema is the project's own (sql/), loaded with the sqlite3 command.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Exporter 'import';
use IPC::Open3 qw(open3);

use TripChat::File qw(read_file);

our @EXPORT_OK = qw(user new_uuid create_database sqlite);

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

# Makes the database file with everybody in it and no trips.
# The order of the files is that of sql/'s foreign keys.
sub create_database {
    my ($file, $sql_dir) = @_;
    for my $schema ('chat.sqlite3.sql', 'site.sqlite3.sql') {
        sqlite($file, read_file("$sql_dir/$schema"));
    }
    sqlite($file, join '', map { _insert_user($_) } sort keys %PEOPLE);
    return $file;
}

# Runs SQL with the sqlite3 command; returns its output's lines. Dies of any error.
sub sqlite {
    my ($file, $sql) = @_;
    my $pid = open3(my $in, my $out, undef, 'sqlite3', '-batch', '-bail', $file);
    print {$in} ".timeout 30000\n$sql\n";
    close $in;
    my @lines = <$out>;
    waitpid $pid, 0;
    die "sqlite3 on $file: @lines\n" if $?;
    chomp @lines;
    return @lines;
}

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
