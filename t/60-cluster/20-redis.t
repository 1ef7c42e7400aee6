# Redis only wakes up the children; the database is the record. Whatever happens to Redis, members keep their
# connections and go on, and no message is lost or duplicated.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(
    children_of one_on_each chat_on all_hear heard_alike hear_nothing_else hear_no_other_event collect typing_comes
);
use TripChat::File qw(write_secret read_file);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN     => 3,
    TURNS        => 10,
    OF_REDIS     => qr/\bTC007[01]:/,                 # it is gone; it is there again
    OF_STRANGERS => qr/\bTC0072:/,                    # what came is no envelope
    QUICK        => 'TripChatTypingInterval 0',       # as typing_comes() needs it
    OTHER_WORD   => 'another password, which Redis does not know',
};

# PostgreSQL logs all statements, so that the tests can count them.
my $postgres = TripChat::Postgres->start(settings => { log_statement => 'all' });
my $database = $postgres->new_database;
my $redis    = TripChat::Redis->start(socket => 1);
my $server   = new_server();
my $site     = $server->site;

sub new_server {
    my (%opt) = @_;
    return TripChat::Server->start(children => CHILDREN, database => $database, redis => $redis, site_config => QUICK, %opt);
}

# ann and bob on one child, and carol on each of the others.
sub members_of {
    my ($where, $trip) = @_;
    my ($first, @others) = children_of($where);
    return ((map { chat_on($where, $first, trip => $trip, as => $_) } qw(ann bob)),
        map { chat_on($where, $_, trip => $trip, as => 'carol') } @others);
}

sub members {
    my $trip = $site->new_trip;
    return ($trip, members_of($server, $trip));
}

# All members get each other's messages. Typing indicators come, so Redis is in use.
sub all_is_well {
    my ($members, $name) = @_;
    my ($ann, undef, @carols) = @$members;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    typing_comes($ann, $_), typing_comes($_, $ann) for @carols;
    my @seqs = map { all_hear($_, 'all is well, says ' . new_uuid(), $members, $name)->{seq} } @$members;
    return is_consecutive(\@seqs, $seqs[0], scalar @seqs, "$name, in a row");
}

# All members send before any of them reads. All get all messages, once and with the same numbers. $meanwhile is called
# in the middle.
sub talk_at_once {
    my ($members, $name, $meanwhile) = @_;
    my @texts;
    for my $n (1 .. TURNS) {
        for my $i (0 .. $#$members) {
            push @texts, "member $i, message $n, " . new_uuid();
            $members->[$i]->say($texts[-1]);
        }
        $meanwhile->() if $meanwhile && $n == TURNS / 2;
    }
    my ($one, @others) = collect($members, scalar @texts);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_consecutive([map { $_->[0] } @$one], $one->[0][0], scalar @texts, "$name: numbers in a row");
    is_deeply([sort map { $_->[2] } @$one], [sort @texts], "$name: each once");
    return is_deeply([grep { !eq_array($_, $one) } @others], [], "$name: the same for all");
}

sub lines_of { my ($log, $pattern) = @_; return grep { /$pattern/ } split /\n/, $log }

# pattern_of: a pattern that matches the channel of the trip's room alone. channel_of: the channel, once all children
# listen to it.
sub pattern_of {
    my ($trip) = @_;
    return '*room:' . ($database->sql("SELECT id FROM chat_rooms WHERE trip_id = '$trip'"))[0];
}

sub channel_of {
    my ($trip) = @_;
    my $pattern = pattern_of($trip);
    until_true('all children to listen', sub { $redis->listeners($pattern) == CHILDREN });
    return ($redis->command(qw(PUBSUB CHANNELS), $pattern))[0];
}

sub leave { $_->leave for @_; return }

my %OUTAGE = (
    'is killed and started again'           => [sub { $redis->kill9 },  sub { $redis->start_again }],
    'is stopped in order and started again' => [sub { $redis->stop },   sub { $redis->start_again }],
    'stands still and goes on'              => [sub { $redis->freeze }, sub { $redis->thaw }],
);

