# Where metrics and health may stand is the server's to say, not a tenant's, and where an ErrorDocument shows itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(make_path);
use Test::More;

use TripChat::File qw(write_file);
use TripChat::Rest;
use TripChat::Test;
use TripChat::WebSocket;

use constant MODULES => [qw(rewrite mime actions dir)];

subtest 'metrics and health in a <Location> of the server' => sub {
    my $server = TripChat::Server->start(modules => MODULES, site_config => <<'CONF');
<Location "/in-location/metrics">
    SetHandler tripchat-metrics
</Location>
<LocationMatch "^/in-match/health$">
    SetHandler tripchat-health
</LocationMatch>
CONF
    my $site = $server->site;
    is($site->http_get($_)->{status}, 200, $_) for qw(/in-location/metrics /in-match/health);
    stops_clean($server, 'the log has nothing to say');
};

# What a tenant may write, for the folder of these files.
my %TENANTS = (
    'SetHandler'             => 'SetHandler tripchat-%s',
    'SetHandler of a file'   => qq(<Files "page.html">\nSetHandler tripchat-%s\n</Files>),
    'SetHandler under a condition' => qq(<If "true">\nSetHandler tripchat-%s\n</If>),
    'an expression'          => 'SetHandler "%%{tolower:TRIPCHAT}-%s"',
    'AddHandler'             => 'AddHandler tripchat-%s .html',
    'a rule'                 => qq(RewriteEngine On\nRewriteRule "^page" "-" [H=tripchat-%s]),
    'ForceType'              => 'ForceType tripchat-%s',
);

for my $where ('.htaccess', '<Directory>') {
    for my $name (grep { $where eq '.htaccess' || !/rule/ } sort keys %TENANTS) {
        subtest "in $where: $name" => sub {
            my %text = map { $_ => sprintf $TENANTS{$name}, $_ } qw(metrics health);
            my $server = TripChat::Server->start(modules => MODULES, config => <<"CONF");
<Directory "/">
    AllowOverride All
</Directory>
@{[ $where eq '.htaccess' ? '' : join '', map { qq(<DirectoryMatch "/htdocs/$_">\n$text{$_}\n</DirectoryMatch>\n) } sort keys %text ]}
CONF
            for my $what (qw(metrics health)) {
                my $folder = $server->dir . "/htdocs/$what";
                make_path($folder);
                write_file("$folder/page.html", "a page\n");
                write_file("$folder/.htaccess", "$text{$what}\n") if $where eq '.htaccess';
                my $answer = $server->site->http_get("/$what/page.html");
                is($answer->{status}, 403, $what);
                unlike($answer->{body}, qr/tripchat_|"database"/, 'and nothing of it is told');
            }
            log_says($server, qr/TC0103: .* SetHandler tripchat-$_ /, "the log says where $_ counts") for qw(metrics);
            stops_clean($server, 'and nothing else', qr/TC0103:/);
        };
    }
}

subtest 'configtest warns of places that do not count' => sub {
    my @others = ('<Location "/x/">', '<LocationMatch "^/y/">', '<IfModule dbd_module>');
    my @inner  = ('<Directory "/srv/">', '<DirectoryMatch "^/srv/">', '<Files "a">', '<FilesMatch "^b">', '<If "true">', '<ElseIf "true">', '<Else>');
    for my $what (qw(metrics health)) {
        my $lines = sub { join "\n", $_[0] =~ /<Else/ ? '<If "false">' . "\n</If>" : (), $_[0], "SetHandler tripchat-$what", '</' . ($_[0] =~ /(\w+)/)[0] . '>', '' };
        my ($status, $said) = TripChat::Server->check_config(site_config => join '', map { $lines->($_) } @others, @inner);
        is($status, 0, "$what: accepted") or diag $said;
        is_deeply([$said =~ /TC0103: SetHandler tripchat-$what: .* answers 403 in <(\w+)>; write .*\(virtual host localhost:\d+, line \d+ of /g],
            [map { /(\w+)/ } @inner], 'each section is named') or diag $said;
        ($status, $said) = TripChat::Server->check_config(config => qq(<Location "/z/">\n<If "true">\nSetHandler tripchat-$what\n</If>\n</Location>\n)
            . qq(<Directory "/srv/">\nSetHandler tripchat-rest\n</Directory>));
        is_deeply([$said =~ /TC0103: SetHandler (\S+): /g], ["tripchat-$what"], 'a condition in a <Location>, and no other handler') or diag $said;
    }
};

subtest 'an ErrorDocument is for persons' => sub {
    my $server = TripChat::Server->start(modules => MODULES, site_config => <<'CONF');
ErrorDocument 426 "<h1>our page of 426</h1>"
ErrorDocument 401 /error.html
ErrorDocument 405 "our page of 405"
TripChatReject http
TripChatAllowedOrigins https://app.example.org
CONF
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    write_file($server->dir . '/htdocs/error.html', "our page of 401\n");
    my ($socket, $list) = ("/ws/chat/$trip/", TripChat::Rest::list_path($trip));
    my $ask = sub {
        my ($method, $path, $accept, %fields) = @_;
        return $site->rest(token => undef)->call($method, $path, token => undef, fields => { Accept => $accept, %fields });
    };
    my %page = (
        'a socket that is opened as a page' => ['GET', $socket, 426, qr/our page of 426/, 'upgrade'],
        'a list that is opened as a page'   => ['GET', $list, 401, qr/our page of 401/, 'www-authenticate'],
        'a form that is sent there'         => ['POST', $list, 405, qr/our page of 405/, 'allow'],
    );
    for my $what (sort keys %page) {
        my ($method, $path, $status, $text, $field) = @{ $page{$what} };
        for my $accept ('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'Text/HTML') {
            my $answer = $ask->($method, $path, $accept);
            is($answer->{status}, $status, $what);
            like($answer->{body}, $text, 'gets the page of the site');
            ok($answer->{fields}{$field}, "with $field");
        }
        for my $accept ('*/*', 'application/json', 'text/event-stream', undef) {
            my $answer = $ask->($method, $path, $accept);
            is($answer->{status}, $status, 'a program');
            unlike($answer->{body}, $text, 'gets what it can read');
        }
    }
    my $other = $ask->('GET', TripChat::Rest::ROOT . '/none/', 'text/html');
    is($other->{json}{code}, 'not_found', 'without an ErrorDocument for it there is JSON');
    my $page = $ask->('GET', $list, 'text/html', Origin => 'https://app.example.org');
    is_deeply($page->{fields}{'access-control-allow-origin'}, ['https://app.example.org'], 'a page of another origin may read it');
    is($page->{json}{code}, 'unauthorized', 'but gets what is the chat\'s, and not the page, which may be made for a user');
    my $refused = $site->connect->request(TripChat::WebSocket::upgrade_request(path => $socket));
    is($refused->{status}, 401, 'a handshake');
    stops_clean($server, 'the log has nothing to say');
};

done_testing;
