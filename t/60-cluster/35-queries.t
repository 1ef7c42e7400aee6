# The site's queries on PostgreSQL: how many statements a request costs, queries that cannot stand inside another one,
# tokens that name users by something else than their id, many users at once, and missing rights.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::Httpd qw(sql_dir);
use TripChat::Metrics qw(health_config);
use TripChat::Postgres;
use TripChat::Rest;
use TripChat::Test;

use constant {
    PEOPLE  => 100,
    CROWD   => 3000,
    HEALTH  => health_config('/health'),
};

my $postgres = TripChat::Postgres->start(settings => { log_statement => 'all' });

# A server whose children do nothing unasked.
sub new_server {
    my ($database, %opt) = @_;
    my $own = $opt{site_config} // '';
    my $site_config = "TripChatBus local\n" . ($own =~ /TripChatRecheck/ ? '' : "TripChatRecheck 0\n") . HEALTH . $own;
    return TripChat::Server->start(database => $database, %opt, site_config => $site_config);
}

# The statements that PostgreSQL runs for $code, without those that a connection prepares once.
sub statements {
    my ($code) = @_;
    my $before = length $postgres->output;
    $code->();
    return grep { !/psql/ } substr($postgres->output, $before) =~ /LOG:  (?:statement: (?!PREPARE )|execute [^:]*: )(.*)/g;
}

sub at_most {
    my ($most, $code, $name) = @_;
    my @statements = statements($code);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok(scalar @statements, '<=', $most, $name) || diag(join "\n", @statements);
}

