# Whoever may not be there is out: a user whom one of the two queries refuses, over each transport, and a newer token
# changes nothing. The access query gets the database's id of a user, never the claim of their token.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::OwnKeys;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant RECHECK_S => 4;

sub closed_with {
    my ($client, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(eval { $client->read_close->{code} }, $code, $name) || diag($@);
}

# How a site says no: what it changes, and what the user is told.
my %NO = (
    'deactivated' => { sql => q{UPDATE users SET full_name = '' WHERE id = '%s'}, code => 4001, status => 401, error => 'unauthorized' },
    'deleted'     => { sql => q{DELETE FROM trip_collaborators WHERE user_id = '%s'; DELETE FROM users WHERE id = '%1$s'},
        code => 4001, status => 401, error => 'unauthorized' },
    'taken off the trip' => { sql => q{DELETE FROM trip_collaborators WHERE user_id = '%s'}, code => 4003, status => 403, error => 'forbidden' },
    'banned by a table that the access query asks' => { sql => q{INSERT INTO bans (person) VALUES ('%s')}, code => 4003, status => 403, error => 'forbidden' },
);

my $QUERIES = <<'CONF';
TripChatUserQuery "SELECT id, email, username, full_name FROM users WHERE id = %{user} AND full_name <> ''"
TripChatAccessQuery "SELECT 1 FROM trip_collaborators WHERE trip_id = %{trip} AND user_id = %{user} AND NOT EXISTS (SELECT 1 FROM bans WHERE person = %{user})"
CONF

sub start_site {
    my ($recheck) = @_;
    my $server = TripChat::Server->start(site_config => "$QUERIES\nTripChatRecheck $recheck\n");
    $server->site->sql('CREATE TABLE bans (person ' . (is_full() ? 'uuid' : 'text') . ' NOT NULL)');
    return ($server, $server->site);
}

for my $what (sort keys %NO) {
    my $no = $NO{$what};
    subtest "a user who was $what is out in time, whatever token they have" => sub {
        my ($server, $site) = start_site(RECHECK_S . 's');
        my $trip = $site->new_trip;
        my ($ann, $bob, $other) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob bob);
        my $stream = $site->rest(as => 'bob')->follow($trip);
        my $poll   = $site->rest(as => 'bob')->ask_for_news($trip, 0);
        $stream->next_json('message_history');
        $site->sql(sprintf $no->{sql}, user('bob')->{id});
        my $begun = now();
        $other->send_json({ type => 'authenticate', token => $site->token('bob', exp => time + 7200), client_id => 'b1' });
        is_deeply([@{ $other->next_json('error') }{qw(code client_id)}], [$no->{error}, 'b1'], 'a fresh token is refused');
        closed_with($other, $no->{code}, 'and its connection is closed');
        cmp_ok(now() - $begun, '<', RECHECK_S, 'at once');
        closed_with($bob, $no->{code}, 'a socket');
        is(($stream->read_close)[0], $no->{code}, 'a stream');
        refusal_is($poll->answer, $no->{status}, { code => $no->{error} }, 'a poll');
        cmp_ok(now() - $begun, '<=', RECHECK_S + 1, 'within TripChatRecheck');
        still_talks($ann, 'the others stay');
        $ann->leave;
        stops_clean($server, 'and the log has nothing to say');
    };

    subtest "where nobody is checked again, a newer token asks for a user who was $what" => sub {
        my ($server, $site) = start_site(0);
        my $trip = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        $site->sql(sprintf $no->{sql}, user('bob')->{id});
        $bob->send_json({ type => 'authenticate', token => $site->token('bob', exp => time + 7200), client_id => 'b1' });
        is_deeply([@{ $bob->next_json('error') }{qw(code client_id)}], [$no->{error}, 'b1'], 'it is refused');
        closed_with($bob, $no->{code}, 'and the connection is closed');
        still_talks($ann, 'the others stay');
        $ann->leave;
        stops_clean($server, 'and the log has nothing to say');
    };
}

