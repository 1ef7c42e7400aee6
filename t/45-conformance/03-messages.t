# Text and binary messages (RFC 6455, section 5.6) as long as they may be, and
# what bounds them (10.4).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Echo;

use constant LIMIT => TripChat::Echo::LIMIT;

my $server = TripChat::Echo->start(tls => 1);

# Long, and at no place like at another that a mistake by a buffer's length would take for it.
sub long_payload { my ($bytes) = @_; return substr join('', map { pack 'N', $_ * 2_654_435_761 } 0 .. $bytes / 4), 0, $bytes }

my $longest = long_payload(LIMIT);
my $text    = substr "l\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80" x (LIMIT / 10 + 1), 0, LIMIT - LIMIT % 10;

for my $site (qw(plain tls)) {
    my $client = $server->client(site => $site, tls => $site eq 'tls');

    subtest "5.6: long messages, $site" => sub {
        for my $bytes (1 << 18, 1 << 20, 1 << 22, LIMIT - 1, LIMIT) {
            my $payload = substr $longest, 0, $bytes;
            $client->send_frame(OP_BINARY, $payload);
            comes_back($client, OP_BINARY, $payload, "$bytes bytes, binary");
        }
        $client->send_text($text);
        comes_back($client, OP_TEXT, $text, length($text) . ' bytes, text');
    };

    subtest "5.4: long messages in fragments, $site" => sub {
        for my $size (4096, 65_535, 65_536, 1 << 20) {
            $client->write(message_frames(OP_BINARY, fragments(substr($longest, 0, 1 << 22), $size)));
            comes_back($client, OP_BINARY, substr($longest, 0, 1 << 22), "4 MB, $size bytes a fragment");
        }
        for my $size (64, 256) {
            $client->write(message_frames(OP_TEXT, fragments(substr($text, 0, 1_000_000), $size)));
            comes_back($client, OP_TEXT, substr($text, 0, 1_000_000), "1 MB of text, $size bytes a fragment");
        }
        $client->write(message_frames(OP_BINARY, fragments($longest, 1 << 20)));
        comes_back($client, OP_BINARY, $longest, LIMIT . ' bytes, 1 MB a fragment');
    };

    subtest "5.2: long messages in small chops, $site" => sub {
        for my $chop (64, 1000) {
            my $payload = substr $longest, 0, 200_000;
            $client->write($_) for unpack "(a$chop)*", encode_frame(opcode => OP_BINARY, payload => $payload);
            comes_back($client, OP_BINARY, $payload, "$chop octets a write");
        }
    };

    subtest "5.6: a thousand messages one after the other, $site" => sub {
        for my $bytes (0, 16, 1024) {
            my @wrong;
            for my $i (1 .. 1000) {
                my $payload = substr $longest, $i, $bytes;
                $client->send_frame(OP_BINARY, $payload);
                push @wrong, $i if $client->read_frame->{payload} ne $payload;
            }
            is("@wrong", '', "$bytes bytes");
        }
    };
}

subtest '10.4: a longer message is refused by its header' => sub {
    for my $bytes (LIMIT + 1, 1 << 32, (1 << 63) - 1) {
        fails_with($server, encode_frame(opcode => OP_BINARY, claimed_length => $bytes), 1009, "$bytes bytes, none sent");
    }
    my $begun = encode_frame(opcode => OP_TEXT, fin => 0, payload => 'x');
    fails_with($server, $begun . encode_frame(opcode => OP_CONTINUATION, claimed_length => LIMIT), 1009, 'the fragments count together');
    fails_with($server, $begun . encode_frame(opcode => OP_CONTINUATION, claimed_length => (1 << 63) - 1), 1009, 'without overflow');
};

stops_clean($server);

done_testing;
