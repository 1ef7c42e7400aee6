# The metrics about other children and about Redis: events from others, gaps, links, heartbeats, memory.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(one_on_each all_hear children_of);
use TripChat::File qw(write_secret);
use TripChat::Metrics qw(metrics_config metrics_of value_of grown sum_of);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN => 3,
    OF_REDIS => qr/\bTC007[01]:/,
    USED     => 'tripchat_redis_used_memory_bytes',
    BEAT     => 'tripchat_redis_heartbeat_seconds',
    HEARD    => 'tripchat_events_heard_total{kind="message"}',
};

my $database = TripChat::Postgres->start->new_database;
my $redis    = TripChat::Redis->start;
my $server   = server_with(redis => $redis);
my $site     = $server->site;

sub server_with {
    my (%opt) = @_;
    return TripChat::Server->start(children => CHILDREN, database => $database, site_config => metrics_config(), %opt);
}

# How many links of the site are in each state.
sub links {
    my ($metrics) = @_;
    return { map { $_ => value_of($metrics, qq(tripchat_redis_links{state="$_"})) } qw(starting up down) };
}

sub until_links_are {
    my ($where, $state, $name) = @_;
    until_true("links to be $state", sub { links(metrics_of($where))->{$state} == CHILDREN });
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(links(metrics_of($where)), { starting => 0, up => 0, down => 0, $state => CHILDREN }, $name);
}

sub becomes { my ($key, $value) = @_; return until_true("$key $value", sub { value_of(metrics_of($site), $key) == $value }) }

my @members = one_on_each($server, trip => $site->new_trip);

subtest 'what one child stores the others hear' => sub {
    until_links_are($site, 'up', 'all are linked');
    my $before = metrics_of($site);
    all_hear($members[0], 'hello', \@members, 'a message');
    becomes(HEARD, value_of($before, HEARD) + CHILDREN - 1);
    my $grown = grown($before, metrics_of($site), qw(tripchat_events_stored_total tripchat_events_heard_total tripchat_deliveries_total));
    is_deeply($grown, {
        'tripchat_events_stored_total{kind="message"}' => 1,
        HEARD()                                        => CHILDREN - 1,
        'tripchat_deliveries_total'                    => CHILDREN,
    }, 'each counts its own');
    is(value_of(metrics_of($site), 'tripchat_children'), CHILDREN, 'children');
    is(value_of(metrics_of($site), 'tripchat_rooms'), CHILDREN, 'each has the room');
    is(sum_of(metrics_of($site), 'tripchat_bus_mail'), 0, 'no mail waits');
};

subtest 'the heartbeat, and what Redis uses' => sub {
    until_true('a heartbeat and an answer', sub { my $now = metrics_of($site); $now->{ +BEAT } && $now->{ +USED } });
    my $now = metrics_of($site);
    cmp_ok($now->{ +BEAT }, '<', 60, 'it comes back');
    my ($used) = map { /\Aused_memory:(\d+)/ ? $1 : () } $redis->command('INFO', 'memory');
    cmp_ok(abs($now->{ +USED } - $used), '<', $used, 'memory is what Redis says, or was');
};

subtest 'Redis goes and comes' => sub {
    my $before = metrics_of($site);
    $redis->freeze;
    until_true('the heartbeat to be late', sub { value_of(metrics_of($site), BEAT) > 1 });
    until_links_are($site, 'down', 'it is silent');
    $members[0]->said('in silence');
    $_->messages_until('in silence') for @members[1, 2];
    $redis->thaw;
    until_links_are($site, 'up', 'it speaks again');
    my $grown = grown($before, metrics_of($site), qw(tripchat_redis_losses_total tripchat_redis_connects_total));
    is_deeply($grown, { tripchat_redis_losses_total => CHILDREN, tripchat_redis_connects_total => CHILDREN }, 'once for each child');
    my $gaps = grown($before, metrics_of($site), qw(tripchat_gaps_found_total tripchat_gaps_repaired_total));
    is_deeply($gaps, { tripchat_gaps_found_total => CHILDREN - 1, tripchat_gaps_repaired_total => CHILDREN - 1 },
        'what was said meanwhile was found in the database');
};

# A Redis user with the least rights that the chat needs, and these rights.
sub door_for {
    my (@rights) = @_;
    $redis->command(qw(ACL DELUSER chat));
    $redis->command(qw(ACL SETUSER chat on >word resetchannels -@all &tripchat:* +subscribe +unsubscribe +publish), @rights);
    my $file = $server->dir . '/of-chat';
    write_secret($file, "word\n");
    return $redis->with(user => 'chat', password_file => $file);
}

for my $right ('', '+info') {
    subtest 'a user ' . ($right ? "with $right" : 'with the least rights') => sub {
        my $other = server_with(redis => door_for($right || ()));
        my $there = $other->site;
        my @here  = one_on_each($other, trip => $there->new_trip);
        until_links_are($there, 'up', 'the links are up');
        until_true('a heartbeat', sub { metrics_of($there)->{ +BEAT } });
        if ($right) {
            until_true('memory to be told', sub { metrics_of($there)->{ +USED } });
            pass('memory is told');
        }
        else {
            until_true('Redis to have refused', sub { grep { /info/ } $redis->command(qw(ACL LOG)) });
            all_hear($here[0], 'hello', \@here, 'all goes on');
            is_deeply(links(metrics_of($there)), { starting => 0, up => CHILDREN, down => 0 }, 'over the same links');
            ok(!exists metrics_of($there)->{ +USED }, 'memory is not told');
        }
        $_->leave for @here;
        stops_clean($other, 'and nothing went wrong');
    };
}

$_->leave for @members;
stops_clean($server, 'the log says what became of Redis', OF_REDIS);

done_testing;
