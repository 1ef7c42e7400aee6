# A reload that puts a virtual host before the others, or takes their order apart, hands no count and no connection to
# another site.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Database;
use TripChat::File qw(write_file);
use TripChat::Postgres;
use TripChat::Process qw(free_port);
use TripChat::Redis;
use TripChat::Shared qw(is_full);
use TripChat::Site;
use TripChat::Succession qw(reload hears);
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;

use constant DRAIN => "TripChatDrainTime 1h\n";

my $made = 0;

# A site of this test's own: a virtual host's lines, and what its clients need.
sub new_host {
    my ($name, $address, $port, %opt) = @_;
    my $secret = var_dir() . "/secret-$$-" . ++$made;
    write_file($secret, "the secret of the site $name, for tests only");
    chmod 0600, $secret;
    my $database = is_full() ? TripChat::Postgres->shared->new_database
        : TripChat::Database->sqlite(var_dir() . "/names-$$-$made.db", new => 1);
    my $site = TripChat::Site->new(host => $address, port => $port, secret => "the secret of the site $name, for tests only", database => $database);
    my $bus  = is_full() ? TripChat::Redis->shared->directives : '';
    my $host = <<"CONF";
<VirtualHost $address:$port>
    @{[ $opt{server_name} ? "ServerName $opt{server_name}" : '' ]}
    ${\ $database->directives }
    $bus
    TripChatJWTSecretFile "$secret"
    @{[ $opt{config} // TripChat::Httpd::NO_LIMITS() ]}
    ${\ TripChat::Server::LOCATIONS() }
</VirtualHost>
CONF
    return ($site, $host);
}

sub start_hosts {
    my ($listen, @hosts) = @_;
    return TripChat::Server->start(no_chat => 1, generations => 2, config => DRAIN . join "\n", $listen, @hosts);
}

sub reload_with {
    my ($server, $listen, @hosts) = @_;
    $server->reconfigure(config => DRAIN . join "\n", $listen, @hosts);
    return reload($server);
}

my $two_sites = qr/\bTC0049:|\bAH00549:/;    # on Redis: sites with one prefix; httpd: a virtual host without a name

# httpd has its own order of virtual hosts: either way one site gets another place in it.
for my $place ('before', 'behind') {
    subtest "counts stay with their site when another is put $place it" => sub {
        my ($port, $other_port) = map { free_port() } 1, 2;
        my $config = 'TripChatUserConnections 1';
        my ($old, $old_host) = new_host('old', '127.0.0.1', $port,       server_name => 'old.example', config => $config);
        my ($new, $new_host) = new_host('new', '127.0.0.1', $other_port, server_name => 'new.example', config => $config);
        my $listen = "Listen 127.0.0.1:$port\nListen 127.0.0.1:$other_port";
        my $server = start_hosts($listen, $old_host);
        my $trip   = $old->new_trip;
        my $trip_there = $new->new_trip;
        my $ann    = $old->chat(trip => $trip);
        my $refused = sub { my ($site, $where, $name) = @_; turned_away_with($site, $site->path($where, token => $site->token('ann')), undef, 1008, $name) };
        $refused->($old, $trip, 'she has one connection');
        reload_with($server, $listen, $place eq 'before' ? ($new_host, $old_host) : ($old_host, $new_host));
        $ann->say('still here');
        hears($ann, 'still here', 'the connection has moved');
        $refused->($old, $trip, 'and counts as before');
        my $stranger = $new->chat(trip => $trip_there);
        ok($stranger, 'a user of the same id on the new site has none yet');
        $_->leave for $ann, $stranger;
        $ann = until_true('her connection to be counted out', sub { eval { $old->chat(trip => $trip) } });
        $refused->($old, $trip, 'a new one counts again');
        $ann->leave;
        stops_clean($server, 'the server stops in order', $two_sites);
    };
}

# Two virtual hosts of one name, on two addresses. Clients reach the address.
for my $named (1, 0) {
    my $what = $named ? 'of one name' : 'without a name';
    subtest "connections stay on their site: virtual hosts $what" => sub {
        my $port = free_port();
        my @sites = map { my ($site, $host) = new_host("number $_", "127.0.0.$_", $port, server_name => $named && 'same.example'); { site => $site, host => $host } } 1, 2;
        my $listen = "Listen 127.0.0.1:$port\nListen 127.0.0.2:$port";
        my $server = start_hosts($listen, map { $_->{host} } @sites);
        my $trip = new_uuid();
        for my $at (@sites) {
            $at->{site}->new_trip(id => $trip);
            $at->{ann} = $at->{site}->chat(trip => $trip);
        }
        reload_with($server, $listen, map { $_->{host} } reverse @sites);
        for my $i (0, 1) {
            my $at = $sites[$i];
            $at->{ann}->say("on $i");
            hears($at->{ann}, "on $i", "site $i: its member has moved");
            is_deeply([$at->{site}->sql('SELECT content FROM chat_messages')], ["on $i"], 'and writes where they wrote before');
        }
        $_->{ann}->leave for @sites;
        stops_clean($server, 'the server stops in order', $two_sites);
    };
}

# A site is found by the name that one of its virtual hosts had before.
subtest 'a site that gets a name keeps its connections' => sub {
    my $port = free_port();
    my ($site, $host) = new_host('site', '127.0.0.1', $port, server_name => 'chat.example');
    my $server = start_hosts("Listen 127.0.0.1:$port", $host);
    my $ann    = $site->chat(trip => $site->new_trip);
    reload_with($server, "Listen 127.0.0.1:$port", $host =~ s/(?=<\/VirtualHost)/TripChatSite chat\n/r);
    $ann->say('still here');
    hears($ann, 'still here', 'the connection has moved');
    $ann->leave;
    stops_clean($server, 'the server stops in order');
};

done_testing;
