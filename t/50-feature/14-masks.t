# Tokens in requests that httpd refuses itself, that are redirected inside or outside, that go to a virtual host without
# a chat, and in spellings that the chat does not take. No log shows them at any LogLevel, and server-status does not.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Httpd qw(mpm);
use TripChat::Process qw(free_port is_alive);
use TripChat::Rest;
use TripChat::Test;
use TripChat::Token qw(issued_secrets);
use TripChat::Wait qw(until_true);

# Whatever an administrator may log of a request, and what modules log of it.
use constant CONFIG => <<'CONF';
ForensicLog "forensic_log"
LogFormat "%r %>s %q %U %f \"%{Authorization}i\" \"%{Sec-WebSocket-Protocol}i\" \"%{Referer}i\" %{HTTP_AUTHORIZATION}e %{SEEN}e %{Location}o %{X-Copy}o" everything
GlobalLog "everything_log" everything
RequestReadTimeout header=1
DumpIOInput On
SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1
SetEnvIf Request_URI "(.+)" SEEN=$1
LogMessage "%{THE_REQUEST} Authorization: %{HTTP:Authorization} %{HTTP:Referer} %{QUERY_STRING}" hook=fixups
Header set X-Copy "expr=%{QUERY_STRING}"
CONF

# For each site: rules that redirect to the chat, inside httpd and outside.
use constant SITE => <<'CONF';
RewriteEngine On
RewriteRule "^/moved/(.*)$" "https://localhost/ws/chat/$1" [R,L]
RewriteCond "%{QUERY_STRING}" "token="
RewriteCond "%{HTTP:Authorization}" "!nobody"
RewriteRule "^/pass/(.*)$" "/ws/chat/$1" [PT]
RewriteRule "^/changed/(.*)$" "/api/v1/chat/$1?more=1" [PT,QSA]
Redirect "/away/" "https://localhost/ws/chat/"
<Location "/inside/">
    RewriteEngine On
    RewriteRule "." "/ws/chat/none/"
</Location>
<Location "/missing/">
    FallbackResource /index.html
</Location>
ErrorDocument 401 /index.html
ErrorDocument 404 /nothing/either
CONF

my @formats = ('', <<'CONF');
ErrorLogFormat "%M % [%{Authorization}i] [%{Referer}i] [%{Sec-WebSocket-Protocol}i] [%{HTTP_AUTHORIZATION}e]"
ErrorLogFormat request "request of %{Referer}i with %{Authorization}i"
ErrorLogFormat connection "a connection"
SeeRequestTail On
CONF

my $secrets = 0;
sub secret { return sprintf 'HUSH%04dhush', ++$secrets }