# Each outage gets a server of its own: a child that has lost Redis several times waits longer before it reconnects.
for my $what (sort keys %OUTAGE) {
    my ($break, $mend) = @{ $OUTAGE{$what} };
    subtest "members talk on when Redis $what" => sub {
        my ($other, $trip) = (new_server(), $site->new_trip);
        my @members = members_of($other, $trip);
        my ($ann, $bob, @carols) = @members;
        all_is_well(\@members, 'before');
        $break->();
        $ann->say('first without Redis');
        my $own = heard_alike('first without Redis', [$ann, $bob], 'who is on the same child hears it');
        is(heard_alike('first without Redis', \@carols, 'who is on another hears it, too')->{id}, $own->{id}, 'the same');
        talk_at_once(\@members, 'members of all children talk on');
        my $late = chat_on($other, (children_of($other))[1], trip => $trip, as => 'bob', after => $own->{seq});
        is(scalar @{ $late->history->{messages} }, TURNS * @members, 'who comes gets all of it');
        $late->leave;
        $mend->();
        all_is_well(\@members, 'afterwards');
        hear_no_other_event($ann, \@members, 'and nothing comes twice');
        leave(@members);
        stops_clean($other, 'the log says that it was gone, and nothing else', OF_REDIS);
    };
}

subtest 'with Redis standing still, who comes back from beyond what the child has heard gets what there is' => sub {
    my ($trip, $ann, $bob, $carol) = members();
    all_hear($ann, "message $_", [$ann, $bob, $carol], "message $_") for 1 .. 3;
    my $child = (children_of($server))[1];
    $redis->freeze;
    $ann->said("message $_") for 4, 5;
    my $back = chat_on($server, $child, trip => $trip, as => 'bob', after => 5);
    is_deeply([@{ $back->history }{qw(messages last_seq)}, !!$back->history->{recovered}], [[], 5, !!1], 'nothing is new to it');
    my $lost = chat_on($server, $child, trip => $trip, as => 'bob', after => 9);
    is_deeply([seqs_of(@{ $lost->history->{messages} }), !!$lost->history->{recovered}], [[1 .. 5], !!0],
        'beyond what there is, it is a fresh start');
    $ann->say('message 6');
    is_deeply(seqs_of($_->next_json('chat_message')), [6], 'and the next event comes next') for $back, $lost;
    is_deeply(seqs_of($carol->next_many(3, 'chat_message')), [4 .. 6], 'who was there misses nothing');
    $redis->thaw;
    leave($ann, $carol, $back, $lost);
};

subtest 'publishing that Redis refuses is made good by the database' => sub {
    my $other   = new_server();
    my @members = members_of($other, $site->new_trip);
    all_is_well(\@members, 'before');
    $redis->command(qw(ACL SETUSER default -publish));
    talk_at_once(\@members, 'without a right to PUBLISH');
    $redis->command(qw(ACL SETUSER default +publish));
    all_is_well(\@members, 'with the right again');
    hear_no_other_event($members[0], \@members, 'and nothing comes twice');
    log_says($other, qr/TC0070:.*NOPERM/, 'the log has the reason');
    leave(@members);
    stops_clean($other, 'and nothing else', OF_REDIS);
};

for my $type (qw(pubsub normal)) {
    subtest "connections that are cut in the middle of traffic: $type" => sub {
        my $other   = new_server();
        my @members = members_of($other, $site->new_trip);
        for my $round (1 .. 3) {
            talk_at_once(\@members, "round $round", sub { $redis->command('CLIENT', 'KILL', 'TYPE', $type) });
            typing_comes($members[0], $members[-1]);    # Redis is in use again before the next round
        }
        all_is_well(\@members, 'afterwards');
        hear_no_other_event($members[0], \@members, 'and nothing comes twice');
        leave(@members);
        stops_clean($other, 'and nothing else went wrong', OF_REDIS);
    };
}

