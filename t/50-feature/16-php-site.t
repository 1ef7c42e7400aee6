# An ordinary PHP site with all that such sites have around it: a front controller in .htaccess, redirects, SSI, Digest, proxies
# both ways, mod_security with the CRS, mod_evasive. With the module and a chat in the server, each answer of the site, what its
# scripts and back ends receive, and its logs are byte for byte what they are without. And the chat works beside it, behind the
# CRS, as docs/deployment.md says.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::MD5 qw(md5_hex);
use File::Path qw(make_path remove_tree);
use Test::More;

use TripChat::Compare qw(audit_of lines_of);
use TripChat::File qw(read_file write_file);
use TripChat::Http;
use TripChat::Httpd;
use TripChat::Paper qw(blocks_of);
use TripChat::Process qw(free_port);
use TripChat::Site;
use TripChat::Surroundings qw(var_dir);
use TripChat::Test;

use constant TOKEN => 'abcDEF123';                # of the site, not a web token
use constant RULES => '/usr/share/modsecurity-crs/owasp-crs.load';

# Not every system has these. On Debian, make test installs them (conf/demo/packages).
for my $file ((map { TripChat::Httpd::libexec_dir() . "/mod_$_.so" } qw(security2 evasive20)), RULES, '/usr/bin/php-cgi') {
    plan skip_all => "there is no $file" if !-e $file;
}

my $folder = var_dir() . "/php-site-$$";
my ($front, $back) = (free_port(), free_port());

# ---- the site ----

my %files = (
    'index.php' => <<'PHP',
<?php
header('Content-Type: text/plain');
ksort($_SERVER);
foreach ($_SERVER as $name => $value)
    if (!preg_match('/TIME|UNIQUE_ID|REMOTE_PORT|^argv$/', $name)) echo "$name=$value\n";
echo file_get_contents('php://input');
PHP
    '.htaccess' => <<'CONF',
RewriteEngine On
RewriteRule "^old/(.*)$" "https://localhost/new/$1" [R=301,L]
RewriteCond "%{QUERY_STRING}" "(?:^|&)jump=([a-z]+)"
RewriteRule "^jump$" "/pages/%1.html?from=%1" [L,QSA]
RewriteCond "%{REQUEST_FILENAME}" !-f
RewriteCond "%{REQUEST_FILENAME}" !-d
RewriteRule "^(?!pages|digest|gone|index)" "index.php" [L,QSA,E=PRETTY:%{REQUEST_URI}]
CONF
    'pages/about.html'    => "about us\n",
    'pages/about.html.de' => "wir\n",
    'pages/error.shtml'   => "error <!--#echo var=\"REDIRECT_STATUS\" --> of <!--#echo var=\"REDIRECT_URL\" --> <!--#echo var=\"REDIRECT_QUERY_STRING\" -->\n",
    'pages/part.shtml'    => "part <!--#echo var=\"QUERY_STRING\" --> <!--#echo var=\"HTTP_AUTHORIZATION\" -->\n",
    'pages/whole.shtml'   => "<!--#include virtual=\"part.shtml?token=inner\" --><!--#include virtual=\"/ssi/x?\$QUERY_STRING\" -->"
        . "<!--#if expr=\"%{QUERY_STRING} =~ /token=(.*)/\" -->has a token<!--#endif -->\n",
    'digest/index.html'   => "secret\n",
    'digest/users'        => 'ann:site:' . md5_hex('ann:site:password') . "\n",
);

# mod_security as Debian has it, except that it acts, and where it writes.
sub security {
    my $text = read_file('/etc/modsecurity/modsecurity.conf-recommended');
    $text =~ s/^SecRuleEngine .*/SecRuleEngine On/m;
    $text =~ s{^SecAuditLog .*}{SecAuditLog "audit_log"}m;
    $text =~ s{^(Sec(?:Tmp|Data)Dir) .*}{$1 "$folder"}mg;
    $text =~ s{unicode\.mapping}{/etc/modsecurity/unicode.mapping};
    my ($told) = blocks_of('deployment.md', 'Beside mod_security and mod_evasive', 'apache');
    my $tunnels = 'SecRule REQUEST_METHOD "@streq CONNECT" "id:1,phase:1,pass,nolog,ctl:ruleEngine=Off"';
    return "$text\n$tunnels\n$told\nInclude " . RULES . "\n";
}

