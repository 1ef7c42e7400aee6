# The health check: a child answers soon and correctly whether it can serve the chat, whatever hangs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use TripChat::Client;
use TripChat::Metrics qw(metrics_config health_config metrics_of sum_of);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    PATH         => '/tripchat-health',
    OF_DATABASE  => qr/\bTC0012:/,
    OF_REDIS     => qr/\bTC007[01]:/,
    OF_WRITES    => qr/\bTC0(?:012|101):/,
    SOON_S       => 20,   # two seconds for the database, two for Redis, and the rest for a busy machine
};

sub server_with {
    my (%opt) = @_;
    my $config = metrics_config() . health_config(PATH) . ($opt{site_config} // '');
    return TripChat::Server->start(%opt, site_config => $config);
}

# Returns (status, answer), which must come in time
sub health {
    my ($server) = @_;
    my $since  = now();
    my $answer = $server->site->http_get(PATH);
    my $took   = now() - $since;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    cmp_ok($took, '<', SOON_S, 'the answer comes soon');
    return ($answer->{status}, JSON::PP::decode_json($answer->{body}));
}

sub is_well {
    my ($server, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = health($server);
    return is_deeply([$status, @$said{qw(status database)}, $said->{redis} // 'none'],
        [200, 'ok', 'ok', is_full() ? 'ok' : 'none'], $name);
}

sub is_ill {
    my ($server, $what, $word, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = health($server);
    return is_deeply([$status, @$said{ 'status', $what }], [503, 'unavailable', $word], $name);
}

# Without Redis members are served by the database, and newcomers as well, so a balancer shall go on sending them.
sub is_degraded {
    my ($server, $name) = @_;
    until_true('it to be missed', sub { (health($server))[1]{status} ne 'ok' });
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $said) = health($server);
    is_deeply([$status, @$said{qw(status database redis)}], [200, 'degraded', 'ok', 'down'], $name);
    return ok($server->site->chat(trip => $server->site->new_trip), 'and newcomers come in');
}

sub is_well_again {
    my ($server, $name) = @_;
    until_true('it to be well again', sub { $server->site->http_get(PATH)->{body} =~ /"status":"ok"/ });
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_well($server, $name);
}

subtest 'all is well' => sub {
    my $server = server_with();
    my $site   = $server->site;
    is_well($server, 'from the first request on, which starts the threads');
    my $answer = $site->http_get(PATH);
    answer_is($answer, 200, { 'Content-Type' => 'application/json', 'Cache-Control' => 'no-store' }, 'in JSON, for now');
    my $said = JSON::PP::decode_json($answer->{body});
    fields_are($said, [qw(status database descriptors connections), is_full() ? 'redis' : ()], 'no more than it should');
    cmp_ok($said->{descriptors}{used}, '>', 10, 'descriptors');
    cmp_ok($said->{descriptors}{used}, '<', $said->{descriptors}{limit}, 'of so many');
    my $ann = $site->chat(trip => $site->new_trip);
    is((health($server))[1]{connections}{used}, 1, 'connections');
    my $rest = $site->rest;
    is($rest->head(PATH)->{status}, 200, 'HEAD');
    is($rest->call('POST', PATH, body => 'x')->{status}, 405, 'but not POST');
    $ann->leave;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'no connection is left' => sub {
    my $server = server_with(config => 'TripChatMaxConnections 2');
    my $site   = $server->site;
    my @chats  = map { $site->chat(trip => $site->new_trip) } 1, 2;
    my ($status, $said) = health($server);
    is_deeply([$status, $said->{connections}], [503, { used => 2, limit => 2 }], 'says so');
    $chats[0]->leave;
    is_well_again($server, 'until one goes');
    stops_clean($server, 'the log has nothing to say');
};

# Not in a full run: PostgreSQL and Redis need descriptors, too.
if (!is_full()) {
    subtest 'descriptors run short' => sub {
        my $server = server_with(descriptors => 64);
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        my (@chats, $said, $status);
        until_true('them to be short', sub {
            push @chats, $site->chat(trip => $trip);
            ($status, $said) = health($server);
            my $enough = $said->{descriptors}{used} + 16 < $said->{descriptors}{limit};
            is($status, $enough ? 200 : 503, sprintf 'with %d of %d', @{ $said->{descriptors} }{qw(used limit)});
            return !$enough;
        });
        cmp_ok($said->{connections}{used}, '<', $said->{connections}{limit}, 'says so before connections do');
        is($said->{descriptors}{limit}, 64, 'the limit is the child\'s');
        $_->leave for splice @chats, 1;
        is_well_again($server, 'until some are free');
        stops_clean($server, 'the log has nothing to say');
    };
}

subtest 'the tables are gone' => sub {
    my $server = server_with();
    is_well($server, 'before');
    $server->site->sql('ALTER TABLE chat_rooms RENAME TO elsewhere;');
    is_ill($server, 'database', 'down', 'says so');
    $server->site->sql('ALTER TABLE elsewhere RENAME TO chat_rooms;');
    is_well_again($server, 'until they are back');
    stops_clean($server, 'the log says why', OF_DATABASE);
};

# What makes each write fail, by database: [to begin, to end, whether a message must have failed before it is seen].
my %NO_WRITES = is_full()
    ? (
        'a read-only database' => [
            sub { my ($name) = $_[0]->sql('SELECT current_database()'); "ALTER DATABASE $name SET default_transaction_read_only = on;"
                . " SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$name' AND pid <> pg_backend_pid() \\g /dev/null" },
            sub { my ($name) = $_[0]->sql('SELECT current_database()');
                "SET default_transaction_read_only = off; ALTER DATABASE $name RESET default_transaction_read_only" }, 0],
        map({ my $state = $_; ("a server that says $state" => [
            sub { "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '$state'; END \$\$;"
                . ' CREATE TRIGGER no_room BEFORE INSERT ON chat_messages FOR EACH ROW EXECUTE FUNCTION no_room()' },
            sub { 'DROP TRIGGER no_room ON chat_messages; DROP FUNCTION no_room()' }, 1]) } qw(53100 53200 58030 42501)),
    )
    : map({ my $words = $_; ("SQLite that says: $words" => [
        sub { "CREATE TRIGGER no_room BEFORE INSERT ON chat_messages BEGIN SELECT RAISE(ABORT, '$words'); END" },
        sub { 'DROP TRIGGER no_room' }, 1]) } 'database or disk is full', 'disk I/O error', 'attempt to write a readonly database');

for my $what (sort keys %NO_WRITES) {
    my ($begin, $end, $by_message) = @{ $NO_WRITES{$what} };
    subtest "no message can be stored: $what" => sub {
        my $server = server_with(is_full() ? (database => TripChat::Postgres->shared->new_database) : ());
        my $site   = $server->site;
        my ($trip, $ann) = ($site->new_trip, $site->rest);
        is($ann->post($trip, 'one')->{status}, 201, 'a message');
        is_well($server, 'before');
        $site->sql($begin->($site->database));
        sleep 6;    # what was stored just now is taken as a sign that writes are possible
        is($ann->post($trip, 'two')->{status}, 503, 'another message') if $by_message;
        is_ill($server, 'database', 'unwritable', 'says so');
        $site->sql($end->($site->database));
        until_true('a message to be stored', sub { $ann->post($trip, 'three')->{status} == 201 });
        is_well_again($server, 'until one can be stored');
        stops_clean($server, 'the log says why', OF_WRITES, qr/\[dbd:error\]|\bAH006[23]\d:/);
    };
}

if (!is_full()) {
    subtest 'a file that may not be written' => sub {
        my $server = server_with();
        my $file   = $server->site->database->{params};
        is_well($server, 'before');
        chmod 0444, $file or die "$file: $!\n";
        $server->restart;
        is_ill($server, 'database', 'unwritable', 'says so, before anybody has written');
        chmod 0644, $file or die "$file: $!\n";
        stops_clean($server, 'the log says why', OF_WRITES, qr/\bTC0090:/);
    };
}

if (is_full()) {
    subtest 'PostgreSQL stands still' => sub {
        my $postgres = TripChat::Postgres->start;
        my $server   = server_with(database => $postgres->new_database);
        is_well($server, 'before');
        $postgres->freeze;
        is_ill($server, 'database', 'silent', 'says so') for 1 .. 4;
        $postgres->thaw;
        is_well_again($server, 'until it goes on');
        $postgres->stop;
        is_ill($server, 'database', 'down', 'is down');
        $postgres->start_again;
        is_well_again($server, 'and up');
        stops_clean($server, 'the log says why', OF_DATABASE, qr/mod_dbd|AH006\d\d|\[dbd:/);
    };

    subtest 'Redis stands still' => sub {
        my $redis  = TripChat::Redis->start;
        my $server = server_with(redis => $redis);
        is_well($server, 'before');
        $redis->freeze;
        is_degraded($server, 'says so');
        $redis->thaw;
        is_well_again($server, 'until it goes on');
        $redis->stop;
        is_degraded($server, 'is down');
        $redis->start_again;
        is_well_again($server, 'and up');
        stops_clean($server, 'the log says why', OF_REDIS);
    };

    subtest 'httpd that starts without Redis' => sub {
        my $redis = TripChat::Redis->start;
        $redis->stop;
        my $server = server_with(redis => $redis);
        is_degraded($server, 'says so');
        $redis->start_again;
        is_well_again($server, 'until it is there');
        stops_clean($server, 'the log says why', OF_REDIS);
    };
}

done_testing;