subtest 'a room is subscribed to while it has members, and forgotten a while after' => sub {
    my $other  = new_server(site_config => QUICK . "\nTripChatRoomLinger 100ms");
    my $trip   = $site->new_trip;
    my @before = one_on_each($other, trip => $trip);
    my @again  = one_on_each($other, trip => $trip, as => 'bob');
    my $channel = pattern_of($trip);
    until_true('a subscription of each child', sub { $redis->listeners($channel) == CHILDREN });
    leave(@before);
    is_deeply([$redis->listeners($channel)], [CHILDREN], 'one of two members may go');
    leave(shift @again);
    until_true('one to be given up', sub { $redis->listeners($channel) == CHILDREN - 1 });
    my $back = chat_on($other, (children_of($other))[0], trip => $trip);
    until_true('a subscription again', sub { $redis->listeners($channel) == CHILDREN });
    leave($back, @again);
    until_true('all to be given up', sub { $redis->listeners($channel) == 0 });
    pass('with the last member of a child goes its subscription');
    stops_clean($other, 'and nothing went wrong');
};

subtest 'httpd that starts without Redis' => sub {
    $redis->stop;
    my $other   = new_server();
    my @members = members_of($other, $site->new_trip);
    talk_at_once(\@members, 'members of all children talk');
    $redis->start_again;
    all_is_well(\@members, 'when it has come up');
    leave(@members);
    stops_clean($other, 'and said that it was gone', OF_REDIS);
};

# How often Redis has answered with this error.
sub errors {
    my ($word) = @_;
    return (map { /\Aerrorstat_$word:count=(\d+)/ ? $1 : () } $redis->command('INFO', 'errorstats'))[0] // 0;
}

subtest 'a wrong password is said once, and nothing of it but that it is wrong' => sub {
    my $file = $server->dir . '/wrong';
    write_secret($file, OTHER_WORD);
    my $other   = new_server(redis => $redis->with(password_file => $file));
    my @members = members_of($other, $site->new_trip);
    my $before  = errors('WRONGPASS');
    until_true('many tries', sub { errors('WRONGPASS') > $before + 4 * CHILDREN });
    talk_at_once(\@members, 'members talk through the database');
    my @said = lines_of($other->error_log, qr/TC0070:/);
    is(scalar @said, CHILDREN, 'each child has said it once');
    is(scalar(grep { /WRONGPASS/ } @said), CHILDREN, 'with the reason');
    $redis->command('ACL', 'SETUSER', 'default', '>' . OTHER_WORD);
    all_is_well(\@members, 'when the password is right');
    $redis->command('ACL', 'SETUSER', 'default', '<' . OTHER_WORD);
    until_true('all to say so', sub { lines_of($other->error_log, qr/TC0071:/) == CHILDREN });
    my $logs = join '', $other->output, $other->access_log;
    is_deeply([grep { index($logs, $_) >= 0 } OTHER_WORD, TripChat::Redis::PASSWORD(), $database->{params}],
        [], 'no password is in any log');
    leave(@members);
    stops_clean($other, 'and nothing else went wrong', OF_REDIS);
};

subtest 'a reload with an empty password file keeps the password' => sub {
    my $file = $server->dir . '/kept';
    write_secret($file, TripChat::Redis::PASSWORD());
    my $other = new_server(redis => $redis->with(password_file => $file), generations => 2);
    write_secret($file, '');
    my @members = members_of($other, $site->new_trip);
    all_is_well(\@members, 'before the reload');
    leave(@members);
    my %old = map { $_ => 1 } children_of($other);
    $other->graceful;
    until_true('the old children to end', sub { !grep { $old{$_} } $other->child_pids });
    @members = members_of($other, $site->new_trip);
    all_is_well(\@members, 'children use it');
    log_says($other, qr/\[tripchat:error\].*TC0083: TripChatRedisPasswordFile: \Q$file\E: .*virtual host localhost:\d+, line/, 'the log says so');
    leave(@members);
    stops_clean($other, 'and nothing else went wrong', qr/\bTC0083:/);
};

# A Redis user with the least rights that the chat needs, but without those that are named.
sub new_user {
    my (%opt) = @_;
    my @rights = ('&tripchat:*', qw(+subscribe +unsubscribe +publish), $opt{select} ? '+select' : ());
    my %without = map { $_ => 1 } @{ $opt{without} || [] };
    $redis->command(qw(ACL DELUSER chat));
    $redis->command(qw(ACL SETUSER chat on), '>' . OTHER_WORD, qw(resetchannels -@all), grep { !$without{$_} } @rights);
    my $file = $server->dir . '/of-chat';
    write_secret($file, OTHER_WORD . "\n");
    return (user => 'chat', password_file => $file);
}

