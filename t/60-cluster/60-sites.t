# Many sites in one httpd with several children, as on shared hosting. Each site has its own database, its own secret,
# and its own Redis or prefix. Nothing passes from one site to another, an outage of one site's services does not touch
# the others, and a child has as many threads as docs/operations.md says.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of chat_on one_on_each all_hear hear_nothing_else hear_no_other_event typing_comes);
use TripChat::Httpd qw(mpm);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN        => 3,
    WORKERS         => 8,
    ROOMS           => 8,                                # enough for every thread to get one
    THREADS_OF_CHAT => 4,                                # loop, bus and two for the database
    THREADS_OF_STORE => 2,    # TripChatDBThreads
    QUICK           => 'TripChatTypingInterval 0',       # as typing_comes() needs it
    OF_THE_OUTAGES  => qr/\bTC007[01]:|\bTC0012:|\[dbd:error\]/,
};

my $postgres       = TripChat::Postgres->shared;
my $redis          = TripChat::Redis->start;
my $other_postgres = TripChat::Postgres->start;
my $other_redis    = TripChat::Redis->start;

# One trip and its room, which all sites have in their own database.
my ($trip, $room) = (new_uuid(), new_uuid());

sub copy_in {
    my ($where) = @_;
    my $database = $where->new_database;
    TripChat::Site->new(database => $database)->new_trip(id => $trip);
    $database->sql("INSERT INTO chat_rooms (id, trip_id) VALUES ('$room', '$trip')");
    return $database;
}

sub secret_of { my ($name) = @_; return "the secret of the site $name, for tests only" }

# plain and second share PostgreSQL and Redis, with different databases and prefixes. third has its own of both.
my $server = TripChat::Server->start(
    children => CHILDREN, workers => WORKERS, site_config => QUICK,
    database => copy_in($postgres), redis => $redis->with(prefix => 'one:'),
    sites => {
        second => { database => copy_in($postgres), redis => $redis->with(prefix => 'two:'), secret => secret_of('second') },
        third  => { database => copy_in($other_postgres), redis => $other_redis, secret => secret_of('third') },
    },
);
my @names = qw(plain second third);

# site => members, one on each child
sub members { return map { $_ => [one_on_each($server, site => $_, trip => $trip, as => [qw(ann bob carol)])] } @names }

sub leave { $_->leave for @_; return }

subtest 'a token of one site is refused at the others' => sub {
    for my $from (@names) {
        for my $to (grep { $_ ne $from } @names) {
            my $site = $server->site($to);
            turned_away_with($site, $site->path($trip, token => $server->site($from)->token('ann')), undef, 4001, "$from at $to");
        }
    }
};

subtest 'nothing crosses, though the rooms have one id' => sub {
    my %members = members();
    for my $name (@names) {
        my ($ann, @others) = @{ $members{$name} };
        my @strangers = map { @{ $members{$_} } } grep { $_ ne $name } @names;
        typing_comes($ann, $_) for @others;
        my $message = all_hear($ann, "said on $name", $members{$name}, "what is said on $name its members hear");
        $ann->edit($message->{id}, 'edited');
        $_->next_json('message_edited') for @{ $members{$name} };
        for my $stranger (grep { $_ ne $name } @names) {
            my $there = $members{$stranger};
            # This goes over the bus, which keeps the order: an event on its way would have come before.
            hear_no_other_event($there->[0], $there, "and nobody on $stranger");
            $there->[0]->edit($message->{id}, 'from elsewhere');
            is($there->[0]->next_json('error')->{code}, 'message_not_found', 'where the message does not exist');
        }
    }
    leave(map { @$_ } values %members);
};

subtest 'typing does not cross either' => sub {
    my %members = members();
    typing_comes($members{plain}[0], $_)  for @{ $members{plain} }[1, 2];
    hear_nothing_else($_, $members{second}, 'to the site on the same Redis') for @{ $members{second} };
    hear_nothing_else($_, $members{third},  'nor to that on another')        for @{ $members{third} };
    leave(map { @$_ } values %members);
};

subtest 'each has its numbers' => sub {
    my %last = map { $_ => ($server->site($_)->sql("SELECT last_seq FROM chat_rooms WHERE id = '$room'"))[0] } @names;
    for my $name (@names) {
        my $member = chat_on($server, (children_of($server))[1], site => $name, trip => $trip);
        is($member->history->{last_seq}, $last{$name}, "$name: those of its database");
        is($member->said('next')->{seq}, $last{$name} + 1, 'and the next');
        $member->leave;
    }
};

sub threads_of { my ($pid) = @_; return scalar(my @tasks = glob "/proc/$pid/task/*") }

