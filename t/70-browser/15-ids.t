# client/tripchat.js in node with ids of trips that are no UUIDs: numbers, and texts that a URL must encode.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('15-ids.mjs', site_config => 'TripChatTripKey text');
