# The fallback example of the chat's specification, in a real browser. The test uses the code of the specification as it
# is. It only replaces "api" by the host, and adds what the example leaves to the page (how a status is shown).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('40-example.mjs');