my $config = <<"CONF" . security();
Listen 127.0.0.1:$front
Listen 127.0.0.1:$back
LogFormat "\\"%r\\" %>s %b %q %U %u \\"%{Authorization}i\\" \\"%{Referer}i\\" \\"%{Cookie}i\\" %{Q}e %{HTTP_AUTHORIZATION}e %f %R" everything
ScriptSock "cgisock"
AllowCONNECT $back
DOSPageCount 20
DOSPageInterval 300
DOSSiteCount 100000
DOSBlockingPeriod 1
DOSLogDir "$folder"
<VirtualHost 127.0.0.1:$front>
    ServerName localhost
    DocumentRoot "$folder"
    CustomLog "site_log" everything
    DirectoryIndex index.php index.html
    AddType application/x-httpd-php .php
    AddOutputFilter INCLUDES .shtml
    AddLanguage de .de
    Action application/x-httpd-php "/php-cgi/php-cgi"
    ScriptAlias "/php-cgi/" "/usr/bin/"
    <Directory "$folder">
        AllowOverride All
        Options +Includes +MultiViews
        Require all granted
        CGIPassAuth On
    </Directory>
    <Directory "/usr/bin">
        <Files "php-cgi">
            Require all granted
        </Files>
    </Directory>
    <Location "/digest/">
        AuthType Digest
        AuthName site
        AuthDigestProvider file
        AuthUserFile "$folder/digest/users"
        Require valid-user
        ErrorDocument 401 "who are you"
    </Location>
    ErrorDocument 403 /pages/error.shtml
    ErrorDocument 404 /pages/error.shtml
    SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=\$1
    SetEnvIfExpr "%{QUERY_STRING} =~ /token=([^&]*)/" Q=\$1
    RequestHeader edit Authorization "replace" "replaced" early
    RequestHeader set X-Early "expr=%{HTTP:Authorization} %{QUERY_STRING}" early
    Header always set X-Seen "expr=%{THE_REQUEST} | %{QUERY_STRING} | %{HTTP:Authorization} | %{HTTP:Sec-WebSocket-Protocol} | %{HTTP:Cookie}"
    <If "%{QUERY_STRING} =~ /token=([^&]*)/">
        Header set X-If "%{Q}e"
    </If>
    RewriteEngine On
    RewriteCond "%{HTTP:X-Forwarded-Proto}" "=http"
    RewriteRule "^" "https://%{HTTP_HOST}%{REQUEST_URI}" [R=301,L]
    ProxyPass "/app/" "http://127.0.0.1:$back/"
    ProxyPassReverse "/app/" "http://127.0.0.1:$back/"
    ProxyRequests On
    <Proxy "*">
        Require local
    </Proxy>
</VirtualHost>
<VirtualHost 127.0.0.1:$back>
    ServerName localhost
    DocumentRoot "$folder/pages"
    CustomLog "site_log" everything
    <Directory "$folder">
        AllowOverride None
    </Directory>
    <Directory "$folder/pages">
        Require all granted
    </Directory>
    Header always set X-Got "expr=%{THE_REQUEST} | %{HTTP:Authorization} | %{HTTP:X-Early} | %{HTTP:Upgrade} | %{HTTP:Sec-WebSocket-Protocol} | %{HTTP:Cookie}"
    FallbackResource /about.html
</VirtualHost>
CONF

my @modules = qw(
    unique_id security2 evasive20 rewrite headers actions cgid include negotiation proxy proxy_http proxy_connect
    authn_core authn_file authz_user authz_host auth_digest
);

# ---- what it is asked ----

my $form = 'application/x-www-form-urlencoded';
my %upgrade = (Upgrade => 'websocket', Connection => 'Upgrade, close', 'Sec-WebSocket-Key' => TripChat::WebSocket::KEY, 'Sec-WebSocket-Version' => 13);
my $origin_form = "http://127.0.0.1:$back";

# [path, fields, method, body]. Those with a token come first: logs of a server with a chat mask tokens.
my @with_tokens = (
    map({ ["$_?token=" . TOKEN], ["$_?a=1&access_token=" . TOKEN . '&token=***'], [$_, { Authorization => 'Bearer ' . TOKEN }], [$_, { Authorization => 'replace ' . TOKEN }] }
        '/', '/pretty/url', '/pages/whole.shtml', '/app/x', '/gone', '/old/x'),
    ['/jump?jump=about&token=' . TOKEN],
    ['/pretty/url?token=' . TOKEN, { 'X-Forwarded-Proto' => 'http' }],
    ['/index.php?token=' . TOKEN,  { Cookie => 'token=' . TOKEN, Referer => 'http://localhost/?token=' . TOKEN }],
    ['/form', { 'Content-Type' => $form, Authorization => 'Bearer ' . TOKEN }, 'POST', 'token=' . TOKEN . '&name=ann'],
    ['/api/v1/chatter?token=' . TOKEN], ['/ws/chatter/x?token=' . TOKEN, \%upgrade], ['/ws?token=' . TOKEN, \%upgrade],
    ['/app/socket', { %upgrade, 'Sec-WebSocket-Protocol' => 'mine, bearer.' . TOKEN }],
    ["$origin_form/forward?token=" . TOKEN, { Host => "127.0.0.1:$back", Authorization => 'Bearer ' . TOKEN }],
    ['/?token=<script>alert(1)</script>'], ['/digest/', { Authorization => 'Digest username="ann", token=' . TOKEN }],
);

