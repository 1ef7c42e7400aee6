package TripChat::Succession;

# What the tests of reloads, and of other ends of a child, have in common.
use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use TripChat::Frame qw(:all);
use TripChat::Process qw(is_alive);
use TripChat::Server;
use TripChat::Wait qw(until_true);

our @EXPORT = qw(start_server renewed reload wait_for_end_of wait_for_takeovers text_frame chat_json hears closed_with rooms_under);

# What can move has all the time that it needs, whatever the machine is busy with.
use constant DRAIN => "TripChatDrainTime 1h\n";

my @ROOMS = ([{}, 'one child at a time'], [{ generations => 2 }, 'room for two']);

# Whether a child's successor has a place beside it: options of the server, and a name. Two children of prefork
# need a bus.
sub rooms_under {
    my ($mpm, $has_bus) = @_;
    return grep { $mpm ne 'prefork' || $has_bus || !%{ $_->[0] } } @ROOMS;
}

sub start_server { my (%opt) = @_; return TripChat::Server->start(%opt, config => ($opt{drain} // DRAIN) . ($opt{config} // '')) }

sub wait_for_end_of {
    my (@old) = @_;
    until_true('the old children to go', sub { !grep { is_alive($_) } @old });
    return;
}

# Returns when none of the server's children is one that was there before.
sub renewed {
    my ($server, $do) = @_;
    my @old = $server->child_pids;
    $do->();
    wait_for_end_of(@old);
    return;
}

sub reload { my ($server) = @_; return renewed($server, sub { $server->graceful }) }

# Returns when the server's first child has taken over so many connections.
sub wait_for_takeovers {
    my ($server, $count) = @_;
    until_true("$count connections taken over", sub { $server->error_log =~ /TC0026: connection $count: taken over/ });
    return;
}

sub text_frame { my ($content, %bits) = @_; return encode_frame(opcode => OP_TEXT, payload => chat_json($content), %bits) }
sub chat_json { my ($content) = @_; return qq({"type":"chat_message","content":"$content"}) }

sub hears {
    my ($client, $content, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is(eval { $client->next_json('chat_message')->{message}{content} }, $content, $name) || Test::More::diag($@);
}

sub closed_with {
    my ($client, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $close = eval { $client->read_close } // {};
    return Test::More::is($close->{code}, $code, $name) || Test::More::diag($@, $close->{ended} // '', $close->{reason} // '');
}

1;
