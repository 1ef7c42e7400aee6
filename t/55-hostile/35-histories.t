# Histories of messages as long as may be, for clients who never read them: each from another seq, so that no two clients
# share one. With the slackest limits on resumes and rooms.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Ammunition qw(chat_json text_frame);
use TripChat::Hostile;
use TripChat::Test;
use TripChat::Wait qw(until_true);

use constant {
    READERS  => 20,
    MESSAGES => 150,
    CONTENT  => '\u0001' x 10_000,    # TripChatMaxContent; six bytes each
    SMALL    => 5,                    # messages of ordinary length, for a resume that is short enough
};

my $server = TripChat::Hostile->start(shared => 1, site_config => "TripChatResumeLimit 100000\nTripChatRoomCache 64m");
my $site   = $server->site;
my $trip   = $site->new_trip;
my $idle   = $server->descriptors;

# The sockets of those who have left are closed a moment later.
sub all_others_are_gone { return until_true('the others to be gone', sub { $server->descriptors <= $idle }) }

{
    my $speaker = $site->chat(trip => $trip);
    for (1 .. MESSAGES) {
        $speaker->write(text_frame(chat_json(CONTENT)));
        $speaker->next_frame;
    }
    $speaker->said("small $_") for 1 .. SMALL;
    $speaker->leave;
}

# Somebody who asks for a history and does not read it.
sub slow_reader {
    my ($of, %query) = @_;
    return $site->connect(receive_buffer => 4096)->ask_to_open($site->path($of, token => $site->token('bob'), %query));
}

$server->withstands('resumes of everything that nobody reads', READERS, sub {
    all_others_are_gone();
    my @slow = map { slow_reader($trip, after => $_) } 1 .. READERS;
    ok(until_true('all to be in', sub { $server->descriptors >= $idle + READERS }), 'they are in');
    my $reader = $site->chat(trip => $trip, as => 'carol', after => 1);
    ok(!$reader->history->{recovered}, 'who lacks too much starts anew');
    $reader->leave;
    $reader = $site->chat(trip => $trip, as => 'carol', after => MESSAGES);
    ok($reader->history->{recovered}, 'who lacks little does not');
    $reader->leave;
    $_->disconnect for @slow;
}, histories => 1);

# The newest message alone is more than the kernel takes. 60 KB may take 15 s.
$server->withstands('histories that nobody reads', READERS, sub {
    my $big     = $site->new_trip;
    my $speaker = $site->chat(trip => $big);
    $speaker->write(text_frame(chat_json(CONTENT)));
    $speaker->next_frame;
    $speaker->leave;
    all_others_are_gone();
    my @slow = map { slow_reader($big) } 1 .. READERS;
    ok(until_true('all to be in', sub { $server->descriptors >= $idle + READERS }), 'they are in');
    ok(until_true('them to be let go', sub { $server->descriptors <= $idle }), 'and are let go, since one frame takes too long');
    $_->disconnect for @slow;
}, histories => 1);

$server->is_unharmed;

done_testing;
