# A reload that changes which tokens a site takes. Who came with a token that is not taken any more is out with 4001, over a
# socket that moved and over a stream; everybody else stays.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Http;
use TripChat::Httpd qw(var_dir);
use TripChat::Shared qw(is_full);
use TripChat::Rest;
use TripChat::Succession;
use TripChat::Test;

my $dir = var_dir() . "/reload-keys-$$";
mkdir $dir;

my %SECRET = map { $_ => "the secret of thirty-two bytes, $_" } qw(old new third);
write_file("$dir/$_", $SECRET{$_}), chmod 0600, "$dir/$_" for keys %SECRET;

# A token for ann or somebody else, signed with the secret of this name.
sub token_of {
    my ($secret, $name, %opt) = @_;
    return make_token(secret => $SECRET{$secret}, claims => access_claims(user($name)->{id}, %{ $opt{claims} || {} }), header => $opt{header} || {});
}

sub keys_conf { return join '', map { my ($secret, $kid) = split /:/; sprintf qq(TripChatJWTKey HS256 "%s/%s"%s\n), $dir, $secret, $kid ? " $kid" : '' } @_ }

# A socket and a stream with this token.
sub both {
    my ($site, $trip, $token) = @_;
    my $socket = $site->chat(trip => $trip, token => $token);
    my $stream = $site->rest(token => $token)->follow($trip);
    $stream->next_json('message_history');
    return ($socket, $stream);
}

sub both_end {
    my ($code, $name, $socket, $stream) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    closed_with($socket, $code, "$name: the socket");
    return is((eval { $stream->read_close })[0], $code, "$name: the stream") || diag $@;
}

sub both_stay {
    my ($name, $socket, $stream) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $message = eval { $socket->said($name) } // {};
    is($message->{content}, $name, "$name: the socket") || diag $@;
    return is(eval { $stream->next_json('chat_message')->{message}{content} }, $name, "$name: the stream") || diag $@;
}

for my $mpm (qw(event prefork)) {
    subtest "a key that is taken away: $mpm" => sub {
        my $server = start_server(mpm => $mpm, site_config => keys_conf(qw(old new:n)));
        my $site   = $server->site;
        my %trip   = map { $_ => $site->new_trip } qw(old new secret);
        my @old    = both($site, $trip{old}, token_of('old', 'ann'));
        my @new    = both($site, $trip{new}, token_of('new', 'ann', header => { kid => 'n' }));
        my @secret = both($site, $trip{secret}, $site->token('bob'));
        reload($server);
        both_stay('a reload that changes nothing', @$_) for \@old, \@new, \@secret;
        $server->reconfigure(site_config => keys_conf(qw(third new:renamed)));
        reload($server);
        both_end(4001, 'with a key that is gone', @old);
        both_stay('with a key that has another name now', @new);
        both_stay('with the secret', @secret);
        turned_away_with($site, $site->path($trip{old}, token => token_of('old', 'ann')), undef, 4001, 'as a newcomer would be');
        log_says($server, qr/TC0059: .*the key of its token/, 'the log says why');
        unlike($server->error_log, qr/\Q$SECRET{$_}\E/, "and has no secret") for qw(old new);
        $_->disconnect for @new, @secret;
        stops_clean($server, 'and nothing else');
    };
}

subtest 'the log of the virtual host says which connection ends, and why' => sub {
    my $log    = sub { my ($server) = @_; my $file = $server->dir . '/own_log'; return -e $file ? read_file($file) : '' };
    my $logged = sub { my (@keys) = @_; return qq(ErrorLog "own_log"\nLogLevel tripchat:info\n) . keys_conf(@keys) };
    my $server = start_server(log_level => 'warn', site_config => $logged->('old'));
    my $own    = $server->site;
    my @both   = both($own, $own->new_trip, token_of('old', 'ann'));
    $server->reconfigure(site_config => $logged->('third'));
    reload($server);
    both_end(4001, 'with a key that is gone', @both);
    until_true('the lines', sub { 2 <= (() = $log->($server) =~ /TC0059/g) });
    my %number = map { $_ => 1 } $log->($server) =~ /^.*\[client 127\.0\.0\.1\] TC0059: connection (\d+): does not outlive the reload: .*the key of its token/mg;
    is(scalar keys %number, 2, 'with its address and its number');
    my %of_others = map { $_ => 1 } $log->($server) =~ /TC0021: connection (\d+): /g;
    is_deeply([sort keys %number], [sort keys %of_others], 'which is that of its other lines');
    unlike($server->error_log, qr/TC0059/, 'and the main log has none of this');
    stops_clean($server, 'nor anything else');
};

