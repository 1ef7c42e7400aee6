# A page over HTTP/2 in Chromium, with H2WebSockets on and off: its socket comes over HTTP/2 or HTTP/1.1, and chats.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use TripChat::Stage;

TripChat::Stage->play('50-http2.mjs', tls => 1, http2 => 1, mpm => 'event', config => 'H2WebSockets on');
