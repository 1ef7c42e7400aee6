# Users' rates over several servers. Through Redis, what a user spends on one server is taken out of the user's buckets
# on all others, once. Without Redis each server counts alone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN => 3,
    RATE     => 20,     # tokens that do not come back within a test
    FIRST    => 12,     # tokens that are spent on the first server
    SLACK    => 6,      # tokens that the second server may still give before it hears from the first one
    OF_REDIS => qr/\bTC007[01]:/,
};

my $database = TripChat::Postgres->start->new_database;
my $redis    = TripChat::Redis->start;
my @servers  = map {
    TripChat::Server->start(children => CHILDREN, database => $database, redis => $redis, site_config => 'TripChatUserMessageRate ' . RATE . '/10h')
} 1, 2;
my @sites = map { $_->site } @servers;
my $trip  = $sites[0]->new_trip;

# Hears what children tell each other about the tokens that users spend.
my $ear = $redis->wire;
$ear->command('SUBSCRIBE', 'tripchat:0:spent');

# Waits until all children have been told that a user has spent so many tokens.
sub until_told {
    my ($name, $count) = @_;
    my $id   = user($name)->{id};
    my $told = 0;
    while ($told < $count) {
        my (undef, undef, $envelope) = @{ $ear->answer };
        $told += $_ for $envelope =~ /\["\Q$id\E",0,(\d+)\]/g;
    }
    return is($told, $count, "the others are told of $count");
}

# Sends message after message until one is refused. Returns how many were not.
sub said_until_refused {
    my ($client, $what) = @_;
    my $said = 0;
    until_true("$what to be refused", sub {
        $client->say("$what $said");
        my $answer = $client->next_json;
        $said++ if $answer->{type} eq 'chat_message';
        return ($answer->{code} // '') eq 'rate_limited';
    });
    return $said;
}

subtest 'what is spent on one server is missing on the other' => sub {
    my $here = $sites[0]->chat(trip => $trip, as => 'ann');
    $here->said("here $_") for 1 .. FIRST;
    my $there = $sites[1]->chat(trip => $trip, as => 'ann');
    until_told('ann', FIRST);
    my $said  = FIRST + said_until_refused($there, 'there');
    cmp_ok($said, '>=', RATE, 'as much as is allowed: children that hear the same count it once');
    cmp_ok($said, '<=', RATE + SLACK, 'and hardly more');
    until_true('the first server to have heard of it', sub { $sites[0]->rest->post($trip, 'here again')->{status} == 429 });
    pass('nor is there anything left on the first');
    $_->leave for $here, $there;
    is($sites[1]->rest(as => 'bob')->post($trip, 'mine')->{status}, 201, 'another user has his own');
};

# The same Redis, prefix and secret, and users with the same ids.
subtest 'what users of another database spend is not missing here' => sub {
    my $tenant = TripChat::Server->start(children => 2, database => TripChat::Postgres->shared->new_database, redis => $redis,
        site_config => 'TripChatUserMessageRate ' . RATE . '/10h');
    my $trip_there = $tenant->site->new_trip;
    my ($here, $there) = ($sites[0]->chat(trip => $trip, as => 'bob'), $tenant->site->chat(trip => $trip_there, as => 'bob'));
    $here->said("here $_") for 1 .. FIRST;
    until_told('bob', FIRST + 1);    # and what he has posted before
    is(said_until_refused($there, 'there'), RATE, 'a user with the same id has his own');
    $_->leave for $here, $there;
    stops_clean($tenant, 'the log has nothing to say');
};

subtest 'without Redis each server counts for itself' => sub {
    my ($here, $there) = map { $_->chat(trip => $trip, as => 'carol') } @sites;
    $redis->stop;
    until_true('the servers to notice', sub { 2 == grep { $_->error_log =~ /TC0070:/ } @servers });
    is(said_until_refused($here, 'without Redis'), RATE, 'on one');
    $there->messages_until('without Redis ' . (RATE - 1));
    is(said_until_refused($there, 'without Redis either'), RATE, 'and on the other');
    $redis->start_again;
};

stops_clean($_, 'the log has nothing else to say', OF_REDIS) for @servers;

done_testing;
