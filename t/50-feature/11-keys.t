# The keys of tokens that an administrator configures: public keys, key sets that change, several keys at once, and
# the sites that they belong to. t/00-unit/test_jwt.c and test_jwt_key.c test in detail which tokens are valid.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IPC::Open2 qw(open2);
use MIME::Base64 qw(encode_base64url);
use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(var_dir);
use TripChat::Test;
use TripChat::Token qw(make_token access_claims);

use constant MANY_TOKENS => 200;

my $dir = var_dir() . "/keys-$$";
mkdir $dir;

# The file of the private key with this name, made at the first call. The public key is stored beside it.
sub key_file {
    my ($name) = @_;
    my $file = "$dir/$name.pem";
    return $file if -e $file;
    my $make = $name =~ /^ed/ ? 'genpkey -algorithm ED25519'
        : $name =~ /^ec/ ? 'genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256'
        :                  'genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048';
    system("openssl $make -out '$file' 2>/dev/null && openssl pkey -in '$file' -pubout -out '$file.pub' 2>/dev/null") == 0
        or die "openssl: $?\n";
    return $file;
}

sub public_key_file { return key_file(@_) . '.pub' }

sub signature_of {
    my ($name, $text) = @_;
    if ($name =~ /^ed/) {    # openssl dgst cannot sign with these
        write_file("$dir/to-sign", $text);
        return scalar `openssl pkeyutl -sign -rawin -inkey '@{[key_file($name)]}' -in '$dir/to-sign'`;
    }
    my $pid = open2(my $out, my $in, 'openssl', 'dgst', '-sha256', '-sign', key_file($name));
    print {$in} $text;
    close $in;
    my $signature = do { local $/; <$out> };
    waitpid $pid, 0;
    return $name =~ /^ec/ ? _raw($signature) : $signature;
}

# RFC 7518, 3.4: a signature is two numbers of 32 bytes; OpenSSL writes them as DER.
sub _raw {
    my ($der) = @_;
    my ($r, $s) = unpack 'x2 x C/a x C/a', $der;
    return join '', map { substr "\0" x 32 . $_, -32 } $r, $s;
}

# A token for ann, signed with the key with this name.
sub token_of {
    my ($key, %opt) = @_;
    return make_token(
        claims => access_claims(user('ann')->{id}, %{ $opt{claims} || {} }),
        header => { alg => $key =~ /^ed/ ? 'EdDSA' : $key =~ /^ec/ ? 'ES256' : 'RS256', %{ $opt{header} || {} } },
        signer => sub { signature_of($key, $_[0]) },
    );
}

sub jwk {
    my ($name) = @_;
    my $file = key_file($name);
    my ($modulus) = `openssl rsa -in '$file' -noout -modulus` =~ /Modulus=(\w+)/;
    return sprintf '{"kty":"RSA","use":"sig","kid":"%s","e":"AQAB","n":"%s"}', $name, encode_base64url(pack 'H*', $modulus);
}

sub write_set { my (@names) = @_; return write_file("$dir/set.json", sprintf '{"keys":[%s]}', join ',', map { jwk($_) } @names) }

