# A table of the site is locked for long, by a migration for example. The rechecks and the handshakes that need the table
# wait. Members who are in talk on, httpd serves its other pages, and newcomers come in afterwards.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Postgres;
use TripChat::Session;
use TripChat::Test;

use constant {
    NEWCOMERS => 24,    # at once, and as many again: more than the pool has connections
    SILENCE_S => 12,    # of the members: longer than a db thread keeps its connection
    LOCK      => 'BEGIN; LOCK TABLE trip_collaborators IN ACCESS EXCLUSIVE MODE',
};

my $database = TripChat::Postgres->shared->new_database;
my $server   = TripChat::Server->start(database => $database, site_config => "TripChatRecheck 2s\nDBDMax 6");
my $site     = $server->site;
my ($trip, $other) = map { $site->new_trip } 1, 2;
my ($ann, $bob)    = map { $site->chat(trip => $trip,  as => $_) } qw(ann bob);
my ($carol, $anns) = map { $site->chat(trip => $other, as => $_) } qw(carol ann);
my @members        = ($ann, $bob, $carol, $anns);
my $n = 0;

sub all_talk {
    my ($name) = @_;
    my @wrong;
    for my $pair ([$ann, $bob], [$bob, $ann], [$carol, $anns]) {
        my ($speaker, $hearer) = @$pair;
        my $content = 'text ' . ++$n;
        $speaker->say($content);
        for my $member ($speaker, $hearer) {
            my $event = $member->next_json;
            push @wrong, $event if $event->{type} ne 'chat_message' || $event->{message}{content} ne $content;
        }
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(\@wrong, [], $name);
}

# What became of a newcomer: in, or the close code.
sub fate_of { my ($newcomer) = @_; return eval { $newcomer->finish_join; 'in' } // ($@ =~ /closed with (\d+)/)[0] // $@ }

sub newcomer {
    my ($at) = @_;
    my $client = $site->connect;
    return bless($client, 'TripChat::Client')->ask_to_open($site->path($at, token => $site->token('carol')));
}

all_talk('before');
my $session = TripChat::Session->open($database);
$session->run(LOCK);
my @newcomers = map { newcomer($trip) } 1 .. NEWCOMERS;
for (1 .. NEWCOMERS) {
    push @newcomers, newcomer($trip);
    select undef, undef, undef, SILENCE_S / NEWCOMERS;
}
is($site->http_get('/server-status?auto')->{status}, 200, 'httpd serves its other pages while newcomers wait');
all_talk('members talk, though they were silent for long');
push @newcomers, newcomer($other);
all_talk('and on');
$session->run('ROLLBACK');
$session->end;
my %fates;
$fates{ fate_of($_) }++ for @newcomers;
is_deeply([grep { !/\A(?:in|1013)\z/ } keys %fates], [], 'newcomers came in, or are to come later') or diag(explain \%fates);
note(explain \%fates);
cmp_ok($fates{in} // 0, '>', 0, 'who waited is in');
my $late = until_true('a newcomer to be let in', sub { my $late = newcomer($trip); fate_of($late) eq 'in' && $late });
is_deeply(contents_of(@{ $late->history->{messages} }), [map { "text $_" } grep { $_ % 3 } 1 .. $n], 'who comes sees all');
$_->leave for @members, $late;
stops_clean($server, 'the log has nothing to say');

# What is stored is shown, though the table that the user query needs is locked, and the author replied to is not known.
subtest 'a reply to somebody whom the site would have to be asked for' => sub {
    my $theirs = TripChat::Postgres->shared->new_database;
    $theirs->sql('CREATE TABLE profiles (user_id uuid PRIMARY KEY REFERENCES users (id), full_name text);'
        . ' INSERT INTO profiles SELECT id, full_name FROM users');
    my $here = TripChat::Server->start(database => $theirs, site_config => "TripChatRecheck 0\nTripChatUserQuery "
        . '"SELECT u.id, u.email, u.username, p.full_name FROM users u JOIN profiles p ON p.user_id = u.id WHERE u.id = %{user}"');
    my $there = $here->site;
    my ($first, $second) = map { $there->new_trip } 1, 2;
    my $by_carol = $there->rest(as => 'carol')->posted($first, 'by carol');
    $here->restart;    # no thread knows carol
    my @both = map { $there->chat(trip => $first, as => $_) } qw(ann bob);
    my $apart = $there->chat(trip => $second, as => 'bob');
    my $lock = TripChat::Session->open($theirs);
    $lock->run('BEGIN; LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE');
    $both[0]->say('a reply', reply_to => $by_carol->{id});
    $apart->say('elsewhere');
    is($apart->next_json->{message}{content}, 'elsewhere', 'other rooms go on');
    is_deeply([map { $_->next_json->{message}{reply_to}{sender_email} } @both], [(user('carol')->{email}) x 2], 'and the reply is shown, with its author');
    $lock->run('ROLLBACK');
    $lock->end;
    $_->leave for @both, $apart;
    stops_clean($here, 'the log has nothing to say');
};

done_testing;
