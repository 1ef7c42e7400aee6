# Bytes that a client sends in the same write as its handshake, or before it has
# the answer, wait in httpd's input filters. None of them may be lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use JSON::PP ();

use TripChat::Client;
use TripChat::Test;

use constant MANY => 200;

my $site = site('plain');

sub message_frame {
    my ($content) = @_;
    my $message = { type => 'chat_message', content => $content, message_type => 'text' };
    return encode_frame(opcode => OP_TEXT, payload => JSON::PP->new->utf8->encode($message));
}

# Opens a connection to a new trip with these bytes right behind the handshake.
sub open_with {
    my ($bytes) = @_;
    my $path = $site->path($site->new_trip, token => $site->token('ann'));
    my $client = bless $site->connect, 'TripChat::Client';
    return $client->open($path, undef, $bytes);
}

subtest 'a ping behind the handshake is answered' => sub {
    my $client = open_with(encode_frame(opcode => OP_PING, payload => 'early'));
    my @frames;
    push @frames, $client->read_frame until @frames && $frames[-1]{opcode} == OP_PONG;
    is($frames[-1]{payload}, 'early', 'the pong carries its payload');
};

subtest 'many messages behind the handshake' => sub {
    my @contents = map { "early $_" } 1 .. MANY;
    my $client   = open_with(join '', map { message_frame($_) } @contents);
    is($client->next_json->{type}, 'message_history', 'the history comes first');
    my @messages = $client->next_many(MANY, 'chat_message');
    is_deeply(contents_of(@messages), \@contents, 'all are there, in order');
};

subtest 'a frame of which only a part is behind the handshake' => sub {
    my $frame = message_frame('in two parts');
    for my $at (1 .. length($frame) - 1) {
        my $client = open_with(substr $frame, 0, $at);
        $client->write(substr $frame, $at);
        my $content = eval { $client->next_json('chat_message')->{message}{content} } // $@;
        is($content, 'in two parts', "split after byte $at");
        $client->disconnect;
    }
};

subtest 'a close behind the handshake' => sub {
    my $client = open_with(encode_frame(opcode => OP_CLOSE, payload => close_payload(1000)));
    is($client->read_close->{code}, 1000, 'is answered');
};

done_testing;
