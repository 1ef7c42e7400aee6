# client/tripchat.js against a server that does what the real one does only now and then: reloads, is
# busy, falls silent, or speaks as a later one will.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('20-edges.mjs');
