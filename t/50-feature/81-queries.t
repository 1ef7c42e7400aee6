# The site's two queries: what their answers mean, who is out when they change their answer, under which names people
# wrote who are gone, and how an administrator learns that a query does not work.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::Metrics qw(health_config);
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    MEMBERS     => 'FROM trip_collaborators WHERE trip_id = %{trip} AND user_id = %{user}',
    OF_DATABASE => qr/\bTC0012:/,
    HEALTH      => health_config('/health'),
    GONE        => { email => '', username => '(deleted user)', full_name => '(deleted user)' },
};

sub access_query { my ($sql) = @_; return qq(TripChatAccessQuery "$sql"\n) }
sub user_query   { my ($sql) = @_; return qq(TripChatUserQuery "$sql"\n) }

my %QUERIES = (
    'whether there is one' => 'SELECT EXISTS (SELECT 1 ' . MEMBERS . ')',
    'how many there are'   => 'SELECT count(*) ' . MEMBERS,
    'a role or nothing'    => q{SELECT CASE WHEN EXISTS (SELECT 1 } . MEMBERS . q{) THEN 'member' END},
    'a text or an empty one' => q{SELECT CASE WHEN EXISTS (SELECT 1 } . MEMBERS . q{) THEN 'member' ELSE '' END},
    'two columns, the first of which counts' => 'SELECT count(*), 1 ' . MEMBERS,
    'with a semicolon'     => 'SELECT 1 ' . MEMBERS . ' ; -- members',
);

for my $what (sort keys %QUERIES) {
    subtest "the access query says $what" => sub {
        my $server = TripChat::Server->start(site_config => access_query($QUERIES{$what}) . "TripChatRecheck 1s\n");
        my $site   = $server->site;
        my $trip   = $site->new_trip(members => [qw(ann bob)]);
        my $ann    = $site->chat(trip => $trip);
        my $bob    = $site->chat(trip => $trip, as => 'bob');
        turned_away_with($site, $site->path($trip, token => $site->token('dave')), undef, 4003, 'a stranger is out');
        is($site->rest(as => 'dave')->list($trip)->{status}, 403, 'over HTTP as well');
        $site->sql(sprintf "DELETE FROM trip_collaborators WHERE user_id = '%s'", user('bob')->{id});
        is($bob->read_close->{code}, 4003, 'who is a member no more is out');
        still_talks($ann, 'who is one stays');
        $ann->leave;
        stops_clean($server, 'and the log has nothing to say');
    };
}

subtest 'a trip that does not exist is refused for good, however generous the access query is' => sub {
    my $server = TripChat::Server->start(site_config =>
            access_query("SELECT 1 FROM users WHERE id = %{user} AND CAST(%{trip} AS text) <> 'x'"));
    my $site = $server->site;
    my ($ghost, $trip) = (new_uuid(), $site->new_trip(members => []));
    turned_away_with($site, $site->path($ghost, token => $site->token('ann')), undef, 4003, 'a socket is closed with 4003');
    refusal_is($site->rest->list($ghost), 403, { code => 'forbidden' }, 'a page is 403');
    refusal_is($site->rest->post($ghost, 'x'), 403, { code => 'forbidden' }, 'and so is a message');
    ok($site->chat(trip => $trip, as => 'dave')->leave, 'a trip that exists gets its room');
    stops_clean($server, 'no error is logged');
};

