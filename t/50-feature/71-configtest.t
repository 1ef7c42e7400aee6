# What `httpd -t` knows: whatever ends the start is refused there, with virtual host, file and line. A reload with a broken
# file of keys goes on with the keys that were good. Values whose partner was replaced are not inherited.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Copy qw(copy);
use File::Path qw(make_path);
use POSIX qw(mkfifo);
use Test::More;

use TripChat::File qw(read_file write_file write_secret);
use TripChat::Httpd qw(top_dir);
use TripChat::Test;

my $dir = TripChat::Httpd::var_dir() . "/configtest-$$";
mkdir $dir or die "$dir: $!\n";

sub file_of { my ($name, $text) = @_; write_secret("$dir/$name", $text); return "$dir/$name" }

sub public_key_file {
    my $file = "$dir/public.pem";
    -e $file or system("openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out '$file' 2>/dev/null") == 0 or die "openssl: $?\n";
    return $file;
}

# ---- what configtest refuses ----

my $NO_DATABASE = { database => bless({ lines => '' }, 'Database::Lines') };

sub Database::Lines::directives { return $_[0]{lines} }
sub database_of { my ($lines) = @_; return bless { lines => $lines }, 'Database::Lines' }

mkfifo("$dir/fifo", 0600) or die "$dir/fifo: $!\n";
file_of('empty', '');
file_of('blank', "\r\n\n");
file_of('words', "words\n");
file_of('long',  'x' x 70_000);
file_of('short',  "1234567\n");
file_of('short-set', '{"keys":[{"kty":"oct","alg":"HS256","k":"YQ"}]}');
file_of('bag', "Bag Attributes\n    friendlyName: site\n" . read_file(public_key_file()));
file_of('base64', join '', grep { !/-----/ } split /^/, read_file(public_key_file()));
system('openssl', 'pkey', '-pubin', '-in', public_key_file(), '-outform', 'DER', '-out', "$dir/der") == 0 or die "openssl: $?\n";
file_of('odd-set', '{"keys":[{"kty":"oct"}]}');

