package TripChat::Token;

# JSON Web Tokens (RFC 7519) for tests: right ones, and wrong in every way.
# Remembers the secret parts it has made, so that a test can look for them in logs.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use Exporter 'import';
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

our @EXPORT_OK = qw(make_token access_claims issued_secrets);

use constant LIFETIME_S => 3600;

my %DIGEST = (HS256 => \&hmac_sha256, HS384 => \&hmac_sha384, HS512 => \&hmac_sha512);
my $JSON   = JSON::PP->new->utf8->canonical;
my @issued;

# The claims of a good access token for the user id; %over replaces claims, undef removes one.
sub access_claims {
    my ($user_id, %over) = @_;
    my %claims = (
        user_id    => $user_id,
        token_type => 'access',
        iat        => time,
        exp        => time + LIFETIME_S,
        %over,
    );
    delete @claims{ grep { !defined $claims{$_} } keys %claims };
    return \%claims;
}

# claims => {} or raw bytes     secret => bytes
# header => {} over { alg => HS256, typ => JWT }
# signed_as => HS256: the digest really used, where the header shall say another
# signature => bytes instead of the digest; signer => what makes them of header.claims
sub make_token {
    my (%opt)  = @_;
    my %header = (alg => 'HS256', typ => 'JWT', %{ $opt{header} || {} });
    my $claims = ref $opt{claims} ? $JSON->encode($opt{claims}) : $opt{claims};
    my $signed = join '.', map { encode_base64url($_) } $JSON->encode(\%header), $claims;
    my $signer = $opt{signer} || sub { $DIGEST{ $opt{signed_as} || 'HS256' }->($_[0], $opt{secret}) };
    my $signature = encode_base64url($opt{signature} // $signer->($signed));
    push @issued, grep { length > 8 } $signature, encode_base64url($claims);
    return "$signed.$signature";
}

# Claims and signatures of all tokens made so far: what no log may hold.
sub issued_secrets { return @issued }

1;