my %DOOR = (
    'a user with the least rights'         => [{}, qr/user=chat/],
    'and a database number'                => [{ select => 1, url => 'redis://127.0.0.1:' . $redis->port . '/3' }, qr/db=3 .*user=chat/],
    'a Unix socket'                        => [{ url => 'unix:' . $redis->socket_path }, qr/addr=\S+:0 .*user=chat/],
    'a Unix socket with a database number' => [{ select => 1, url => 'unix:' . $redis->socket_path . '?db=5' }, qr/addr=\S+:0 .*db=5 .*user=chat/],
);

for my $what (sort keys %DOOR) {
    subtest "a way to Redis: $what" => sub {
        my ($opt, $listed) = @{ $DOOR{$what} };
        my %user    = new_user(%$opt);
        my $other   = new_server(redis => $redis->with(%user, $opt->{url} ? (url => $opt->{url}) : ()),
            site_config => QUICK . "\nTripChatRoomLinger 0");
        my $trip    = $site->new_trip;
        my @members = members_of($other, $trip);
        my $channel = pattern_of($trip);
        all_is_well(\@members, 'members of all children talk through it');
        is(scalar(lines_of(join("\n", $redis->command('CLIENT', 'LIST')), $listed)), 2 * CHILDREN, 'two connections a child');
        leave(@members);
        until_true('the room to be given up', sub { $redis->listeners($channel) == 0 });
        stops_clean($other, 'and nothing went wrong');
    };
}

for my $right (qw(+subscribe +unsubscribe +publish &tripchat:* +select)) {
    subtest "the right $right is needed" => sub {
        my $url     = 'redis://127.0.0.1:' . $redis->port . '/3';
        my $other   = new_server(redis => $redis->with(new_user(select => 1, without => [$right]), url => $url),
            site_config => QUICK . "\nTripChatRoomLinger 0");
        my @members = members_of($other, $site->new_trip);
        leave(@members);
        until_true('a complaint', sub { $other->error_log =~ /TC0070:.*NOPERM/ });
        stops_clean($other, 'the log says that it is missing', OF_REDIS);
    };
}

subtest 'two sites with the same rooms on one Redis, with two prefixes' => sub {
    my ($first, $trip) = ($postgres->new_database);
    my $room = new_uuid();
    $trip = TripChat::Site->new(database => $first)->new_trip;
    $first->sql("INSERT INTO chat_rooms (id, trip_id) VALUES ('$room', '$trip')");
    my $copy   = $postgres->new_database(copy_of => $first);
    my $one    = new_server(database => $first, redis => $redis->with(prefix => 'one:'));
    my $two    = new_server(database => $copy, redis => $redis->with(prefix => 'two:'));
    my @ones   = members_of($one, $trip);
    my @twos   = members_of($two, $trip);
    all_is_well(\@ones, 'the first site talks');
    hear_nothing_else($_, \@twos, 'and the other hears nothing, not even typing') for @twos;
    all_is_well(\@twos, 'the other talks');
    hear_no_other_event($_, \@ones, 'and the first hears nothing') for @ones;
    my @channels = sort $redis->command('PUBSUB', 'CHANNELS', "*$room");
    is_deeply([map { /\A(one|two):.*room:/ } @channels], [qw(one two)], 'each has a channel');
    leave(@ones, @twos);
    stops_clean($_, 'and nothing went wrong') for $one, $two;
};

# Staging has a copy of the database of production, and the same Redis.
subtest 'two sites with the same rooms on one Redis, with one prefix' => sub {
    my ($first, $room) = ($postgres->new_database, new_uuid());
    my $trip = TripChat::Site->new(database => $first)->new_trip;
    $first->sql("INSERT INTO chat_rooms (id, trip_id) VALUES ('$room', '$trip')");
    my @servers = map { new_server(database => $_, redis => $redis->with(prefix => 'one:')) } $first, $postgres->new_database(copy_of => $first);
    my ($ones, $twos) = map { [members_of($_, $trip)] } @servers;
    all_is_well($ones, 'the first site talks');
    hear_nothing_else($_, $twos, 'and the other hears nothing, not even typing') for @$twos;
    all_is_well($twos, 'the other talks, with the same numbers');
    hear_no_other_event($_, $ones, 'and the first hears nothing') for @$ones;
    leave(@$ones, @$twos);
    stops_clean($_, 'the log says that they share a channel', qr/\bTC0111:/) for @servers;
};

