# Messages are stored between the moment when a request learns how far its room has come and the moment when its page is
# read. A page that they fill leads on to the rest of them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Postgres;
use TripChat::Rest;
use TripChat::Session;
use TripChat::Test;

my $database = TripChat::Postgres->shared->new_database;
my $server   = TripChat::Server->start(database => $database);
my $site     = $server->site;

for my $limit (1 .. 6) {
    my ($trip, $ann) = ($site->new_trip, $site->rest);
    $ann->posted($trip, "$_") for 1, 2;
    my $session = TripChat::Session->open($database);
    $session->backend;
    $session->run('BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE');
    $ann->ask('GET', TripChat::Rest::list_path($trip, after => 0, limit => $limit));
    until_true('the page to wait for the lock', sub {
        $database->sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'");
    });
    my $user = user('ann')->{id};
    $session->run(join('; ', map { "SELECT chat_post('$trip', '$user', '$_')" } 3 .. 5) . '; COMMIT');
    my @pages = ($ann->answer->{json});
    while (defined $pages[-1]{next} && @pages < 10) { push @pages, $ann->get($pages[-1]{next})->{json} }
    my $last = $pages[-1]{last_seq};    # 2: it was read before
    is_deeply([map { @{ contents_of(@{ $_->{results} }) } } @pages], [1 .. $last], "by $limit, nothing is left out");
    is($last, $limit == 2 ? 2 : 5, 'up to where the room is said to end');
    is($pages[-1]{next}, undef, 'up to an end');
    $session->end;
}

stops_clean($server, 'the log has nothing to say');

done_testing;
