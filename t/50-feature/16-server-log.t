# The error log as an administrator has it: each virtual host's lines in its own ErrorLog, at its own LogLevel, with the
# client's address. Lines that come often are limited. An ErrorLog that takes no lines stops nobody who is connected.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Process qw(free_port);
use TripChat::Succession qw(reload);
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;

use constant ABOUT_A_CONNECTION => qr/TC0(?:02[0-9]|035):/;

sub lines_of { my ($file) = @_; return grep { $_ =~ ABOUT_A_CONNECTION } split /\n/, -e $file ? read_file($file) : '' }

# Somebody comes, breaks a rule, and is closed.
sub come_and_go {
    my ($site, $trip) = @_;
    my $client = $site->chat(trip => $trip);
    $client->send_frame(2, 'binary');
    $client->read_close;
    $client->disconnect;
    return;
}

subtest 'the life of a connection is in the log of its virtual host, at its level' => sub {
    my $server = TripChat::Server->start(log_level => 'warn', sites => { own => { site_config => qq(ErrorLog "own_log"\nLogLevel tripchat:info) } });
    my ($own, $plain) = map { $server->site($_) } qw(own plain);
    my $log = $server->dir . '/own_log';
    come_and_go($_, $_->new_trip) for $own, $plain;
    until_true('the lines', sub { 2 <= lines_of($log) });
    my @lines = lines_of($log);
    like($lines[0], qr/\[tripchat:info\].* \[client 127\.0\.0\.1\] TC0026: connection 1: taken over for/, 'it comes');
    like($lines[1], qr/\[tripchat:info\].* \[client 127\.0\.0\.1\] TC002[12]: connection 1: /,            'and goes');
    is(scalar @lines, 2, 'and nobody else does');
    is_deeply([lines_of($server->dir . '/error_log')], [], 'the main log, at warn, has none of this');
    $own->sql('ALTER TABLE users RENAME TO people;');
    is($own->rest->room($own->new_trip)->{status}, 503, 'a failure of its database');
    like(read_file($log), qr/TC0012:/, 'is there, too');
    $own->sql('ALTER TABLE people RENAME TO users;');
    stops_clean($server, 'and not in the main log', qr{\bTC0049:});    # on Redis: two sites with one prefix
};

subtest 'where the main log says more, a virtual host may say less' => sub {
    my $server = TripChat::Server->start(log_level => 'warn tripchat:info', sites => { quiet => { site_config => 'LogLevel tripchat:warn' } });
    my ($quiet, $plain) = map { $server->site($_) } qw(quiet plain);
    come_and_go($_, $_->new_trip) for $quiet, $plain;
    until_true('the lines', sub { 2 <= lines_of($server->dir . '/error_log') });
    is(scalar(grep { /TC0026: connection 1:/ } lines_of($server->dir . '/error_log')), 0, 'nothing of it');
    is(scalar(grep { /TC0026: connection 2:/ } lines_of($server->dir . '/error_log')), 1, 'and what there is of the other');
    stops_clean($server, 'and nothing else', ABOUT_A_CONNECTION, qr{\bTC0049:});
};

subtest 'a virtual host without a chat of its own has its own log all the same' => sub {
    my $port   = free_port();
    my $server = TripChat::Server->start(shared => 1, log_level => 'warn',
        config => qq(Listen 127.0.0.1:$port\n<VirtualHost 127.0.0.1:$port>\nErrorLog "own_log"\nLogLevel tripchat:info\n</VirtualHost>));
    my $site   = $server->site;
    my $path   = $site->path($site->new_trip, token => $site->token('ann'));
    my $client = TripChat::Client->connect(host => '127.0.0.1', port => $port)->join_chat($path);
    come_and_go($site, $site->new_trip);
    my $log = $server->dir . '/own_log';
    until_true('the line', sub { lines_of($log) });
    like(join("\n", lines_of($log)), qr/\A[^\n]*\[client 127\.0\.0\.1\] TC0026: connection 1: [^\n]*\z/, 'of its connection');
    is_deeply([lines_of($server->dir . '/error_log')], [], 'and no other has it');
    stops_clean($server, 'nor anything else');
};

