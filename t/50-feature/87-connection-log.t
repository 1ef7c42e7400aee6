# The connection log: when a connection ends, a line with what it did is written to the log that its site names.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Rest;
use TripChat::Test;


my %FORM = (
    time         => qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/,
    seconds      => qr/\A\d+\.\d{3}\z/,
    map { $_ => qr/\A\d+\z/ } qw(child connection messages_in messages_out bytes_in bytes_out close),
);

# The lines of a log as hashes.
sub lines_of {
    my ($file) = @_;
    my @lines = -e $file ? split /\n/, read_file($file) : ();
    return map { my ($time, @fields) = split / /; { time => $time, map { split /=/, $_, 2 } @fields } } @lines;
}

# Waits for so many lines; each must have the right form.
sub wait_for_lines {
    my ($file, $count) = @_;
    until_true("$count lines", sub { lines_of($file) >= $count });
    my @lines = lines_of($file);
    for my $line (@lines) {
        my @wrong = grep { ($line->{$_} // '') !~ $FORM{$_} } sort keys %FORM;
        is_deeply(\@wrong, [], 'the line has its form') or diag explain $line;
    }
    return @lines;
}

sub picked { my ($line, @names) = @_; return join ' ', map { "$_=$line->{$_}" } @names }

subtest 'each end is told of' => sub {
    my $server = TripChat::Server->start(tls => 1, workers => 4, config => 'TripChatConnectionLog connections_log',
        site_config => "TripChatPingInterval 1h");
    my $log  = $server->dir . '/connections_log';
    my $site = $server->site;
    my $trip = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    $ann->said('one');
    $bob->next_json('chat_message');
    $ann->leave;
    my ($line) = wait_for_lines($log, 1);
    is(picked($line, qw(site address trip over tls relayed messages_in messages_out close by)),
        "site=localhost:" . $site->port . " address=127.0.0.1 trip=$trip over=websocket tls=no relayed=no messages_in=1 messages_out=2 close=1000 by=client",
        'a client that leaves');
    log_says($server, qr/\[pid $line->{child}\b.*TC0026: connection $line->{connection}:/, 'its number is that of the error log');
    cmp_ok($line->{bytes_out}, '>', 100, 'bytes are counted');
    $bob->disconnect;
    is(picked((wait_for_lines($log, 2))[1], qw(messages_in messages_out close by)), 'messages_in=0 messages_out=2 close=1006 by=client',
        'one that goes without a word');
    my $dave = $site->connect->open($site->path($trip, token => 'none'));
    $dave->read_close;
    $dave->send_close(4001);
    $dave->read_to_end;
    is(picked((wait_for_lines($log, 3))[2], qw(user trip close by)), 'user=- trip=- close=4001 by=server', 'one that was turned away');
    my $events = $site->rest->follow($trip);
    $events->next_json('message_history');
    $events->disconnect;
    is(picked((wait_for_lines($log, 4))[3], qw(over close by)), 'over=events close=1006 by=client', 'a reader of events');
    my $poll = $site->rest->ask_for_news($trip, 1);
    until_true('the poll to be held', sub { $server->error_log =~ /TC0026: connection 5: taken over/ });
    $site->rest->posted($trip, 'two');
    $poll->news;
    is(picked((wait_for_lines($log, 5))[4], qw(over close by)), 'over=poll close=1000 by=server', 'a poll');
    my $tls = $server->site('tls');
    my $eve = $tls->chat(trip => $tls->new_trip);
    my $old = $site->chat(trip => $trip, as => 'bob');
    $old->said('before the reload');
    $server->graceful;
    $eve->read_close;
    $eve->send_close(1012);
    $eve->read_to_end;
    is(picked((wait_for_lines($log, 6))[5], qw(tls close by)), 'tls=yes close=1012 by=server', 'one over TLS when httpd reloads');
    $old->said('after the reload');
    $old->leave;
    my $moved = (wait_for_lines($log, 7))[6];
    is(picked($moved, qw(address messages_in close)), 'address=127.0.0.1 messages_in=2 close=1000', 'one that moved, once, with all it did');
    is(scalar(my @all = lines_of($log)), 7, 'and that is all');
    stops_clean($server, 'the server stops in order');
};

subtest 'sites have logs of their own, programs among them, or none' => sub {
    my $server = TripChat::Server->start(tls => 1, config => 'TripChatConnectionLog off',
        sites => { piped => { site_config => qq(TripChatConnectionLog "|/bin/sh -c 'exec cat >>piped_log'") } });
    my @members = map { my $site = $server->site($_); $site->chat(trip => $site->new_trip) } qw(plain piped);
    $_->leave for @members;
    my $log = "piped_log";
    ($log) = grep { -e } "$log", '/' . $log, $server->dir . "/$log";
    ok($log, 'the program has it') and is(scalar(wait_for_lines($log, 1)), 1, 'a line');
    stops_clean($server, 'the server stops in order', qr/\bTC0049:/);    # both are on one Redis
};

subtest 'what cannot be opened stops the start' => sub {
    my ($status, $said) = TripChat::Server->refusal(config => 'TripChatConnectionLog nowhere/log');
    isnt($status, 0, 'httpd does not start');
    like($said, qr/TC0055: TripChatConnectionLog: cannot open nowhere\/log; write a file/, 'and says why');
};

done_testing;