subtest 'a user who is deactivated is out, and keeps their name' => sub {
    my $server = TripChat::Server->start(site_config => "TripChatRecheck 1s\n"
            . user_query(q(SELECT id, email, username, full_name FROM users WHERE id = %{user} AND full_name <> '')));
    my $site = $server->site;
    $site->sql('CREATE TABLE IF NOT EXISTS chat_people (id text PRIMARY KEY, email text, username text, full_name text)');
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $stream = $site->rest(as => 'bob')->follow($trip);
    my $message = $bob->said('by bob');
    $ann->next_json('chat_message');
    is($message->{sender}{full_name}, user('bob')->{full_name}, 'bob says something');
    $site->sql("DELETE FROM chat_people; INSERT INTO chat_people VALUES ('" . user('bob')->{id} . q{', 'b@old', 'bobby', 'Bobby')});
    $site->sql(sprintf "UPDATE users SET full_name = '' WHERE id = '%s'", user('bob')->{id});
    is($bob->read_close->{code}, 4001, 'the socket is closed');
    is(($stream->read_close)[0], 4001, 'the stream is closed');
    turned_away_with($site, $site->path($trip, token => $site->token('bob')), undef, 4001, 'like a newcomer');
    still_talks($ann, 'ann stays');
    $ann->leave;
    $server->restart;    # a child remembers a name for a minute
    my $sender = $site->rest->list($trip)->{json}{results}[0]{sender};
    is_deeply($sender, { id => user('bob')->{id}, email => 'b@old', username => 'bobby', full_name => 'Bobby' },
        'a page shows the name under which they wrote last');
    is_deeply($site->chat(trip => $trip)->history->{messages}[0]{sender}, $sender, 'and so does a history');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'an edit does not pass for a message that has brought the names' => sub {
    my $server = TripChat::Server->start(workers => 4);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $rest   = $site->rest(as => 'ann');
    my @ids    = map { $rest->posted($trip, "message $_")->{id} } 1 .. 4;
    $site->sql('DELETE FROM chat_people');
    $server->restart;
    is($rest->edit($_, 'edited')->{status}, 200, 'an edit') for @ids;
    $rest->posted($trip, "message $_") for 5 .. 8;
    is_deeply([$site->sql('SELECT username FROM chat_people')], ['ann'], 'a message behind it brings them');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'a new token of a user who is gone is refused' => sub {
    my $server = TripChat::Server->start(site_config => "TripChatRecheck 0\n");
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    $bob->send_json({ type => 'authenticate', token => $site->token('bob'), client_id => 'b1' });
    my $answer = $bob->next_json;
    is_deeply([@$answer{qw(type client_id)}], ['authenticated', 'b1'], 'one who is there may renew it');
    $site->sql(sprintf "DELETE FROM trip_collaborators WHERE user_id = '%s'; DELETE FROM users WHERE id = '%s'", (user('bob')->{id}) x 2);
    $bob->send_json({ type => 'authenticate', token => $site->token('bob'), client_id => 'b2' });
    error_is($bob, { code => 'unauthorized', client_id => 'b2' }, 'one who was deleted may not');
    is($bob->read_close->{code}, 4001, 'and is out');
    still_talks($ann, 'others stay');
    $ann->leave;
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'who has no name anywhere is a deleted user, and no name is null' => sub {
    my $server = TripChat::Server->start(site_config => 
            user_query(q(SELECT id, email, username, full_name FROM users WHERE id = %{user} AND full_name <> '')));
    my $site = $server->site;
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->rest(as => $_) } qw(ann bob);
    my $message = $bob->posted($trip, 'by bob');
    $ann->posted($trip, 'to bob', reply_to => $message->{id});
    $site->sql(sprintf "UPDATE users SET full_name = '' WHERE id = '%s'", user('bob')->{id});
    $site->sql('DELETE FROM chat_people') if eval { $site->sql('SELECT count(*) FROM chat_people'); 1 };
    $server->restart;
    my $results = $ann->list($trip)->{json}{results};
    is_deeply($results->[0]{sender}, { id => user('bob')->{id}, %{ +GONE } }, 'the sender');
    is($results->[1]{reply_to}{sender_email}, '', 'the author replied to has no address');
    is($results->[1]{sender}{username}, 'ann', 'others have theirs');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'what cannot be read is not told as something that cannot be stored' => sub {
    my $server = TripChat::Server->start;
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    $site->sql('ALTER TABLE users RENAME TO elsewhere');
    my $answer = $site->rest->list($trip);
    is($answer->{status}, 503, 'the database refuses');
    unlike($answer->{json}{message}, qr/stored/, 'a GET is not told of storing');
    stops_clean($server, 'and the log says what fails', qr/\bTC001[27]:/);
};

my %BROKEN = (
    TripChatUserQuery   => user_query('SELECT id, email, username, name_of FROM users WHERE id = %{user}'),
    TripChatAccessQuery => access_query('SELECT 1 FROM trip_members WHERE trip_id = %{trip} AND user_id = %{user}'),
);

for my $directive (sort keys %BROKEN) {
    for my $mpm (qw(event prefork)) {
        next if $mpm eq 'prefork' && is_full();
        subtest "$directive that does not work is named in the log and on the health page: $mpm" => sub {
            my $server = TripChat::Server->start(mpm => $mpm, site_config => $BROKEN{$directive} . HEALTH);
            my $site   = $server->site;
            my $answer = $site->http_get('/health');
            my $said   = JSON::PP::decode_json($answer->{body});
            is_deeply([$answer->{status}, @$said{qw(status database refused)}], [503, 'unavailable', 'ok', [$directive]],
                'the health page says which');
            log_says($server, qr/TC0017: site localhost:\d+: $directive fails, .*(?:name_of|trip_members)/, 'the log says why');
            turned_away_with($site, $site->path($site->new_trip, token => $site->token('ann')), undef, 1013, 'nobody gets in');
            log_says($server, qr/TC0012: $directive failed: /, 'and the log names it again');
            my @lines = $server->error_log =~ /TC0017:/g;
            is(scalar @lines, 1, 'TC0017 comes once');
            stops_clean($server, 'that is all', qr/\bTC001[27]:/);
        };
    }
}

subtest 'the chat\'s tables are tried as well' => sub {
    my $server = TripChat::Server->start(site_config => HEALTH, log_level => 'warn tripchat:info');
    my $site   = $server->site;
    $site->sql('ALTER TABLE chat_messages RENAME TO elsewhere');
    my $said = JSON::PP::decode_json($site->http_get('/health')->{body});
    is_deeply([@$said{qw(status refused)}], ['unavailable', ['chat tables']], 'the health page says it');
    log_says($server, qr/TC0017: .*refuses ".*chat_messages/, 'the log names a statement');
    $site->sql('ALTER TABLE elsewhere RENAME TO chat_messages');
    until_true('the health page to be well', sub { $site->http_get('/health')->{status} == 200 });
    log_says($server, qr/TC0018:/, 'and says when they work');
    stops_clean($server, 'that is all', qr/\bTC001[27]:/);
};

done_testing;