sub get { my ($path, %fields) = @_; return join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', (map { "$_: $fields{$_}" } sort keys %fields), '', '' }

# What httpd refuses before any module sees it.
sub refused_requests {
    return map { my $text = $_; $text =~ s/SECRET/secret()/ge; $text } (
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\nReferer: /?token=SECRET\r\nCookie: " . ('c' x 9000) . "\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer SECRET\r\nExpect: the impossible\r\n\r\n",
        "GET /ws/chat/x?token=SECRET&a=" . ('a' x 9000) . " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/v1/chat/messages/?token=SECRET HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "POST /api/v1/chat/messages/?token=SECRET HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\nBad Field: x\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: local host\r\n\r\n",
        "GET /ws/chat/x?token=SECRET\r\n\r\n",
        "GET  /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws/chat/x?token=SECRET#there HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1 and more\r\nHost: localhost\r\n\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "G(T /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TALK /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TRACE /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer SECRET\r\n\r\n",
        "GET http://user:password\@localhost/ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /../../ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws%2fchat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws%zzchat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer SECRET\r\n\r\n",
    );
}

# These never end. mod_reqtimeout does it, after a second.
sub stalled_requests {
    return map { my $text = $_; $text =~ s/SECRET/secret()/ge; $text } (
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\n",
        "GET /ws/chat/x?token=SECRET HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer SECRET\r\nReferer: /?token=SECRET\r\n",
        "GET /ws/chat/x?token=SECRET",
    );
}

sub spellings {
    my ($path) = @_;
    return map { my $text = $_; $text =~ s/SECRET/secret()/ge; $text } (
        (map { get("$path$_") } '?token=SECRET', '?token=***&token=SECRET', '?token=%2A%2A%2A&token=SECRET', '?token=SECRET%',
            '?token=SECRET%00', '?token=SECRET%zz&x=1', '?%74oken=SECRET', '?tok%65n%3DSECRET', '?Token=SECRET',
            '?access_token=SECRET', '?x=1;token=SECRET', '%3Ftoken=SECRET', '?next=%2Fws%2Fchat%2F%3Ftoken%3DSECRET',
            '?token=SECRET;token=SECRET', '?a=b&token=%48SECRET'),
        (map { get($path, Authorization => $_) } 'Bearer SECRET', "Bearer\tSECRET", 'bearer   SECRET', 'Token SECRET', 'JWT SECRET',
            'DPoP SECRET', 'SECRET', 'Basic dTpw, Bearer SECRET', 'Token token="SECRET"'),
        (map { get($path, 'Sec-WebSocket-Protocol' => $_) } 'tripchat, bearer.SECRET', 'bearer, SECRET', 'bearer,SECRET, tripchat',
            'bearer SECRET', 'access_token, SECRET', 'Bearer.SECRET'),
        (map { get($path, Referer => $_) } 'http://localhost/api/v1/chat/rooms/?token=SECRET', '/x?a&access_token=SECRET',
            'http://localhost/?back=%2Fws%3Ftoken%3DSECRET'),
    );
}

sub ask {
    my ($site, @requests) = @_;
    my @streams = map { my $stream = $site->connect; $stream->write($_); $stream } @requests;
    for my $stream (@streams) {
        eval { $stream->read_response };
        $stream->disconnect;
    }
    return scalar @requests;
}

sub check_logs {
    my ($server, %more) = @_;
    my %place = (%more, map { $_ => read_file($server->dir . "/$_") } qw(access_log error_log forensic_log everything_log));
    for my $where (sort keys %place) {
        my @found = $place{$where} =~ /^.*HUSH\d{4}.*$/mg;
        push @found, grep { index($place{$where}, $_) >= 0 } issued_secrets();
        is_deeply(\@found, [], "$where shows no token");
    }
    return \%place;
}

my $turn = 0;
for my $level (qw(trace8 warn)) {
    my $format = $formats[$turn++];
    subtest "LogLevel $level" => sub {
        my $front  = free_port();
        my $server = TripChat::Server->start(config => CONFIG . $format . <<"CONF", site_config => SITE, log_level => $level,
Listen 127.0.0.1:$front
<VirtualHost 127.0.0.1:$front>
    ServerName localhost
    CustomLog "everything_log" everything
    Redirect "/" "https://localhost/"
</VirtualHost>
CONF
            modules => [qw(log_forensic rewrite dumpio headers log_debug)]);
        my $site = $server->site;
        my $other = bless { %$site, port => $front }, ref $site;
        my $asked = 0;
        my @stalled = map { my $stream = $site->connect; $stream->write($_); $stream } stalled_requests();
        my $good = $site->token('ann');
        my @slow = map { my $stream = $site->connect; $stream->write($_); $stream } mpm() eq 'prefork' ? () :
            "POST /api/v1/chat/messages/?token=" . secret() . " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $good\r\nContent-Length: 100\r\n\r\n{";
        $asked += ask($site, refused_requests());
        my $status = $site->http_get('/server-status')->{body};
        for my $path ('/ws/chat/none/', '/api/v1/chat/rooms/', '/index.html', '/moved/x', '/pass/x', '/changed/x', '/away/x', '/inside/x', '/missing/x') {
            $asked += ask($site, spellings($path));
            $status .= $site->http_get('/server-status')->{body};
        }
        $asked += ask($other, spellings('/ws/chat/x'), refused_requests());
        $status .= $site->http_get('/server-status')->{body};
        $asked += ask($site, map { get($_, Cookie => "session=$good") } "/away/$good", "/index.html?jwt=$good");
        turned_away_with($site, "$_/x?token=$good", undef, 4003, "the chat reads a token behind $_") for '/inside', '/pass';
        $_->read_to_end for @stalled;
        $_->disconnect for @slow;
        $server->stop(keep => 1, allow => [qr/./]);
        my $place = check_logs($server, status => $status);
        cmp_ok(() = $place->{everything_log} =~ /\n/g, '>=', $asked, 'every request is logged');
        ok($place->{everything_log} =~ /$_/, "what was masked is seen: $_")
            for qr/token=\*\*\*/, qr/Bearer \*\*\*/, qr/ 400 /, qr/ 408 /, qr/ 414 /, qr/ 417 /, qr{https://localhost/ws/chat/x\?token=\*\*\*};
        like($place->{status}, qr/GET|POST/, 'server-status shows requests');
        return if $level eq 'warn';
        ok($place->{error_log} =~ /invalid URI path \(.*token=\*+\)/, 'the error log shows URLs without their token');
        ok($place->{error_log} =~ /dumpio_in.*Authorization: Bearer \*+/, 'mod_dumpio shows fields without their token');
    };
}

subtest 'over HTTP/2' => sub {
    my $server = TripChat::Server->start(config => CONFIG, site_config => SITE, log_level => 'trace8', http2 => 1,
        modules => [qw(log_forensic rewrite dumpio headers log_debug)]);
    my $site = $server->site;
    my @urls = map { "http://127.0.0.1:${\ $site->port}$_" } map { ("$_?token=" . secret(), "$_?x&access_token=" . secret()) }
        '/ws/chat/none/', '/index.html', '/moved/x', '/pass/x', '/inside/x', '/missing/x', '/a%2fb';
    my ($bearer, $good) = (secret(), $site->token('ann'));
    my @fields = ("Authorization: Bearer $bearer", "Authorization: Token $bearer", "Referer: /?token=$bearer", "Sec-WebSocket-Protocol: bearer, $bearer",
        "Authorization: Bearer $good", 'Content-Length: x', 'Cookie: ' . 'c' x 9000);
    my @asked = map { my $url = $_; map { [$url, $_] } $url =~ m{/none/\?token} ? @fields : 'Accept: text/plain' } @urls;
    my @answers = map { my ($url, $field) = @$_; qx(curl -s -m 5 -o /dev/null -w '%{http_code}' --http2-prior-knowledge -H '$field' '$url') } @asked;
    is(scalar(grep { /\A[2345]..\z/ } @answers), scalar @asked - 1, 'requests are answered, but the one with a bad length') or diag "@answers";
    $server->stop(keep => 1, allow => [qr/./]);
    check_logs($server);
};

subtest 'an httpd whose chat is taken away, and given back' => sub {
    my $server = TripChat::Server->start(config => CONFIG, site_config => SITE, modules => [qw(log_forensic rewrite dumpio headers log_debug)]);
    my $site = $server->site;
    my %secret;
    for my $turn (qw(with without again)) {
        if ($turn ne 'with') {
            $server->reconfigure(no_chat => $turn eq 'without');
            my @old = $server->graceful;
            until_true('the old children to end', sub { !grep { is_alive($_) } @old });
        }
        my $asks = sub {
            $secret{$turn} = secret();
            ask($site, get("/index.html?token=$secret{$turn}", Authorization => "Bearer $secret{$turn}"));
        };
        my $logged = sub { return $asks->() && read_file($server->dir . '/everything_log') =~ /$secret{$turn}/ };
        if ($turn eq 'without') { until_true('a child without a chat', $logged) } else { $asks->() }
    }
    is("@{[$server->stop(keep => 1)]}", '', 'the log has nothing to say');
    for my $log (qw(everything_log forensic_log)) {
        my $text = read_file($server->dir . "/$log");
        is(join(' ', grep { $text =~ /$secret{$_}/ } sort keys %secret), 'without', "$log is masked while there is a chat");
    }
};

# mod_security copies a request in post_read_request, and writes its copy after the request.
subtest "in mod_security's audit log" => sub {
    plan skip_all => 'mod_security leaks' if ($ENV{TC_UNDER} // '') eq 'address';
    plan skip_all => 'mod_security is not installed' if !-e TripChat::Httpd::libexec_dir() . '/mod_security2.so';
    my $server = TripChat::Server->start(modules => [qw(unique_id security2 rewrite headers)], config => <<'CONF', site_config => SITE);
RequestHeader set X-Constant "Bearer constant" early
SecRuleEngine On
SecRequestBodyAccess On
SecAuditEngine On
SecAuditLogParts ABFHIZ
SecAuditLog "audit_log"
SecRule REQUEST_HEADERS:Authorization "blocked" "id:1,phase:1,deny,status:403"
SecRule ARGS:token "^(HUSH\d+hush)$" "id:2,phase:1,pass,setenv:seen=%{MATCHED_VAR_NAME}"
CONF
    my $site = $server->site;
    ask($site, refused_requests(), map { spellings($_) } '/ws/chat/none/', '/index.html', '/away/x', '/missing/x');
    $server->stop(keep => 1, allow => [qr/./]);
    my $log = read_file($server->dir . '/audit_log');
    is_deeply([$log =~ /^.*HUSH\d{4}.*$/mg], [], 'the audit log shows no token');
    ok($log =~ /GET .*token=\*\*\*/ && $log =~ /Authorization: Bearer \*\*\*/, 'but that there was one');
};

done_testing;