subtest 'a handshake and a page cost few statements' => sub {
    my $server = new_server($postgres->new_database, log_level => 'warn tripchat:info');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    $site->chat(trip => $trip)->leave;
    my $room = $site->rest->room($trip)->{json}{id};
    at_most(1, sub { turned_away_with($site, $site->path($trip, token => $site->token('dave')), undef, 4003, 'dave') },
        'a stranger costs one');
    at_most(1, sub { $site->rest->room($room) }, 'a room costs one, by its own id too');
    my @ids = map { new_uuid() } 1 .. PEOPLE;
    my $in  = sub { my ($sql) = @_; return join ';', map { my $n = $_; $sql =~ s/ID/$ids[$n]/r =~ s/NUMBER/$n/gr } 0 .. $#ids };
    $site->sql($in->("INSERT INTO users (id, email, username, full_name) VALUES ('ID', 'uNUMBER\@example.com', 'uNUMBER', 'User NUMBER')"));
    $site->sql($in->("INSERT INTO trip_collaborators (trip_id, user_id) VALUES ('$trip', 'ID')"));
    my $previous;
    for my $id (@ids) {
        $previous = $site->rest(token => $site->token('ann', user_id => $id))->posted($trip, "by $id")->{id};
    }
    $server->restart;
    $site->rest->room($room);
    my $page;
    at_most(3, sub { $page = $site->rest->list($room, { limit => PEOPLE })->{json}{results} }, 'a page of 100 people costs three');
    is_deeply([map { $_->{sender}{id} } @$page], \@ids, 'each has their name');
    is($page->[7]{sender}{full_name}, 'User 7', 'the right one');
    at_most(2, sub { $site->rest->list($room, { limit => PEOPLE }) }, 'and the next page remembers them');
    unlike($server->error_log, qr/TC0014/, 'nothing was asked one by one');
    stops_clean($server, 'the log has nothing to say');
};

my %ODD = (
    'a user query with three columns'   => qq(TripChatUserQuery "SELECT id, email, username FROM users WHERE id = %{user}"\n),
    'an access query without a column name of its own' =>
        qq(TripChatAccessQuery "WITH m AS (SELECT * FROM trip_collaborators WHERE trip_id = %{trip}) SELECT * FROM m WHERE user_id = %{user} FOR UPDATE"\n),
    'ids as text' => qq(TripChatUserQuery "SELECT id::text, email, username, full_name FROM users WHERE id = %{user}"\n)
        . qq(TripChatAccessQuery "SELECT true FROM trip_collaborators WHERE replace(trip_id::text, '-', '') = replace(%{trip}, '-', '') AND user_id = %{user}"\n),
    'a query that ends in a comment' => qq(TripChatAccessQuery "SELECT 1 FROM trip_collaborators WHERE trip_id = %{trip} AND user_id = %{user} -- it's all"\n),
    'users of char(36)' => qq(TripChatUserQuery "SELECT id, email, username, full_name FROM (SELECT id::text::char(36) AS id, email, username, full_name FROM users) u WHERE id = %{user}"\n),
);

for my $what (sort keys %ODD) {
    subtest "the chat works with $what" => sub {
        my $server = new_server($postgres->new_database, site_config => "$ODD{$what}TripChatRecheck 1s\n");
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        turned_away_with($site, $site->path($trip, token => $site->token('dave')), undef, 4003, 'a stranger is out');
        turned_away_with($site, $site->path($trip, token => $site->token('dave', user_id => 'x')), undef, 4001, 'an id that is none is unknown');
        $site->sql(sprintf "DELETE FROM trip_collaborators WHERE user_id = '%s'", user('bob')->{id});
        is($bob->read_close->{code}, 4003, 'who is a member no more is out');
        still_talks($ann, 'who is one stays');
        $site->sql(sprintf "DELETE FROM trip_collaborators WHERE user_id = '%s'; DELETE FROM users WHERE id = '%s'", (user('ann')->{id}) x 2);
        is($ann->read_close->{code}, 4001, 'and a user who is deleted is out');
        stops_clean($server, 'and the log has nothing to say');
    };
}

# Tokens name a user by a public_id, while the site's tables have another key.
my %PUBLIC = (
    'a UUID, and keys are numbers' => { public => 'uuid', of => sub { new_uuid() } },
    'a number, as keys are'        => { public => 'integer', of => sub { my ($id) = @_; return 3 - $id } },    # the other one's key
);

for my $what (sort keys %PUBLIC) {
    subtest "tokens name users by $what" => sub {
        my $database = $postgres->new_database(empty => 1);
        $database->sql("CREATE TABLE users (id integer PRIMARY KEY, public_id $PUBLIC{$what}{public} UNIQUE, email text, username text, name text);
            CREATE TABLE trips (id uuid PRIMARY KEY);
            CREATE TABLE seats (trip uuid, person integer);");
        $database->run_file(sql_dir() . '/chat.pgsql.sql', user_key => 'integer');
        $database->sql('CREATE TABLE IF NOT EXISTS chat_people (id text PRIMARY KEY, email text, username text, full_name text)');
        my %id     = (ann => 1, bob => 2);
        my %public = map { $_ => $PUBLIC{$what}{of}->($id{$_}) } sort keys %id;
        my $trip   = new_uuid();
        $database->sql("INSERT INTO trips VALUES ('$trip')");
        $database->sql("INSERT INTO users VALUES ($id{$_}, '$public{$_}', '$_\@x', '$_', 'Name of $_'); INSERT INTO seats VALUES ('$trip', $id{$_})")
            for sort keys %id;
        my $server = new_server($database, site_config => <<'CONF');
TripChatRecheck 1s
TripChatUserQuery "SELECT id, email, username, name FROM users WHERE public_id = %{user}"
TripChatAccessQuery "SELECT 1 FROM seats WHERE trip = %{trip} AND person = %{user}"
CONF
        my $site  = $server->site;
        my %token = map { $_ => $site->token('ann', user_id => "$public{$_}") } sort keys %public;
        my ($ann, $bob) = map { $site->chat(trip => $trip, token => $token{$_}) } qw(ann bob);
        my $message = $ann->said('one');
        is_deeply($message->{sender}, { id => '1', email => 'ann@x', username => 'ann', full_name => 'Name of ann' }, 'the sender is known');
        is($bob->next_json('chat_message')->{message}{seq}, 1, 'everybody hears it');
        is(($database->sql('SELECT count(*) FROM chat_messages'))[0], 1, 'it is stored');
        is($bob->said('two')->{seq}, 2, 'and the next one has the next number');
        is($ann->next_json('chat_message')->{message}{sender}{username}, 'bob', 'by somebody else');
        $ann->send_json({ type => 'authenticate', token => $token{ann}, client_id => 'a' });
        is($ann->next_json->{type}, 'authenticated', 'a new token is taken');
        select undef, undef, undef, 3;
        still_talks($ann, 'nobody is shown out by a recheck');
        $bob->next_json('chat_message');
        $database->sql("DELETE FROM chat_people; INSERT INTO chat_people VALUES ('1', 'a\@old', 'annie', 'Annie')");
        $server->restart;
        my $senders = [map { $_->{sender}{username} } @{ $site->rest(token => $token{bob})->list($trip)->{json}{results} }];
        is_deeply($senders, ['annie', '(deleted user)', 'annie'], 'names of the past are those of chat_people, never another user\'s');
        $bob = $site->chat(trip => $trip, token => $token{bob});
        $database->sql("DELETE FROM users WHERE id = 2");
        is($bob->read_close->{code}, 4001, 'a deleted user is out');
        stops_clean($server, 'and the log has nothing to say', qr/\bTC0013:/);
    };
}

subtest 'an id that does not fit is not found, whatever language the server speaks' => sub {
    plan skip_all => 'there is no other language on this machine' if !grep { /\Ade_DE\.utf-?8\z/i } `locale -a`;
    my $german = TripChat::Postgres->start(settings => { lc_messages => 'de_DE.UTF-8' });
    my $server = new_server($german->new_database);
    my $site   = $server->site;
    turned_away_with($site, $site->path($site->new_trip, token => $site->token('ann', user_id => 'x')), undef, 4001, 'nobody');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'one bad moment does not change the way of asking' => sub {
    my $database = $postgres->new_database;
    my $server = new_server($database, site_config => "TripChatRecheck 1s\n", log_level => 'warn tripchat:info');
    my $site = $server->site;
    my $ann = $site->chat(trip => $site->new_trip);
    for (1 .. 5) {
        $database->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        select undef, undef, undef, 0.5;
    }
    still_talks($ann, 'ann stays');
    unlike($server->error_log, qr/TC0014/, 'queries are asked together');
    stops_clean($server, 'the log has no more than lost connections', qr/\bTC0012:|dbd:error/);
};

subtest 'thousands of members are checked in a few statements' => sub {
    my $database = $postgres->new_database;
    my $server   = new_server($database, site_config => "TripChatRecheck 2s\n");
    my $site     = $server->site;
    my $trip     = $site->new_trip;
    $database->sql("INSERT INTO users (id, email, username) SELECT gen_random_uuid(), n || '\@x', 'n' || n FROM generate_series(1, @{[CROWD]}) n;
        INSERT INTO trip_collaborators SELECT '$trip', id FROM users WHERE username LIKE 'n%' ON CONFLICT DO NOTHING; ANALYZE");
    my @ids = $database->sql("SELECT id FROM users WHERE username LIKE 'n%'");
    my @all = map { $site->chat(trip => $trip, token => $site->token('ann', user_id => $_)) } @ids[0 .. 299];
    my @statements = grep { /chat_pair/ } statements(sub { select undef, undef, undef, 5 });
    cmp_ok(scalar @statements, '>=', 1, 'they are checked');
    cmp_ok(scalar @statements, '<=', 8, '300 of them in one or two statements a time');
    $database->sql("DELETE FROM users WHERE id = '$ids[0]'; DELETE FROM trip_collaborators WHERE user_id = '$ids[299]'");
    is($all[0]->read_close->{code},   4001, 'the first is gone');
    is($all[299]->read_close->{code}, 4003, 'the last is a member no more');
    still_talks($all[150], 'others stay');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'a right that is missing is told as an error of the server' => sub {
    my $database = $postgres->new_database;
    $database->sql('DROP ROLE IF EXISTS chat; CREATE ROLE chat LOGIN;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO chat; GRANT UPDATE ON chat_rooms TO chat');
    my $poor = TripChat::Database->postgres($database->{params} =~ s/user=postgres/user=chat/r, $database->command);
    for my $reject (qw(close http)) {
        my $server = new_server($poor, site_config => "TripChatReject $reject\n", log_level => 'warn tripchat:info');
        my $site   = $server->site;
        my $path   = $site->path($site->new_trip, token => $site->token('ann'));
        my $code   = $reject eq 'close' ? $site->turned_away($path)->{code}
            : $site->connect->request(TripChat::WebSocket::upgrade_request(path => $path))->{status};
        is($code, $reject eq 'close' ? 1011 : 500, 'not as something that passes');
        refusal_is($site->rest->list($site->new_trip), 500, { code => 'internal' }, 'over HTTP neither');
        log_says($server, qr/TC0012: cannot make a room: ".*permission denied/, 'the log names the statement');
        unlike($server->error_log, qr/the database does not answer/, 'and does not say that the database does not answer');
        log_says($server, qr/TC0017: .*refuses "INSERT INTO chat_/, 'the check has said it before');
        my $said = JSON::PP::decode_json($site->http_get('/health')->{body});
        is_deeply([@$said{qw(status database refused)}], ['unavailable', 'ok', ['chat tables']], 'and so does the health page');
        stops_clean($server, 'that is all', qr/\bTC001[27]:/);
    }
};

done_testing;