# An envelope of this server, made of a message that is sent for it. It is changed to come from a child of another
# server, because a child ignores its own envelopes.
sub genuine {
    my ($channel, $speaker) = @_;
    my $ear = $redis->wire;
    $ear->command('SUBSCRIBE', $channel);
    $speaker->say('genuine');
    while (1) {
        my $bytes = $ear->answer->[2];
        my $stranger = new_uuid();
        return $bytes if $bytes =~ s/\A(tc1 message )\S+/$1$stranger/;
    }
}

# name => bytes of garbage, made of a genuine envelope; another room's id replaces this room's.
sub garbage {
    my ($genuine, $room, $next) = @_;
    my ($line, $body) = $genuine =~ /\A(.*?\n)(.*)\z/s;
    my $with = sub { my ($seq) = @_; my $copy = $genuine; $copy =~ s/ \d+\n/ $seq\n/; $copy =~ s/"seq":\d+/"seq":$seq/; $copy };
    my $saying = sub { my ($json, $seq) = @_; $line =~ s/ \d+\n/ $seq\n/r . $json };
    return (
        'nothing'                          => '',
        'a word'                           => 'hello',
        'random bytes'                     => join('', map { chr int rand 256 } 1 .. 5000),
        'bytes above ASCII'                => "\xff\xfe\x00\x80" x 100,
        'a line of another version'        => 'tc2' . substr($genuine, 3),
        'half an envelope'                 => substr($genuine, 0, length($genuine) / 2),
        'an envelope with something behind' => $genuine . ' ',
        'the line alone'                   => $line,
        'a line without an end'            => $line =~ s/\n//r,
        'a kind that is none'              => $genuine =~ s/message/massage/r,
        'a child that is none'             => $genuine =~ s/ [0-9a-f]{8}-/ zzzzzzzz-/r,
        'a number that is none'            => $line =~ s/ \d+\n/ x\n/r . $body,
        'a number below 1'                 => $with->(0),
        'a negative number'                => $with->(-1),
        'a number too big'                 => $with->('9' x 30),
        'a number that is not the body\'s' => $line =~ s/ \d+\n/ $next\n/r . $body,
        'a body of another kind'           => $saying->('{"user_id":"x","user_email":"y","is_typing":true}', $next),
        'a body that is no JSON'           => $saying->('{"id":', $next),
        'a body that is a list'            => $saying->('[1,2,3]', $next),
        'a body of nested lists'           => $saying->('[' x 200_000 . ']' x 200_000, $next),
        'a body of nested objects'         => $saying->('{"a":' x 100_000 . '1' . '}' x 100_000, $next),
        'a body of a huge number'          => $saying->('{"seq":' . '9' x 100_000 . '}', $next),
        'a body of a thousand keys'        => $saying->('{' . join(',', map { qq("k$_":$_) } 1 .. 50_000) . '}', $next),
        'a body that is no UTF-8'          => $with->($next) =~ s/genuine/\xff\xfe/r,
        'a body with half a character'     => $with->($next) =~ s/genuine/\xe2\x82/r,
        'a zero in the text'               => $with->($next) =~ s/genuine/\\u0000/r,
        'an event of another room'         => $with->($next) =~ s/$room/@{[new_uuid()]}/r,
        'an event without a room'          => $with->($next) =~ s/"chat_room_id":"[^"]*",//r,
        'an event without a sender'        => $with->($next) =~ s/"sender":\{[^}]*\},//r,
        'an event whose content is a list' => $with->($next) =~ s/"content":"genuine"/"content":["genuine"]/r,
        'a huge one'                       => $with->($next) =~ s/genuine/'x' x 3_000_000/er,
        'typing without a user'            => $line =~ s/message/typing/r . '{"is_typing":true}',
        'typing of a number'               => $line =~ s/message/typing/r . '{"user_id":5,"user_email":"x","is_typing":true}',
        'typing that is no JSON'           => $line =~ s/message/typing/r . '"',
    );
}