# name => [what is said, options for TripChat::Server, the line that is named]
my %REFUSED = (
    (map { ("a secret file: $_" => [qr/TC004[01]: TripChatJWTSecretFile: \Q$_\E: /, { site_config => qq(TripChatJWTSecretFile "$_") }, qr/TripChatJWTSecretFile/]) }
        map({ "$dir/$_" } qw(missing fifo empty blank long short bag base64 der)), $dir, '/dev/zero'),
    (map { ("a key file: $_" => [qr/TC004[01]: TripChatJWTKey: \Q$_\E: /, { site_config => qq(TripChatJWTKey HS256 secret\nTripChatJWTKey EdDSA "$_"\nTripChatJWTLeeway 1s) }, qr/TripChatJWTKey EdDSA/]) }
        map { "$dir/$_" } qw(missing fifo words)),
    (map { ("a key set: $_" => [qr/TC004[01]: TripChatJWTKeySet: \Q$_\E: /, { site_config => qq(TripChatJWTKeySet "$_") }, qr/TripChatJWTKeySet/]) }
        map { "$dir/$_" } qw(missing fifo words odd-set short-set)),
    (map { ("a password file: $_" => [qr/TC004[01]: TripChatRedisPasswordFile: \Q$_\E: /,
            { site_config => qq(TripChatBus redis://127.0.0.1:1\nTripChatRedisPasswordFile "$_") }, qr/TripChatRedisPasswordFile/]) }
        map { "$dir/$_" } qw(missing fifo empty)),
    'a user without a password' => [qr/TC0040: TripChatRedisUser: has no password/, { site_config => "TripChatBus redis://127.0.0.1:1\nTripChatRedisPasswordFile none\nTripChatRedisUser x" }, qr/TripChatRedisUser/],
    'a connection log in no folder' => [qr/TC0055: TripChatConnectionLog: cannot open nowhere/, { site_config => 'TripChatConnectionLog nowhere/log' }, qr/TripChatConnectionLog/],
    'a connection log that is a folder' => [qr/TC0055: TripChatConnectionLog: cannot open /, { site_config => "TripChatConnectionLog $dir" }, qr/TripChatConnectionLog/],
    'a connection log to no program, without a shell' => [qr/TC0055: TripChatConnectionLog: cannot open \|\|/, { site_config => 'TripChatConnectionLog "||/nowhere/rotatelogs x 86400"' }, qr/TripChatConnectionLog/],
    'a connection log to no program of a shell' => [qr/TC0055: TripChatConnectionLog: cannot open \|\$/, { site_config => 'TripChatConnectionLog "|$/nowhere/rotatelogs x 86400"' }, qr/TripChatConnectionLog/],
    'a connection log to no program' => [qr/TC0055: TripChatConnectionLog: cannot open /, { site_config => 'TripChatConnectionLog "|/nowhere/rotatelogs x 86400"' }, qr/TripChatConnectionLog/],
    'no database' => [qr/TC0044: .*DBDriver is not set/, $NO_DATABASE, qr/TripChatJWTSecretFile/],
    'a database without a place' => [qr/TC0044: .*DBDParams/, { database => database_of('DBDriver sqlite3') }, qr/TripChatJWTSecretFile/],
);

# The line of its configuration that a complaint names.
sub named_line {
    my ($said) = @_;
    my ($number, $file) = $said =~ /\(virtual host localhost:\d+, line (\d+) of (\S+?)\)/ or return 'no place is named';
    return -e $file ? (split /\n/, read_file($file))[$number - 1] : "the file $file is gone";
}

for my $name (sort keys %REFUSED) {
    subtest "configtest refuses $name" => sub {
        my ($said_as, $options, $line) = @{ $REFUSED{$name} };
        my $server = TripChat::Server->_prepare(%$options, no_database => 1);
        for my $way (['-t'], []) {
            $server->launch(@$way);
            ok($server->wait_for_end != 0, @$way ? 'httpd -t' : 'the start') or last;
            my @said = grep { /$said_as/ } split /\n/, read_file($server->dir . '/stderr');
            is(scalar @said, 1, 'it says so once on the console') or diag read_file($server->dir . '/stderr');
            like(named_line($said[0] // ''), $line, 'and names the virtual host, the file and the line');
            my $log = -e $server->dir . '/error_log' ? read_file($server->dir . '/error_log') : '';
            is(scalar(grep { /$said_as/ } split /\n/, $log), @$way ? 0 : 1, @$way ? 'and in no log' : 'and once in the main log');
            write_file($server->dir . '/stderr', '');
        }
        $server->_remove;
    };
}

subtest 'all sites that are wrong are told of at once' => sub {
    my ($status, $said) = TripChat::Server->check_config(sites => {
        map { ($_ => { site_config => qq(TripChatJWTSecretFile "/nonexistent/$_") }) } qw(first second)
    });
    ok($status != 0 && $said =~ m{/nonexistent/$_: .*virtual host}, $_) or diag $said for qw(first second);
};

subtest 'the local bus with several children is refused, and the site that has it is named' => sub {
    my ($status, $said) = TripChat::Server->check_config(
        config => "ServerLimit 4\nMaxRequestWorkers 32\nThreadsPerChild 8\nDBDriver sqlite3\nDBDParams x.db\n"
            . "<VirtualHost *:1>\nServerName guilty.example.org\nTripChatJWTSecretFile secret\nTripChatBus local\n</VirtualHost>\n",
        mpm => 'event', site_config => 'TripChatBus redis://127.0.0.1:1'
    );
    isnt($status, 0, 'httpd -t refuses it');
    like($said, qr/TC0045: .*virtual host guilty\.example\.org/, 'it names the virtual host') or diag $said;
    unlike($said, qr/TC0045: .*virtual host localhost/, 'and no other');
};

# The main server gives the virtual hosts its keys and database. Each of them has a Redis, and nobody can join the main server's
# own site, which has none.
subtest 'a main server that only passes values on needs no Redis' => sub {
    my @sites = map { "<VirtualHost *:$_>\nServerName site$_.example.org\nTripChatBus redis://127.0.0.1:1\n"
            . "<Location /ws/chat/>\nSetHandler tripchat-websocket\n</Location>\n</VirtualHost>\n" } 1, 2;
    my $several = "ServerLimit 4\nMaxRequestWorkers 32\nThreadsPerChild 8\n";
    my $keys    = "DBDriver sqlite3\nDBDParams x.db\nTripChatJWTSecretFile secret\n";
    my $check   = sub { return TripChat::Server->check_config(no_chat => 1, mpm => 'event', modules => ['dbd'], config => join '', $several, @_) };
    my ($status, $said) = $check->($keys, @sites);
    is($status, 0, 'httpd -t accepts it') or diag $said;
    like($said, qr/:warn\] .*TC0045/, 'and warns, because a virtual host without a chat belongs to the main server');
    ($status, $said) = $check->($keys, @sites, "<Location /chat/>\nSetHandler tripchat-websocket\n</Location>\n");
    isnt($status, 0, 'a main server with a path of the chat needs one');
    like($said, qr/:emerg\] .*TC0045/, 'and is told so');
};

# A driver of apr_dbd that does nothing: httpd -t loads it, and opens no database.
sub make_driver {
    my ($name) = @_;
    write_file("$dir/$name.c", qq(const struct { const char *name; void *calls[64]; } apr_dbd_${name}_driver = {"$name", {0}};\n));
    system('cc', '-shared', '-fPIC', '-o', "$dir/apr_dbd_$name-1.so", "$dir/$name.c") == 0 or die "cc: $?\n";
    return copy("$dir/apr_dbd_$name-1.so", "$dir/apr_dbd_$name.so");    # one of the two is what apr-util looks for
}

subtest 'a driver that the module cannot use' => sub {
    my ($status, $said) = TripChat::Server->check_config(database => database_of("<IfModule dbd_module>\nDBDriver sqlite3\nDBDParams x\n</IfModule>"));
    is($status, 0, 'a driver in a section counts') or diag $said;
    make_driver('mysql');
    local $ENV{LD_LIBRARY_PATH} = $dir;
    ($status, $said) = TripChat::Server->check_config(database => database_of("DBDriver mysql\nDBDParams x"));
    isnt($status, 0, 'mysql is refused');
    like($said, qr/TC0086: DBDriver: .*mysql; write pgsql or sqlite3.*virtual host localhost:\d+, line \d+ of /, 'with what to write') or diag $said;
    ($status, $said) = TripChat::Server->check_config(config => "DBDriver mysql\nDBDParams x");
    is($status, 0, 'another part of the server may use it') or diag $said;
};

# Each line with mod_dbd's defaults for the others: DBDMin 1, DBDKeep 2, DBDMax 10.
subtest 'numbers of connections of which mod_dbd can make no pool' => sub {
    my %refused = (
        'DBDMax 1'                       => qr/TC0086: DBDKeep 2 \(the default\) is greater than DBDMax 1,.* write DBDMax 2 or more, or a smaller DBDKeep/,
        'DBDKeep 20'                     => qr/TC0086: DBDKeep 20 is greater than DBDMax 10 \(the default\),.* write DBDMax 20 or more/,
        'DBDMin 5'                       => qr/TC0086: DBDMin 5 is greater than DBDKeep 2 \(the default\),/,
        'DBDKeep 0'                      => qr/TC0086: DBDMin 1 \(the default\) is greater than DBDKeep 0,/,
        'DBDMax 0'                       => qr/TC0086: DBDKeep 2 \(the default\) is greater than DBDMax 0,/,
        "DBDMin 0\nDBDKeep 0\nDBDMax 0"  => qr/TC0086: DBDMax 0 allows no connection/,
        "DBDPersist On\nDBDMax 1"        => qr/TC0086: DBDKeep 2/,
    );
    for my $lines (sort keys %refused) {
        my ($status, $said) = TripChat::Server->check_config(database => database_of("DBDriver sqlite3\nDBDParams $dir/new.db\n$lines"));
        isnt($status, 0, "refused: $lines");
        like($said, qr/$refused{$lines}.*virtual host localhost:\d+, line \d+ of /, 'with what to write and the place') or diag $said;
        is(scalar(() = $said =~ /TC0086/g), 1, 'once');
    }
    for my $lines ("DBDKeep 1\nDBDMax 1", "DBDMin 0\nDBDKeep 0", "DBDKeep 4\nDBDMax 4", "DBDPersist Off\nDBDMax 1") {
        my ($status, $said) = TripChat::Server->check_config(database => database_of("DBDriver sqlite3\nDBDParams $dir/new.db\n$lines"));
        is($status, 0, "accepted: $lines") or diag $said;
        my $server = TripChat::Server->start(site_config => $lines);
        gets_in($server, 'and members get in');
        stops_clean($server, 'and the log has nothing to say');
    }
    my ($status, $said) = TripChat::Server->check_config(config => 'DBDKeep 20', database => database_of("DBDriver sqlite3\nDBDParams $dir/new.db\nDBDMax 30"));
    is($status, 0, 'a virtual host that mends what it inherits') or diag $said;
};

subtest 'no mod_dbd' => sub {
    my $server = TripChat::Server->_prepare(no_database => 1);
    my $file   = $server->dir . '/httpd.conf';
    write_file($file, read_file($file) =~ s/^(?:<IfModule !mod_dbd\.c>\n.*\n<\/IfModule>|\s*DBD.*)$//gmr);
    $server->launch('-t');
    isnt($server->wait_for_end, 0, 'httpd -t refuses it');
    like($server->output, qr/TC0044: .*mod_dbd, which is not loaded; write LoadModule dbd_module.*virtual host localhost:\d+, line \d+ of /, 'with what to write');
    $server->_remove;
};

subtest 'files of the database that httpd\'s children cannot use are warned of' => sub {
    make_path("$dir/closed");
    chmod 0500, "$dir/closed";
    write_secret("$dir/closed.db", '');
    chmod 0400, "$dir/closed.db";
    write_secret("$dir/pgpass", '');
    write_secret("$dir/pg pass", '');
    chmod 0640, "$dir/pg pass";
    write_secret("$dir/nobodys", '');
    chmod 0000, "$dir/nobodys";
    my %warns = (
        "DBDriver sqlite3\nDBDParams $dir/new.db"        => undef,
        "DBDriver sqlite3\nDBDParams :memory:"           => undef,
        "DBDriver sqlite3\nDBDParams here.db"            => qr/write an absolute path/,
        "DBDriver sqlite3\nDBDParams $dir/nowhere/a.db"  => qr/the folder of the database is not there/,
        "DBDriver sqlite3\nDBDParams $dir/closed/a.db"   => qr/cannot write the database or its folder/,
        "DBDriver sqlite3\nDBDParams $dir/closed.db"     => qr/cannot write the database or its folder/,
        qq(DBDriver pgsql\nDBDParams "host=h passfile=$dir/pgpass dbname=d")    => undef,
        qq(DBDriver pgsql\nDBDParams "host=h sslpassfile=$dir/nowhere")         => undef,
        qq(DBDriver pgsql\nDBDParams "passfile = $dir/nowhere user=u")          => qr/the password file is not there/,
        qq(DBDriver pgsql\nDBDParams "host=h passfile='$dir/pg pass' user=u")   => qr/libpq ignores/,
        qq(DBDriver pgsql\nDBDParams "host=h passfile=$dir/nobodys")            => qr/children cannot read the password file/,
    );
    for my $lines (sort keys %warns) {
        my ($status, $said) = TripChat::Server->check_config(database => database_of($lines));
        next if $said =~ /Can't load driver/;
        is($status, 0, "accepted: $lines") or diag $said;
        my @warned = $said =~ /(TC0090: DBDParams: .*)/g;
        is(scalar @warned, $warns{$lines} ? 1 : 0, 'warnings') or diag $said;
        like($warned[0], qr/$warns{$lines}.*virtual host localhost:\d+, line \d+ of /, 'with the reason and the place') if $warns{$lines};
    }
};

subtest 'handlers that answer nothing are warned of' => sub {
    my ($status, $said) = TripChat::Server->check_config(config => <<'CONF');
<Location "/a/">
    SetHandler tripchat-sockets
</Location>
<VirtualHost *:1>
    ServerName without.example.org
    <Location "/b/">
        SetHandler "tripchat-rest"
    </Location>
    <Location "/c/">
        <If "true">
            SetHandler tripchat-health
        </If>
        SetHandler tripchat-metrics
    </Location>
    <Location "/d/">
        SetHandler server-status
    </Location>
</VirtualHost>
CONF
    is($status, 0, 'they are accepted') or diag $said;
    my @said = $said =~ /(TC0089: .*)/g;
    is(scalar @said, 3, 'warnings') or diag $said;
    like($said[0], qr/SetHandler: there is no handler tripchat-sockets; write .*main server, line \d+ of/, 'a name that is misspelt');
    like($said[$_->[0]], qr/SetHandler $_->[1]: this virtual host has no chat.*virtual host without\.example\.org:1, line \d+/, $_->[1])
        for [1, 'tripchat-rest'], [2, 'tripchat-health'];
};

subtest 'directives of a virtual host without a key are warned of' => sub {
    my ($status, $said) = TripChat::Server->check_config(config => join '', map { virtual_host(@$_) }
        ['forgot.example.org', 'TripChatHistory 20'], ['site.example.org', 'TripChatSite main'], ['off.example.org', 'TripChat off', 'TripChatHistory 20'],
        ['none.example.org', 'TripChatHistory 20', 'TripChatJWTSecretFile none'], ['plain.example.org']);
    is($status, 0, 'they are accepted') or diag $said;
    is_deeply({ $said =~ /TC0082: (TripChat\w+): .*\(virtual host (\w+)\.example\.org:1, line \d+ of /g },
        { TripChatHistory => 'forgot', TripChatSite => 'site' }, 'those who did not mean it, each with its line') or diag $said;
};

subtest 'a virtual host that inherits TripChat off, and means to have a chat, is warned of' => sub {
    my $key = 'TripChatJWTSecretFile ' . file_of('on-secret', 's' x 32);
    my $socket = qq(<Location "/ws/">\nSetHandler tripchat-websocket\n</Location>);
    my @database = ('DBDriver sqlite3', "DBDParams $dir/new.db");
    my ($status, $said) = TripChat::Server->check_config(no_chat => 1, config => join '', "TripChat off\n$key\n", map { virtual_host(@$_) }
        ['key.example.org', $key, @database], ['both.example.org', $socket, $key, @database], ['handler.example.org', $socket],
        ['on.example.org', 'TripChat on', $key, $socket, @database], ['off.example.org', 'TripChat off', $key, $socket],
        ['plain.example.org'], ['none.example.org', 'TripChatJWTSecretFile none'], ['value.example.org', 'TripChatHistory 20']);
    is($status, 0, 'they are accepted') or diag $said;
    my %warned = reverse $said =~ /TC0089: (\w+): this virtual host inherits TripChat off from line \d+ of \S+, .*; write TripChat on .*\(virtual host (\w+)\.example\.org:1, line \d+ of /g;
    is_deeply(\%warned, { key => 'TripChatJWTSecretFile', both => 'TripChatJWTSecretFile', handler => 'SetHandler' }, 'each with its line') or diag $said;
    is(scalar(() = $said =~ /TC0089/g), 3, 'once');
};

subtest 'values of a Redis are warned of where the bus is local' => sub {
    my ($key, $word) = ('TripChatJWTSecretFile ' . file_of('redis-secret', 's' x 32), file_of('redis-word', 'word'));
    my @own   = ('TripChatRedisUser u', "TripChatRedisPasswordFile $dir/missing", 'TripChatRedisPrefix p:', 'TripChatRedisTimeout 2s');
    my @none  = ('TripChatRedisUser none', 'TripChatRedisPasswordFile none');
    my $redis = 'TripChatBus redis://127.0.0.1:1';
    my $count = sub {
        my ($name, $expected, @hosts) = @_;
        my ($status, $said) = TripChat::Server->check_config(no_chat => 1, config => join "\n", 'DBDriver sqlite3', "DBDParams $dir/new.db", @hosts);
        is($status, 0, "$name: accepted") or diag $said;
        is_deeply([sort map { s/.*Redis//r } $said =~ /TC0082: (TripChatRedis\w+): TripChatBus is local, .*\((?:virtual host own\S*|main server), line \d+ of /g], $expected, $name) or diag $said;
    };
    my @all = qw(PasswordFile Prefix Timeout User);
    $count->('a virtual host', \@all, virtual_host('own.example.org', $key, @own), virtual_host('none.example.org', $key, @none, 'TripChatSite none'));
    $count->('the main server', \@all, $key, @own);
    $count->('with TripChatBus local', \@all, $key, @own, 'TripChatBus local');
    my @good = map { s/\S*missing/$word/r } @own;
    $count->('values that a virtual host inherits', [], $key, @good, virtual_host('redis.example.org', $redis, $key));
    $count->('values that no Redis gets', ['Prefix'], $key, @good, virtual_host('redis.example.org', $redis, $key, 'TripChatRedisPrefix q:'));
    $count->('with a Redis', [], $key, @good, $redis);
};

# ---- lines that stand twice ----

subtest 'a second line of a directive with one value is refused' => sub {
    my %twice = (
        TripChatHistory       => [20, 20],
        TripChatJWTAudience   => [qw(web chat)],
        TripChatJWTIssuer     => [qw(none https://login.example.org/)],
        TripChatBus           => [qw(redis://127.0.0.1:1 redis://127.0.0.1:2)],
        TripChatReject        => [qw(close http)],
        TripChatMessageRate   => [qw(0 5/60s)],
        TripChatConnectionLog => [qw(a b)],
        TripChatAccessQuery   => [('"SELECT 1 WHERE %{trip} = %{user}"') x 2],
        TripChatAllowedOrigins => ['none', 'https://example.org'],
        TripChatJWTKey        => ['HS256 secret', 'none'],
    );
    for my $name (sort keys %twice) {
        my ($status, $said) = TripChat::Server->check_config(site_config => join "\n", map { "$name $_" } @{ $twice{$name} });
        ok($status != 0 && $said =~ /^$name: (?:line \d+ of \S+ has set it for this server already|write none alone).*virtual host localhost:\d+/m, $name) or diag $said;
    }
    my ($status, $said) = TripChat::Server->check_config(config => 'TripChatHistory 20', site_config => "TripChatHistory 30\n"
        . "TripChatAllowedOrigins https://a.example.org\nTripChatAllowedOrigins https://b.example.org\nTripChatMessageTypes text\nTripChatMessageTypes image");
    is($status, 0, 'another server, and lists, are no second line') or diag $said;
};

# ---- reloads ----

# Reloads, and waits until the old child has ended: it may answer requests until then.
sub reload {
    my ($server) = @_;
    my %old = map { $_ => 1 } $server->child_pids;
    $server->graceful;
    until_true('the old child to end', sub { !grep { $old{$_} } $server->child_pids });
    return;
}

# A reload with bad keys; then the kept ones still count.
sub reload_with {
    my ($server, $name, $tag) = @_;
    my $before = length $server->error_log;
    reload($server);
    my $said = substr $server->error_log, $before;
    my @told = $said =~ /^(.*\[tripchat:error\].*$tag: TripChat.*)$/mg;
    is(scalar @told, 1, "$name: the main log says so, once") or diag $said;
    like($told[0] // '', qr/\(virtual host localhost:\d+, line \d+ of \S+\)$/, 'with its place');
    return;
}

sub gets_in {
    my ($server, $name, %claims) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $site = $server->site;
    $site->{trip} //= $site->new_trip;
    return is($site->rest->room($site->{trip})->{status}, 200, $name);
}

subtest 'a reload keeps a secret that was good' => sub {
    my $server = TripChat::Server->start;
    my $file   = $server->dir . '/secret';
    gets_in($server, 'before');
    write_file($file, '');
    reload_with($server, 'an empty file', 'TC0083');
    gets_in($server, 'the kept secret counts');
    unlink $file;
    reload_with($server, 'no file', 'TC0083');
    gets_in($server, 'still');
    mkfifo($file, 0600) or die "$file: $!\n";
    reload_with($server, 'a FIFO', 'TC0083');
    unlink $file;
    mkdir $file;
    reload_with($server, 'a folder', 'TC0083');
    gets_in($server, 'still');
    rmdir $file;
    write_secret($file, 'another secret of thirty-two bytes!');
    reload($server);
    my $site = $server->site;
    is($site->rest->room($site->{trip})->{status}, 401, 'a good file replaces it');
    $site->{secret} = 'another secret of thirty-two bytes!';
    gets_in($server, 'with its own secret');
    unlink $file;
    reload_with($server, 'no file again', 'TC0083');
    gets_in($server, 'the newer one is kept');
    stops_clean($server, 'httpd has never ended', qr/TC0083/);
};

subtest 'a reload keeps a key set and a public key, and each by its own file' => sub {
    my $set    = file_of('set.json', '{"keys":[{"kty":"oct","alg":"HS256","k":"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz","kid":"a"}]}');
    my $key    = "$dir/public-copy.pem";
    copy(public_key_file(), $key) or die "$key: $!\n";
    my $server = TripChat::Server->start(site_config => qq(TripChatJWTSecretFile none\nTripChatJWTKey EdDSA "$key"\nTripChatJWTKeySet "$set"\nTripChatJWTAudience none));
    gets_in($server, 'by the set');
    for my $broken ('{"keys":[]}', '{"keys":', '[]', "\n") {
        write_file($set, $broken);
        reload_with($server, $broken =~ s/\n/a line end/r, 'TC0083');
        gets_in($server, 'the kept set counts');
    }
    write_file($key, 'no PEM');
    my $before = length $server->error_log;
    reload($server);
    my $said = substr $server->error_log, $before;
    is(scalar(() = $said =~ /TC0083: TripChatJWTKey(?:Set)?: /g), 2, 'both are told of') or diag $said;
    gets_in($server, 'and kept');
    stops_clean($server, 'httpd has never ended', qr/TC0083|TC0058/);
};

subtest 'a reload that names a new, broken file goes on without it' => sub {
    my $server = TripChat::Server->start(site_config => '');
    gets_in($server, 'before');
    $server->reconfigure(site_config => qq(TripChatJWTSecretFile "$dir/missing"));
    reload_with($server, 'a missing file', 'TC0084');
    my $site = $server->site;
    is($site->rest->room($site->{trip})->{status}, 401, 'nobody gets in with the secret that is not named any more');
    is($site->http_get('/index.html')->{status}, 200, 'and httpd serves on');
    $server->reconfigure(site_config => '');
    my $before = length $server->error_log;
    reload($server);
    unlike(substr($server->error_log, $before), qr/TC008[34]/, 'a good file');
    gets_in($server, 'and all is well');
    $server->reconfigure(site_config => qq(TripChatConnectionLog "$dir/nowhere/log"));
    reload_with($server, 'a log that cannot be opened', 'TC0055');
    gets_in($server, 'ends nothing either');
    stops_clean($server, 'httpd has never ended', qr/TC0084|TC0055/);
};

subtest 'httpd -k stop works while a check fails' => sub {
    for my $way (['-k', 'stop'], ['-k', 'graceful-stop'], ['-kstop']) {
        my $secret = file_of('goes', 's' x 32);
        my $server = TripChat::Server->start(site_config => qq(TripChatJWTSecretFile "$secret"));
        my @httpd  = (TripChat::Httpd::httpd(), '-f', $server->dir . '/httpd.conf');
        unlink $secret or die "$secret: $!\n";
        isnt(system(@httpd, '-t'), 0, 'httpd -t refuses the configuration');
        is(system(@httpd, @$way), 0, "but httpd @$way passes");
        is($server->wait_for_end, 0, 'and httpd ends');
        $server->_remove;
    }
};

# ---- the files' owners and modes ----

subtest 'files that others can read or change are warned of' => sub {
    my $set = '{"keys":[{"kty":"oct","alg":"HS256","k":"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"}]}';
    my @files = (
        [0640, 'TripChatJWTSecretFile', file_of('m1', 'x' x 32), qr/can be read by its group/],
        [0604, 'TripChatJWTSecretFile', file_of('m2', 'x' x 32), qr/can be read by everybody/],
        [0620, 'TripChatJWTKey HS512',  file_of('m3', 'x' x 64), qr/can be changed by its group/],
        [0646, 'TripChatJWTKeySet',     file_of('m4', $set), qr/can be changed by everybody/],
        [0644, 'TripChatJWTKeySet',     file_of('m5', $set), qr/can be read by everybody/],
        [0644, "TripChatBus redis://127.0.0.1:1\nTripChatRedisPasswordFile", file_of('m6', 'word'), qr/can be read/],
        [0644, 'TripChatJWTKey EdDSA',  public_key_file(), undef],
        [0600, 'TripChatJWTSecretFile', file_of('m7', 'x' x 32), undef],
    );
    for my $file (@files) {
        my ($mode, $directive, $path, $warning) = @$file;
        chmod $mode, $path;
        my ($status, $said) = TripChat::Server->check_config(site_config => qq($directive "$path"));
        is($status, 0, sprintf '%04o %s', $mode, $directive) or diag $said;
        my @warned = $said =~ /TC0085: (.*)/g;
        is(scalar @warned, $warning ? 1 : 0, 'warnings') or diag $said;
        like($warned[0], qr/\Q$path\E: this file .*$warning.*virtual host localhost:\d+, line/, 'with the file and what to do') if $warning;
    }
};

subtest 'a key set of a provider wants an audience or an issuer' => sub {
    my $set = file_of('provider', '{"keys":[{"kty":"oct","alg":"HS256","k":"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"}]}');
    my %warns = ('' => 1, 'TripChatJWTAudience chat' => 0, 'TripChatJWTIssuer https://login.example.org/' => 0, 'TripChatJWTAudience none' => 0,
        'TripChatJWTIssuer none' => 1);
    for my $more (sort keys %warns) {
        my ($status, $said) = TripChat::Server->check_config(site_config => qq(TripChatJWTKeySet "$set"\n$more));
        is($status, 0, "accepted with: $more") or diag $said;
        is(scalar(() = $said =~ /TC0058: TripChatJWTKeySet: .*virtual host localhost:\d+, line/g), $warns{$more}, 'warnings') or diag $said;
    }
    my ($status, $said) = TripChat::Server->check_config();
    unlike($said, qr/TC0058/, 'a secret of the site\'s own is for the site alone');
};

subtest 'keys that are doubtful are warned of' => sub {
    my $public = public_key_file();
    my $certificate = file_of('certificate.pem', '');
    system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 1 -addext keyUsage=keyEncipherment -keyout /dev/null -out '$certificate' 2>/dev/null") == 0
        or die "openssl: $?\n";
    my $jwk = '"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"';    # RFC 8037, A.2
    my %warns = (
        qq(TripChatJWTKey EdDSA "$public")       => undef,
        qq(TripChatJWTKey RS256 "$certificate")  => qr/TC0080: TripChatJWTKey: .*certificate\.pem: the certificate says that its key is not for signatures/,
        'TripChatJWTKeySet ' . file_of('public-set', qq({"keys":[{$jwk,"kid":"d"}]}))                     => undef,
        'TripChatJWTKeySet ' . file_of('private-set', qq({"keys":[{$jwk,"d" : "nWGxne_9WmC6hEr0kuwsxERJ"}]})) => qr/TC0080: TripChatJWTKeySet: .*private-set: the set holds private keys/,
    );
    for my $line (sort keys %warns) {
        my ($status, $said) = TripChat::Server->check_config(site_config => "$line\nTripChatJWTAudience none");
        is($status, 0, $line) or diag $said;
        is(scalar(() = $said =~ /TC0080/g), $warns{$line} ? 1 : 0, 'warnings') or diag $said;
        like($said, qr/$warns{$line}.*virtual host localhost:\d+, line/, 'with the reason and the place') if $warns{$line};
    }
};

subtest 'a warning stands once in the log' => sub {
    my $server = TripChat::Server->start(secret => 'too short');
    is(scalar(() = $server->error_log =~ /TC0042/g), 1, 'after a start');
    is(scalar(() = read_file($server->dir . '/stderr') =~ /TC0042/g), 1, 'and once on the console');
    reload($server);
    is(scalar(() = $server->error_log =~ /TC0042/g), 2, 'and once more after a reload');
    stops_clean($server, 'that is all', qr/TC0042/);
};

subtest 'a connection log that is a FIFO without a reader does not hang the start' => sub {
    my $server = TripChat::Server->start(site_config => qq(TripChatConnectionLog "$dir/fifo"));
    log_says($server, qr/TC0055: TripChatConnectionLog/, 'the log says that it cannot be opened');
    gets_in($server, 'the chat works');
    stops_clean($server, 'and ends in order', qr/TC0055/);
};

# ---- inheritance, and the dump that shows it ----

# The sites of a dump: { name => { what => [values] } }
sub dumped {
    my (%options) = @_;
    my ($status, $said) = TripChat::Server->check_config(%options, arguments => ['-D', 'DUMP_TRIPCHAT']);
    is($status, 0, 'httpd -t -D DUMP_TRIPCHAT') or diag $said;
    my (%site, $current);
    for (split /\n/, $said) {
        $current = $site{$1} = {} if /^(?:site )?(\S.*)$/;
        push @{ $current->{ $1 =~ s/ +$//r } }, $2 if $current && /^    (.{18}) (.*)$/;
    }
    return (\%site, $said);
}

sub virtual_host { my ($name, @lines) = @_; return join "\n", '<VirtualHost *:1>', "ServerName $name", @lines, '</VirtualHost>', '' }

subtest 'what belongs to another value is not inherited' => sub {
    my $secret = file_of('main-secret',  'm' x 32);
    my $word   = file_of('main-word',    'word');
    my $other  = file_of('other-secret', 'o' x 32);
    my $main   = qq(DBDriver sqlite3\nDBDParams main.db\nTripChatJWTSecretFile "$secret"\nTripChatJWTAudience main-audience\nTripChatJWTIssuer main-issuer\n)
        . qq(TripChatBus redis://main.example.org\nTripChatRedisUser main-user\nTripChatRedisPasswordFile "$word"\nTripChatConnectionLog main-log\n);
    my ($site, $said) = dumped(no_chat => 1, config => $main
        . virtual_host('inherits.example.org')
        . virtual_host('history.example.org', 'TripChatHistory 3')
        . virtual_host('bus.example.org',     'TripChatBus redis://other.example.org')
        . virtual_host('user.example.org',    'TripChatRedisUser other-user', qq(TripChatRedisPasswordFile "$word"))
        . virtual_host('pass.example.org',    qq(TripChatRedisPasswordFile "$other"))
        . virtual_host('anonymous.example.org', 'TripChatRedisUser none')
        . virtual_host('keys.example.org',    qq(TripChatJWTSecretFile "$other"))
        . virtual_host('aware.example.org',   qq(TripChatJWTKey HS256 "$other"), 'TripChatJWTAudience none', 'TripChatJWTIssuer other-issuer')
        . virtual_host('lax.example.org',     'TripChatJWTAudience none', 'TripChatConnectionLog none')
        . virtual_host('none.example.org',    'TripChatJWTSecretFile none'));
    my %is = map { my $name = $_; ($name => { map { ($_ => join '; ', map { s/ \(.*//r } @{ $site->{"$name.example.org:1"}{$_} || ['-'] }) }
        'redis user', 'redis password in', 'audience', 'issuer', 'key file', 'secret file', 'connection log', 'bus' }) }
        qw(history bus user pass anonymous keys aware lax);
    is("@{ $is{history} }{'redis user', 'audience', 'connection log'}", 'main-user main-audience main-log', 'what has no partner is inherited');
    is("$is{history}{'redis password in'} $is{history}{'secret file'}", "$word $secret", 'and so are pairs');
    is("$is{bus}{'redis user'} $is{bus}{'redis password in'}", 'none none', 'a Redis of one\'s own gets no password of another');
    is("$is{bus}{audience} $is{bus}{issuer}", 'main-audience main-issuer', 'but tokens are checked as before');
    is("$is{user}{'redis user'} $is{user}{bus}", 'other-user redis://main.example.org', 'a user of one\'s own');
    is("$is{pass}{'redis user'} $is{pass}{'redis password in'}", "none $other", 'a password of one\'s own is not sent with another user');
    is("$is{anonymous}{'redis user'} $is{anonymous}{'redis password in'}", 'none none', 'a user of none');
    is("$is{keys}{audience} $is{keys}{issuer} $is{keys}{'secret file'}", "none none $other", 'keys of one\'s own are no other issuer\'s');
    is("$is{aware}{audience} $is{aware}{issuer} $is{aware}{'secret file'}", 'none other-issuer -', 'and may have one of their own');
    is("$is{lax}{audience} $is{lax}{issuer} $is{lax}{'connection log'}", 'none main-issuer none', 'none is a value');
    is_deeply([sort $said =~ /TC0087: (TripChat\w+): .*virtual host (\S+?):1,/g],
        [sort map { ($_, 'keys.example.org') } qw(TripChatJWTAudience TripChatJWTIssuer)], 'a check that is not inherited is warned of, unless it is set');
    is_deeply([grep { !/\Alocalhost/ } map { s/ .*//r } @{ $site->{localhost}{server} }], [qw(inherits.example.org:1)], 'the main server\'s site has the virtual hosts without directives of their own');
    like(join(' ', @{ $site->{'without a chat'}{server} }), qr/none\.example\.org/, 'a virtual host without keys has no chat');
    unlike($said, qr/m{32}|o{32}|\bword\b(?!s)[^\/]*$/m, 'no secret is shown');
};

subtest 'the dump shows the database and the queries, and no password of the database' => sub {
    my ($site, $said) = dumped(no_chat => 1, config => "DBDriver sqlite3\nDBDParams 'main.db'\nTripChatJWTSecretFile " . file_of('s', 's' x 32)
        . "\nTripChatUserQuery \"SELECT a, b, c, d FROM people WHERE a = %{user}\"\nTripChatJWTKeySet " . file_of('set', '{"keys":[{"kty":"oct","alg":"HS384","kid":"named","k":"' . 'c2VjcmV0' x 8 . '"}]}') . "\n");
    my %of = %{ $site->{localhost} };
    like($of{database}[0], qr/\Asqlite3 main\.db \(line \d+ of /, 'the database');
    like($of{'user query'}[0], qr/\ASELECT a, b, c, d FROM people WHERE a = %\{user\} \(line \d+ of /, 'the query');
    like($of{'access query'}[0], qr/trip_collaborators.*\(the default\)/, 'the default');
    is(join('; ', @{ $of{key} }), 'HS256, no kid; HS384, kid named', 'the keys');
    unlike($said, qr/s{32}|c2VjcmV0|secretsecret/, 'and no secret');
    SKIP: {
        my ($status, $dump) = TripChat::Server->check_config(no_chat => 1, arguments => ['-D', 'DUMP_TRIPCHAT'], config => 'DBDriver pgsql'
            . qq(\nDBDParams "host=h dbname=site sslpassword=hidden host=a,password=open user=u password='pass host=word user=' passfile=/f"\nTripChatJWTSecretFile $dir/s\n));
        skip 'there is no driver for PostgreSQL', 1 if $dump =~ /load driver/;
        like($dump, qr/database +pgsql host=h dbname=site … … user=u … \(/, 'only what is no secret') or diag $dump;
    }
};

# ---- the example ----

subtest 'the example can be enabled where httpd runs several children, and reloaded' => sub {
    my $example = read_file(top_dir() . '/conf/tripchat.conf') =~ s{/etc/apache2/tripchat\.secret}{$dir/example.secret}gr =~ s{/var/lib/tripchat}{$dir}gr;
    write_file("$dir/example.conf", $example);
    my $stock  = "ServerLimit 16\nStartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\nThreadsPerChild 25\nMaxRequestWorkers 150\n";
    my $server = TripChat::Server->start(mpm => 'event', no_chat => 1, config => $stock);
    $server->reconfigure(config => "$stock\nInclude $dir/example.conf");
    for my $state ('before there is a secret', 'with a secret') {
        my $status = system TripChat::Httpd::httpd(), '-t', '-f', $server->dir . '/httpd.conf';
        is($status, 0, "configtest passes $state");
        reload($server);
        is($server->site->http_get('/index.html')->{status}, 200, 'the site is there after a reload');
        is($server->site->http_get('/api/v1/chat/rooms/x/messages/')->{status}, $state =~ /before/ ? 404 : 401, 'and the chat, if there is a secret');
        file_of('example.secret', 's' x 64);
    }
    stops_clean($server, 'nothing else is said', qr/\bAH0051\d|AH10159|\[dbd:|TC001[0-9]/);
};

subtest 'the configuration of the container passes, without a secret and with one' => sub {
    local @ENV{qw(TRIPCHAT_SERVER_NAME TRIPCHAT_BUS TRIPCHAT_DB_HOST TRIPCHAT_DB_NAME TRIPCHAT_DB_USER TRIPCHAT_DB_PASSWORD)} = qw(localhost redis://valkey:6379 postgres site tripchat word);
    my $conf = read_file(top_dir() . '/conf/docker/tripchat.conf') =~ s{/run/secrets/tripchat_jwt}{$dir/container.secret}gr;
    $conf = '<IfModule !authz_host_module>' . "\nLoadModule authz_host_module " . TripChat::Httpd::libexec_dir() . "/mod_authz_host.so\n</IfModule>\n$conf";
    for my $state ('without a secret', 'with a secret') {
        my ($status, $said) = TripChat::Server->check_config(no_chat => 1, config => $conf);
        plan(skip_all => 'there is no driver for PostgreSQL') if $said =~ /load driver/;
        is($status, 0, "configtest passes $state") or diag $said;
        file_of('container.secret', 's' x 64);
    }
};

done_testing;
