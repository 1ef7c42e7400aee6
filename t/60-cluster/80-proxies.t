# The chat behind proxies and beside other applications, with the configurations of docs/deployment.md. The test reads
# them from that page.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(all_hear);
use TripChat::File qw(read_file write_file);
use TripChat::Nginx;
use TripChat::Paper qw(blocks_of filled_in);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Rest;
use TripChat::Site;
use TripChat::Test;

use constant {
    PAPER     => 'deployment.md',
    ELSEWHERE => '192.0.2.7',      # the address in the fields of a client that came through another proxy
    BALANCER  => [qw(proxy proxy_http proxy_wstunnel slotmem_shm proxy_balancer lbmethod_byrequests)],
    SOCKETS   => 3,
    MPM       => 'event',          # with other MPMs, idle connections of a proxy hold workers of the servers behind
};

my $database = TripChat::Postgres->shared->new_database;

# Two servers behind the proxies, with the configuration of addresses from the page.
my ($addresses) = blocks_of(PAPER, 'Addresses', 'apache');
my @behind = map {
    TripChat::Server->start(mpm => MPM, database => $database, redis => TripChat::Redis->shared,
        config => filled_in($addresses, '10.0.0.0/8' => '127.0.0.1'))
} 1 .. 2;

# The chat as seen by a client that comes through another port.
sub way_in {
    my ($port, %opt) = @_;
    return TripChat::Site->new(%{ $behind[0]->site }, port => $port, %opt);
}

# Replaces the two servers of the page by ours.
sub for_ours {
    my ($block, %more) = @_;
    my @address = map { '127.0.0.1:' . $_->site->port } @behind;
    my %value   = ('10.0.0.1:80' => $address[0], '10.0.0.2:80' => $address[1], %more);
    delete $value{'10.0.0.2:80'} if $block !~ /10\.0\.0\.2:80/;
    return filled_in($block, %value);
}

# All that a client does works through the proxy: messages sent by socket and over HTTP come by socket, poll and stream.
sub chats_through {
    my ($site, $name) = @_;
    my $trip    = $behind[0]->site->new_trip;
    my @members = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol bob);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $message = all_hear($members[0], 'through the proxy', \@members, "$name: who is let in chats");
    is($site->rest->list($trip)->{json}{results}[0]{id}, $message->{id}, 'a page over HTTP');
    my $events = $site->rest->follow($trip, { after => 1 }, http => '1.0');    # to HTTP/1.1 a proxy sends chunks
    my $poll   = $site->rest(as => 'carol')->ask_for_news($trip, 1);
    like($events->next_event->{id}, qr{\A1-}, 'a stream of events begins at once');
    is($site->rest(as => 'ann')->posted($trip, 'over HTTP')->{seq}, 2, 'a POST');
    is_deeply([map { $_->next_json('chat_message')->{message}{seq} } @members], [(2) x @members], 'is heard by sockets');
    like($events->next_event->{id}, qr{\A2-}, 'by the stream');
    is_deeply(seqs_of(@{ $poll->news->{results} }), [2], 'and by the poll');
    $_->leave for @members;
    $events->disconnect;
    return $trip;
}

# httpd in front notices that the reader of a stream has gone only when there is something to send.
sub notices_that_all_are_gone {
    my ($front, @trips) = @_;
    my $rest = $behind[0]->site->rest;
    until_true('workers to be free', sub {
        $rest->posted($_, 'anybody there?') for @trips;
        $front->site->server_status->{BusyWorkers} <= 1;
    });
    return;
}

# A page from the host that the client asked is let in. A page from another host is not.
sub knows_origins {
    my ($site, $scheme, $name) = @_;
    my $trip = $behind[0]->site->new_trip;
    my $host = 'chat.example.org:' . $site->port;
    my $path = $site->path($trip, token => $site->token('ann'));
    my $own  = eval { $site->connect->open($path, { Host => $host, Origin => "$scheme://$host" })->read_frame };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($own && $own->{payload}, qr/message_history/, "$name: a page of the same host may use the chat");
    turned_away_with($site, $path, { Host => $host, Origin => "$scheme://evil.example.org" }, 4003, 'one of another may not');
    return;
}

