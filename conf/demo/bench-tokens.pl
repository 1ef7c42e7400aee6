#!/usr/bin/perl
# Prints the tokens of u0 … u999, one a line. TRIPCHAT_SECRET_FILE and TRIPCHAT_SECONDS say how.
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);

open my $file, '<', $ENV{TRIPCHAT_SECRET_FILE} or die "$ENV{TRIPCHAT_SECRET_FILE}: $!\n";
chomp(my $secret = <$file>);
close $file;

my $now = time;
my $head = encode_base64url('{"alg":"HS256","typ":"JWT"}');
for my $user (0 .. 999) {
    my $claims = sprintf '{"user_id":"00000000-0000-4000-9000-%012d","token_type":"access","iat":%d,"exp":%d}',
        $user, $now, $now + $ENV{TRIPCHAT_SECONDS};
    my $body = $head . '.' . encode_base64url($claims);
    print $body, '.', encode_base64url(hmac_sha256($body, $secret)), "\n";
}
