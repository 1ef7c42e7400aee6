# Which virtual hosts are one chat. Copies of a virtual host are, and those with one TripChatSite. Sites that share a
# database hear each other at once. And a virtual host may have none (TripChat off).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(chat_on children_of typing_comes);
use TripChat::Database;
use TripChat::Httpd qw(mpm);
use TripChat::Metrics qw(metrics_config health_config page_of parse_page);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Repeater;
use TripChat::Shared qw(is_full);
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;

use constant {
    ROUNDS => 6,
    AT_ONCE => 3,    # seconds for all rounds; whoever asks the database for news hears of one round after a second or two
    QUICK => "TripChatTypingInterval 0\n",
};

my $made = 0;

sub new_database {
    return is_full() ? TripChat::Postgres->shared->new_database
        : TripChat::Database->sqlite(var_dir() . "/one-chat-$$-" . ++$made . '.db', new => 1);
}

# A server with the virtual hosts plain and second on one database. Their values are the same, but for those of %$second.
sub start_two {
    my ($second, %opt) = @_;
    my $config = delete $opt{site_config} // '';
    $second = { %$second, site_config => QUICK . $second->{site_config} } if defined $second->{site_config};
    return TripChat::Server->start(database => new_database(), site_config => QUICK . $config, %opt,
        config => metrics_config(), sites => { second => $second });
}

