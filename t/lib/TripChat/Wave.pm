package TripChat::Wave;

# A wave of connections of every kind to one trip, for tests that check what remains after the connections have ended.
# The kinds are plain and TLS sockets, streams of events, a long poll with an answer and one without, REST, and a client
# that is refused. The clients chat with each other, and leave with or without a Close.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(wave);

use constant {
    PLAIN       => 12,                     # sockets
    CONNECTIONS => 20,                     # of all kinds
    PEOPLE      => [qw(ann bob carol)],
};

# A TripChat::Server with tls and shared sites, and a trip of ann, bob and carol.
sub wave {
    my ($server, $trip) = @_;
    my ($plain, $tls) = map { $server->site($_) } qw(plain tls);
    my $tokens  = $server->{wave_tokens} //= { map { $_ => $plain->token($_) } @{ +PEOPLE } };
    my %bob     = (token => $tokens->{bob});
    my @sockets = $plain->chats(map { { trip => $trip, token => $tokens->{ PEOPLE->[$_ % 3] } } } 1 .. PLAIN);
    my $last    = $sockets[0]->history->{last_seq};
    push @sockets, $plain->chat(trip => $trip, %bob, after => $last), $tls->chat(trip => $trip, %bob);
    my @streams = map { $_->rest(%bob)->follow($trip) } $plain, $tls;
    $_->next_json('message_history') for @streams;    # what comes later is an event of its own
    my $poll    = $plain->rest(%bob)->ask_for_news($trip, $last);
    my $rest    = $plain->rest(token => $tokens->{ann});
    $plain->turned_away($plain->path($trip, token => "$tokens->{ann}x"));
    $plain->rest(%bob)->ask_for_news($trip, 1_000_000_000)->disconnect;

    my $ann = $sockets[2];
    $ann->typing(1);
    $ann->edit($ann->said('a message')->{id}, 'an edit');
    $rest->posted($trip, 'a post');
    $rest->list($trip);
    $poll->news;
    $_->messages_until('a post') for @sockets;
    $_->next_json('chat_message') for @streams;

    $_ % 2 ? $sockets[$_]->leave : $sockets[$_]->disconnect for 0 .. $#sockets;
    $_->disconnect for @streams, $poll, $rest;
    return;
}

1;
