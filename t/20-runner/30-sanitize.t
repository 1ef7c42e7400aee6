# What t/sanitize/run leaves out of ThreadSanitizer's findings: httpd's own closes, and nothing of the module.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(make_path remove_tree);
use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Surroundings qw(top_dir var_dir);

my $dir = var_dir() . "/sanitize-$$";
make_path($dir);

my $LINE  = "==================\n";
my $CLOSE = "    #0 close tsan_interceptors_posix.cpp:1749 (libtsan.so+0x4002c)\n    #1 <null> <null> (libapr-1.so.0+0x2777a)\n";
my $OURS  = "    #2 tc_transport_close src/engine/transport.c:99 (mod_tripchat.so+0x1)\n";
my $POLL  = "    #0 epoll_ctl tsan_interceptors_posix.cpp:1883 (libtsan.so+0x5636d)\n    #1 <null> <null> (libapr-1.so.0+0x2904a)\n";
my $READ  = "    #0 read common.inc:1019 (libtsan.so+0x50f19)\n    #1 apr_socket_recv <null> (libapr-1.so.0+0x2589c)\n"
    . "    #2 tc_takeover src/httpd/takeover.c:317 (mod_tripchat.so+0x5093c)\n";
my $SOCKET = "  Location is file descriptor 3 created by main thread at:\n    #0 socket (libtsan.so+0x428e8)\n\n";
my $HEAP   = "  Location is heap block of size 8 at 0x7b0400000000 allocated by main thread:\n    #0 malloc (libtsan.so+0x1)\n\n";

sub report_of {
    my ($first, $access, $second, $other, $location, @threads) = @_;
    my ($one, $two) = @threads ? @threads : ('thread T8', 'main thread');
    return "${LINE}WARNING: ThreadSanitizer: data race (pid=7)\n  $first of size 8 at 0x7ba000000030 by $one:\n$access\n"
        . "  $second of size 8 at 0x7ba000000030 by $two:\n$other\n${location}SUMMARY: ThreadSanitizer: data race\n";
}

sub left_of {
    my (@reports) = @_;
    write_file("$dir/thread.7", join('', @reports, scalar @reports ? $LINE : ''));
    system(top_dir() . '/t/sanitize/leave-out-closes', "$dir/thread.7") == 0 or die "leave-out-closes: $?\n";
    return read_file("$dir/thread.7");
}

my @httpds = (
    report_of('Write', $CLOSE, 'Previous read', $POLL, $SOCKET),
    report_of('Write', $CLOSE, 'Previous read', $READ, $SOCKET, 'main thread', 'thread T5'),
    report_of('Read', $READ, 'Previous write', $CLOSE, $SOCKET),
    report_of('Read', $POLL, 'Previous write', $CLOSE, $SOCKET, 'main thread', 'thread T8'),
);
my @others = (
    report_of('Write', $CLOSE . $OURS, 'Previous read', $POLL, $SOCKET),
    report_of('Read', $READ, 'Previous write', $CLOSE . $OURS, $SOCKET),
    report_of('Write', $CLOSE, 'Previous read', $READ, $HEAP, 'main thread', 'thread T5'),
    report_of('Write', $CLOSE, 'Previous read', $READ, $SOCKET, 'thread T5', 'thread T9'),
    report_of('Write', $READ, 'Previous read', $POLL, $SOCKET),
    "${LINE}WARNING: ThreadSanitizer: heap-use-after-free (pid=7)\n  Write of size 8 at 0x7b0400000000 by main thread:\n$CLOSE\n${SOCKET}",
    "FATAL: ThreadSanitizer: unexpected memory mapping\n",
);
is(left_of($_, "${LINE}ThreadSanitizer: reported 1 warnings\n"), '', 'a close of httpd') for @httpds;
like(left_of($_), qr/\Q@{[$_ =~ s{\A$LINE}{}r]}\E/, 'what is not') for @others;
my $left = left_of(@httpds, $others[0], @httpds);
is(() = $left =~ /WARNING/g, 1, 'one among many');
is(left_of(), '', 'nothing');

remove_tree($dir) if Test::More->builder->is_passing;
done_testing;
