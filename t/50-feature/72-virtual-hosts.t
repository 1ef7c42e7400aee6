# What virtual hosts share and what each has of its own: databases of templates, checks of tokens, names of sites.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file write_file write_secret);
use TripChat::Test;

my $dir = TripChat::Httpd::var_dir() . "/virtual-hosts-$$";
mkdir $dir or die "$dir: $!\n";

sub file_of { my ($name, $text) = @_; write_secret("$dir/$name", $text); return "$dir/$name" }

my $SECRET = 'TripChatJWTSecretFile ' . file_of('secret', 's' x 32) . "\n";
my $OTHER  = 'TripChatJWTSecretFile ' . file_of('other',  'o' x 32) . "\n";
my $SQLITE = "DBDriver sqlite3\n";

sub virtual_host { my ($name, @lines) = @_; return join "\n", '<VirtualHost *:1>', "ServerName $name", @lines, '</VirtualHost>', '' }

# What httpd -t says of a configuration, and its sites: { name => { what => [values] } }
sub dump_of {
    my ($config) = @_;
    my ($status, $said) = TripChat::Server->check_config(no_chat => 1, config => $config, arguments => ['-D', 'DUMP_TRIPCHAT']);
    my (%site, $current);
    for (split /\n/, $said) {
        $current = $site{$1} = {} if /^(?:site )?(\S.*)$/;
        push @{ $current->{ $1 =~ s/ +$//r } }, $2 =~ s/ \((?:line|the default).*//r if $current && /^    (.{18}) (.*)$/;
    }
    return ($status, $said, \%site);
}

subtest 'a template that is included twice has the database of each' => sub {
    write_file("$dir/template", virtual_host('${CUSTOMER}.example.org', "DBDParams $dir/\${CUSTOMER}.db", '<Location "/">', 'SetHandler tripchat-websocket', '</Location>', '<IfModule !nowhere>', 'TripChatHistory 20', '</IfModule>'));
    my ($status, $said, $site) = dump_of("$SECRET${SQLITE}DBDParams $dir/main.db\n" . join '', map { "Define CUSTOMER $_\nInclude $dir/template\nUnDefine CUSTOMER\n" } qw(ann bob));
    is($status, 0, 'httpd -t') or diag $said;
    for my $name (qw(ann bob)) {
        is_deeply($site->{"$name.example.org:1"}{database}, ["sqlite3 $dir/$name.db"], "the database of $name") or diag $said;
        is_deeply($site->{"$name.example.org:1"}{server} && [map { s/ .*//r } @{ $site->{"$name.example.org:1"}{server} }], ["$name.example.org:1"], "which has one virtual host");
    }
};

subtest 'statements of connections make two databases' => sub {
    my ($status, $said, $site);
    my $hosts = sub { my ($directive, $one, $other) = @_; return map { virtual_host(@$_) } ['a.example.org', $SECRET, "$directive $one"], ['b.example.org', $SECRET, "$directive $other"] };
    for (['DBDInitSQL', 'two', '"SET search_path TO a"', '"SET search_path TO b"'], ['DBDInitSQL', 'one', '"SET search_path TO a"', '"SET search_path TO a"'], ['DBDPrepareSQL', 'two', '"SELECT 1" x', '"SELECT 2" x']) {
        my ($directive, $count, @values) = @$_;
        ($status, $said, $site) = dump_of("${SQLITE}DBDParams $dir/main.db\n" . join '', $hosts->($directive, @values));
        is($status, 0, 'httpd -t') or diag $said;
        is(scalar(grep { /example/ } keys %$site), $count eq 'two' ? 2 : 1, "$directive: $count");
    }
};

subtest 'what the main server sets without a partner counts for all' => sub {
    my $word = file_of('word', 'word');
    my $main = "${SQLITE}DBDParams $dir/main.db\nTripChatJWTAudience chat\nTripChatJWTRequire a=b\nTripChatRedisPasswordFile $word\n";
    my ($status, $said, $site) = dump_of($main . virtual_host('a.example.org', $SECRET, 'TripChatBus redis://127.0.0.1:1') . virtual_host('b.example.org', $OTHER));
    is($status, 0, 'httpd -t') or diag $said;
    for my $name (qw(a b)) {
        my %is = %{ $site->{"$name.example.org:1"} };
        is_deeply([@is{ 'audience', 'required' }], [['chat'], ['a=b']], "$name: its tokens are checked");
    }
    is_deeply($site->{'a.example.org:1'}{'redis password in'}, [$word], 'the Redis gets the password');
    unlike($said, qr/TC0087/, 'nothing is warned of');
};

subtest 'the same key or bus once more replaces nothing' => sub {
    my ($status, $said, $site) = dump_of("${SECRET}TripChatJWTIssuer site\n${SQLITE}DBDParams $dir/main.db\nTripChatBus redis://127.0.0.1:1\nTripChatRedisPasswordFile " . file_of('word', 'word') . "\n"
        . virtual_host('a.example.org', $SECRET, 'TripChatBus redis://127.0.0.1:1', 'TripChatHistory 3') . virtual_host('b.example.org', $OTHER, 'TripChatBus redis://127.0.0.1:2'));
    is($status, 0, 'httpd -t') or diag $said;
    is("@{ $site->{'a.example.org:1'}{$_} }", $_ eq 'issuer' ? 'site' : "$dir/word", "the same: $_") for 'issuer', 'redis password in';
    is("@{ $site->{'b.example.org:1'}{$_} }", 'none', "another: $_") for 'issuer', 'redis password in';
};

# The main server's issuer lets nobody choose these claims. Another issuer may.
subtest 'a virtual host with other keys inherits no name of a claim unsaid' => sub {
    my $claims = "TripChatIdentity token\nTripChatJWTUserClaim email\nTripChatJWTTripsClaim groups\nTripChatJWTEmailClaim mail\nTripChatJWTUsernameClaim nick\nTripChatJWTNameClaim display\n";
    my $hosts  = virtual_host('other.example.org', $OTHER) . virtual_host('issuer.example.org', "TripChatIssuer https://login.example.org/ secret=$dir/other", 'TripChatIdentity database')
        . virtual_host('same.example.org', $SECRET, 'TripChatHistory 3') . virtual_host('none.example.org', 'TripChatJWTSecretFile none')
        . virtual_host('aware.example.org', $OTHER, map { "TripChatJWT${_}Claim own" } qw(User Trips Email Username Name));
    my $warned = sub { return [sort $_[0] =~ /TC0087: TripChatJWT(\w+)Claim: .*\(virtual host (\S+?):1, line/g] };
    my ($status, $said, $site) = dump_of("$SECRET$claims${SQLITE}DBDParams $dir/main.db\n$hosts");
    is($status, 0, 'httpd -t') or diag $said;
    is_deeply($warned->($said), [sort map({ ($_, 'other.example.org') } qw(User Trips Email Username Name)), 'User', 'issuer.example.org'], 'each is warned of');
    like($said, qr/inherits TripChatJWTUserClaim email from line \d+ of/, 'with the claim and its place');
    is_deeply($site->{'other.example.org:1'}{'user claim'}, ['email'], 'but it stays, because another claim is another user') or diag $said;
    ($status, $said) = dump_of("$claims${SQLITE}DBDParams $dir/main.db\n$hosts");
    is($status, 0, 'httpd -t') or diag $said;
    is_deeply($warned->($said), [], 'what the main server sets without a key is meant for all');
};

subtest 'TripChatSite none takes a name back' => sub {
    my ($status, $said, $site) = dump_of("${SECRET}TripChatSite shared\n${SQLITE}DBDParams $dir/main.db\n"
        . virtual_host('a.example.org', 'TripChatHistory 3', 'TripChatSite none') . virtual_host('b.example.org', 'TripChatHistory 4', 'TripChatSite None'));
    is($status, 0, 'httpd -t: two sites') or diag $said;
    ok($site->{"$_.example.org:1"}, "$_ is called as its virtual host") or diag $said for qw(a b);
};

# A host for redirects belongs to the main server's site, which has no database of its own.
subtest 'a virtual host without a path of the chat needs no database' => sub {
    my $redirect = virtual_host('www.example.org');
    my $chat     = virtual_host('chat.example.org', $SQLITE, "DBDParams $dir/main.db", 'TripChatHistory 20', '<Location "/ws/">', 'SetHandler tripchat-websocket', '</Location>');
    my ($status, $said) = dump_of($SECRET . $redirect . $chat);
    is($status, 0, 'configtest passes') or diag $said;
    is(scalar(() = $said =~ /TC0107: the site localhost\S* has no DBDriver.*TripChat off/g), 1, 'and says what to write');
    my $path = qq(<Location "/ws/">\nSetHandler tripchat-websocket\n</Location>\n);
    for my $config ($SECRET . $path . $redirect . $chat, $SECRET . virtual_host('www.example.org', $path) . $chat) {
        ($status, $said) = dump_of($config);
        isnt($status, 0, 'a path that can be reached is refused');
        like($said, qr/TC0044: .*DBDriver is not set/, 'with what is missing');
    }
};

sub names_of { my ($config) = @_; my (undef, undef, $site) = dump_of($config); return join ' ', sort grep { /example/ } keys %$site }

subtest 'no two sites have one name' => sub {
    my $database = "${SQLITE}DBDParams $dir/main.db\n";
    my $named = names_of("ServerName plain.example.org\n$SECRET$database" . virtual_host('www.example.org', 'TripChatSite plain.example.org', $OTHER));
    like($named, qr/\Aplain\.example\.org plain\.example\.org~[0-9a-f]{8}\z/, 'one has the name of another as its TripChatSite');
    my $pair = sub { my ($more, @addresses) = @_; return $database . join '', map { virtual_host('same.example.org:7', $_, $more) =~ s/\*:1/shift @addresses/er } $SECRET, $OTHER };
    my $names = names_of($pair->('', '127.0.0.1:1', '127.0.0.2:1'));
    like($names, qr/\Asame\.example\.org:7~(\w{8}) same\.example\.org:7~(?!\1)\w{8}\z/, 'two addresses');
    is(names_of($pair->('TripChatHistory 3', '127.0.0.1:1', '127.0.0.2:1')), $names, 'another value changes no name');
    $names = names_of($pair->('', '*:1', '*:1'));
    like($names, qr/\Asame\.example\.org:7~(\w{8}) same\.example\.org:7~(?!\1)\w{8}\z/, 'one address, two keys');
    is(names_of($pair->('TripChatHistory 3', '*:1', '*:1')), $names, 'another value changes no name');
};

subtest 'a main server that only passes its directives on is no neighbour of a site' => sub {
    for my $is_used (0, 1) {
        my $server = TripChat::Server->_prepare(no_chat => 1, no_database => 1,
            config => "$SECRET${SQLITE}DBDParams $dir/main.db\n" . virtual_host('a.example.org', 'TripChatHistory 20'));
        my $file = $server->dir . '/httpd.conf';
        write_file($file, read_file($file) =~ s/^<VirtualHost (?!\*:1>).*\K$/\nTripChat off/mgr) unless $is_used;
        $server->launch('-t');
        is($server->wait_for_end, 0, 'configtest') or diag $server->output;
        is(scalar(() = $server->output =~ /TC0049:/g), $is_used, $is_used ? 'a site that a virtual host uses is one' : 'no warning');
        $server->_remove;
    }
};

done_testing;
