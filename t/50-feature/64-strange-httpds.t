# Surroundings in which the chat cannot work, or not at once: another module forks the child, or no thread can be made. Also
# requests that are part of another page, and modules that are loaded in another order.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(write_file);
use TripChat::Httpd qw(module_file mpm);
use TripChat::Metrics qw(metrics_config health_config);
use TripChat::Shared qw(is_full);
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;

use constant {
    REQUESTS => 30,
    OURS     => is_full() ? 2 : 1,    # threads that a child of prefork starts at first: the loop's, the bus's
};

my $built = module_file() =~ s{[^/]*\z}{fork}r;
-e "$built/$_" or plan skip_all => "there is no $built/$_: make check-built builds it" for qw(mod_fork.so mpm_itk.so few_threads.so forge);

sub load { my ($name) = @_; return qq(LoadModule ${name}_module "$built/) . ($name eq 'fork' ? 'mod_fork' : $name) . qq(.so"\n) }

sub status_of_handshake {
    my ($site, $trip) = @_;
    my $request = TripChat::WebSocket::upgrade_request(path => $site->path($trip, token => $site->token('ann')));
    return $site->connect->request($request)->{status};
}

subtest 'mpm-itk is refused before anything is served' => sub {
    my ($status, $said) = TripChat::Server->check_config(mpm => 'prefork', config => load('mpm_itk'));
    isnt($status, 0, 'configtest fails');
    like($said, qr/TC0108: .*mpm-itk, which forks a process for each connection; use mpm_event/, 'and says what to use');
    ($status) = TripChat::Server->check_config(mpm => 'prefork', config => load('mpm_itk'), no_chat => 1);
    is($status, 0, 'without a chat nothing is wrong');
};

subtest 'a process that was forked from a child promises nothing' => sub {
    my $server = TripChat::Server->start(mpm => 'prefork', config => load('fork'));
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    is(status_of_handshake($site, $trip), 503, 'a handshake gets no 101') for 1 .. 3;
    is($site->rest->post($trip, 'hello')->{status}, 503, 'a message is refused');
    is($site->http_get('/index.html')->{body}, TripChat::Server::PAGE(), 'files are served');
    log_says($server, qr/\[tripchat:error\].*TC0056: another module has forked this process/, 'the log says why');
    stops_clean($server, 'the server stops in order', qr/\bTC0056:/);
};

subtest 'a child that can start no thread tries again, and later and later' => sub {
    for my $few (0 .. OURS - 1) {
        my $file = var_dir() . "/few-threads-$$-$few";
        write_file($file, 'x' x $few);
        local @ENV{qw(LD_PRELOAD TC_FEW_THREADS)} = ("$built/few_threads.so", $file);
        my $server = TripChat::Server->start(mpm => 'prefork');
        my $site   = $server->site;
        my $trip   = $site->new_trip;
        my ($pid)  = $server->child_pids;
        is(status_of_handshake($site, $trip), 503, "$few threads: a handshake gets 503");
        my $open = () = glob "/proc/$pid/fd/*";
        my @status = map { status_of_handshake($site, $trip) } 1 .. REQUESTS;
        is_deeply(\@status, [(503) x REQUESTS], 'and so do others');
        cmp_ok(scalar(my @now = glob "/proc/$pid/fd/*"), '<=', $open + 1, 'no descriptor is lost');
        my $said = () = $server->error_log =~ /TC0048: cannot start the chat/g;
        cmp_ok($said, '<=', 6, "the log has $said lines for ${\ (REQUESTS + 1)} requests");
        unlink $file;
        ok(until_true('the chat to start', sub { status_of_handshake($site, $trip) == 101 }), 'when threads are to be had again, it starts');
        still_talks($site->chat(trip => $trip), 'and serves');
        stops_clean($server, 'the server stops in order', qr/\bTC0048:/);
    }
};

subtest 'a page that includes the chat gets nothing of it, and goes on' => sub {
    my $server = TripChat::Server->start(modules => ['include'], config => metrics_config() . health_config() . <<'CONF');
AddOutputFilter INCLUDES .shtml
<Location "/">
    Options +Includes
</Location>
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    my $room = $site->rest->room($trip)->{json}{id};
    my $token = $site->token('ann');
    my %path = (poll => "/api/v1/chat/rooms/$room/messages/?wait=30&after=0&token=$token", room => "/api/v1/chat/rooms/$room/?token=$token",
        socket => $site->path($trip, token => $token), metrics => '/tripchat-metrics', health => '/tripchat-health');
    for my $what (sort keys %path) {
        my $include = qq(<!--#include virtual="$path{$what}" -->);
        write_file($server->dir . "/htdocs/$what.shtml", "before $include between $include behind\n");
        my $body = $site->http_get("/$what.shtml")->{body};
        like($body, qr/\Abefore (\[an error[^\]]*\]) between \1 behind\n\z/, "$what: the page is whole");
    }
    still_talks($site->chat(trip => $trip), 'the chat serves others');
    stops_clean($server, 'the server stops in order', qr/AH01372|AH00128|unable to include/);
};

# The first connection to the database is asked for as soon as a child begins, by a child that takes the connections of
# another one.
subtest 'mod_dbd may be loaded behind the chat' => sub {
    my $server = TripChat::Server->start(generations => 2, dbd_last => 1);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my @members = map { $site->chat(trip => $trip) } 1 .. 5;
    my @old = $server->child_pids;
    $server->graceful;
    until_true('the old child to go', sub { my %there = map { $_ => 1 } $server->child_pids; !grep { $there{$_} } @old });
    $members[0]->say('still here');
    is($_->next_json('chat_message')->{message}{content}, 'still here', 'a member has moved') for @members;
    $_->leave for @members;
    stops_clean($server, 'the server stops in order');
};

# A process that has the passage's descriptors, as daemons have that other modules fork.
subtest 'a stranger with the descriptors of the passage is not believed' => sub {
    my $server = TripChat::Server->start(generations => 2);
    my $trip   = $server->site->new_trip;
    my $ann    = $server->site->chat(trip => $trip);
    my ($pid)  = $server->child_pids;
    chomp(my $said = `'$built/forge' $pid`);
    $? >> 8 == 2 and plan skip_all => 'this system does not let a process take descriptors of another';
    is($?,    0,        'it sends a connection');
    is($said, 'silent', 'to which nobody answers');
    until_true('the log to say so', sub { $server->error_log =~ /TC0033: a connection from another child is closed: (.*)/ });
    log_says($server, qr/TC0033: .*: a process that is no child of this httpd sent it/, 'the log says why');
    my @old = $server->child_pids;
    $server->graceful;
    until_true('the old child to go', sub { my %there = map { $_ => 1 } $server->child_pids; !grep { $there{$_} } @old });
    $ann->say('still here');
    is($ann->next_json('chat_message')->{message}{content}, 'still here', 'and children are believed as before');
    $ann->leave;
    stops_clean($server, 'the server stops in order', qr/\bTC0033:/);
};

done_testing;
