# TripChatTripKey: sites whose trips and users have ids of other kinds than the UUIDs of the chat's own scripts. Each site
# has the same conversation, on both stacks; on PostgreSQL in two children, which Redis connects.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Encode ();
use JSON::PP ();
use Test::More;

use TripChat::Cluster qw(one_on_each all_hear);
use TripChat::File qw(read_file);
use TripChat::Httpd ();
use TripChat::OwnKeys;
use TripChat::Redis;
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Surroundings ();
use TripChat::Succession qw(reload hears);
use TripChat::Test;

use constant HEX => '550e8400e29b41d4a716446655440000';

my $odd = sub { my ($name) = @_; return is_full() ? qq{"Odd Site"."$name"} : qq{"$name"} };

# trip: as the database has it. asked: ways in which a URL may name it, the first canonical. also: another trip.
# wrong: ids of another form, as a URL has them. absent: ids of the right form that are no trip.
# sender: how clients see ann, where this is not her id.
my %SITE = (
    integer => {
        users => 'auth_user', trips => 'trips_trip', members => 'trips_collaborators', user_type => 'integer', trip_type => 'bigint',
        people => { ann => 7, bob => 8, carol => 1234567890 },
        trip   => 42, asked => ['42', '042', '0000000000000000042'], also => '9223372036854775807',
        wrong  => ['x', '-42', '+42', '42.0', '4%202', '42%00', '4e1', '9223372036854775808', '00000000000000000042', '%EF%BC%94'],
        absent => [qw(43 0)],
        form   => 'a number of at most 19 digits',
    },
    text => {
        users => $odd->('user table'), trips => $odd->('trip "table"' =~ s/"/""/gr), members => $odd->('members'),
        user_id => '"user key"', trip_id => '"trip key"', user_type => 'varchar(60)', trip_type => 'text',
        schema => is_full() ? 'CREATE SCHEMA "Odd Site";' : '',
        people => { ann => q{Ann O'Brien "7"}, bob => 'bob@example.org', carol => "\xc3\xbc:1" },
        trip   => '12:Summer_2026~x', asked => ['12:Summer_2026~x', '12%3ASummer%5F2026%7Ex'], also => "k\xc3\xb6ln",
        wrong  => ['12:Summer%202026', 'a%22b', 'a%25b', '%C3', 'a%5Cb', 'a%3Cb%3E', 'x' x 129],
        absent => ['12:summer_2026~x', '12:Summer_2026~', 'x' x 128, '...', 'ws'],
        form   => 'a text of at most 128 bytes',
    },
    'uuid-hex' => {
        users => 'accounts_user', trips => 'trips_trip', members => 'trips_collaborators', user_type => 'char(32)', trip_type => 'char(32)',
        people => { ann => 'a' x 32, bob => 'b' x 32, carol => 'c' x 32 },
        trip   => HEX, asked => ['550e8400-e29b-41d4-a716-446655440000', HEX, uc HEX, '550E8400-E29B-41D4-A716-446655440000'], also => 'd' x 32,
        wrong  => ['x', '42', HEX . '0', substr(HEX, 1), '550e8400-e29b-41d4-a716446655440000'],
        absent => [new_uuid()],
        form   => 'a UUID',
    },
);

my $percent_encoded = sub { my ($text) = @_; return $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger };

# What docs/install.md does with the script of SQLite for Django with integer keys.
subtest 'the script of SQLite is edited as docs/install.md says' => sub {
    my $top = TripChat::Httpd::top_dir();
    my ($sed) = read_file("$top/docs/install.md") =~ /^(sed -E .*?sql\/chat\.sqlite3\.sql)/ms;
    my $edited = `cd '$top' && $sed`;
    like($edited, qr/^ +trip_id +INTEGER NOT NULL UNIQUE REFERENCES trips_trip \(id\)/m, 'trips');
    like($edited, qr/^ +sender_id +INTEGER NOT NULL\b/m, 'users');
    unlike($edited, qr/REFERENCES (?:users|trips) /, 'nothing refers to tables that are not there');
};

sub start_site {
    my ($form, $it) = @_;
    my $own = TripChat::OwnKeys->new(%$it, on => { $it->{trip} => [qw(ann bob carol)], $it->{also} => ['ann'] });
    my $user = $form eq 'uuid-hex' ? q{replace(%{user}, '-', '')} : '%{user}';
    my $id   = $it->{user_id} // 'id';
    my %where = is_full() ? (children => 2, redis => TripChat::Redis->shared) : ();
    # Quotes of SQL are escaped for httpd.
    my ($is_user, $is_member) = map { s/(["\\])/\\$1/gr } "SELECT $id, email, username, full_name FROM $it->{users} WHERE $id = $user",
        "SELECT 1 FROM $it->{members} WHERE trip = %{trip} AND person = $user";
    my $server = TripChat::Server->start(
        %where, generations => 2, database => $own->database,
        config => "TripChatDrainTime 1h\nTripChatConnectionLog connections_log\n",
        site_config => qq(TripChatTripKey $form\nTripChatUserQuery "$is_user"\nTripChatAccessQuery "$is_member"\nTripChatRecheck 2s\n),
    );
    return ($own, $server, $server->site);
}

for my $form (sort keys %SITE) {
    my $it = $SITE{$form};
    my ($own, $server, $site) = start_site($form, $it);
    my %token = map { my $id = $it->{people}{$_}; $_ => $site->token('ann', user_id => $id =~ /\A\d+\z/ ? 0 + $id : Encode::decode('UTF-8', $id)) } keys %{ $it->{people} };
    my $canonical = $it->{asked}[0];
    my $in_url = $percent_encoded->($canonical);

    subtest "$form: the same trip under each of its spellings, in all children" => sub {
        my @members = map { one_on_each($server, trip => $_, token => $token{ann}) } @{ $it->{asked} };
        my ($bob) = one_on_each($server, trip => $in_url, token => $token{bob});
        my $message = all_hear($bob, 'Where do we meet?', [@members, $bob], 'are one room');
        is($message->{sender}{id}, $it->{people}{bob}, 'the sender is as the user query says');
        my $reply = $members[0]->said('At the station.', reply_to => $message->{id});
        is($reply->{reply_to}{id}, $message->{id}, 'a reply');
        is($reply->{sender}{id}, Encode::decode('UTF-8', $it->{people}{ann}), 'of its sender');
        $bob->next_json('chat_message');
        $members[0]->edit($reply->{id}, 'At the harbour.');
        is($bob->next_json('message_edited')->{message}{content}, 'At the harbour.', 'an edit');
        $members[0]->typing(1);
        is($bob->next_json('typing')->{user_id}, Encode::decode('UTF-8', $it->{people}{ann}), 'typing');
        $_->leave for @members, $bob;
        my ($back) = one_on_each($server, trip => $in_url, token => $token{carol}, after => 1);
        is_deeply(seqs_of(@{ $back->history->{messages} }), [2, 3], 'a resume');
        $back->leave;
        is_deeply([$site->sql('SELECT trip_id FROM chat_rooms')], [$it->{trip}], 'and one row, with the id of the site');
    };

    subtest "$form: over HTTP" => sub {
        my $ann = $site->rest(token => $token{ann});
        my $room = $ann->room($in_url)->{json};
        is_deeply([$room->{trip_id}, $room->{last_seq}], [$canonical, 3], 'a room says its trip, as a text');
        is_deeply($ann->room($_)->{json}, $room, "under $_") for @{ $it->{asked} }, $room->{id};
        my $page = $ann->list($in_url, { limit => 1 })->{json};
        my $before = $ann->get($page->{next} =~ s{\A\w+://[^/]+}{}r)->{json};
        is_deeply([map { $_->{content} } map { @{ $_->{results} } } $page, $before], ['At the harbour.', 'Where do we meet?'], 'pages lead to each other');
        for my $id ($canonical, $room->{id}, $form eq 'integer' ? 0 + $it->{trip} : ()) {
            is($ann->post($id, 'posted')->{status}, 201, "a message is posted to $id");
        }
        my $bob = $site->rest(token => $token{bob});
        my $last = $ann->room($in_url)->{json}{last_seq};
        $bob->ask_for_news($in_url, $last);
        $ann->posted($canonical, 'news');
        is_deeply([map { $_->{content} } @{ $bob->news->{results} }], ['news'], 'a long poll');
    };

    subtest "$form: the site's own programs post by SQL" => sub {
        plan skip_all => 'PostgreSQL alone' if !is_full();
        my ($trip, $bob) = map { TripChat::OwnKeys::quoted($_) } $it->{trip}, $it->{people}{bob};
        my @anns = one_on_each($server, trip => $in_url, token => $token{ann});
        my ($seq) = $own->sql("SELECT chat_post($trip, $bob, 'from the site')");
        for my $ann (@anns) {
            my $heard = $ann->next_json('chat_message')->{message};
            is_deeply([@$heard{qw(seq content)}, $heard->{sender}{id}], [$seq, 'from the site', $it->{people}{bob}], 'and members see it');
            $ann->leave;
        }
    };

    subtest "$form: another id" => sub {
        turned_away_with($site, $site->path($_, token => $token{ann}), undef, 4003, "of another form: $_") for grep { !/%00/ } @{ $it->{wrong} };
        turned_away_with($site, $site->path($_, token => $token{ann}), undef, 4003, "of no trip: $_") for @{ $it->{absent} };
        $own->add_trip('chat', 'ann') if $form eq 'text';
        turned_away_with($site, "/ws/chat/?token=$token{ann}", undef, 4003, 'none');
        $site->chat(trip => 'chat', token => $token{ann})->leave if $form eq 'text';
        my $ann = $site->rest(token => $token{ann});
        is($ann->room($_)->{status}, /%00/ ? 404 : 403, "of a room: $_") for @{ $it->{wrong} }, @{ $it->{absent} }, new_uuid();
        my @bodies = map { s/%([0-9A-F]{2})/chr hex $1/ger } grep { !/%[^02]/ } @{ $it->{wrong} };
        push @bodies, $form eq 'integer' ? (-42, 42.5, 9007199254740992, '') : (42, ''), [], {}, undef, JSON::PP::true();
        refusal_is($ann->post($_, 'x'), 400, { code => 'invalid_field', field => 'chat_room' }, 'in a POST: ' . ($_ // 'null')) for @bodies;
        is($ann->post($_, 'x')->{status}, 403, "in a POST, of no trip: $_") for @{ $it->{absent} };
        my @said = $server->error_log =~ /TC0060: refused \(forbidden\): (the id in the URL is not .*?which TripChatTripKey wants)/g;
        cmp_ok(scalar @said, '>=', 3, 'the log says so');
        is_deeply([grep { !/\Q$it->{form}\E/ } @said], [], 'and which form is wanted');
    };

    subtest "$form: a reload moves connections" => sub {
        my ($ann, $bob) = map { $site->chat(trip => $in_url, token => $token{$_}) } qw(ann bob);
        reload($server);
        $ann->say('after the reload');
        hears($_, 'after the reload', 'and they are in their room') for $ann, $bob;
        my $newcomer = $site->chat(trip => $it->{asked}[-1], token => $token{carol});
        $newcomer->say('who is here?');
        hears($_, 'who is here?', 'which newcomers enter') for $ann, $bob;
        $own->take_off($it->{trip}, 'carol');
        closes_with($newcomer, 4003, 'who is removed from the trip is disconnected');
        $ann->say('still here');
        hears($bob, 'still here', 'nobody else is');
        $_->leave for $ann, $bob;
        my $log = $server->dir . '/connections_log';
        my $escaped = $canonical =~ s/([^!-~]|["%=])/sprintf '%%%02X', ord $1/ger;
        until_true('the line of the connection log', sub { read_file($log) =~ /user=\S+ trip=\Q$escaped\E .*close=4003/ });
    };

    subtest "$form: another trip, and the end of one" => sub {
        my $also = $it->{also};
        my ($ann) = one_on_each($server, trip => $percent_encoded->($also), token => $token{ann});
        is($ann->said('alone')->{seq}, 1, 'has a room of its own');
        my $room = $site->rest(token => $token{ann})->room($percent_encoded->($also))->{json};
        is($room->{trip_id}, $form eq 'uuid-hex' ? $also =~ s/\A(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r : Encode::decode('UTF-8', $also), 'and its id');
        $ann->said('still alone');
        my $reader = $site->rest(token => $token{ann});
        my $page   = $reader->list($percent_encoded->($also), { limit => 1 })->{json};
        like($page->{next}, qr/\A[!-~]+\z/, 'the links of its pages are URLs');
        is($reader->get($page->{next})->{json}{results}[0]{content}, 'alone', 'that lead to the others');
        turned_away_with($site, $site->path($percent_encoded->($also), token => $token{bob}), undef, 4003, 'bob may not enter');
        $own->delete_trip($also);
        is_deeply([$site->sql('SELECT content FROM chat_messages WHERE content = \'alone\'')], [], 'with the trip go its messages');
        $ann->say('is anybody there?');
        my $code = $ann->read_close->{code} // 'none';
        like($code, qr/\A(?:1012|4003)\z/, 'who speaks there is told, or the recheck was sooner');
        turned_away_with($site, $site->path($percent_encoded->($also), token => $token{ann}), undef, 4003, 'and who comes back');
    };

    stops_clean($server, "$form: the server stops in order");
}

# The form allows two texts that the database takes for one id. They are one room in memory, too.
subtest 'the database decides which ids are equal' => sub {
    my %site = (%{ $SITE{integer} }, trip => 42, also => 43);
    my ($own, $server, $site) = start_site('text', \%site);
    my $token = $site->token('ann', user_id => 7);
    my @members = map { one_on_each($server, trip => $_, token => $token) } qw(42 042 42 0042);
    all_hear($members[-1], 'one room', \@members, 'whatever the spelling is');
    is($site->rest(token => $token)->room('042')->{json}{trip_id}, '42', 'clients are told the id as the room has it');
    turned_away_with($site, $site->path('forty-two', token => $token), undef, 4003, 'a text that does not fit the column is no trip');
    stops_clean($server, 'the server stops in order');
};

subtest 'TripChatTripKey and the type of the trips do not fit' => sub {
    my ($own, $server, $site) = start_site('uuid', $SITE{integer});
    turned_away_with($site, $site->path(new_uuid(), token => $site->token('ann', user_id => 7)), undef, 4003, 'nobody can enter');
    log_says($server, qr/TC0010: site \S+: a trip is a UUID for TripChatTripKey, but chat_rooms.trip_id has the type bigint, .*TripChatTripKey integer/,
        'the log says why');
    stops_clean($server, 'once', qr/\bTC0010:/);
    my $uuids = TripChat::Server->start(site_config => 'TripChatTripKey integer');
    turned_away_with($uuids->site, $uuids->site->path(7, token => $uuids->site->token('ann')), undef, 4003, 'the other way round');
    is(scalar(grep { /TC0010: .* has the type uuid, .*TripChatTripKey uuid/ } split /\n/, $uuids->error_log), is_full() ? 1 : 0, 'too, where the type counts');
    stops_clean($uuids, 'and nothing else', qr/\bTC0010:/);
};

# A type that the site has from an extension. The chat's tables are in a schema of their own.
subtest 'ids that ignore case, and a schema for the chat' => sub {
    plan skip_all => 'PostgreSQL alone' if !is_full();
    plan skip_all => 'this PostgreSQL has no citext' if !TripChat::Postgres->shared->database('postgres')
        ->sql(q{SELECT name FROM pg_available_extensions WHERE name = 'citext'});
    my %site = (
        users => 'public.users', trips => 'public.trips', members => 'public.members', user_type => 'citext', trip_type => 'citext',
        schema => 'CREATE EXTENSION citext; CREATE SCHEMA tripchat; DO $$ BEGIN EXECUTE format('
            . q{'ALTER DATABASE %I SET search_path = tripchat, public', current_database()); END $$;},
        people => { ann => 'Ann', bob => 'Bob', carol => 'Carol' }, trip => 'Summer', also => 'Winter',
    );
    my ($own, $server, $site) = start_site('text', \%site);
    my %token = map { $_ => $site->token('ann', user_id => lc $site{people}{$_}) } qw(ann bob);
    my @members = map { one_on_each($server, trip => $_, token => $token{ann}) } qw(Summer SUMMER);
    my ($bob) = one_on_each($server, trip => 'summer', token => $token{bob});
    my $message = all_hear($bob, 'one room', [@members, $bob], 'one room, whatever the case is');
    is($message->{sender}{id}, 'Bob', 'whose members have one id');
    $bob->edit($message->{id}, 'still one');
    is($members[0]->next_json('message_edited')->{message}{content}, 'still one', 'an edit by its sender');
    is_deeply([$own->sql(q{SELECT count(*) FROM tripchat.chat_rooms})], [1], 'one row');
    my ($seq) = $own->sql(q{SELECT chat_post('SUMMER', 'BOB', 'from the site')});
    is($members[-1]->next_json('chat_message')->{message}{seq}, $seq, 'a program of the site may write it as it likes');
    stops_clean($server, 'the server stops in order');
};

# docs/migrating.md: Django keeps UUIDs on SQLite without hyphens, and shows them with hyphens. The messages name their
# sender with hyphens, so the sender is no foreign key; a trigger takes its place.
subtest 'Django on SQLite, as docs/migrating.md says' => sub {
    plan skip_all => 'SQLite alone' if is_full();
    my $paper = read_file(TripChat::Httpd::top_dir() . '/docs/migrating.md') =~ s/.*^## Django on SQLite$//msr;
    my ($shell)  = $paper =~ /^```sh\n(.*?)^```/ms;
    my ($config) = $paper =~ /^```apache\n(.*?)^```/ms;
    my $database = TripChat::Database->sqlite(TripChat::Surroundings::var_dir() . "/django-$$.db");
    $database->sql(q{CREATE TABLE accounts_user (id char(32) NOT NULL PRIMARY KEY, email text, username text, first_name text, last_name text, is_active bool);
        CREATE TABLE trips_trip (id char(32) NOT NULL PRIMARY KEY, title text);
        CREATE TABLE trips_trip_collaborators (id integer PRIMARY KEY, trip_id char(32), user_id char(32));});
    my ($trip, %id) = (new_uuid(), map { $_ => user($_)->{id} } qw(ann bob));
    my ($trip_hex, %hex) = map { s/-//gr } $trip, %id;
    $database->sql("INSERT INTO trips_trip VALUES ('$trip_hex', 'Lisbon');" . join '', map {
        "INSERT INTO accounts_user VALUES ('$hex{$_}', '$_\@example.com', '$_', '\u$_', 'Archer', 1);"
            . "INSERT INTO trips_trip_collaborators (trip_id, user_id) VALUES ('$trip_hex', '$hex{$_}');" } sort keys %id);
    my $top = TripChat::Httpd::top_dir();
    is(system("cd '$top' && set -e && " . $shell =~ s/\bdb\.sqlite3\b/'$database->{params}'/gr), 0, 'the shell lines run');
    my $server = TripChat::Server->start(database => $database, site_config => $config);
    my $site = $server->site;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $message = all_hear($bob, 'hello', [$ann, $bob], 'members chat');
    is($message->{sender}{id}, $id{bob}, 'clients know their own messages');
    $bob->edit($message->{id}, 'hello, Ann');
    is($ann->next_json('message_edited')->{message}{content}, 'hello, Ann', 'and edit them');
    is_deeply([$database->sql('SELECT trip_id FROM chat_rooms')], [$trip_hex], 'the room belongs to the row of the trip');
    $database->sql("DELETE FROM accounts_user WHERE id = '$hex{bob}'");
    is_deeply([$database->sql('SELECT count(*) FROM chat_messages')], [0], 'with the user go his messages');
    stops_clean($server, 'the server stops in order');
};

done_testing;