# The client's address as the servers behind the proxy see it.
sub knows_addresses {
    my ($site, $fields, $address, $name) = @_;
    my $trip = $behind[0]->site->new_trip;
    $site->connect->open($site->path($trip, token => $site->token('ann')), $fields)->read_frame;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $line = until_true('the handshake in a log', sub { (grep { m{/ws/chat/$trip/} } map { split /\n/, $_->access_log } @behind)[0] });
    return like($line, qr/\A\Q$address\E .* 101 /, $name);
}

# An httpd without a chat of its own, with these lines of the page.
sub front {
    my ($config, %opt) = @_;
    return TripChat::Server->start(mpm => MPM, no_chat => 1, database => $database, modules => BALANCER, config => $config, %opt);
}

SKIP: {
    skip 'there is no nginx: install nginx-light', 1 if !TripChat::Nginx::program();
    subtest 'behind nginx, which has the TLS' => sub {
        my ($block) = blocks_of(PAPER, 'Behind nginx', 'nginx');
        my $front = TripChat::Server->start(mpm => MPM, tls => 1, no_chat => 1, database => $database);    # for its certificate
        my $dir = $front->dir;
        my $nginx = TripChat::Nginx->start(config => sub {
            my ($port) = @_;
            return for_ours($block, '443 ssl' => "127.0.0.1:$port ssl", '/etc/ssl/example.org.pem' => "$dir/cert.pem",
                '/etc/ssl/private/example.org.key' => "$dir/key.pem");
        });
        my $site = way_in($nginx->port, tls => 1);
        chats_through($site, 'nginx') for 1 .. 2;
        knows_origins($site, 'https', 'nginx');
        knows_addresses($site, { 'X-Forwarded-For' => ELSEWHERE }, '127.0.0.1', 'what a client says of addresses does not come through');
        stops_clean($front, 'the server with the certificate stops');
    };
}

subtest 'behind another httpd, balanced' => sub {
    my ($block) = blocks_of(PAPER, 'Behind another httpd', 'apache');
    my $front = front(for_ours($block));
    my $site  = way_in($front->site->port);
    my @trips = map { chats_through($site, 'mod_proxy_http') } 1 .. 2;
    knows_origins($site, 'http', 'mod_proxy_http');
    knows_addresses($site, { 'X-Forwarded-For' => ELSEWHERE }, ELSEWHERE, 'each server adds an address, and the first is the client\'s');
    my $trip    = $behind[0]->site->new_trip;
    my @sockets = map { $site->chat(trip => $trip) } 1 .. SOCKETS;
    cmp_ok($front->site->server_status->{BusyWorkers}, '>', SOCKETS, 'in front each socket holds a worker');
    cmp_ok($_->site->server_status->{BusyWorkers}, '<=', 1, 'behind none does') for @behind;
    $_->leave for @sockets;
    notices_that_all_are_gone($front, @trips);
    stops_clean($front, 'the server in front stops');
};

subtest 'behind another httpd with mod_proxy_wstunnel' => sub {
    my (undef, $block) = blocks_of(PAPER, 'Behind another httpd', 'apache');
    for my $fallback (qw(On Off)) {
        my $front = front(for_ours($block) . "ProxyWebsocketFallbackToProxyHttp $fallback\n");
        my $site  = way_in($front->site->port);
        my $trip  = chats_through($site, "mod_proxy_wstunnel, handing on to mod_proxy_http: $fallback");
        knows_origins($site, 'http', 'mod_proxy_wstunnel');
        notices_that_all_are_gone($front, $trip);
        stops_clean($front, 'the server in front stops');
    }
};

# The application: a site without a chat, which gives its own answer for every path that is not the chat's.
my $app = front("AliasMatch \"^/(?!server-status)\" \"@{[ _application_file() ]}\"\n"
    . "<Directory \"/\">\nRequire all granted\n</Directory>\n");
my $app_site = $app->site;

sub _application_file {
    my $file = $behind[0]->dir . '/application';
    write_file($file, 'the application');
    return $file;
}

