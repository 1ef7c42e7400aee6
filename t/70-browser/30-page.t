# The demo page in a real browser: two people chat, reply, edit, see who types, load what is older, and
# what they write is text. The site wants to know where a page is from, which browsers do not always say by Origin.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('30-page.mjs', site_config => 'TripChatMissingOrigin refuse');