# The names of the server's sites.
sub names_of {
    my ($server) = @_;
    my %names = map { $_->{labels}{site} // '' => 1 } @{ parse_page(page_of($server->site)->{body})->{series} };
    return sort grep { /\S/ && !/\Aother\z/ } keys %names;
}

sub hear_each_other {
    my ($ann, $bob, $name) = @_;
    my $begin = now();
    my @heard;
    for my $round (1 .. ROUNDS) {
        my ($from, $to) = $round % 2 ? ($ann, $bob) : ($bob, $ann);
        $from->say("round $round");
        push @heard, map { $_->next_json('chat_message')->{message}{content} } $to;
        $from->next_json('chat_message');
    }
    my $took = now() - $begin;
    is_deeply(\@heard, [map { "round $_" } 1 .. ROUNDS], "$name: what is said is heard on the other");
    cmp_ok($took, '<', AT_ONCE, 'at once');
    ok(typing_comes(@$_), 'typing comes, too') for [$ann, $bob], [$bob, $ann];
    return;
}

# In one child and, where there is a bus, in two.
sub are_one_chat {
    my ($second, $name, %opt) = @_;
    for my $children (1, is_full() ? 2 : ()) {
        my $server = start_two($second, children => $children, %opt);
        my $trip   = $server->site->new_trip;
        my @pids   = children_of($server);
        for my $pair ([@pids[0, 0]], $children > 1 ? [@pids[0, 1]] : ()) {
            my ($ann, $bob) = (chat_on($server, $pair->[0], trip => $trip, as => 'ann'),
                chat_on($server, $pair->[1], site => 'second', trip => $trip, as => 'bob'));
            hear_each_other($ann, $bob, "$name, " . ($pair->[0] == $pair->[1] ? 'in one child' : 'in two'));
            $_->leave for $ann, $bob;
        }
        yield_names($server, $opt{names} // 1, $name);
        my @allow = $opt{allow} // ();
        stops_clean($server, 'the server stops in order', @allow);
    }
    return;
}

sub yield_names {
    my ($server, $count, $name) = @_;
    my @names = names_of($server);
    return is(scalar @names, $count, "$name: sites: @names");
}

subtest 'a copy of a virtual host is the same site' => sub { are_one_chat({}, 'a copy') };

subtest 'a default that is written is no other value' => sub {
    are_one_chat({ site_config => "TripChatHistory 50\nTripChatReject close\nTripChatBus local\n" x !is_full() }, 'defaults');
};

my $split = qr/\bTC0049: the sites localhost:\d+ and localhost:\d+ have the same database, bus and keys, but are two sites, because TripChatPingInterval is not the same;.* write the same value for both, or a TripChatSite for each/;

subtest 'a virtual host with a value of its own is another site on the same database' => sub {
    are_one_chat({ site_config => 'TripChatPingInterval 20s' }, 'two sites', names => 2, allow => $split);
    my $server = start_two({ site_config => 'TripChatPingInterval 20s' });
    my @said = $server->error_log =~ /$split/g;
    is(scalar @said, 1, 'of which a warning tells once');
    stops_clean($server, 'the server stops in order', $split);
};

subtest 'a database that two virtual hosts write in two ways is one database' => sub {
    my $database = new_database();
    my $again    = bless { %$database }, ref $database;
    if (is_full()) { $again->{params} .= ' application_name=second' }
    else {
        $again->{params} .= '-link';
        symlink $database->{params}, $again->{params} or die "symlink: $!\n";
    }
    my $server = TripChat::Server->start(database => $database, site_config => QUICK, config => metrics_config(),
        sites => { second => { database => $again } });
    my $trip = $server->site->new_trip;
    my ($ann, $bob) = ($server->site->chat(trip => $trip, as => 'ann'), $server->site('second')->chat(trip => $trip, as => 'bob'));
    hear_each_other($ann, $bob, 'two ways');
    $_->leave for $ann, $bob;
    yield_names($server, 2, 'two ways');
    stops_clean($server, 'the server stops in order', qr/\bTC0049:/);
};

subtest 'two sites that are meant' => sub {
    are_one_chat({ site_config => "TripChatPingInterval 20s\nTripChatSite the_other" }, 'two names', names => 2, site_config => 'TripChatSite one');
};

subtest 'a name joins virtual hosts' => sub {
    my $server = start_two({}, site_config => 'TripChatSite trips.example');
    is_deeply([names_of($server)], ['trips.example'], 'to one site, which has this name');
    stops_clean($server, 'the server stops in order');
};

subtest 'limits of users count over all virtual hosts of a site' => sub {
    my $server = start_two({}, site_config => 'TripChatUserConnections 1');
    my $trip   = $server->site->new_trip;
    my $ann    = $server->site->chat(trip => $trip);
    my $second = $server->site('second');
    turned_away_with($second, $second->path($trip, token => $second->token('ann')), undef, 1008, 'who is on one');
    stops_clean($server, 'the server stops in order');
};

subtest 'virtual hosts of one name with different values stop configtest' => sub {
    my %opt = (database => new_database(), site_config => 'TripChatSite trips', sites => { second => { site_config => "TripChatSite trips\nTripChatHistory 7" } });
    my ($status, $said) = TripChat::Server->check_config(%opt);
    isnt($status, 0, 'with an error');
    like($said, qr/TripChatSite: localhost:\d+ \(\S+:\d+\) and localhost:\d+ \(\S+:\d+\) are both the site trips, but have different values of TripChatHistory; write the same value in both, or another TripChatSite/,
        'that names both, and what differs');
    $opt{sites}{second} = { site_config => 'TripChatSite trips', database => new_database() };
    ($status, $said) = TripChat::Server->check_config(%opt);
    isnt($status, 0, 'the same for two databases');
    like($said, qr/different values of DBDriver, DBDParams, DBDInitSQL or DBDPrepareSQL/, 'which it names');
};

subtest 'a virtual host without a chat answers as one without the module' => sub {
    my $server = TripChat::Server->start(shared => 1, database => new_database(), config => metrics_config() . health_config(), sites => { second => {} });
    my ($plain, $second) = map { $server->site($_) } qw(plain second);
    my %path = (
        websocket => $plain->path($plain->new_trip, token => $plain->token('ann')), rest => '/api/v1/chat/rooms/' . new_uuid() . '/messages/',
        metrics => '/tripchat-metrics', health => '/tripchat-health',
    );
    my %before = map { $_ => $second->http_get($path{$_})->{status} } keys %path;
    is_deeply(\%before, { websocket => 400, rest => 401, metrics => 200, health => 200 }, 'with a chat, each path is served');
    $server->reconfigure(vhost => { second => 'TripChat off' });
    $server->restart;
    for my $what (sort keys %path) {
        my $answer = $second->http_get($path{$what});
        is($answer->{status}, 404, "$what: there is no such file");
        isnt($plain->http_get($path{$what})->{status}, 404, 'but on the other virtual host');
    }
    is($second->http_get('/index.html')->{body}, TripChat::Server::PAGE(), 'files are served');
    stops_clean($server, 'the server stops in order');
};

subtest 'TripChat off for all, and on for one' => sub {
    my $server = TripChat::Server->start(shared => 1, database => new_database(), site_config => 'TripChat off',
        sites => { second => {} }, vhost => { second => 'TripChat on' });
    my $trip = $server->site->new_trip;
    is($server->site->http_get($server->site->path($trip))->{status}, 404, 'nothing');
    is($server->site('second')->chat(trip => $trip)->leave->{code}, 1000, 'and a chat');
    stops_clean($server, 'the server stops in order');
};

# mod_dbd gives all of them one pool. The threads of two sites that are never silent could keep all connections of it.
subtest 'sites that have a small pool of connections together' => sub {
    my %own = map { $_ => { site_config => "TripChatPingInterval $_" } } qw(21s 22s);
    my $server = TripChat::Server->start(database => new_database(), config => 'DBDMax 4', site_config => 'TripChatRecheck 1s', sites => \%own);
    my $trip   = $server->site->new_trip;
    my @busy   = map {
        my $site   = $server->site($_);
        my $member = until_true("a member of $_", sub { eval { $site->chat(trip => $trip) } });    # a slow server turns newcomers away
        TripChat::Repeater->start(name => "a member of $_", pause_s => 0.05, nice => 0, code => sub { $member->say('on and on'); $member->next_json('chat_message') });
    } sort keys %own;
    until_true('both to talk', sub { !grep { $_->turns < 3 } @busy });
    is($server->site->rest->room($trip)->{status}, 200, 'the third is answered while the others talk') for 1 .. 3;
    is_deeply([grep { $_->failures } @busy], [], 'and they do');
    $_->stop for @busy;
    stops_clean($server, 'the log has nothing to say', qr/\bTC0049:/);
};

done_testing;
