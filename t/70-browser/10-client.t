# client/tripchat.js in node, against the real server and what may stand before it: every way to hear
# and speak, the changes between them, and what is sent for sure.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('10-client.mjs', site_config => 'TripChatResumeLimit 30');
