# The demo page in a real browser when the token expires, with a new one to be had and without. Each time
# the lists end equal to the database, and the status has said what was the case.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('45-token.mjs');
