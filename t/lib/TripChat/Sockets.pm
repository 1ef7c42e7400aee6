package TripChat::Sockets;

# Which TCP connections (IPv4) a process has, out of /proc.

use strict;
use warnings;

use Exporter 'import';

use TripChat::File qw(read_file);

use constant LISTENING => '0A';

our @EXPORT_OK = qw(tcp_peers connections_to descriptors);

# What the descriptors of a process are: the targets of the links in /proc, none once it is gone.
sub descriptors { my ($pid) = @_; return grep { defined } map { readlink } glob "/proc/$pid/fd/*" }

# The ports at the other ends of the connections that the process has to its own port.
sub tcp_peers {
    my ($pid, $port) = @_;
    my %peer_of = _peers_by_socket($port);
    return grep { defined } map { $peer_of{$_} } descriptors($pid);
}

# The connections of this machine at whose 'local' (by default) or 'remote' end the port is, as descriptors() has them.
sub connections_to {
    my ($port, $end) = @_;
    return map { $_->{socket} } grep { $_->{ $end // 'local' } == $port && $_->{state} ne LISTENING } _tcp_table();
}

sub _peers_by_socket {
    my ($port) = @_;
    return map { $_->{socket} => $_->{remote} } grep { $_->{local} == $port && $_->{state} ne LISTENING } _tcp_table();
}

# Lines of "sl local_address rem_address st … inode"; addresses in hexadecimal, the port behind a colon.
sub _tcp_table {
    my @table;
    for (split /\n/, read_file('/proc/net/tcp')) {
        my (undef, $local, $remote, $state, undef, undef, undef, undef, undef, $inode) = split;
        my @ports = map { /:([0-9A-F]{4})\z/ ? hex $1 : () } $local // '', $remote // '';
        push @table, { local => $ports[0], remote => $ports[1], state => $state, socket => "socket:[$inode]" } if @ports == 2;
    }
    return @table;
}

1;