sub is_applications {
    my ($site, $path, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($site->http_get($path)->{body}, 'the application', $name);
}

# A server with a chat, whose site has only these lines and nothing of the tests' usual configuration.
sub beside {
    my ($lines, %opt) = @_;
    return TripChat::Server->start(mpm => MPM, database => $database, redis => TripChat::Redis->shared, modules => ['proxy', 'proxy_http', 'rewrite'],
        no_locations => 1, site_config => $lines, config => "<Directory \"/\">\nRequire all denied\n</Directory>\n", %opt);
}

my ($all_of_it, $its_own) = blocks_of(PAPER, 'Beside mod_proxy', 'apache');

subtest 'beside mod_proxy' => sub {
    my $lines  = filled_in($all_of_it, '127.0.0.1:8000' => '127.0.0.1:' . $app_site->port);
    my $server = beside($lines);
    chats_through(way_in($server->site->port), 'beside mod_proxy');
    is_applications($server->site, $_, "$_ is the application's") for '/', '/ws/other/', '/api/v1/trips/';
    stops_clean($server, 'the server stops');

    my $without = beside($lines =~ s/^ProxyPass.*"!"\n//gmr);
    is_applications($without->site, '/ws/chat/' . $_, 'without the exceptions the application gets the handshake') for new_uuid();
    stops_clean($without, 'the server stops');
};

subtest 'beside mod_proxy and an application with paths of its own' => sub {
    my $server = beside(filled_in($its_own, '127.0.0.1:8000' => '127.0.0.1:' . $app_site->port));
    my $trip   = $behind[0]->site->new_trip;
    chats_through(way_in($server->site->port), 'beside mod_proxy');
    my $site = way_in($server->site->port);
    my $message = $site->rest->posted($trip, 'mine');
    is($site->rest->edit($message->{id}, 'mended')->{status}, 200, 'an edit');
    is($site->rest->room($trip)->{json}{last_seq}, 2, 'a room');
    is_applications($server->site, "/api/v1/chat/$_", "$_ is the application's") for '', 'rooms/', 'unread/', "rooms/$trip/members/";
    stops_clean($server, 'the server stops');
};

subtest 'the chat\'s paths need no directory behind them' => sub {
    my $lines  = filled_in($all_of_it, '127.0.0.1:8000' => '127.0.0.1:' . $app_site->port) =~ s/^\s*Require all granted\n//gmr;
    my $server = beside("DocumentRoot \"/\"\n<Directory \"/\">\nRequire all denied\n</Directory>\n$lines");
    chats_through(way_in($server->site->port), 'where every directory is denied');
    stops_clean($server, 'the server stops');
};

my ($controller, $of_the_host) = blocks_of(PAPER, 'Beside a front controller', 'apache');

# The front controller is a file. The chat's locations are those of the page.
sub beside_controller {
    my ($rules, %opt) = @_;
    my ($locations) = $all_of_it =~ /(<Location.*)/s;
    my $server = beside("$locations\n$rules");
    write_file($server->dir . '/htdocs/index.php', 'the application');
    write_file($server->dir . '/htdocs/.htaccess', $opt{htaccess}) if $opt{htaccess};
    return $server;
}

sub overrides { return "<Directory \"/\">\nAllowOverride All\nRequire all granted\n</Directory>\n" }

subtest 'beside a front controller in .htaccess' => sub {
    my $server = beside_controller(overrides(), htaccess => $controller);
    chats_through(way_in($server->site->port), 'with nothing but the locations');
    is_applications($server->site, '/a/page', 'other paths are the application\'s');
    stops_clean($server, 'the server stops');
};

subtest 'beside a front controller in the virtual host' => sub {
    my $granted = "<Directory \"/\">\nRequire all granted\n</Directory>\n";
    my $server  = beside_controller($granted . $of_the_host =~ s/^.*\[END\]\n//mr);
    is_applications($server->site, '/ws/chat/' . new_uuid() . '/', 'it takes the chat\'s path');
    stops_clean($server, 'the server stops');
    $server = beside_controller($granted . $of_the_host);
    chats_through(way_in($server->site->port), 'with the paper\'s line');
    is_applications($server->site, '/a/page', 'which leaves others their way');
    stops_clean($server, 'the server stops');
};

stops_clean($_, 'a server stops in order') for $app, @behind;

done_testing;
