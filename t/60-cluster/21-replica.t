# A Redis that is a replica takes PUBLISH, and tells only its own subscribers. The module does not use it: members go on by
# the database, as without Redis, until the address leads to a primary again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of chat_on one_on_each all_hear hear_no_other_event collect typing_comes);
use TripChat::File qw(read_file);
use TripChat::Metrics qw(metrics_config metrics_of value_of);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN => 2,
    TURNS    => 10,
    REPLICA  => qr/TC0070: Redis at \S+ cannot be used: it is a replica/,
    OF_REDIS => qr/\bTC007[01]:/,
};

my $primary  = TripChat::Redis->start;
my $password = read_file($primary->password_file);
my $redis    = TripChat::Redis->start(config => qq(masterauth "$password"));
my $database = TripChat::Postgres->shared->new_database;

sub new_server {
    my ($where) = @_;
    return TripChat::Server->start(children => CHILDREN, database => $database, redis => $where, 
        site_config => 'TripChatTypingInterval 0', config => metrics_config());
}

sub demote {
    $redis->command('REPLICAOF', '127.0.0.1', $primary->port);
    until_true('the replica to follow', sub { (grep { /\Amaster_link_status:up/ } $redis->command('INFO', 'replication')) });
    return;
}

sub promote { $redis->command(qw(REPLICAOF NO ONE)); return }

# Everybody sends before anybody reads. All get everything once, with the same numbers.
sub talk_at_once {
    my ($members, $name) = @_;
    for my $n (1 .. TURNS) { $members->[$_]->say("member $_, message $n") for 0 .. $#$members }
    my ($one, @others) = collect($members, TURNS * @$members);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_consecutive([map { $_->[0] } @$one], $one->[0][0], TURNS * @$members, "$name: numbers in a row");
    return is_deeply([grep { !eq_array($_, $one) } @others], [], "$name: the same for all");
}

sub uses_redis {
    my ($members, $name) = @_;
    typing_comes($members->[0], $members->[1]);
    typing_comes($members->[1], $members->[0]);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return all_hear($_, "$name, " . new_uuid(), $members, $name) for @$members;
}

sub complaints_of { my ($server) = @_; return scalar(() = $server->error_log =~ /${\ REPLICA }/g) }

subtest 'a primary that is demoted, and promoted again' => sub {
    my $server  = new_server($redis);
    my @members = one_on_each($server, trip => $server->site->new_trip, as => [qw(ann bob)]);
    uses_redis(\@members, 'before');
    demote();
    until_true('all children to notice', sub { complaints_of($server) == CHILDREN });
    talk_at_once(\@members, 'by the database');
    is(value_of(metrics_of($server->site), 'tripchat_redis_links{state="down"}'), CHILDREN, 'the metric says so');
    promote();
    uses_redis(\@members, 'afterwards');
    hear_no_other_event($members[0], \@members, 'and nothing comes twice');
    is(complaints_of($server), CHILDREN, 'each child has said it once');
    $_->leave for @members;
    stops_clean($server, 'and nothing else', OF_REDIS);
};

subtest 'an address that is a replica from the beginning' => sub {
    demote();
    my $server  = new_server($redis);
    my $others  = new_server($primary);
    my $trip    = $server->site->new_trip;
    my @members = (one_on_each($server, trip => $trip, as => [qw(ann bob)]), one_on_each($others, trip => $trip, as => [qw(carol ann)]));
    until_true('all children to notice', sub { complaints_of($server) == CHILDREN });
    talk_at_once(\@members, 'members here and at the primary');
    promote();
    uses_redis([@members[0, 1]], 'afterwards');
    $_->leave for @members;
    stops_clean($server, 'the log says why', OF_REDIS);
    stops_clean($others, 'and who uses the primary has nothing to say');
};

subtest 'a user that must not ask for the role uses what there is' => sub {
    $redis->command(qw(ACL SETUSER default -info));
    my $server  = new_server($redis);
    my @members = one_on_each($server, trip => $server->site->new_trip, as => [qw(ann bob)]);
    uses_redis(\@members, 'a primary');
    $redis->command('REPLICAOF', '127.0.0.1', $primary->port);
    uses_redis(\@members, 'a replica that all use');
    $_->leave for @members;
    stops_clean($server, 'and nothing is logged');
};

done_testing;
