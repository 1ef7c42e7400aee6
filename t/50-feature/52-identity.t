# TripChatIdentity token: a site whose users and trips are in a database that httpd does not ask, MySQL for example. Tokens
# say who a user is and on which trips. The chat's own database has no tables of users and trips at all, so a query that
# asked them would fail.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Encode ();
use JSON::PP ();
use Test::More;

use TripChat::Cluster qw(one_on_each all_hear);
use TripChat::Database;
use TripChat::File qw(read_file);
use TripChat::Httpd qw(sql_dir top_dir);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Succession qw(reload hears);
use TripChat::Surroundings ();
use TripChat::Test;

my ($trip, $other) = (new_uuid(), new_uuid());

# The chat's tables as docs/install.md says: a variable of psql, or an edit of SQLite's script.
my $made = 0;
sub new_database {
    my (%keys) = @_;
    if (is_full()) {
        my $database = TripChat::Postgres->shared->new_database(empty => 1);
        $database->run_file(sql_dir() . '/chat.pgsql.sql', identity => 'token', %keys);
        return $database;
    }
    my $database = TripChat::Database->sqlite(sprintf '%s/identity-%d-%d.db', TripChat::Surroundings::var_dir(), $$, ++$made);
    my $top = top_dir();
    my ($sed) = read_file("$top/docs/install.md") =~ /^(sed -E 's\/ REFERENCES .*?sql\/chat\.sqlite3\.sql) \|/m or die 'no sed in docs/install.md';
    $database->sql(scalar `cd '$top' && $sed`);
    return $database;
}

# The claims of a person: id, names and trips.
sub claims_of {
    my ($name, %claims) = @_;
    my $user = user($name);
    return (email => $user->{email}, username => $name, full_name => $user->{full_name}, trips => [$trip], %claims);
}

sub start_site {
    my (%opt) = @_;
    my %where = is_full() ? (children => 2, redis => TripChat::Redis->shared) : ();
    my $server = TripChat::Server->start(
        %where, generations => 2, database => new_database(%{ $opt{keys} // {} }), config => "TripChatDrainTime 1h\n",
        site_config => "TripChatIdentity token\n" . ($opt{config} // ''),
    );
    return ($server, $server->site);
}

my ($server, $site) = start_site(config => "TripChatRecheck 1s\n");

sub token { my ($name, %claims) = @_; return $site->token($name, claims_of($name, %claims)) }

subtest 'the database has no tables of the site' => sub {
    my $list = is_full() ? q{SELECT tablename FROM pg_tables WHERE schemaname = 'public'} : q{SELECT name FROM sqlite_master WHERE type = 'table'};
    is_deeply([grep { !/\A(?:chat_|sqlite_)/ } $site->sql($list)], [], 'only those of the chat');
    my $refers = is_full() ? q{SELECT conname FROM pg_constraint WHERE contype = 'f' AND conname <> 'chat_messages_room_id_fkey'}
        : q{SELECT name FROM sqlite_master WHERE sql LIKE '%REFERENCES users%' OR sql LIKE '%REFERENCES trips%'};
    is_deeply([$site->sql($refers)], [], 'and nothing refers to others');
};

subtest 'a chat' => sub {
    my @anns = one_on_each($server, trip => $trip, token => token('ann'));
    my ($bob) = one_on_each($server, trip => $trip, token => token('bob'));
    my $message = all_hear($bob, 'Where do we meet?', [@anns, $bob], 'is heard by all');
    is_deeply($message->{sender}, user('bob'), 'the sender is as the token says');
    my $reply = $anns[0]->said('At the station.', reply_to => $message->{id});
    is_deeply([$reply->{sender}, $reply->{reply_to}{sender_email}], [user('ann'), user('bob')->{email}], 'a reply');
    $bob->next_json('chat_message');
    $anns[0]->edit($reply->{id}, 'At the harbour.');
    is($bob->next_json('message_edited')->{message}{content}, 'At the harbour.', 'an edit');
    $bob->edit($reply->{id}, 'No.');
    error_is($bob, { code => 'not_sender' }, 'of the own messages only');
    $anns[0]->typing(1);
    is($bob->next_json('typing')->{user_email}, user('ann')->{email}, 'typing');
    is($anns[0]->said('twice', client_id => 'c1')->{id}, $site->rest(token => token('ann'))->post($trip, 'twice', client_id => 'c1')->{json}{id}, 'a client_id counts');
    $_->leave for @anns, $bob;
};

subtest 'names of people who are away come from the chat itself' => sub {
    reload($server); # no child remembers anybody
    my $carol = $site->chat(trip => $trip, token => token('carol'));
    is_deeply([map { $_->{sender} } @{ $carol->history->{messages} }], [user('bob'), user('ann'), user('ann')], 'in a history');
    is($carol->history->{messages}[1]{reply_to}{sender_email}, user('bob')->{email}, 'and in its replies');
    is_deeply([map { $_->{sender}{id} } @{ $site->rest(token => token('carol'))->list($trip)->{json}{results} }],
        [map { user($_)->{id} } qw(bob ann ann)], 'and over HTTP');
    is_deeply([$site->sql('SELECT username FROM chat_people ORDER BY username')], [qw(ann bob)], 'who only reads is not kept');
    my $bob = $site->chat(trip => $trip, token => token('bob', full_name => 'Bobby Baker', email => undef));
    is_deeply($bob->said('new name')->{sender}, { %{ user('bob') }, full_name => 'Bobby Baker', email => '' }, 'a token may bring another name');
    is_deeply([$site->sql(q{SELECT full_name FROM chat_people WHERE username = 'bob'})], ['Bobby Baker'], 'which is kept');
    $_->leave for $carol, $bob;
};

subtest 'a name that is missing is the next best' => sub {
    my %is = (
        'no full name'  => [[full_name => undef], { full_name => 'carol' }],
        'a null'        => [[full_name => JSON::PP::null], { full_name => 'carol' }],
        'no user name'  => [[username => undef], { username => 'Carol Cook' }],
        'an e-mail address' => [[username => undef, full_name => undef], { username => 'carol@example.com', full_name => 'carol@example.com' }],
        'nothing'       => [[username => undef, full_name => undef, email => undef], { username => '', full_name => '', email => '' }],
    );
    for my $what (sort keys %is) {
        my ($claims, $names) = @{ $is{$what} };
        my $carol = $site->chat(trip => $trip, token => token('carol', @$claims));
        is_deeply($carol->said($what)->{sender}, { %{ user('carol') }, %$names }, $what);
        $carol->leave;
    }
};

subtest 'the claim says which trips are the user\'s' => sub {
    my %in = (
        'one id' => $trip, 'a list' => [$other, $trip], 'another spelling' => [uc $trip =~ s/-//gr],
        'many' => [(map { new_uuid() } 1 .. 60), $trip],
    );
    is($site->chat(trip => $trip, token => token('ann', trips => $in{$_}))->leave->{code}, 1000, $_) for sort keys %in;
    my %out = ('no trip' => [], 'another trip' => [$other], 'another id' => $other);
    for my $what (sort keys %out) {
        my $token = token('ann', trips => $out{$what});
        turned_away_with($site, $site->path($trip, token => $token), undef, 4003, $what);
        my $ann = $site->rest(token => $token);
        my ($room) = $site->sql("SELECT id FROM chat_rooms WHERE trip_id = '$trip'");
        is($ann->room($_)->{status}, 403, "$what, over HTTP") for $trip, $room, new_uuid();
        is($ann->post($_, 'x')->{status}, 403, 'a message') for $trip, $room;
        my ($id) = $site->sql(q{SELECT id FROM chat_messages WHERE content = 'twice'});
        is($ann->edit($id, 'x')->{status}, 404, 'an edit');
    }
    log_says($server, qr/TC0060: refused \(forbidden\): the claim trips does not have the trip/, 'the log says so');
    is_deeply([$site->sql("SELECT trip_id FROM chat_rooms WHERE trip_id <> '$trip'")], [], 'and no room was made');
    turned_away_with($site, $site->path('x', token => token('ann')), undef, 4003, 'an id of another form');
};

subtest 'claims that are missing or wrong' => sub {
    my %wrong = (
        user_id => [undef, '', 1.5, [], JSON::PP::true, 'x' x 256, "a\0b", JSON::PP::null],
        trips   => [undef, JSON::PP::null, {}, 'x', 7, [[]], [$trip, JSON::PP::null], [$trip, 'x'], "$trip\0", JSON::PP::true, ''],
        email   => [1, [], {}, "a\0", JSON::PP::false],
        username => [1], full_name => [["Ann"]],
    );
    for my $claim (sort keys %wrong) {
        for my $value (@{ $wrong{$claim} }) {
            my $said = substr JSON::PP->new->allow_nonref->encode($value), 0, 40;
            turned_away_with($site, $site->path($trip, token => token('ann', $claim => $value)), undef, 4001, "$claim $said");
        }
        # A second has 20 such lines at most.
        ok(until_true("the log names $claim", sub {
            $site->turned_away($site->path($trip, token => token('ann', $claim => $wrong{$claim}[-1])));
            $server->error_log =~ /TC0060: refused \(unauthorized\): the claim $claim (?:is|has) /;
        }), "the log names $claim");
    }
    is($site->rest(token => token('ann', trips => undef))->room($trip)->{status}, 401, 'over HTTP');
    is($site->chat(trip => $trip, token => token('ann', user_id => 'x' x 255))->leave->{code}, 1000, 'a long id is none of these');
};

subtest 'over HTTP' => sub {
    my ($ann, $bob) = map { $site->rest(token => token($_)) } qw(ann bob);
    my $room = $ann->room($trip)->{json};
    is($room->{trip_id}, $trip, 'a room');
    is_deeply($ann->room($room->{id})->{json}, $room, 'by its own id');
    my $bobs = $bob->follow($trip);
    my $message = $ann->posted($trip, 'posted');
    is_deeply($message->{sender}, user('ann'), 'a message is posted');
    is($bobs->next_json('chat_message')->{message}{content}, 'posted', 'server-sent events bring it');
    is($ann->edit($message->{id}, 'edited')->{json}{content}, 'edited', 'and edited');
    my $last = $ann->room($trip)->{json}{last_seq};
    $bob = $site->rest(token => token('bob'));
    $bob->ask_for_news($trip, $last);
    $ann->posted($room->{id}, 'news');
    is_deeply([map { $_->{content} } @{ $bob->news->{results} }], ['news'], 'a long poll');
    is($site->rest(token => token('ann', trips => [$other]))->room($other)->{json}{last_seq}, 0, 'the room of a new trip is made');
};

subtest 'a token that expires' => sub {
    my ($ann, $bob) = map { $site->chat(trip => $trip, token => token($_, exp => time + 3)) } qw(ann bob);
    $ann->send_json({ type => 'authenticate', token => token('ann'), client_id => 'a1' });
    is($ann->next_json('authenticated')->{client_id}, 'a1', 'a newer one is taken');
    closes_with($bob, 4001, 'without a newer one the connection ends');
    still_talks($ann, 'with one it goes on');
    $ann->leave;
};

subtest 'a newer token' => sub {
    my ($ann) = one_on_each($server, trip => $trip, token => token('ann'));
    for my $bad ([bob => 'of somebody else'], [ann => 'with a wrong claim', trips => 'x'], [ann => 'that has expired', exp => time - 1]) {
        my ($name, $what, %claims) = @$bad;
        $ann->send_json({ type => 'authenticate', token => token($name, %claims), client_id => $what });
        is_deeply([@{ $ann->next_json('error') }{qw(code client_id)}], ['unauthorized', $what], "$what is refused");
    }
    still_talks($ann, 'and the old one still counts');
    $ann->send_json({ type => 'authenticate', token => token('ann', trips => [$other]), client_id => 'a1' });
    is_deeply([@{ $ann->next_json('error') }{qw(code client_id)}], ['forbidden', 'a1'], 'one without the trip');
    closes_with($ann, 4003, 'ends the connection');
    log_says($server, qr/TC0027: .*the claim trips no longer has the trip/, 'the log says so');
};

subtest 'a reload moves connections' => sub {
    my ($ann, $bob) = map { $site->chat(trip => $trip, token => token($_)) } qw(ann bob);
    reload($server);
    $ann->say('after the reload');
    hears($_, 'after the reload', 'and they are in their room') for $ann, $bob;
    $bob->send_json({ type => 'authenticate', token => token('bob'), client_id => 'b1' });
    is($bob->next_json('authenticated')->{client_id}, 'b1', 'and may renew their tokens');
    $bob->send_json({ type => 'authenticate', token => token('bob', trips => []) });
    is($bob->next_json('error')->{code}, 'forbidden', 'which still name their trips');
    closes_with($bob, 4003, 'and end them');
    still_talks($ann, 'nobody else is disconnected');
    $ann->leave;
};

subtest 'the site\'s own programs post by SQL' => sub {
    my $ann = $site->chat(trip => $trip, token => token('ann'));
    my $last = $ann->history->{messages}[-1]{seq} // 0;
    my ($room) = $site->sql("SELECT id FROM chat_rooms WHERE trip_id = '$trip'");
    $site->sql(q{INSERT INTO chat_people (id, email, username, full_name) VALUES ('bot', '', 'bot', 'The site')});
    if (is_full()) {
        $site->sql("SELECT chat_post('$trip', 'bot', 'from the site')");
    }
    else {
        my $id = new_uuid();
        $site->sql("BEGIN IMMEDIATE; UPDATE chat_rooms SET last_seq = last_seq + 1 WHERE id = '$room';
            INSERT INTO chat_messages (id, room_id, seq, sender_id, content, created_at, updated_at)
            SELECT '$id', id, last_seq, 'bot', 'from the site', '2099-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z' FROM chat_rooms WHERE id = '$room'; COMMIT;");
    }
    my $message = $ann->next_json('chat_message')->{message};
    is_deeply([@$message{qw(content sender)}], ['from the site', { id => 'bot', email => '', username => 'bot', full_name => 'The site' }], 'and members see it');
    $ann->leave;
};

unlike($server->error_log, qr/TC0017/, 'nothing was tried that the database does not have');
stops_clean($server, 'the server stops in order');

# What PHP and Laravel have: ids that are integers, and claims with names of their own.
subtest 'integers, and claims of other names' => sub {
    ($server, $site) = start_site(
        keys => { user_key => 'bigint', trip_key => 'bigint' },
        config => "TripChatTripKey integer\nTripChatJWTUserClaim sub\nTripChatJWTTripsClaim https://example.org/trips\nTripChatJWTNameClaim name\n"
            . "TripChatJWTUsernameClaim chat.nick\nTripChatJWTEmailClaim chat.mail.address\n",
    );
    my $claims = sub {
        my (%claims) = @_;
        return $site->token('ann', user_id => undef, sub => 7, name => 'Ann', 'https://example.org/trips' => [42, '43', '9223372036854775807'],
            chat => { nick => 'annie', mail => { address => 'ann@example.com' } }, %claims);
    };
    my %trips = ('42' => 'a number', '042' => 'with a zero', '43' => 'a string', '9223372036854775807' => 'the greatest');
    for my $id (sort keys %trips) {
        my $ann = $site->chat(trip => $id, token => $claims->());
        is_deeply($ann->said('hello')->{sender}, { id => '7', email => 'ann@example.com', username => 'annie', full_name => 'Ann' }, $trips{$id});
        $ann->leave;
    }
    is_deeply([sort { $a <=> $b } $site->sql('SELECT trip_id FROM chat_rooms')], [42, 43, '9223372036854775807'], 'each has one room');
    is($site->chat(trip => 42, token => $claims->('https://example.org/trips' => 42))->leave->{code}, 1000, 'a single number');
    turned_away_with($site, $site->path(44, token => $claims->()), undef, 4003, 'another trip');
    for my $wrong (-42, 42.5, '42.0', JSON::PP->new->allow_bignum->decode('[18446744073709551616]')->[0]) {
        turned_away_with($site, $site->path(42, token => $claims->('https://example.org/trips' => [42, $wrong])), undef, 4001, "a trip $wrong");
    }
    turned_away_with($site, $site->path(42, token => $claims->(chat => { nick => 7 })), undef, 4001, 'a claim in an object');
    log_says($server, qr/TC0060: refused \(unauthorized\): the claim chat\.nick has/, 'which the log names');
    is($site->chat(trip => 42, token => $claims->(chat => 'none'))->leave->{code}, 1000, 'is missing where there is no object');
    stops_clean($server, 'the server stops in order');
};

subtest 'ids of trips that are texts' => sub {
    ($server, $site) = start_site(config => "TripChatTripKey text\n");
    my $koeln = Encode::decode('UTF-8', "k\xc3\xb6ln");
    for my $id ('42', 'summer-2026', $koeln) {
        my $in_url = Encode::encode('UTF-8', $id) =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger;
        my $ann = $site->chat(trip => $in_url, token => token('ann', trips => [$id eq '42' ? 42 : $id]));
        is($ann->said('hello')->{seq}, 1, 'a room of its own');
        $ann->leave;
    }
    turned_away_with($site, $site->path('Summer-2026', token => token('ann', trips => ['summer-2026'])), undef, 4003, 'upper and lower case differ');
    stops_clean($server, 'the server stops in order');
};

subtest 'what belongs to another identity is refused by configtest' => sub {
    my %says = (
        qq(TripChatIdentity token\nTripChatUserQuery "SELECT 1, 2, 3, 4 WHERE 1 = %{user}") => 'TripChatUserQuery',
        qq(TripChatIdentity token\nTripChatAccessQuery "SELECT 1 WHERE %{trip} = %{user}") => 'TripChatAccessQuery',
        map { ("TripChat$_ x" => "TripChat$_") } qw(JWTTripsClaim JWTEmailClaim JWTUsernameClaim JWTNameClaim),
    );
    for my $lines (sort keys %says) {
        my ($status, $said) = TripChat::Server->check_config(site_config => $lines);
        ok($status != 0 && $said =~ /TC0040: $says{$lines}: TripChatIdentity is (?:token|database), so .*; (?:remove|write) /, $says{$lines}) or diag $said;
    }
    my $query = qq(TripChatUserQuery "SELECT 1, 2, 3, 4 WHERE 1 = %{user}"\n);
    is((TripChat::Server->check_config(config => $query, site_config => 'TripChatIdentity token'))[0], 0, 'a virtual host with a token does not inherit a query');
    is((TripChat::Server->check_config(config => "TripChatIdentity token\nTripChatJWTTripsClaim x\n", site_config => 'TripChatIdentity database'))[0], 0, 'nor one with a database a claim');
    my ($status, $said) = TripChat::Server->check_config(config => "TripChatIdentity token\n", site_config => $query);
    ok($status != 0 && $said =~ /TripChatUserQuery/, 'but it inherits the identity') or diag $said;
};

done_testing;
