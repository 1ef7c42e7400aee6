# TLS after the connection has left httpd: whatever a client sends below HTTP, mod_ssl is not asked any more. It would not
# find its connection, and its session cache may be slow. No token is needed for any of this.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IPC::Open3 qw(open3);
use Test::More;

use TripChat::Hostile;
use TripChat::Httpd qw(top_dir);
use TripChat::Memcached;
use TripChat::Test;
use TripChat::TlsBytes;
use TripChat::WebSocket;

use constant {
    GARBAGE => "\x17\x03\x03\x00\x20" . 'not what the keys would make of it',
    RECORD  => 37,         # bytes of it that are one record
    TRIES   => 5,
    CLIENT_CERTIFICATE => <<'CONF',
<Location "/sworn/ws/chat/">
    SetHandler tripchat-websocket
    SSLVerifyClient optional_no_ca
</Location>
<Location "/sworn/api/v1/chat/">
    SetHandler tripchat-rest
    SSLVerifyClient optional_no_ca
</Location>
CONF
};

my $garbage     = substr GARBAGE, 0, RECORD;
my $key_updates = top_dir() . '/build/hostile/key_updates';

sub connect_tls {
    my ($server, %opt) = @_;
    return TripChat::TlsBytes->connect(host => '127.0.0.1', port => $server->site('tls')->port, version => 'TLSv1_3', %opt);
}

# ---- a certificate that is asked for after the handshake (TLS 1.3) ----

# The request and a frame behind it leave before the client has read what the server asks for.
sub ask_early {
    my ($client, $request) = @_;
    $client->write($request . encode_frame(opcode => OP_PING, payload => 'early'));
    my $answer = $client->read_response;
    $client->answer_tls;                  # now the certificate comes
    return $answer->{status};
}

sub upgrade_of {
    my ($site, $trip, $token) = @_;
    return TripChat::WebSocket::upgrade_request(path => '/sworn' . $site->path($trip, defined $token ? (token => $token) : ()));
}

for my $mpm (qw(event prefork)) {
    my $server  = TripChat::Hostile->start(mpm => $mpm, tls => 1, shared => 1, config => CLIENT_CERTIFICATE);
    my $site    = $server->site('tls');
    my $trip    = $server->site->new_trip;
    my $poll    = '/sworn' . TripChat::Rest::list_path($trip, after => 0, wait => 5);
    my @own     = map { $server->dir . "/$_.pem" } qw(cert key);
    my %members = (
        'a stranger'                 => [upgrade_of($site, $trip), \@own],
        'a stranger without a certificate' => [upgrade_of($site, $trip), []],
        'a member'                   => [upgrade_of($site, $trip, $site->token('ann')), \@own],
        'a member who polls'         => [TripChat::Http::request_text(path => "$poll&token=" . $site->token('ann')), \@own],
        'a member who follows'       => [
            TripChat::Http::request_text(
                path   => '/sworn' . TripChat::Rest::list_path($trip) . '?token=' . $site->token('ann'),
                fields => { Accept => 'text/event-stream' },
            ),
            [],
        ],
    );
    $server->withstands("certificates that come after the connection would have left httpd ($mpm)", 1, sub {
        for my $who (sort keys %members) {
            my ($request, $certificate) = @{ $members{$who} };
            my @statuses = map {
                my $client = connect_tls($server, certificate => $certificate);
                my $status = eval { ask_early($client, $request) } // $@;
                eval { $client->read_to_end };
                $client->disconnect;
                $status;
            } 1 .. TRIES;
            is_deeply(\@statuses, [(403) x TRIES], "$who gets 403");
        }
        log_says($server, qr/\bTC0098:/, 'the log says why');
    });

    $server->withstands("a client that sends its certificate first ($mpm)", 1, sub {
        my $client = connect_tls($server, certificate => \@own);
        $client->write(upgrade_of($site, $trip, $site->token('ann')));
        # The server answers when it has the certificate.
        until_true('the answer', sub { $client->_read_some; $client->answer_tls; length $client->{in} });
        $client->finish_join;
        still_talks($client, 'chats');
        $client->leave;
    });
    $server->is_unharmed;
}

# ---- what ends a TLS connection ----

my %ends = (
    'a record that is none'    => sub { my ($client) = @_; $client->write_sealed($garbage) },
    'a fatal alert'            => sub { my ($client) = @_; $client->take_for_input($garbage); $client->answer_tls },
    'an end without a goodbye' => sub { my ($client) = @_; shutdown $client->{socket}, 1 },
);

# Ends $tries connections in each of these ways.
sub end_connections {
    my ($server, $tries) = @_;
    my $trip = $server->site->new_trip;
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        for my $how (sort keys %ends) {
            for (1 .. $tries) {
                my $client = connect_tls($server, version => $version);
                $client->open($server->site('tls')->path($trip, token => $server->site('tls')->token('ann')));
                $client->next_json('message_history');    # which comes from the loop
                $ends{$how}->($client);
                eval { $client->read_to_end };
                $client->disconnect;
            }
            pass("$how over $version");
        }
    }
    return;
}

{
    my $server = TripChat::Hostile->start(tls => 1, shared => 1);
    $server->withstands('broken TLS, with a session cache in shared memory', 1, sub {
        end_connections($server, TRIES);
        my $page = $server->site->http_get('/server-status')->{body};
        my ($hits, $misses) = $page =~ /total removes since starting: <b>(\d+)<\/b> hit, <b>(\d+)<\/b> miss/;
        is($hits . '/' . $misses, '0/0', 'the loop does not use the cache');
    });
    $server->is_unharmed;
}

{
    my $memcached = TripChat::Memcached->start;
    my $server    = TripChat::Hostile->start(
        tls    => 1, shared => 1, modules => ['socache_memcache'],
        config => 'SSLSessionCache memcache:127.0.0.1:' . $memcached->port . "\n",
    );
    $server->withstands('broken TLS, with a session cache that does not answer', 1, sub { end_connections($server, 1) });
    my %said = map { $_ => 1 } $memcached->said;
    ok($said{set},     'sessions are cached');
    ok(!$said{delete}, 'and none is deleted');
    $server->is_unharmed;
    $memcached->stop;
}

# ---- new keys ----

{
    local $ENV{SSLKEYLOGFILE} = TripChat::Surroundings::var_dir() . '/hostile-keys';
    my $server = TripChat::Hostile->start(tls => 1, shared => 1);
    my $site   = $server->site('tls');
    $server->withstands('new keys, while mod_ssl writes all keys to a file', 1, sub {
        my $pid = open3(my $in, my $out, undef, $key_updates, $site->port,
            $site->path($server->site->new_trip, token => $site->token('ann')));
        is(scalar <$out>, "full\n", 'are taken');
        close $in;
        waitpid $pid, 0;
    });
    $server->is_unharmed;
    unlink $ENV{SSLKEYLOGFILE};
}

done_testing;