subtest 'the address comes along to another child' => sub {
    my $server = TripChat::Server->start(generations => 2, log_level => 'warn tripchat:info');
    my $client = $server->site->chat(trip => $server->site->new_trip);
    reload($server);
    until_true('the line', sub { $server->error_log =~ /TC0035/ });
    log_says($server, qr/\[client 127\.0\.0\.1\] $_: connection 1: /, "with $_") for qw(TC0028 TC0035);
    $client->leave;
    stops_clean($server, 'and nothing else', ABOUT_A_CONNECTION, qr{\bTC0049:});
};

subtest 'lines that come often are limited, and say what was left out' => sub {
    my $server = TripChat::Server->start(log_level => 'warn tripchat:info');
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my $began  = now();
    my @chats  = $site->chats(map { { trip => $trip } } 1 .. 150);
    my $took   = now() - $began;
    $_->disconnect for @chats;
    sleep 1;
    come_and_go($site, $trip);
    until_true('the last', sub { $server->error_log =~ /TC0026: connection 151:/ });
    my @lines = grep { /TC0026:/ } lines_of($server->dir . '/error_log');
    my $left_out = 0;
    $left_out += $_ for map { /\((\d+) more since the last line\)/ ? $1 : () } @lines;
    is(@lines + $left_out, 151, 'each is written or counted');
    cmp_ok(scalar @lines, '<=', 20 * ($took + 2) + 1, 'and twenty a second are written') if $took < 5;
    stops_clean($server, 'and nothing else', ABOUT_A_CONNECTION, qr{\bTC0049:});
};

# The program behind the pipe stands still as soon as a file says so. Then httpd's workers wait, and nobody else may.
for my $mpm ('event', 'prefork') {
    subtest "an ErrorLog that takes no lines stops nobody who is connected: $mpm" => sub {
        my $still   = sprintf '%s/stand-still-%s-%d', var_dir(), $mpm, $$;
        my $program = "$still.pl";
        write_file($program, "while (<STDIN>) { print STDERR if /resuming normal/; sleep 1 while -e '$still' }\n");
        my $server  = TripChat::Server->start(mpm => $mpm, log_level => 'trace8', config => qq(ErrorLog "|$^X $program"));
        my ($site, $trip) = ($server->site, $server->site->new_trip);
        my ($ann, $bob, $carol) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob carol);
        is($ann->said('one')->{content}, 'one', 'they talk');
        $bob->messages_until('one');
        write_file($still, '');
        my @asking = map { $site->rest } 1 .. 60;    # each writes some kilobytes to the log, until its worker waits
        $_->ask('GET', '/nothing', fields => { Connection => 'close' }) for @asking;
        sleep 3;
        for my $turn (1 .. 3) {
            my $since = now();
            $ann->say("turn $turn");
            $bob->messages_until("turn $turn");
            cmp_ok(now() - $since, '<', 3, 'and go on talking');
            next if $turn > 1;
            $carol->send_frame(2, 'binary');
            is($carol->read_close->{code}, 1003, 'one is closed, which writes lines');
        }
        $site->sql('ALTER TABLE chat_messages RENAME TO chat_away;');
        $ann->say('lost');    # a db thread writes a line
        sleep 2;
        $site->sql('ALTER TABLE chat_away RENAME TO chat_messages;');
        my $since = now();
        $ann->say('stored');
        $bob->messages_until('stored');
        cmp_ok(now() - $since, '<', 3, 'and what they say is stored after a failure, which a db thread writes lines of');
        unlink $still or die "$still: $!\n";
        until_true('the requests to be answered', sub { !grep { ($_->answer->{status} // 0) != 404 } splice @asking });
        $_->leave for $ann, $bob;
        write_file($server->dir . '/error_log', '');
        stops_clean($server, 'and the server ends');
    };
}

done_testing;
