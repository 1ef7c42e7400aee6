# A room of the longest messages there may be, and somebody who asks for all of them, with the slackest limits on resumes
# and rooms. What they get ends at a number of bytes, and what they lack is to be had in further pages. The database's
# threads do not read more than they hand on.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Hostile;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    WIDE     => "\xf0\x9f\x98\x80" x 10_000,    # TripChatMaxContent, in four bytes each
    MESSAGES => 1500,                           # 60 MB
    ESCAPED  => '\\u0001' x 10_000,              # one byte each in the database, six in an answer
    PAGED    => 200,                            # 12 MB
    AT_ONCE  => 20,
    PAGE_KB  => 4096,                           # TC_STORE_READ_BYTES
    READ_KB  => 32 * 1024,                      # TC_STORE_PORTION_BYTES as the driver holds them, and TC_STORE_READ_BYTES
};

my $server = TripChat::Hostile->start(shared => 1, site_config => <<'CONF');
TripChatResumeLimit 100000
TripChatRoomCache 64k
TripChatSendQueueSize 4m
TripChatMessageRate 0
TripChatUserMessageRate 0
CONF
my $site = $server->site;

# A trip with so many messages.
sub trip_of {
    my ($messages, $content) = @_;
    my $trip    = $site->new_trip;
    my $speaker = $site->chat(trip => $trip);
    my $frames  = encode_frame(opcode => OP_TEXT, payload => qq({"type":"chat_message","content":"$content"})) x AT_ONCE;
    for (1 .. $messages / AT_ONCE) {
        $speaker->write($frames);
        $speaker->next_json('chat_message') for 1 .. AT_ONCE;
    }
    $speaker->leave;
    return $trip;
}

my $trip  = trip_of(MESSAGES, WIDE);
my $pages = trip_of(PAGED, ESCAPED);

# What the child takes meanwhile, in KB.
sub growth_of {
    my ($code) = @_;
    my $before = $server->memory->{VmRSS};
    $server->forget_peak;
    $code->();
    return $server->memory->{VmHWM} - $before;
}

my %asks = (
    'a resume of everything' => sub {
        my $client = $site->chat(trip => $trip, as => 'bob', after => 1);
        ok(!$client->history->{recovered}, 'starts anew');
        is($client->history->{messages}[-1]{seq}, MESSAGES, 'with the newest');
        $client->leave;
    },
    'a stream of everything' => sub {
        my $stream = $site->rest(as => 'bob')->follow($trip, { after => 1 });
        ok(!$stream->next_json('message_history')->{recovered}, 'starts anew');
        $stream->disconnect;
    },
);
for my $what (sort keys %asks) {
    subtest $what => sub {
        my $grown = growth_of($asks{$what});
        cmp_ok($grown, '<', READ_KB, 'the child takes no more than it hands on') if !$ENV{TC_UNDER};
    };
}

for my $direction ([after => 'next'], [before => 'next']) {
    my ($from, $link) = @$direction;
    subtest "pages with $from" => sub {
        my $rest  = $site->rest(as => 'bob');
        my $grown = growth_of(sub {
            my %seen;
            my $path = TripChat::Rest::list_path($pages, limit => 100, $from => $from eq 'after' ? 0 : PAGED + 1);
            while (1) {
                my $answer = $rest->get($path);
                my @seqs   = map { $_->{seq} } @{ $answer->{json}{results} };
                cmp_ok(length $answer->{body}, '<', 1024 * (PAGE_KB + 64), 'a page ends at its bytes');
                cmp_ok(scalar @seqs, '>', 10, 'and has what fits');
                ok(!(grep { $seen{$_}++ } @seqs), 'nothing comes twice');
                $path = $answer->{json}{$link} or last;
            }
            my @all = sort { $a <=> $b } keys %seen;
            is_deeply(\@all, [1 .. PAGED], 'nothing is left out');
        });
        cmp_ok($grown, '<', READ_KB, 'the child takes no more than it hands on') if !$ENV{TC_UNDER};
    };
}

$server->is_unharmed;

done_testing;