subtest 'what is no envelope is dropped, counted, and seen by nobody' => sub {
    my ($trip, @members) = members();
    my $channel = channel_of($trip);
    my ($room) = $channel =~ /room:(.*)/;
    my @pids    = children_of($server);
    my $genuine = genuine($channel, $members[0]);
    heard_alike('genuine', \@members, 'the genuine one');
    my $wire = $redis->wire;
    my %garbage = garbage($genuine, $room, 2);
    for my $what (sort keys %garbage) {
        is($wire->command('PUBLISH', $channel, $garbage{$what}), CHILDREN, "to all children: $what");
    }
    hear_nothing_else($members[0], \@members, 'nobody sees anything of it');
    hear_nothing_else($_, \@members, 'and members of all children talk on') for @members;
    my %counted = map { /\[pid (\d+).*TC0072:.*\((\d+) so far\)/ ? ($1 => $2) : () } split /\n/, $server->error_log;
    is(scalar keys %counted, CHILDREN, 'each child has counted');
    my ($pieces, $line) = (scalar keys %garbage, 1);
    $line *= 2 while $line * 2 <= $pieces;     # the log has a line at each power of two
    is_deeply([values %counted], [($line) x CHILDREN], "all $pieces pieces");
    is_deeply([children_of($server)], \@pids, 'no child has died');
    leave(@members);
};

# name => bytes of a valid envelope whose content is not true
sub lies {
    my ($genuine, $next) = @_;
    my $with = sub { my ($seq, $text) = @_; my $copy = $genuine; $copy =~ s/ \d+\n/ $seq\n/; $copy =~ s/"seq":\d+/"seq":$seq/; $copy =~ s/genuine/$text/; $copy };
    my ($line) = $genuine =~ /\A(.*?\n)/s;
    return (
        'an event with a number that is used'   => $with->(1, 'a lie'),
        'an event from the far future'          => $with->($next + 1_000_000, 'a lie'),
        'an event from the end of all numbers'  => $with->('9' x 18, 'a lie'),
        'a head that is used'                   => $line =~ s/message/head/r =~ s/ \d+\n/ 1\n/r,
        'a head from the far future'            => $line =~ s/message/head/r =~ s/ \d+\n/ @{[$next + 1_000_000]}\n/r,
        'a head from the end of all numbers'    => $line =~ s/message/head/r =~ s/ \d+\n/ @{['9' x 18]}\n/r,
    );
}

# How many statements that read a room's events PostgreSQL has run so far.
sub event_queries { return scalar(() = read_file("$postgres->{dir}/log") =~ /FROM chat_edits WHERE room_id/g) }

for my $what (sort { $a cmp $b } keys %{ { lies("tc1 message x 1\n", 1) } }) {
    subtest "a lie is not believed, and costs little: $what" => sub {
        my ($trip, @members) = members();
        my $channel = channel_of($trip);
            my $genuine = genuine($channel, $members[0]);
        heard_alike('genuine', \@members, 'the genuine one');
        my ($queries, $start) = (event_queries(), now());
        my %lies = lies($genuine, 2);
        is($redis->wire->command('PUBLISH', $channel, $lies{$what}), CHILDREN, 'all children hear it');
        for my $n (1 .. 5) { hear_nothing_else($_, \@members, 'nobody believes it, all talk on') for @members }
        my $allowed = CHILDREN * (now() - $start + 10);    # a child may ask once a second, and a few times more
        cmp_ok(event_queries() - $queries, '<', $allowed, 'the database is not asked again and again');
        leave(@members);
    };
}

subtest 'and the next room is as well as any' => sub {
    my ($trip, @members) = members();
    all_is_well(\@members, 'there');
    leave(@members);
};

stops_clean($server, 'the server stops in order', OF_REDIS, OF_STRANGERS);

done_testing;
