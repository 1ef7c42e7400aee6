package TripChat::Log;

# What an error log of a test may not hold.

use strict;
use warnings;

use Exporter 'import';

use TripChat::File qw(read_file);

our @EXPORT_OK = qw(unexpected_lines);

my $ERROR_OR_WORSE    = qr/\[[\w.-]*:(?:error|crit|alert|emerg)\]/;
my $TRIPCHAT_WARNING  = qr/\[tripchat:warn\]/;
my $CHILD_DIED        = qr/exit signal|child process \d+ still did not exit|seg fault/i;
my $ONE_IS_ENOUGH     = qr/\bAH(?:00161|00484|00286|00288|03490):/;    # MaxRequestWorkers is reached: tests mean it to be
my $NOT_A_LOG_LINE    = qr/\A(?!\[|\s*\z)/;     # stderr of a sanitizer, an assertion, malloc

# The lines of the log that no pattern of the allow-list explains.
sub unexpected_lines {
    my ($path, @allowed) = @_;
    my @suspects = grep { /$ERROR_OR_WORSE|$TRIPCHAT_WARNING|$CHILD_DIED|$NOT_A_LOG_LINE/ } split /\n/,
        read_file($path);
    for my $pattern ($ONE_IS_ENOUGH, @allowed) {
        @suspects = grep { !/$pattern/ } @suspects;
    }
    return @suspects;
}

1;
