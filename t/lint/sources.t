# What compilers and checkers say of the sources: make lint, as one test of t/run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More tests => 1;

use TripChat::Surroundings qw(top_dir);

# What stood on make's command line, as make writes it: a space within a value has a backslash before it.
my @variables = map { s/\\(.)/$1/gr } split /(?<!\\)\s+/, $ENV{TC_MAKE_VARIABLES} // '';
my $make = open(my $said, '-|', 'make', '--no-print-directory', '-C', top_dir(), @variables, 'lint-files') // die "make: $!\n";
$SIG{$_} = sub { kill 'TERM', $make; exit 1 } for qw(INT TERM HUP);
while (defined(my $line = <$said>)) { diag($line) }
ok(close $said, 'no compiler or checker has anything to say');
