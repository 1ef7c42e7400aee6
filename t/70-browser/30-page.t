# The demo page in a real browser: two people chat, reply, edit, see who types, load what is older, and
# what they write is text.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('30-page.mjs');
