# Requests that are not the chat's. With the module and a chat in the server, answers to them, what other modules and
# back ends see of them, and what the logs say of them are byte for byte what they are without the module.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Compare qw(lines_of);
use TripChat::Http;
use TripChat::Httpd qw(mpm);
use TripChat::Process qw(free_port);
use TripChat::Test;

plan skip_all => 'one process cannot wait for itself as a back end' if mpm() eq 'prefork';

# Not a web token: then a mask in a log would hide which of the two was sent.
use constant TOKEN => 'abcDEF123';

my ($front, $back) = (free_port(), free_port());

# An ordinary site, and the back end that it passes requests on to. The back end says what has come.
my $config = <<"CONF";
Listen 127.0.0.1:$front
Listen 127.0.0.1:$back
LogFormat "\\"%r\\" %>s %b %q %U \\"%{Authorization}i\\" \\"%{Referer}i\\" \\"%{User-Agent}i\\" %{Q}e %{HTTP_AUTHORIZATION}e" everything
<VirtualHost 127.0.0.1:$front>
    ServerName localhost
    CustomLog "site_log" everything
    ForensicLog "site_forensic_log"
    SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=\$1
    SetEnvIfExpr "%{QUERY_STRING} =~ /token=([^&]*)/" Q=\$1
    RequestHeader unset Sec-WebSocket-Protocol early
    RequestHeader edit Authorization "replace" "replaced" early
    RequestHeader set X-Early "expr=%{HTTP:Authorization}"
    Header always set X-Env "%{HTTP_AUTHORIZATION}e %{Q}e"
    Header always set X-Seen "expr=%{THE_REQUEST} | %{QUERY_STRING} | %{HTTP:Authorization} | %{HTTP:Sec-WebSocket-Protocol} | %{HTTP:Referer}"
    Redirect "/away/" "https://localhost/away/"
    RewriteEngine On
    RewriteRule "^/ws/chat/(.*)" "https://localhost/ws/chat/\$1" [R=301,L]
    RewriteRule "^/api/v1/chat/(.*)" "https://localhost/api/v1/chat/\$1" [R=308,L,NE]
    RewriteCond "%{THE_REQUEST}" "token=([^& ]+)"
    RewriteRule "^/line/" "https://localhost/%1" [R,L]
    RewriteRule "^/passed/(.*)" "http://127.0.0.1:$back/\$1" [P]
    RewriteRule "^/cached/" "/index.html" [PT]
    ProxyPass "/back/" "http://127.0.0.1:$back/"
    ProxyRequests On
    ErrorDocument 404 /index.html
    <Location "/fall/">
        FallbackResource /index.html
    </Location>
    <Location "/cached/">
        Header set Cache-Control "max-age=60"
    </Location>
    CacheEnable socache "/cached/"
    CacheSocache shmcb
    CacheHeader On
</VirtualHost>
<VirtualHost 127.0.0.1:$back>
    ServerName localhost
    ErrorLogFormat "[%-m:%l] %M % %7F% , referer: %{Referer}i % <%{User-Agent}i>"
    Header always set X-Got "expr=%{THE_REQUEST} | %{HTTP:Authorization} | %{HTTP:X-Early} | %{HTTP:Referer}"
    FallbackResource /index.html
</VirtualHost>
CONF

my @modules = qw(log_forensic rewrite headers proxy proxy_http cache cache_socache socache_shmcb);