# A request of which httpd has read the head, and whose last byte is still to come. Returns a function that sends it and
# returns the answer.
sub begun {
    my ($site, $method, $path, $token, $json) = @_;
    my $client = $site->rest(token => $token);
    my $text = TripChat::Http::request_text(method => $method, path => $path, body => $json,
        fields => { Authorization => "Bearer $token", 'Content-Type' => 'application/json', Expect => '100-continue' });
    my ($head, $body) = $text =~ /\A(.*?\r\n\r\n)(.*)\z/s;
    is($client->stream->request($head)->{status}, 100, "$method: its body is wanted");
    $client->stream->write(substr $body, 0, -1);
    return sub { $client->stream->write(substr $body, -1); return $client->answer };
}

# The same for a head that is not complete.
sub begun_head {
    my ($site, $path, $token) = @_;
    my $busy   = sub { $site->server_status->{BusyWorkers} };
    my $before = $busy->();
    my $client = $site->rest(token => $token);
    my $head   = TripChat::Http::request_text(path => $path, fields => { Authorization => "Bearer $token" });
    $client->stream->write(substr $head, 0, -2);
    until_true('a worker to read it', sub { $busy->() > $before });
    return sub { $client->stream->write(substr $head, -2); return $client->answer };
}

subtest 'what was begun before a reload that changes keys is asked for again, whatever its token' => sub {
    my $server  = start_server(site_config => keys_conf(qw(old new)));
    my $site    = $server->site;
    my $trip    = $site->new_trip;
    my %token   = map { $_ => token_of($_, 'ann') } qw(old new);
    my $message = $site->rest(token => $token{new})->posted($trip, 'one');
    my $post    = sub { return begun($site, 'POST', TripChat::Rest::messages_path(), $token{ $_[0] }, qq({"chat_room":"$trip","content":"$_[1]"})) };
    my $stays   = $post->('old', 'two');
    $server->graceful;
    is($stays->()->{status}, 201, 'a reload that changes no rule disturbs nobody');
    my %begun = (
        'a message'              => $post->('old', 'late'),
        'a message of who stays' => $post->('new', 'late'),
        'an edit'  => begun($site, 'PATCH', TripChat::Rest::message_path($message->{id}), $token{old}, '{"content":"late"}'),
        'a page'   => begun_head($site, TripChat::Rest::list_path($trip), $token{old}),
    );
    $server->reconfigure(site_config => keys_conf('new'));
    $server->graceful;
    for my $what (sort keys %begun) {
        my $answer = $begun{$what}->();
        refusal_is($answer, 503, { code => 'unavailable', retry_after => $answer->{fields}{'retry-after'}[0] }, $what);
        cmp_ok($answer->{fields}{'retry-after'}[0], '>', 0, 'which says when to come again');
    }
    is($site->rest(token => $token{old})->list($trip)->{status}, 401, 'with the key that is gone nobody comes again');
    my $page = $site->rest(token => $token{new})->list($trip);
    is_deeply([map { $_->{content} } @{ $page->{json}{results} }], ['one', 'two'], 'with the other key one does, and nothing late was stored');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'polls, and sockets over TLS, come back and are refused' => sub {
    my $server = start_server(tls => 1, site_config => keys_conf('old'), drain => "TripChatDrainTime 1s\n");
    my $site   = $server->site;
    my $tls    = $server->site('tls')->chat(trip => $server->site('tls')->new_trip, token => token_of('old', 'ann'));
    my $trip   = $site->new_trip;
    my $poll   = $site->rest(token => token_of('old', 'ann'))->ask_for_news($trip, 0);
    wait_for_takeovers($server, 2);
    $server->reconfigure(site_config => '');
    reload($server);
    is_deeply($poll->news->{results}, [], 'a poll is answered');
    is($site->rest(token => token_of('old', 'ann'))->ask_for_news($trip, 0)->answer->{status}, 401, 'the next one is refused');
    closed_with($tls, 1012, 'a socket over TLS is closed');
    my $theirs = $server->site('tls');
    turned_away_with($theirs, $theirs->path($theirs->new_trip, token => token_of('old', 'ann')), undef, 4001, 'and may not come back');
    stops_clean($server, 'the log has nothing to say', qr/\bTC0049:/);
};

subtest 'a newer token counts, and not the one before' => sub {
    my $server = start_server(site_config => keys_conf(qw(old new)));
    my $site   = $server->site;
    my ($up, $down) = map { $site->chat(trip => $site->new_trip, token => token_of($_, 'ann')) } qw(old new);
    for ([$up, 'new'], [$down, 'old']) {
        my ($client, $secret) = @$_;
        $client->send_json({ type => 'authenticate', token => token_of($secret, 'ann') });
        $client->next_json('authenticated');
    }
    $server->reconfigure(site_config => keys_conf('new'));
    reload($server);
    still_talks($up, 'who renewed with the key that stays');
    closed_with($down, 4001, 'who renewed with the key that went');
    $up->leave;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'a client in the middle of a message, and one that has not read everything' => sub {
    my $server = start_server(site_config => keys_conf('old'));
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($half, $whole) = map { $site->chat(trip => $trip, token => token_of('old', 'ann')) } 1, 2;
    $half->write(substr text_frame('the first half'), 0, 20);
    $half->frames_at_hand;
    $whole->said('x' x 9000) for 1 .. 3;
    $server->reconfigure(site_config => '');
    reload($server);
    closed_with($_, 4001, 'is closed') for $half, $whole;
    stops_clean($server, 'the log has nothing to say');
};

# Each: rules before, rules after, claims of who stays, claims of who goes.
my %RULES = (
    'an audience that is new' => ['', 'TripChatJWTAudience chat', { aud => ['web', 'chat'] }, { aud => 'web' }],
    'an issuer that is new'   => ['', 'TripChatJWTIssuer https://a.example/', { iss => 'https://a.example/' }, { iss => 'https://b.example/' }],
    'another audience'        => ['TripChatJWTAudience web', 'TripChatJWTAudience chat', { aud => ['web', 'chat'] }, { aud => ['web'] }],
);

for my $what (sort keys %RULES) {
    my ($before, $after, $right, $wrong) = @{ $RULES{$what} };
    subtest "a reload brings $what" => sub {
        my $server = start_server(site_config => "$before\n");
        my $site   = $server->site;
        my ($trip, $other) = map { $site->new_trip } 1, 2;
        my $with = sub { my ($claims) = @_; return $site->token('ann', %$claims) };
        my @right = both($site, $trip, $with->($right));
        my @wrong = both($site, $other, $with->($wrong));
        $server->reconfigure(site_config => "$after\n");
        reload($server);
        both_end(4001, 'a token that does not fit', @wrong);
        both_stay('a token that fits', @right);
        log_says($server, qr/TC0059: /, 'the log says why');
        reload($server);
        both_stay('at the next reload as well', @right);
        $_->disconnect for @right;
        stops_clean($server, 'and nothing else');
    };
}

subtest 'another claim says who the user is' => sub {
    my $server = start_server();
    my $site   = $server->site;
    my @both   = both($site, $site->new_trip, $site->token('ann', sub => user('bob')->{id}));
    $server->reconfigure(site_config => 'TripChatJWTUserClaim sub');
    reload($server);
    both_end(1012, 'the client comes back', @both);
    stops_clean($server, 'the log has nothing to say');
};

subtest 'a smaller leeway' => sub {
    my $server = start_server(site_config => 'TripChatJWTLeeway 1h');
    my $site   = $server->site;
    my @both   = both($site, $site->new_trip, $site->token('ann', exp => time - 60));
    $server->reconfigure(site_config => 'TripChatJWTLeeway 5s');
    reload($server);
    both_end(4001, 'the token has expired', @both);
    stops_clean($server, 'the log has nothing to say');
};

done_testing;