sub is_let_in {
    my ($site, $trip, $token, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(eval { $site->chat(trip => $trip, token => $token)->history->{type} }, 'message_history', $name) || diag($@);
}

sub is_turned_away {
    my ($site, $trip, $token, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return turned_away_with($site, $site->path($trip, token => $token), undef, 4001, $name);
}

subtest 'public keys beside a secret, chosen by algorithm and kid' => sub {
    my $server = TripChat::Server->start(site_config => sprintf <<'CONF', map { public_key_file($_) } qw(rsa1 ec1 rsa2 ed1));
TripChatJWTKey RS256 "%s" first
TripChatJWTKey ES256 "%s"
TripChatJWTKey RS256 "%s" second
TripChatJWTKey EdDSA "%s"
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    is_let_in($site, $trip, $site->token('ann'), 'the secret');
    is_let_in($site, $trip, token_of('rsa1'), 'a key');
    is_let_in($site, $trip, token_of('rsa1', header => { kid => 'first' }), 'by its name');
    is_let_in($site, $trip, token_of('rsa2'), 'the second of an algorithm');
    is_let_in($site, $trip, token_of('ec1', header => { kid => 'any' }), 'a key without a name');
    is_let_in($site, $trip, token_of('ed1'), 'a key of Ed25519');
    is_let_in($site, $trip, token_of($_, header => { typ => 'at+jwt' }), "an access token of OAuth, $_") for qw(rsa1 ec1 ed1);
    is_turned_away($site, $trip, token_of('ed2'), 'another key of Ed25519');
    is_turned_away($site, $trip, token_of($_, header => { typ => 'logout+jwt' }), "a token for something else, $_") for qw(rsa1 ed1);
    is_turned_away($site, $trip, token_of('rsa1', header => { kid => 'second' }), 'the name of another key');
    is_turned_away($site, $trip, token_of('rsa3'), 'a key that is not the site\'s');
    is_turned_away($site, $trip, token_of('rsa1', header => { alg => 'ES256' }), 'the algorithm of another key');
    is_turned_away($site, $trip, make_token(claims => access_claims(user('ann')->{id}), secret => read_file(public_key_file('rsa1'))),
        'a public key as a secret');
    is($site->rest(token => token_of('rsa1'))->room($trip)->{status}, 200, 'over HTTP as well');
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'a set of keys is read anew with a reload' => sub {
    write_set(qw(rsa1 rsa2));
    my $server = TripChat::Server->start(site_config => qq(TripChatJWTKeySet "$dir/set.json"\nTripChatJWTAudience none));
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    is_let_in($site, $trip, token_of($_, header => { kid => $_ }), $_) for qw(rsa1 rsa2);
    is_turned_away($site, $trip, token_of('rsa3', header => { kid => 'rsa3' }), 'one that is not in it');
    write_set(qw(rsa2 rsa3));
    is_turned_away($site, $trip, token_of('rsa3', header => { kid => 'rsa3' }), 'nor in what was read');
    $server->graceful;
    is_let_in($site, $trip, token_of($_, header => { kid => $_ }), $_) for qw(rsa2 rsa3);
    is_turned_away($site, $trip, token_of('rsa1', header => { kid => 'rsa1' }), 'one that is no longer in it');
    stops_clean($server, 'and the log has nothing to say', qr/\bTC0058:/);    # nothing says whom a token is for
};

subtest 'what in a set is not for tokens is left out, and said so' => sub {
    write_file("$dir/set.json", sprintf '{"keys":[%s,{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"AA"},{"kty":"OKP","crv":"X25519","kid":"x","x":"AA"}]}',
        jwk('rsa1'));
    my $server = TripChat::Server->start(site_config => qq(TripChatJWTKeySet "$dir/set.json"\nTripChatJWTAudience none));
    is_let_in($server->site, $server->site->new_trip, token_of('rsa1'), 'the others count');
    log_says($server, qr/\[tripchat:warn\].*TripChatJWTKeySet.*: ed \(its numbers .*\), x \(virtual host localhost:\d+, line \d+ of \S+\)$/m, 'a warning');
    stops_clean($server, 'is all', qr/TripChatJWTKeySet/);
};

subtest 'a site with a key of its own does not take those of the main server' => sub {
    my $server = TripChat::Server->start(
        config => sprintf("TripChatJWTKey RS256 %s\n", public_key_file('rsa1')),
        sites  => { own => { secret => 'another secret of thirty-two bytes' } },
    );
    my $site = $server->site('own');
    my $trip = $site->new_trip;
    is_let_in($site, $trip, $site->token('ann'), 'its own');
    is_turned_away($site, $trip, token_of('rsa1'), 'not the main server\'s');
    stops_clean($server, 'and the log has nothing to say', qr/\bTC0049:/);    # on Redis: sites with one prefix
};

subtest 'audience, issuer and leeway' => sub {
    my $server = TripChat::Server->start(site_config => <<'CONF');
TripChatJWTAudience chat
TripChatJWTIssuer https://login.example.org/
TripChatJWTLeeway 1h
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    my %right = (aud => ['web', 'chat'], iss => 'https://login.example.org/');
    is_let_in($site, $trip, $site->token('ann', %right), 'the right ones');
    is_let_in($site, $trip, $site->token('ann', %right, exp => time - 1800), 'a clock that is behind');
    is_turned_away($site, $trip, $site->token('ann', %right, exp => time - 3601), 'by more than the leeway');
    is_turned_away($site, $trip, $site->token('ann', %right, aud => 'web'), 'another audience');
    is_turned_away($site, $trip, $site->token('ann', %right, iss => undef), 'no issuer');
    stops_clean($server, 'and the log has nothing to say');
};

# Each signature is tried with each key, which takes as long as a hundred messages. What somebody else says meanwhile is not
# behind all of them.
subtest 'tokens that are much work' => sub {
    my $server = TripChat::Server->start(site_config => join "\n", map { 'TripChatJWTKey RS256 ' . public_key_file("rsa$_") } 1 .. 3);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
    my $forged = token_of('rsa-other');
    my $again  = encode_frame(opcode => OP_TEXT, payload => qq({"type":"authenticate","token":"$forged"}));
    $ann->write($again x MANY_TOKENS . encode_frame(opcode => OP_TEXT, payload => '{"type":"chat_message","content":"behind them"}'));
    $bob->say('meanwhile');
    is($bob->next_json('chat_message')->{message}{content}, $_, "comes in its turn: $_") for 'meanwhile', 'behind them';
    stops_clean($server, 'and the log has nothing to say');
};

done_testing;
