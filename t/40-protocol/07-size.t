# The size of a message is bounded before anything is allocated for it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;

# TripChatMaxMessageSize by default, and as t/conf/extra.conf.in sets it for the site.
my %LIMIT = (plain => 128 * 1024, small => 16 * 1024);

for my $name (sort keys %LIMIT) {
    my ($site, $limit) = (site($name), $LIMIT{$name});
    my $trip = $site->new_trip;

    # Text that JSON does not take and UTF-8 does: the answer to it is the chat's.
    my $text = 'x' x $limit;

    subtest "a message of $limit bytes reaches the chat" => sub {
        my $client = $site->chat(trip => $trip);
        $client->send_text($text);
        error_is($client, { code => 'invalid_json' }, 'in one frame');
        $client->send_frame(OP_TEXT, substr($text, 1), fin => 0);
        $client->send_frame(OP_CONTINUATION, 'x');
        error_is($client, { code => 'invalid_json' }, 'in two frames');
        still_talks($client, 'and the connection stays');
    };

    subtest "a message of one byte more closes with 1009" => sub {
        bytes_close_with($site, $trip, encode_frame(opcode => OP_TEXT, payload => "${text}x"), 1009, 'in one frame');
        bytes_close_with(
            $site, $trip,
            encode_frame(opcode => OP_TEXT, fin => 0, payload => $text)
                . encode_frame(opcode => OP_CONTINUATION, payload => 'x'),
            1009, 'in two frames'
        );
    };

    subtest 'a header that claims too much is enough to close with 1009' => sub {
        for my $claimed ($limit + 1, 1 << 20, 1 << 31, 1 << 32, (1 << 63) - 1) {
            my $header = encode_frame(opcode => OP_TEXT, claimed_length => $claimed);
            bytes_close_with($site, $trip, $header, 1009, "$claimed bytes claimed, none sent");
        }
        my $second = encode_frame(opcode => OP_TEXT, fin => 0, payload => ' ' x ($limit - 10))
            . encode_frame(opcode => OP_CONTINUATION, claimed_length => 11);
        bytes_close_with($site, $trip, $second, 1009, 'the sum of fragments counts');
        my $wrap = encode_frame(opcode => OP_TEXT, fin => 0, payload => ' ' x 10)
            . encode_frame(opcode => OP_CONTINUATION, claimed_length => (1 << 63) - 5);
        bytes_close_with($site, $trip, $wrap, 1009, 'and does not overflow');
    };
}

done_testing;
