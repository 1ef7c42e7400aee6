# A page over HTTP/2 in Chromium, with H2WebSockets on and off: its socket comes over HTTP/2 or HTTP/1.1, and chats.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use Test::More;

use TripChat::Http2;
use TripChat::Stage;

plan skip_all => 'this httpd has no H2WebSockets' if !TripChat::Http2::is_possible();

TripChat::Stage->play('50-http2.mjs', tls => 1, http2 => 1, mpm => 'event', config => 'H2WebSockets on');