my @plain = (
    ['/'], ['/index.php/path/info?x=y'], ['/pretty/url?x=1', { Cookie => 'session=1; theme="a b"' }], ['/pages/about', { 'Accept-Language' => 'de' }],
    ['/pages/about.html', { Range => 'bytes=0-2' }], ['/pages/about.html', undef, 'HEAD'], ['/pages/whole.shtml?x=1'], ['/pages/'], ['/pages'],
    ['/gone?x=1'], ['/old/y?x=%2f&y'], ['/jump?jump=about'], ['/a%2fb'], ['/pages/%2e%2e/index.php'], ['/digest/'],
    ['/digest/', { Authorization => 'Digest username="ann", uri=1' }], ['/app/x?y', { Referer => 'http://localhost/from' }],
    ['/form', { 'Content-Type' => $form }, 'POST', 'name=ann&text=' . 'x' x 5000],
    ['/form', { 'Content-Type' => 'application/json' }, 'POST', '{"name":"ann","token":1}'],
    ['/form', { 'Content-Type' => 'application/json' }, 'POST', '{"name":'], ['/form', { 'Content-Type' => $form, Expect => '100-continue' }, 'POST', 'a=b'],
    ['/x', undef, 'PATCH'], ['/x', undef, 'DELETE'], ['*', undef, 'OPTIONS'], ['/', undef, 'TRACE'], ['/', { Host => undef }], ['/' . 'x' x 9000],
    ["/?id=1'%20OR%20'1'='1"], ['/?x=../../etc/passwd'], ['/sockets/mine', \%upgrade], ["$origin_form/x", { Host => "127.0.0.1:$back" }],
    (['/pages/error.shtml']) x 22,    # mod_evasive
);

sub ask {
    my ($path, $fields, $method, $body) = @_;
    my $stream = TripChat::Http->connect(host => '127.0.0.1', port => $front);
    $stream->write(TripChat::Http::request_text(
        method => $method // 'GET', path => $path, body => $body,
        fields => { Connection => 'close', 'User-Agent' => 'a browser', Accept => '*/*', %{ $fields || {} } },
    ));
    return $stream->read_rest;
}

# An answer without what differs from run to run: httpd sends a script's output in chunks, or whole with its length, as it comes.
sub comparable {
    my ($head, $body) = $_[0] =~ m{\A((?:HTTP/1\.1 100 .*?\r\n\r\n)?.*?\r\n)\r\n(.*)\z}s or return $_[0];
    if ($head =~ s/^Transfer-Encoding: chunked\r\n//m) {
        my $whole = '';
        $whole .= substr $body, 0, hex $1, '' while $body =~ s/\A(?:\r\n)?([0-9a-f]+)\r\n// && hex $1;
        $body = $whole;
    }
    return $head =~ s/^(?:Date|Last-Modified|ETag|Content-Length): .*\r\n|c?nonce="[^"]*"|(?:response|rspauth)="\w+"//gmr . "\r\n$body";
}

sub answer { return comparable(ask(@_)) }

# With the right password, and a token in the path that is part of the answer to the challenge.
sub digest_answer {
    my ($uri) = @_;
    my ($nonce) = ask($uri) =~ /nonce="([^"]*)"/ or return 'no challenge';
    my $response = md5_hex(join ':', md5_hex('ann:site:password'), $nonce, '00000001', 'c', 'auth', md5_hex("GET:$uri"));
    return answer($uri, { Authorization => qq(Digest username="ann", realm="site", nonce="$nonce", uri="$uri", qop=auth, nc=00000001, cnonce="c", response="$response") });
}

# A request through a tunnel of the forward proxy.
sub tunnelled {
    my $stream = TripChat::Http->connect(host => '127.0.0.1', port => $front);
    $stream->write("CONNECT 127.0.0.1:$back HTTP/1.1\r\nHost: 127.0.0.1:$back\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n");
    my $head = $stream->read_response;
    return $head->{raw} if $head->{status} != 200;
    $stream->write("GET /?token=@{[TOKEN]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer @{[TOKEN]}\r\nConnection: close\r\n\r\n");
    return comparable("$head->{raw}\r\n") . comparable($stream->read_rest);
}

sub start { return TripChat::Server->start(@_, mpm => 'event', config => $config, log_level => 'info', modules => \@modules) }

my @logs = qw(error_log site_log audit_log);

