# Several issuers, each with its keys and its audience; claims that a token must have; and the warning where nothing says
# whom a token of a key set is for. t/00-unit/test_jwt_rules.c tests in detail which tokens are good.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use MIME::Base64 qw(encode_base64url);
use Test::More;

use TripChat::Database;
use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(var_dir);
use TripChat::Server;
use TripChat::Shared qw(is_full);
use TripChat::Succession;
use TripChat::Test;

my $dir = var_dir() . "/issuers-$$";
mkdir $dir;

my %SECRET = map { $_ => "the secret of thirty-two bytes, $_" } qw(one two set new);
write_file("$dir/$_", $SECRET{$_}) for keys %SECRET;
sub write_set { my ($name) = @_; return write_file("$dir/set.json", sprintf '{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"%s"}]}', encode_base64url($SECRET{$name})) }
write_set('set');
chmod 0600, map { "$dir/$_" } keys(%SECRET), 'set.json';

sub token { my ($secret, %claims) = @_; return make_token(secret => $SECRET{$secret}, claims => access_claims(user('ann')->{id}, %claims)) }

sub is_let_in {
    my ($site, $trip, $token, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(eval { $site->chat(trip => $trip, token => $token)->history->{type} }, 'message_history', $name) || diag($@);
}

sub is_turned_away {
    my ($site, $trip, $token, $why, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    turned_away_with($site, $site->path($trip, token => $token), undef, 4001, $name);
    is($site->rest(token => $token)->room($trip)->{status}, 401, "$name, over HTTP");
    my ($last) = reverse read_file($site->error_log) =~ /TC0060: refused \(unauthorized\): (.*)$/mg;
    return like($last, $why, 'and the log says why');
}



my $ISSUERS = <<"CONF";
TripChatIssuer https://one.example/ "secret=$dir/one" audience=chat audience=web
TripChatIssuer https://two.example/ "key=HS256:$dir/two" require=token_use=access userclaim=app.id
TripChatIssuer https://set.example/ "keyset=$dir/set.json" require=typ=chat+jwt
CONF

subtest 'the issuer picks the keys, the audience and the user' => sub {
    my $server = start_server(site_config => $ISSUERS);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($one, $two, $set) = map { "https://$_.example/" } qw(one two set);
    my %ann = (app => { id => user('ann')->{id} }, user_id => user('dave')->{id});
    is_let_in($site, $trip, $site->token('ann'), 'a token of the site');
    is_let_in($site, $trip, $site->token('ann', iss => 'anybody'), 'whose issuer is nobody else');
    is_let_in($site, $trip, token('one', iss => $one, aud => $_), "the first issuer for $_") for qw(chat web);
    is_let_in($site, $trip, token('two', iss => $two, token_use => 'access', %ann), 'the second, which names the user otherwise');
    is_let_in($site, $trip, make_token(secret => $SECRET{set}, header => { typ => 'chat+jwt', kid => 'k' },
            claims => access_claims(user('ann')->{id}, iss => $set)), 'the third, with a type of its own');
    is_turned_away($site, $trip, token('two', iss => $one, aud => 'chat'), qr/\Abad signature/, 'a key of the second for the first');
    is_turned_away($site, $trip, token('one', iss => $two, token_use => 'access', %ann), qr/\Abad signature/, 'and the other way round');
    is_turned_away($site, $trip, $site->token('ann', iss => $one, aud => 'chat'), qr/\Abad signature/, 'the site\'s own key for the first');
    is_turned_away($site, $trip, token('one', aud => 'chat'), qr/\Abad signature/, 'a key of the first for nobody');
    is_turned_away($site, $trip, token('one', iss => $one, aud => 'other'), qr/\Afor another audience/, 'another audience');
    is_turned_away($site, $trip, token('one', iss => $one), qr/\Athe claim aud is missing/, 'no audience');
    is_turned_away($site, $trip, token('two', iss => $two, token_use => 'id', %ann), qr/\Athe claim token_use is not access/, 'an ID token');
    is_turned_away($site, $trip, token('two', iss => $two, token_use => 'access'), qr/\Athe claim app\.id is missing/, 'no user');
    is_turned_away($site, $trip, token('set', iss => $set), qr/\Athe typ of its header is JWT and not chat\+jwt/, 'the usual type');
    my $ann = $site->chat(trip => $trip, token => token('one', iss => $one, aud => 'chat'));
    $ann->send_json({ type => 'authenticate', token => token('two', iss => $two, token_use => 'access', %ann), client_id => 'a1' });
    is($ann->next_json->{client_id}, 'a1', 'a newer token may be of another issuer');
    $ann->leave;
    stops_clean($server, 'and nothing else');
};

subtest 'the list of sites shows issuers, and no secret' => sub {
    my ($status, $said) = TripChat::Server->check_config(site_config => "$ISSUERS\nTripChatJWTRequire tenant=7\n", arguments => ['-D', 'DUMP_TRIPCHAT']);
    is($status, 0, 'it is printed') or diag $said;
    like($said, qr{^ +further issuer +https://one\.example/\n +key +HS256, no kid\n +audience +chat\n +audience +web\n +user claim +user_id$}m, 'an issuer');
    like($said, qr{^ +further issuer +https://two\.example/\n +key +HS256, no kid\n +required +token_use=access\n +user claim +app\.id$}m, 'another one');
    like($said, qr{^ +required +tenant=7$}m, 'what every token needs');
    unlike($said, qr/secret of thirty-two/, 'no secret');
};

subtest 'an issuer may be rid of the audience of the others' => sub {
    my $server = start_server(site_config => <<"CONF");
TripChatJWTAudience chat
TripChatIssuer https://one.example/ "secret=$dir/one" audience=None
TripChatIssuer https://two.example/ "key=HS256:$dir/two"
CONF
    my $site = $server->site;
    my $trip = $site->new_trip;
    is_let_in($site, $trip, token('one', iss => 'https://one.example/', @$_), "its tokens are for @{[$$_[1] // 'nobody']}") for [], [aud => 'other'], [aud => 'none'];
    is_let_in($site, $trip, token('two', iss => 'https://two.example/', aud => 'chat'), 'those of another issuer for the chat');
    is_turned_away($site, $trip, token('two', iss => 'https://two.example/'), qr/\Athe claim aud is missing/, 'or for nothing');
    is_turned_away($site, $trip, $site->token('ann', aud => 'none'), qr/\Afor another audience/, 'and so are the site\'s own');
    stops_clean($server, 'and nothing else');
};

subtest 'a reload that takes an issuer away' => sub {
    my $server = start_server(site_config => $ISSUERS);
    my $site   = $server->site;
    my ($one, $own) = map { $site->chat(trip => $site->new_trip, token => $_) } token('one', iss => 'https://one.example/', aud => 'chat'), $site->token('ann');
    $server->reconfigure(site_config => $ISSUERS =~ s/^.*one\.example.*\n//mr);
    reload($server);
    closed_with($one, 4001, 'its users are out');
    still_talks($own, 'others stay');
    $own->leave;
    stops_clean($server, 'and the log has nothing to say');
};

subtest 'issuers alone make a site' => sub {
    my $server = start_server(no_chat => 1, config => sprintf <<'CONF', TripChat::Database->sqlite("$dir/alone.db", new => 1)->directives, $ISSUERS, TripChat::Server::LOCATIONS());
%s
%s
%s
CONF
    my $site = $server->site;
    my $answer = sub { return $site->rest(token => $_[0])->room(new_uuid())->{status} };
    is($answer->(token('one', iss => 'https://one.example/', aud => 'chat')), 403, 'a token of one of them is good');
    is($answer->(token('one')), 401, 'no other');
    stops_clean($server, 'and the log has nothing to say');
} if !is_full();

subtest 'what every token must say' => sub {
    my $server = start_server(site_config => "TripChatJWTRequire tenant=7 scope=chat\nTripChatJWTRequire claim:typ=Bearer\n"
            . qq(TripChatIssuer https://one.example/ "secret=$dir/one"\n));
    my $site  = $server->site;
    my $trip  = $site->new_trip;
    my %right = (tenant => 7, scope => 'openid chat', typ => 'Bearer');
    is_let_in($site, $trip, $site->token('ann', %right), 'all of it');
    is_let_in($site, $trip, token('one', iss => 'https://one.example/', %right), 'of an issuer, too');
    is_turned_away($site, $trip, $site->token('ann', %right, tenant => 8), qr/\Athe claim tenant is not 7/, 'another value');
    is_turned_away($site, $trip, $site->token('ann', %right, scope => undef), qr/\Athe claim scope is missing/, 'none');
    is_turned_away($site, $trip, token('one', iss => 'https://one.example/', %right, typ => 'ID'), qr/\Athe claim typ is not Bearer/, 'of an issuer, too');
    my ($stays, $goes) = map { $site->chat(trip => $trip, token => $site->token('ann', %right, scope => "chat $_")) } qw(rooms none);
    $server->reconfigure(site_config => "TripChatJWTRequire scope=rooms\n");
    reload($server);
    closed_with($goes, 4001, 'a reload that requires more ends who has less');
    still_talks($stays, 'and nobody else');
    $stays->leave;
    stops_clean($server, 'and the log has nothing to say');
};

my %WARNED = (
    ''                           => 1,
    'TripChatJWTAudience chat'   => 0,
    'TripChatJWTIssuer https://a.example/' => 0,
    'TripChatJWTRequire azp=chat' => 0,
    'TripChatJWTLeeway 5s'       => 1,
);

for my $line (sort keys %WARNED) {
    subtest "a key set with " . ($line || 'nothing else') => sub {
        my ($status, $said) = TripChat::Server->check_config(site_config => qq(TripChatJWTKeySet "$dir/set.json"\n$line\n));
        is($status, 0, 'is accepted');
        is(scalar(() = $said =~ /TC0058: TripChatJWTKeySet: every token .*TripChatJWTAudience, TripChatJWTIssuer or TripChatJWTRequire/g), $WARNED{$line},
            $WARNED{$line} ? 'a warning names the risk and the remedies' : 'without a warning') || diag $said;
    };
}

my %WRONG = (
    'TripChatIssuer https://a.example/'                                => 'an issuer and its keys',
    'TripChatIssuer https://a.example/ audience=chat'                  => 'there is no key',
    "TripChatIssuer https://a.example/ secret=$dir/one audience=none audience=chat" => 'audience=none alone',
    "TripChatIssuer https://a.example/ secret=$dir/one audience=none audience=none" => 'audience=none alone',
    'TripChatIssuer https://a.example/ keyset=/missing.json'           => '/missing.json',
    'TripChatIssuer https://a.example/ key=HS999:/x'                   => 'HS999 is no algorithm',
    'TripChatIssuer https://a.example/ key=/x'                         => 'key=algorithm:path',
    "TripChatIssuer https://a.example/ keysets=$dir/set.json"          => 'there is no option keysets',
    "TripChatIssuer https://a.example/ $dir/set.json"                  => 'no option and a value',
    "TripChatIssuer https://a.example/ secret=$dir/one require=exp=1"  => 'exp, nbf and iat',
    "TripChatIssuer https://a.example/ secret=$dir/one\nTripChatIssuer https://a.example/ secret=$dir/two" => 'has a line already',
    "TripChatJWTIssuer https://a.example/\nTripChatIssuer https://a.example/ secret=$dir/two" => 'TripChatJWTIssuer names the same issuer',
    'TripChatJWTRequire token_use'                                     => 'the name of a claim, = and a value',
    'TripChatJWTRequire nbf=1'                                         => 'exp, nbf and iat',
);

for my $line (sort keys %WRONG) {
    my ($status, $said) = TripChat::Server->check_config(site_config => "$line\n");
    isnt($status, 0, "refused: $line");
    like($said, qr/\Q$WRONG{$line}\E/, 'with the reason');
}

done_testing;