# The user query finds a user by two names. One of them is theirs no longer.
subtest 'a user whom tokens name in two ways is asked for under each name' => sub {
    my $server = TripChat::Server->start(site_config => <<'CONF');
TripChatUserQuery "SELECT id, email, username, full_name FROM users WHERE CAST(id AS text) = %{user} OR email = %{user}"
TripChatRecheck 2s
CONF
    my $site  = $server->site;
    my $ann   = user('ann');
    my %token = (id => $site->token('ann'), address => $site->token('ann', user_id => $ann->{email}));
    my @pairs;
    for my $order ([qw(id address)], [qw(address id)]) {
        my $trip = $site->new_trip;
        push @pairs, { first => $order->[0], map { $_ => $site->chat(trip => $trip, token => $token{$_}) } @$order };
    }
    $site->sql("UPDATE users SET email = 'new\@example.com' WHERE id = '$ann->{id}'");
    turned_away_with($site, $site->path($site->new_trip, token => $token{address}), undef, 4001, 'a newcomer by the old address');
    for my $pair (@pairs) {
        closed_with($pair->{address}, 4001, "a member by the old address, where the $pair->{first} came first");
        still_talks($pair->{id}, 'a member by id stays');
        $pair->{id}->leave;
    }
    stops_clean($server, 'and the log has nothing to say');
};

# Ids of the database and numbers in tokens are numbers of one range: the claim of each is the other one's id.
subtest 'the access query gets the id that the user query returned, on each way in' => sub {
    my %trip = (ann => 1001, both => 1002);
    my $own  = TripChat::OwnKeys->new(
        users => 'people', user_type => 'integer', trips => 'journeys', trip_type => 'integer', members => 'seats',
        people => { ann => 1, bob => 2 }, on => { $trip{ann} => ['ann'], $trip{both} => [qw(ann bob)] },
    );
    my $server = TripChat::Server->start(database => $own->database, site_config => <<'CONF');
TripChatTripKey integer
TripChatRecheck 1s
TripChatUserQuery "SELECT id, email, username, full_name FROM people WHERE 3 - id = CAST(%{user} AS integer)"
TripChatAccessQuery "SELECT 1 FROM seats WHERE trip = CAST(%{trip} AS integer) AND person = CAST(%{user} AS integer)"
CONF
    my $site  = $server->site;
    my %token = map { $_ => $site->token('ann', user_id => 3 - $own->{people}{$_}) } qw(ann bob);
    my %rest  = map { $_ => $site->rest(token => $token{$_}) } qw(ann bob);
    my ($ann, $bob) = map { $site->chat(trip => $trip{both}, token => $token{$_}) } qw(ann bob);
    turned_away_with($site, $site->path($trip{ann}, token => $token{bob}), undef, 4003, 'at the door of a socket');
    ok($site->chat(trip => $trip{ann}, token => $token{ann})->leave, 'which lets in who is on the trip');
    is($rest{ann}->list($trip{ann})->{status}, 200, 'a page');
    is($rest{bob}->list($trip{ann})->{status}, 403, 'is not for others');
    my $message = $rest{ann}->posted($trip{ann}, 'by ann');
    is($message->{sender}{id}, '1', 'a message has the database\'s id');
    is($rest{bob}->post($trip{ann}, 'by bob')->{status}, 403, 'and is not written by others');
    is($rest{bob}->edit($message->{id}, 'by bob')->{status}, 404, 'nor edited');
    is($rest{bob}->ask_for_news($trip{ann}, 0)->answer->{status}, 403, 'a poll');
    sleep 3;
    still_talks($bob, 'a recheck finds everybody');
    $ann->next_json('chat_message');
    $own->take_off($trip{both}, 'bob');
    closed_with($bob, 4003, 'a recheck of who was taken off');
    still_talks($ann, 'is not one of the other');
    $ann->leave;
    stops_clean($server, 'and the log has nothing to say', qr/\bTC0013:/);
};

done_testing;
