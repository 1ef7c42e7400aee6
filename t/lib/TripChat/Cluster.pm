package TripChat::Cluster;

# A room whose members sit in different children of one httpd or of several:
# which child has a client, clients on the child of one's choice, and what all
# members of a room must have seen alike.
#
# Nobody can choose the child that accepts a connection: members join until one
# has come where it should, and the others leave.

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use TripChat::File qw(read_file);
use TripChat::Wait qw(deadline seconds_left until_true);

our @EXPORT_OK = qw(children_of child_of one_on_each chat_on all_hear hear_nothing_more);

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

# Members of a trip's room, one on each child, in the order of the children. %chat as for Site's
# chat; as => [names], in turn
sub one_on_each {
    my ($server, %chat) = @_;
    my @names  = ref $chat{as} ? @{ $chat{as} } : $chat{as} // 'ann';
    my @pids   = children_of($server);
    my %wanted = map { $pids[$_] => $names[$_ % @names] } 0 .. $#pids;
    my %member;
    for my $pid (@pids) {
        $member{$pid} = chat_on($server, $pid, %chat, as => $wanted{$pid});
    }
    return @member{@pids};
}

# A member on this child.
sub chat_on {
    my ($server, $pid, %chat) = @_;
    my $deadline = deadline();
    my @elsewhere;
    while (1) {
        my $member = $server->site->chat(%chat);
        if (child_of($server, $member) == $pid) {
            $_->leave for @elsewhere;
            return $member;
        }
        push @elsewhere, $member;
        seconds_left($deadline, "a connection to the child $pid");
    }
}

# Of the socket's other end, which is on this machine as well.
sub _inode_at_server {
    my ($socket) = @_;
    my $ends = join ' ', map { sprintf '0100007F:%04X', $_ } $socket->peerport, $socket->sockport;
    read_file('/proc/net/tcp') =~ /^\s*\d+: $ends \S+ \S+ \S+ \S+ +\d+ +\d+ (\d+) /m
        or die "the connection $ends is not there\n";
    return $1;
}

1;
