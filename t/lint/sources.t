# What compilers and checkers say of the sources: make lint, as one test of t/run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More tests => 1;

use TripChat::Surroundings qw(top_dir);

my @variables = split ' ', $ENV{TC_MAKE_VARIABLES} // '';
open my $said, '-|', 'make', '--no-print-directory', '-C', top_dir(), @variables, 'lint-files' or die "make: $!\n";
diag($_) while defined($_ = <$said>);
ok(close $said, 'no compiler or checker has anything to say');
