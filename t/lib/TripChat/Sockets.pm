package TripChat::Sockets;

# Which TCP connections (IPv4) a process has, out of /proc.

use strict;
use warnings;

use Exporter 'import';

use TripChat::File qw(read_file);

our @EXPORT_OK = qw(tcp_peers);

# The ports at the other ends of the connections that the process has to its own port.
sub tcp_peers {
    my ($pid, $port) = @_;
    my %peer_of = _peers_by_inode($port);
    my @inodes  = map { (readlink($_) // '') =~ /\Asocket:\[(\d+)\]\z/ ? $1 : () } glob "/proc/$pid/fd/*";
    return grep { defined } map { $peer_of{$_} } @inodes;
}

# Lines of "sl local_address rem_address st … inode"; addresses in hexadecimal, the port behind a colon.
sub _peers_by_inode {
    my ($port) = @_;
    my %peer_of;
    for (split /\n/, read_file('/proc/net/tcp')) {
        my (undef, $local, $remote, undef, undef, undef, undef, undef, undef, $inode) = split;
        next if ($local // '') !~ /:([0-9A-F]{4})\z/ || hex $1 != $port;
        $peer_of{$inode} = hex $1 if $remote =~ /:([0-9A-F]{4})\z/;
    }
    return %peer_of;
}

1;