subtest 'a site more is two threads more for a child that serves it, and no connection to its Redis' => sub {
    my %members = members();
    my $single  = TripChat::Server->start(children => CHILDREN, workers => WORKERS, database => $server->site->database,
        redis => $redis->with(prefix => 'one:'));
    my @children = children_of($single);
    my $of_httpd = mpm() eq 'prefork' ? 1 : WORKERS + 2;    # and the listener, and the first one
    my $waiting  = mpm() eq 'prefork' ? 0 : THREADS_OF_CHAT - THREADS_OF_STORE + 1;    # and the log's
    until_true('the children to have all their threads', sub { !grep { threads_of($_) != $of_httpd + $waiting } @children });
    my @there   = one_on_each($single, trip => $trip);
    my @single  = map { threads_of($_) } @children;
    my @many    = map { threads_of($_) } children_of($server);
    note "threads of a child: $of_httpd without a chat, then @single; with three sites @many";
    is_deeply(\@single, [($of_httpd + THREADS_OF_CHAT + 1) x CHILDREN], 'four more than httpd\'s own, and one for the log');
    is_deeply(\@many,   [map { $_ + 2 * THREADS_OF_STORE } @single],  'with three sites those of two more databases');
    leave(@there);
    stops_clean($single, 'the server with a single site stops in order');
    until_true('its connections to end', sub { clients_of($redis) == 2 * CHILDREN });
    is(clients_of($other_redis), 2 * CHILDREN, 'sites on one Redis share two connections a child');
    leave(map { @$_ } values %members);
};

# The number of the chat's connections to a Redis, without those of redis-cli, which come and go.
sub clients_of {
    my ($where) = @_;
    return scalar grep { /cmd=(?:subscribe|publish|ping)\b/ } $where->command('CLIENT', 'LIST');
}

subtest 'connections to PostgreSQL are those of mod_dbd, for each site' => sub {
    my %members = members();
    for my $round (1 .. 5) {
        for my $name (@names) { all_hear($_, "round $round", $members{$name}, 'all talk') for @{ $members{$name} } }
    }
    my %count;
    for my $name (@names) {
        $count{$name} = ($server->site($name)->sql("SELECT count(*) FROM pg_stat_activity"
            . " WHERE datname = current_database() AND pid <> pg_backend_pid()"))[0];
        cmp_ok($count{$name}, '<=', (2 + THREADS_OF_STORE) * CHILDREN, "$name: DBDKeep (2) and one each thread, a child at most");
        cmp_ok($count{$name}, '>=', CHILDREN,     'and one each at least');
    }
    note join ', ', map { "$_ $count{$_} connections" } @names;
    leave(map { @$_ } values %members);
};

subtest 'what becomes of one site\'s services does not touch the others' => sub {
    my %members = members();
    my %outage = (
        'its Redis is killed'            => [sub { $other_redis->kill9 },     sub { $other_redis->start_again }],
        'its PostgreSQL is stopped'      => [sub { $other_postgres->stop },   sub { $other_postgres->start_again }],
        'its Redis stands still'         => [sub { $other_redis->freeze },    sub { $other_redis->thaw }],
    );
    for my $what (sort keys %outage) {
        my ($break, $mend) = @{ $outage{$what} };
        $break->();
        $members{third}[0]->say('in vain, perhaps', client_id => $what);
        for my $name (qw(plain second)) {
            all_hear($_, "on $name, $what", $members{$name}, "$what: $name talks on") for @{ $members{$name} };
            typing_comes($members{$name}[0], $members{$name}[1]);
            hear_no_other_event($members{$name}[0], $members{$name}, 'and everybody hears everything once');
        }
        $mend->();
    }
    my ($ann, @others) = @{ $members{third} };
    until_true('the third to talk again', sub { $ann->say('again', client_id => 'again'); eval { $ann->next_json('chat_message')->{client_id} } });
    typing_comes($ann, $_) for @others;
    leave(map { @$_ } values %members);
};

subtest 'a site whose PostgreSQL stands still does not hold up the others' => sub {
    my $child  = (children_of($server))[0];
    my @third  = map { chat_on($server, $child, site => 'third', trip => $server->site('third')->new_trip) } 1 .. ROOMS;
    my $member = chat_on($server, $child, trip => $trip);
    $other_postgres->freeze;
    $_->say('in vain', client_id => 'c-1') for @third;
    $_->next_json for @third;    # the error that says that storing takes too long
    $member->say('at once', client_id => 'c-1');
    my $answer = $member->next_json;
    is($answer->{type}, 'chat_message', 'on the same child') or diag explain $answer;
    $other_postgres->thaw;
    $_->next_json('chat_message') for @third;
    leave(@third, $member);
};

stops_clean($server, 'the server stops in order', OF_THE_OUTAGES);

done_testing;
