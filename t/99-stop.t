# The end of a stack's shared server: t/run runs this last. Whatever the tests before
# did to it, it stops in order, and its error log holds no line without a reason.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More tests => 3;

use TripChat::Log qw(unexpected_lines);
use TripChat::Process qw(is_alive pids_of_session);
use TripChat::Shared qw(site server_pid);
use TripChat::Wait qw(until_true);

my $pid      = server_pid();
my @children = pids_of_session($pid);

ok(kill('TERM', $pid), 'the server has lived to the end');
until_true('the server to stop', sub { !is_alive($pid) });
is_deeply([grep { is_alive($_) } @children], [], 'the server stops and leaves no process behind');

my @unexpected = unexpected_lines(site('plain')->error_log);
is_deeply(\@unexpected, [], 'the error log holds nothing unexpected');
