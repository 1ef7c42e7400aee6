# The fallback example that the specification of the chat prints, in a real browser: as written there, with
# the host in place of its "api", and with what it leaves to the page (how a status is shown).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('40-example.mjs');