sub watch {
    my (@options) = @_;
    my $server = start(@options);
    my %seen = map { 'token ' . join(' ', map { ref ? %$_ : $_ // '' } @$_) => answer(@$_) } @with_tokens;
    $seen{'digest with token'} = digest_answer('/digest/?token=' . TOKEN);
    $seen{tunnel} = tunnelled();
    ask('/pages/last.html');
    until_true('the logs to be written', sub { read_file($server->dir . '/site_log') =~ m{/pages/last} && $server->is_at_rest });
    truncate $server->dir . "/$_", 0 or die "$_: $!" for @logs;
    my $number = 0;
    $seen{ 'plain ' . $number++ . " $_->[0]" } = answer(@$_) for @plain;
    $server->stop(keep => 1, allow => [qr/./]);
    $seen{$_} = lines_of($server->dir, $_, $front, $back) for qw(error_log site_log);
    $seen{audit_log} = audit_of($server->dir, 'audit_log', $front, $back);
    return \%seen;
}

# ---- the comparison ----

for my $name (keys %files) {
    my ($in) = "$folder/$name" =~ m{(.*)/};
    make_path($in);
    write_file("$folder/$name", $files{$name});
}

my $without = watch(no_module => 1, no_chat => 1);
my $with    = watch(shared => 1);

is_deeply([sort keys %$with], [sort keys %$without], 'both servers are asked the same');
is($with->{$_}, $without->{$_}, $_) for sort keys %$without;

# The comparison saw what it is about.
my %reached = (
    'token /pretty/url?token=' . TOKEN() => qr/^QUERY_STRING=token=@{[TOKEN]}$/m,
    'token /pretty/url Authorization Bearer ' . TOKEN() => qr/^REDIRECT_HTTP_AUTHORIZATION=Bearer @{[TOKEN]}$/m,
    'token /app/x Authorization replace ' . TOKEN() => qr/X-Got: .*\| replaced @{[TOKEN]} /,
    'token /old/x?token=' . TOKEN() => qr{Location: https://localhost/new/x\?token=@{[TOKEN]}\r},
    'token /?token=<script>alert(1)</script>'     => qr{\AHTTP/1.1 403 },
    'token /pages/whole.shtml?token=' . TOKEN() => qr/part token=inner.*has a token/s,
    'digest with token'                           => qr/secret\n\z/,
    tunnel                                        => qr/X-Got: GET \/\?token=@{[TOKEN]} .*about us/s,
    'plain ' . $#plain . ' /pages/error.shtml'    => qr{\AHTTP/1.1 403 },
    audit_log                                     => qr/942100/,
);
like($without->{$_}, $reached{$_}, "$_ was served") for sort keys %reached;

# ---- the chat in it ----

subtest 'the chat behind the CRS and mod_evasive' => sub {
    my $server = start(shared => 1);
    my $site   = TripChat::Site->new(%{ $server->site }, port => $front);
    my $trip   = $site->new_trip;
    my %page   = (Origin => 'http://localhost', 'User-Agent' => 'a browser', Accept => '*/*');
    my $ann    = $site->chat(trip => $trip);
    my $bob    = $site->chat(trip => $trip, as => 'bob');
    my $events = $site->rest(as => 'carol')->ask_to_follow($trip)->finish_follow;
    $events->next_json('message_history');
    my $attack = q{<script>alert(1)</script> ' OR '1'='1' -- ; cat /etc/passwd | SELECT * FROM users; ${jndi:ldap://x}};
    $ann->say($attack);
    is($_->next_json('chat_message')->{message}{content}, $attack, 'a message over a socket') for $ann, $bob;
    is($events->next_json('chat_message')->{message}{content}, $attack, 'comes to a stream as well');
    my $posted = $site->rest(as => 'bob')->posted($trip, $attack);
    is($posted->{content}, $attack, 'POST');
    is($_->next_json('chat_message')->{message}{content}, $attack, 'and all have it') for $ann, $bob, $events;
    my $edited = $site->rest(as => 'bob')->call('PATCH', TripChat::Rest::message_path($posted->{id}), json => { content => "$attack, edited" });
    is($edited->{status}, 200, 'PATCH');
    my $page = $site->rest->get(TripChat::Rest::list_path($trip), query => 1);
    is($page->{status}, 200, 'GET with a token in the query');
    is($site->rest(as => 'dave')->get(TripChat::Rest::list_path($trip))->{status}, 403, 'and the chat says who may not');
    like(answer("/?x=<script>alert(1)</script>"), qr{\AHTTP/1.1 403 }, 'the CRS still guards the site');
    $_->disconnect for $ann, $bob, $events;
    my @wrong = $server->stop(allow => [qr/\[(?:security2|:):?error\]|ModSecurity/]);
    is_deeply(\@wrong, [], 'the log has nothing else to say');
};

remove_tree($folder);
done_testing;
