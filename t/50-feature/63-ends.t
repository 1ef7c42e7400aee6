# All ways in which a child ends, and what its clients see of it. Connections that cannot move are told to come back,
# and no client is left waiting. Uses its own servers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Httpd qw(next_module_file);
use TripChat::Process qw(is_alive freeze_pids);
use TripChat::Shared qw(is_full);
use TripChat::Sockets;
use TripChat::Succession;
use TripChat::Test;

use constant {
    DRAIN_S  => 2,     # where something has to be closed
    RECYCLED => 10,    # connections after which a child ends
    WORKERS  => 8,     # of a child
    ROOM     => 10,    # connections that a child may have which is soon full
    WHILE_S  => 2,     # longer than a child needs to see that no other child can come
};

my $drain = "TripChatDrainTime @{[DRAIN_S]}s\n";

# A conversation goes on from child to child, each of which ends after some connections.
sub outlives_its_children {
    my ($server) = @_;
    my $site = $server->site;
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    for my $round (1 .. 3) {
        my @old = $server->child_pids;
        until_true('the children to end', sub { eval { $site->http_get('/index.html') }; !grep { is_alive($_) } @old });
        $ann->said("round $round");
        hears($bob, "round $round", "round $round");
    }
    $_->leave for $ann, $bob;
    return stops_clean($server, 'the log has nothing to say');
}

sub no_connection_is_left {
    my ($server) = @_;
    until_true('no connection to be left in any process', sub {
        !grep { $_ } map { TripChat::Sockets::tcp_peers($_, $server->site->port) } $server->pid, $server->child_pids;
    });
    return pass('no connection is left in any process');
}

# ---- how children end ----

for my $end (['apachectl graceful-stop', 'WINCH'], ['apachectl stop', 'TERM']) {
    my ($name, $signal) = @$end;
    for my $mpm (qw(event worker prefork)) {
        subtest "$name closes with 1001 under $mpm" => sub {
            my $server = start_server(mpm => $mpm, tls => 1);
            my @members = map { my $site = $server->site($_); $site->chat(trip => $site->new_trip) } qw(plain tls plain);
            $server->ask_to_stop($signal);
            closed_with($_, 1001, 'a client') for @members;
            $_->disconnect for @members;
            stops_clean($server, 'and leaves nothing behind');
        };
    }
}

for my $mpm (qw(event worker prefork)) {
    subtest "apachectl restart closes with 1012 at once under $mpm" => sub {
        my $server  = start_server(mpm => $mpm, tls => 1);
        my @members = map { my $site = $server->site($_); $site->chat(trip => $site->new_trip) } qw(plain tls plain);
        $server->restart;
        closed_with($_, 1012, 'a client') for @members;
        $_->disconnect for @members;
        my $back = $server->site->chat(trip => $server->site->new_trip);
        still_talks($back, 'and it may come back');
        $back->leave;
        stops_clean($server, 'nothing is left behind');
    };

    for my $room (rooms_under($mpm, is_full())) {
        my ($has_room, $room_name) = @$room;
        subtest "MaxConnectionsPerChild disconnects nobody under $mpm, $room_name" => sub {
            my $server = start_server(mpm => $mpm, %$has_room, config => "MaxConnectionsPerChild @{[RECYCLED]}\n");
            outlives_its_children($server);
        };
    }
}

# The child that holds each client, by the client's port.
sub children_of {
    my ($server, $site) = @_;
    return map { my $pid = $_; map { $_ => $pid } TripChat::Sockets::tcp_peers($pid, $site->port) } $server->child_pids;
}

