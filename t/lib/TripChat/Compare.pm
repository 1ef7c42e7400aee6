package TripChat::Compare;

# Logs of two servers that were asked the same, made comparable.

use strict;
use warnings;

use Exporter 'import';

use TripChat::File qw(read_file);

our @EXPORT_OK = qw(audit_of lines_of);

# The lines of a log about requests, without what differs from run to run, sorted, because threads may write them in another
# order. @ports are those that both servers have.
sub lines_of {
    my ($dir, $log, @ports) = @_;
    my $kept  = join '|', @ports;
    my @lines = split /\n/, read_file("$dir/$log");
    @lines = grep { /\[(?:client|remote) |\A\[(?!Mon|Tue|Wed|Thu|Fri|Sat|Sun)/ } @lines if $log eq 'error_log';
    for (@lines) {
        s/\A\[\w+ \w+ \d+ [\d:.]+ \d+\]/[time]/;
        s/\[unique_id "[^"]*"\]/[unique_id]/;
        s/\[pid \d+/[pid/;
        s/:tid (\d+)/length $1 > 8 ? ':tid address' : ':tid number'/e;    # which of the two depends on httpd
        s/(127\.0\.0\.1):(?!(?:$kept)\b)\d+/$1:port/g;
        s/\A([+-])[^|]*/$1id/ if $log =~ /forensic_log\z/;
        s/\Q$dir\E/DIR/g;
        s/h2_(\w+)\([\d-]+/h2_$1(/g;
        s/conn [0-9a-fx]+|(?:worker|connection|url|0x)[ :]?[0-9a-f]{6,}/address/g;
    }
    return join "\n", sort @lines;
}

# The records of mod_security's audit log in the same way.
sub audit_of {
    my ($dir, $log, @ports) = @_;
    my $kept = join '|', @ports;
    my $text = read_file("$dir/$log");
    for ($text) {
        s/^--[0-9a-f]{8}-/--id-/mg;
        s/^\[\d\d\/[^\]]*\] \S+ (\S+) (?!(?:$kept)\b)\d+/[time] id $1 port/mg;
        s/\[unique_id "[^"]*"\]/[unique_id]/g;
        s/(127\.0\.0\.1):(?!(?:$kept)\b)\d+/$1:port/g;
        s/^(?:Stopwatch2?|Date|Last-Modified|ETag|Content-Length|Transfer-Encoding): .*\n//mg;
        s/nonce="[^"]*"/nonce/g;
        s/\Q$dir\E/DIR/g;
    }
    return join "\n", sort split /^--id-A--\n/m, $text;
}

1;