my @requests = (
    (map { ["$_?token=" . TOKEN], ["$_?a=1&access_token=" . TOKEN . '&b=2'], ["$_?token=***&token=" . TOKEN], ["$_?token=" . TOKEN . '%'] }
        '/index.html', '/away/x', '/ws/chat/x', '/api/v1/chat/rooms/', '/line/x', '/passed/x', '/back/x', '/none', '/fall/x', '/cached/x'),
    (map { my $path = $_; map { [$path, { Authorization => $_ }] } 'Bearer ' . TOKEN, 'bearer  ' . TOKEN, 'replace ' . TOKEN, 'Basic dXNlcjpwYXNz',
        'Digest username="bearer of news"' } '/index.html', '/passed/x', '/back/x', '/fall/x', '/none', '/ws/chat/x'),
    ['/back/x',     { 'Sec-WebSocket-Protocol' => 'tripchat, bearer.' . TOKEN, Referer => 'http://localhost/?token=' . TOKEN }],
    ['/index.html', { 'Sec-WebSocket-Protocol' => 'bearer, ' . TOKEN, Referer => 'http://localhost/?token=' . TOKEN }],
    ["http://127.0.0.1:$back/forward?token=" . TOKEN, { Host => "127.0.0.1:$back" }],
);

# What the logs say of these is the same as well.
my @plain_requests = (
    ['/index.html', { Referer => 'http://localhost/from?here', 'User-Agent' => 'A browser "of" mine' }],
    ['/none?csrf_token=mine&tokens=2', { Authorization => 'Basic dXNlcjpwYXNz', Referer => "http://localhost/\xc3\xa4" }],
    ['/back/x?y', { 'User-Agent' => 'another' }], ['/back/%2e%2e/%2e%2e/x'], ['/a%2fb?x=token', { Referer => '/"' }], ['/index.html', { Expect => 'x' }],
    ['/index.html/behind'], ['/away/x?y'], ["/none?session=eyJpdiI6IlRTdEtlK2FscyJ9"],
);

sub answer {
    my ($path, $fields) = @_;
    my $stream = TripChat::Http->connect(host => '127.0.0.1', port => $front);
    $stream->write(TripChat::Http::request_text(path => $path, http => '1.1', fields => { Connection => 'close', %{ $fields || {} } }));
    return $stream->read_rest =~ s/^(?:Date|Age|Expires|Last-Modified|ETag): .*\r\n//gmr;
}

sub watch {
    my (@options) = @_;
    my $server = TripChat::Server->start(@options, config => $config, log_level => 'debug http2:warn', modules => \@modules, http2 => 1);
    my %seen = map { my $request = $_; join(' ', $request->[0], %{ $request->[1] || {} }) => answer(@$request) } @requests;
    my $log = $server->dir . '/';
    truncate "$log$_", 0 or die "$log$_: $!" for qw(error_log site_log site_forensic_log);
    $seen{"plain $_->[0]"} = answer(@$_) for @plain_requests;
    $seen{"HTTP/2 $_"} = qx(curl -s -m 5 --http2-prior-knowledge -e 'http://localhost/from' 'http://127.0.0.1:$front$_') for '/none', '/a%2fb', '/back/x';
    my @wrong = $server->stop(keep => 1, allow => [qr/./]);
    $seen{$_} = lines_of($server->dir, $_, $back) for qw(error_log site_log site_forensic_log);
    return \%seen;
}

my $without = watch(no_module => 1, no_chat => 1);
my $with    = watch(shared => 1);

is_deeply([sort keys %$with], [sort keys %$without], 'both servers are asked the same');
is($with->{$_}, $without->{$_}, $_) for sort keys %$without;

like($without->{ '/away/x?token=' . TOKEN }, qr{Location: https://localhost/away/x\?token=@{[TOKEN]}\r}, 'a redirect keeps the token');
like($without->{ '/back/x?token=' . TOKEN }, qr{X-Got: GET /x\?token=@{[TOKEN]} HTTP}, 'and so does a proxy');
like($without->{ '/index.html Authorization Bearer ' . TOKEN }, qr{X-Env: Bearer @{[TOKEN]} }, 'and a variable');
like($without->{ '/back/x Authorization replace ' . TOKEN }, qr{X-Got: .*\| replaced @{[TOKEN]} }, 'and an edited field');
like($without->{ '/line/x?token=' . TOKEN }, qr{Location: https://localhost/@{[TOKEN]}}, 'and a rule that reads the request line');
cmp_ok(length $without->{error_log}, '>', 500, 'error logs were compared');
cmp_ok(length $without->{site_forensic_log}, '>', 500, 'and forensic logs');

done_testing;
