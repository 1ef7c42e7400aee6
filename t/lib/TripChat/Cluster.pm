package TripChat::Cluster;

# A room whose members are in different children of one httpd or of several httpds.
# Finds out which child has a client, connects clients to a given child, and checks
# that all members of a room have seen the same.
#
# A client cannot choose the child that accepts its connection. So the other children
# of the server are stopped during the handshake. If the children take turns with a
# mutex, a stopped child might hold the mutex. Then clients connect until one reaches the
# child by chance.

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use TripChat::File qw(read_file);
use TripChat::Process qw(freeze_pids);
use TripChat::Wait qw(until_true);
use TripChat::World qw(new_uuid);

our @EXPORT_OK = qw(
    children_of child_of one_on_each chat_on all_hear heard_alike hear_nothing_else hear_no_other_event collect typing_comes
);

# The children of a server, when all are there.
sub children_of {
    my ($server) = @_;
    my $count = $server->{children};
    my @pids;
    until_true("$count children", sub { @pids = sort { $a <=> $b } $server->child_pids; @pids == $count });
    return @pids;
}

# The child that has the server's end of a client's connection.
sub child_of {
    my ($server, $client) = @_;
    my $inode = _inode_at_server($client->{socket});
    for my $pid ($server->child_pids) {
        return $pid if grep { (readlink // '') eq "socket:[$inode]" } glob "/proc/$pid/fd/*";
    }
    die "no child of the server has the connection\n";
}

# Members of a trip's room, one on each child, in the order of children_of(). %chat as for Site's chat;
# as => [names], in turn
sub one_on_each {
    my ($server, %chat) = @_;
    my @names = ref $chat{as} ? @{ $chat{as} } : $chat{as} // 'ann';
    my @members;
    push @members, chat_on($server, $_, %chat, as => $names[@members % @names]) for children_of($server);
    return @members;
}

# A member on this child.
sub chat_on {
    my ($server, $pid, %chat) = @_;
    my $site = $server->site($chat{site});
    return _chat_by_luck($server, $pid, $site, %chat) if $server->accepts_by_turns;
    my @others = grep { $_ != $pid } $server->child_pids;
    freeze_pids(@others);
    my $member = eval { $site->chat(%chat) };
    my $error  = $@;
    kill 'CONT', @others;
    die $error if !$member;
    child_of($server, $member) == $pid or die "the connection is not on the child $pid\n";
    return $member;
}

# Members come until one is on this child; the others leave.
sub _chat_by_luck {
    my ($server, $pid, $site, %chat) = @_;
    my @elsewhere;
    my $member = until_true("a connection on the child $pid", sub {
        my $comer = $site->chat(%chat);
        return $comer if child_of($server, $comer) == $pid;
        push @elsewhere, $comer;
        return;
    });
    $_->leave for @elsewhere;
    return $member;
}

# The speaker says this, and each of the members hears it as the next event, once, with one seq and one
# id; typing may come before. Returns the message object as the first of them got it.
sub all_hear {
    my ($speaker, $content, $members, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $speaker->say($content);
    return heard_alike($content, $members, $name);
}

# The members' next event is a message with this content.
sub heard_alike {
    my ($content, $members, $name) = @_;
    my @heard  = map { _next_event($_) } @$members;
    my @gist   = map { [map { $_ // 'none' } $_->{type}, @{ $_->{message} || {} }{qw(content seq id)}] } @heard;
    my @wanted = ('chat_message', $content, @{ $gist[0] }[2, 3]);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is_deeply(\@gist, [map { \@wanted } @gist], $name);
    return $heard[0]{message};
}

sub _next_event {
    my ($member) = @_;
    while (1) {
        my $event = $member->next_json;
        return $event if $event->{type} ne 'typing';
    }
}

# What the members have heard up to a message that the speaker says now is nothing.
sub hear_nothing_else {
    my ($speaker, $members, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is_deeply(_heard_before_marker($speaker, $members), [map { [] } @$members], $name);
}

# The same, but for typing.
sub hear_no_other_event {
    my ($speaker, $members, $name) = @_;
    my $heard = _heard_before_marker($speaker, $members);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is_deeply([grep { $_->{type} ne 'typing' } map { @$_ } @$heard], [], $name);
}

sub _heard_before_marker {
    my ($speaker, $members) = @_;
    my $marker = 'marker ' . new_uuid();
    $speaker->say($marker);
    return [map { [$_->messages_until($marker)] } @$members];
}

# The next $count events of each member, [[seq, id, content], …] a member.
sub collect {
    my ($members, $count) = @_;
    my @all = map { [] } @$members;
    for my $i (0 .. $#$members) {
        while (@{ $all[$i] } < $count) {
            my $event = $members->[$i]->next_json;
            die "the error $event->{code} came\n" if $event->{type} eq 'error';
            push @{ $all[$i] }, [@{ $event->{message} }{qw(seq id content)}] if $event->{message};
        }
    }
    return @all;
}

# Typing of one member reaches the other: types until it does. Between children it goes through Redis
# alone, so it tells that Redis is in use. Needs TripChatTypingInterval 0.
sub typing_comes {
    my ($from, $to) = @_;
    return until_true('typing to come',
        sub { $from->typing(1); grep { $_->{type} eq 'typing' } $to->json_before_pong });
}

# Of the socket's other end, which is on this machine as well.
sub _inode_at_server {
    my ($socket) = @_;
    my $ends = join ' ', map { sprintf '0100007F:%04X', $_ } $socket->peerport, $socket->sockport;
    my ($line) = grep { index($_, $ends) >= 0 } split /\n/, read_file('/proc/net/tcp');
    return (split ' ', $line // die "the connection $ends is not there\n")[9];
}

1;
