# No token in any log. Tokens come in every possible way, valid or not, and the requests end in every way. Neither the
# access, error and forensic logs at their most verbose level nor server-status may contain a token.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file);
use TripChat::Rest;
use TripChat::Test;
use TripChat::Token qw(make_token access_claims issued_secrets);

# The configuration of an administrator who wants to log everything.
use constant CONFIG => <<'CONF';
ForensicLog "forensic_log"
LogFormat "%h %t \"%r\" %>s %q %U \"%{Authorization}i\" \"%{Sec-WebSocket-Protocol}i\" \"%{Referer}i\" %b" everything
CustomLog "everything_log" everything
CONF

# For each site, because a virtual host does not inherit the rules of mod_rewrite.
use constant SITE => <<'CONF';
RewriteEngine On
RewriteRule "^/old/(.*)$" "/ws/chat/$1" [PT]
RewriteRule "^/chat/(.*)$" "/api/v1/chat/$1" [PT]
CONF

my @levels = qw(trace8 trace5 trace4 debug info warn);

# Every way in which a token may come, for a path: (path with query, header fields)
sub ways {
    my ($path, $token) = @_;
    my $mark = $path =~ /\?/ ? '&' : '?';
    return (
        ["$path${mark}token=$token"],
        ["$path${mark}x=1&token=$token&y=2"],
        ["$path${mark}token=$token&token=$token"],
        [$path, { Authorization => "Bearer $token" }],
        [$path, { Authorization => "bearer  $token" }],
        [$path, { 'Sec-WebSocket-Protocol' => "tripchat, bearer.$token" }],
        [$path, { 'Sec-WebSocket-Protocol' => "bearer.$token,tripchat" }],
        ["$path${mark}token=$token", { Authorization => "Bearer $token", 'Sec-WebSocket-Protocol' => "bearer.$token, tripchat" }],
    );
}

sub upgrade_all {
    my ($site, @ways) = @_;
    return map { my $client = $site->connect; eval { $client->open(@$_) }; $client } @ways;
}

for my $level (@levels) {
    subtest "LogLevel $level" => sub {
        my $server = TripChat::Server->start(config => CONFIG, site_config => SITE, log_level => $level,
            modules => [qw(log_forensic rewrite)]);
        my ($site, $trip) = ($server->site, $server->site->new_trip);
        my %token = (good => $site->token('ann'), expired => $site->token('ann', exp => time - 5),
            forged => make_token(secret => 'y' x 32, claims => access_claims(user('ann')->{id})), dave => $site->token('dave'));
        my @held;
        for my $who (qw(good expired forged dave)) {
            my $token = $token{$who};
            push @held, upgrade_all($site, map { ways($_, $token) } "/ws/chat/$trip/", "/old/$trip/", "/ws//chat/$trip", '/ws/chat/none/');
            my $rest = $site->rest(token => undef);
            for my $path (TripChat::Rest::room_path($trip), TripChat::Rest::list_path($trip), TripChat::Rest::ROOT . '/nothing/', "/chat/rooms/$trip/") {
                $rest->call('GET', $_->[0], fields => $_->[1] || {}) for ways($path, $token);
            }
            $rest->call('POST', TripChat::Rest::messages_path() . "?token=$token", json => { chat_room => $trip, content => 'x' });
            $rest->call('DELETE', TripChat::Rest::messages_path() . "?token=$token");
            $rest->call('GET', TripChat::Rest::list_path($trip) . "?token=$token&limit=x");
            $rest->disconnect;
        }
        my $stream = $site->rest(token => undef)->follow($trip, { token => $token{good} });
        my $status = $site->http_get('/server-status')->{body};
        is(($held[0]->read_frame || {})->{opcode}, 1, 'tokens are taken all the same');
        is($stream->next_json->{type}, 'message_history', 'and by streams');
        $_->disconnect for @held, $stream;
        my @wrong = $server->stop(keep => 1, allow => [qr/./]);
        my %place = (status => $status, map { $_ => read_file($server->dir . "/$_") } qw(access_log error_log forensic_log everything_log));
        for my $where (sort keys %place) {
            my @found = grep { index($place{$where}, $_) >= 0 } issued_secrets();
            is_deeply([map { $place{$where} =~ /^(.*\Q$_\E.*)$/m } @found], [], "$where holds none");
            cmp_ok(length $place{$where}, '>', 1000, 'and much else') if $where ne 'error_log';
        }
        like($place{everything_log}, qr/token=\*\*\*/, 'that there was one is seen');
        like($place{everything_log}, qr/"Bearer \*\*\*"/, 'in a field, too');
        if ($level eq 'trace8') {
            like($place{error_log}, qr/Request received from client: GET .*token=\*\*\*/, 'the request line is traced as ever');
            like($place{error_log}, qr/Authorization: Bearer \*\*\*/, 'and so are its fields');
        }
    };
}

subtest 'over HTTP/2' => sub {
    my $server = TripChat::Server->start(config => CONFIG, log_level => 'trace8', http2 => 1, modules => ['log_forensic']);
    my ($site, $trip) = ($server->site, $server->site->new_trip);
    for my $way (ways(TripChat::Rest::list_path($trip), $site->token('ann'))) {
        my ($path, $fields) = @$way;
        my $status = qx(curl -s -o /dev/null -w '%{http_code}' --http2-prior-knowledge @{[ map { "-H '$_: $fields->{$_}'" } keys %{ $fields || {} } ]} 'http://127.0.0.1:@{[ $site->port ]}$path');
        like($status, qr/\A(?:200|401)\z/, "HTTP/2: $status");
    }
    $server->stop(keep => 1, allow => [qr/./]);
    for my $where (qw(access_log error_log forensic_log everything_log)) {
        my $text = read_file($server->dir . "/$where");
        my @found = grep { index($text, $_) >= 0 } issued_secrets();
        is_deeply([map { $text =~ /^(.*\Q$_\E.*)$/m } @found], [], "$where holds none");
    }
};

done_testing;