if (is_full()) {
    subtest 'a child that is killed takes its own connections with it, and no others' => sub {
        my $server  = start_server(children => 3, generations => 2);
        my $site    = $server->site;
        my $trip    = $site->new_trip;
        my @members = map { $site->chat(trip => $trip) } 1 .. 30;
        reload($server);
        my %of_child = children_of($server, $site);
        my $victim   = $of_child{ $members[0]{socket}->sockport };
        # One child may take all that move, if it comes first. Newcomers go to whichever child accepts them.
        while (@members < 300 && !grep { $of_child{ $_->{socket}->sockport } != $victim } @members) {
            push @members, $site->chat(trip => $trip);
            %of_child = children_of($server, $site);
        }
        kill 'KILL', $victim;
        my ($lost, $kept) = ([], []);
        push @{ $of_child{ $_->{socket}->sockport } == $victim ? $lost : $kept }, $_ for @members;
        note @$lost . ' lost, ' . @$kept . ' kept';
        $_->read_to_end for @$lost;
        cmp_ok(0 + @$kept, '>', 0, 'another child holds some');
        still_talks($_, 'one of another child') for $kept->[0];
        reload($server);
        my $marker = $kept->[0]->said('after the next reload')->{content};
        $_->messages_until($marker) for @{$kept}[1 .. $#$kept];
        pass('and the passage is as it was');
        $_->leave for @$kept;
        stops_clean($server, 'the log has nothing else to say', qr/exit signal Killed|\bAH0004[56]:/);    # event may have a child more than it tells to end
    };
}

for my $mpm (qw(event prefork)) {
    next if $mpm eq 'prefork' && !is_full();
    subtest "a server that stops while it reloads closes with 1001 under $mpm" => sub {
        my $server  = start_server(mpm => $mpm, generations => 2, tls => 1);
        my $site    = $server->site('tls');
        my $trip    = $site->new_trip;
        my @members = map { $site->chat(trip => $trip) } 1 .. 4;
        $server->graceful;
        my $moved = $server->site->chat(trip => $server->site->new_trip);
        $server->ask_to_stop;
        closed_with($_, 1001, 'one of the old child') for @members;
        closed_with($moved, 1001, 'one of the new child');
        $_->disconnect for @members, $moved;
        stops_clean($server, 'the log has nothing to say', qr/\bAH00045:/);
    };
}

# ---- children that cannot go yet ----

sub threads_of { my ($pid) = @_; return scalar(() = glob "/proc/$pid/task/*") }

# An incomplete request holds a worker, and the worker holds the child.
sub keep_child {
    my ($site) = @_;
    my $request = $site->connect;
    $request->write("GET /index.html HTTP/1.0\r\n");
    until_true('a worker to read it', sub { $site->server_status->{BusyWorkers} > 1 });
    return $request;
}

for my $mpm (qw(event worker)) {
    subtest "nobody waits for a request of somebody else under $mpm, one child at a time" => sub {
        my $server = start_server(mpm => $mpm);
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
        my $request = keep_child($site);
        my @old     = $server->child_pids;
        $server->graceful;
        my $until = now() + WHILE_S;
        my $said  = 0;
        until_true('what is said meanwhile', sub {
            my $content = 'message ' . ++$said;
            $ann->said($content);
            return $bob->next_json('chat_message')->{message}{content} ne $content || now() > $until;
        });
        ok(now() > $until, 'both are served as long as the child is there');
        ok(is_alive($_), 'which it is') for @old;
        $request->write("\r\n");
        like($request->read_rest, qr{\AHTTP/1.1 200 }, 'the request is answered');
        wait_for_end_of(@old);
        $ann->said('at last');
        hears($bob, 'at last', 'and both go on');
        $_->leave for $ann, $bob;
        stops_clean($server, 'the log has nothing to say');
    };

    subtest "a server that stops while a child of the last generation cannot go closes with 1001 under $mpm" => sub {
        my $server  = start_server(mpm => $mpm, generations => 2, tls => 1);
        my $site    = $server->site('tls');
        my $trip    = $site->new_trip;
        my @members = map { $site->chat(trip => $trip) } 1 .. 4;
        my $request = keep_child($server->site);
        $server->graceful;
        $server->ask_to_stop;
        closed_with($_, 1001, 'one of the old child') for @members;
        $_->disconnect for @members, $request;
        stops_clean($server, 'the log has nothing to say', qr/\bAH0004[56]:/);
    };
}

subtest 'those who stay until they are told and those who have moved hear each other' => sub {
    my $server = start_server(mpm => 'event', generations => 2, tls => 1, shared => 1, site_config => 'TripChatRecheck 0');
    my $trip   = $server->site->new_trip;
    my ($ann, $bob) = map { $server->site($_->[0])->chat(trip => $trip, as => $_->[1]) } ['plain', 'ann'], ['tls', 'bob'];
    my @old = $server->child_pids;
    $server->graceful;
    until_true('the one to move', sub {
        grep { $_ == $ann->{socket}->sockport } map { TripChat::Sockets::tcp_peers($_, $server->site->port) }
            grep { my $pid = $_; !grep { $_ == $pid } @old } $server->child_pids;
    });
    $ann->said('from the new child');
    hears($bob, 'from the new child', 'in the old one');
    $bob->said('from the old child');
    hears($ann, 'from the old child', 'in the new one');
    $server->ask_to_stop;
    closed_with($_, 1001, 'both are told when httpd stops') for $ann, $bob;
    $_->disconnect for $ann, $bob;
    stops_clean($server, 'the log has nothing to say', qr/\bAH00045:/);
};

if (is_full()) {
    subtest 'a child that is full leaves the rest to another' => sub {
        my $server  = start_server(mpm => 'event', workers => WORKERS, children => 2, generations => 2, config => "TripChatMaxConnections @{[ROOM]}\n");
        my $site    = $server->site;
        my $trip    = $site->new_trip;
        my @members = map { until_true('a place', sub { eval { $site->chat(trip => $trip) } }) } 1 .. 1.5 * ROOM;
        my @old     = $server->child_pids;
        freeze_pids(@old);
        $server->graceful;
        my %old = map { $_ => 1 } @old;
        my @new;
        until_true('two new children', sub {
            @new = grep { !$old{$_} && threads_of($_) > WORKERS } $server->child_pids;
            return @new == 2 && $server->is_at_rest;
        });
        my ($first, $second) = @new;
        freeze_pids($second);
        kill 'CONT', @old;
        wait_for_end_of(@old);
        is(scalar TripChat::Sockets::tcp_peers($first, $site->port), ROOM, 'one has what it may have');
        kill 'CONT', $second;
        my $marker = $members[0]->said('here we are')->{content};
        $_->messages_until($marker) for @members[1 .. $#members];
        is(scalar TripChat::Sockets::tcp_peers($second, $site->port), @members - ROOM, 'the other the rest');
        $_->leave for @members;
        stops_clean($server, 'the log has nothing else to say', qr/\bTC0061:/);
    };

    subtest 'some of prefork\'s children take what others leave, whether or not they have clients' => sub {
        my $server = start_server(mpm => 'prefork', children => 6, generations => 2,
            config => "MaxConnectionsPerChild @{[RECYCLED]}\nMinSpareServers 1\n");
        outlives_its_children($server);
    };
}

# ---- reloads after which no child can take the connections ----

my @STRANGE = (
    ['a configuration without the module', { no_chat => 1, no_module => 1, config => '', log_level => 'info' }],
    ['a module that speaks another version', { module_file => next_module_file() }],
    ['a site of another name', { site_config => 'ServerName another.example' }],
);

for my $strange (@STRANGE) {
    my ($what, $change) = @$strange;
    for my $room (rooms_under('event')) {
        my ($has_room, $room_name) = @$room;
        subtest "a reload into $what, $room_name" => sub {
            my $server = start_server(%$has_room, tls => 1, drain => $drain);
            my @members = map { my $site = $server->site($_); $site->chat(trip => $site->new_trip) } qw(plain tls plain);
            my $stream = $server->site->rest->follow($server->site->new_trip);
            my $poll   = $server->site->rest->ask_for_news($server->site->new_trip, 0);
            $members[2]->write(substr text_frame('half of it'), 0, 20);
            wait_for_takeovers($server, @members + 2);
            $server->reconfigure(%$change);
            my @old = $server->child_pids;
            $server->graceful;
            closed_with($_, 1012, 'a client is closed with 1012') for @members;
            my ($code) = eval { $stream->read_close };
            is($code // 1012, 1012, 'a stream ends, and says nothing else') or diag($@);
            is(eval { $poll->answer->{status} }, 200, 'a poll is answered') or diag($@);
            $_->disconnect for @members, $stream, $poll;
            wait_for_end_of(@old);
            is($server->site->http_get('/index.html')->{body}, TripChat::Server::PAGE(), 'files are served as ever');
            no_connection_is_left($server);
            stops_clean($server, 'the log has nothing else to say', qr/\bTC0033:/);
        };
    }
}

# Children that are told to end one after the other still see each other for a moment.
if (is_full()) {
    subtest 'several children, and nobody follows' => sub {
        my $server  = start_server(children => 3, generations => 2, drain => $drain);
        my @members = map { my $site = $server->site; $site->chat(trip => $site->new_trip) } 1 .. 30;
        $server->reconfigure(no_chat => 1, no_module => 1, config => '', log_level => 'info');
        my @old = $server->child_pids;
        $server->graceful;
        my %ends;
        $ends{ (eval { $_->read_close } // {})->{code} // 'none' }++ for @members;
        is_deeply(\%ends, { 1012 => scalar @members }, 'all are closed with 1012');
        $_->disconnect for @members;
        wait_for_end_of(@old);
        no_connection_is_left($server);
        stops_clean($server, 'the log has nothing else to say', qr/\bTC0033:/);
    };
}

done_testing;
