# A fail-over that loses commits: a primary is killed under load, and an asynchronous standby, which is seconds behind, is
# promoted. No client is told that it has everything when it lacks something, no number has two meanings in an epoch, what
# was lost is counted, and what members had seen is there again for everybody.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::XS ();
use Test::More;

use TripChat::Delay;
use TripChat::Frame qw(OP_TEXT OP_CLOSE OP_PONG);
use TripChat::Metrics qw(metrics_config metrics_of);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant {
    CHILDREN => 3,
    ROOMS    => 4,
    MEMBERS  => 4,      # of each room
    BEHIND_S => 2,
    BEFORE_S => 6,      # of load
    AFTER_S  => 6,
    PAUSE_S  => 0.15,
    OF_THE_DATABASE => qr/\bTC0012:|\bTC0019:|\[dbd:error\]|\bAH0062\d:|\bAH0063\d:/,
};

my $JSON    = JSON::XS->new->utf8;
my $primary = TripChat::Postgres->start(settings => { wal_level => 'replica', max_wal_senders => 4, synchronous_commit => 'on' });
my $first   = $primary->new_database;
my $relay   = TripChat::Delay->start(to => $primary->port, one_way_s => BEHIND_S);
my $standby = $primary->standby(port => $relay->{port});
until_true('the standby to follow', sub { ($first->sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))[0] });

my ($name) = $first->sql('SELECT current_database()');
my $both   = sprintf 'host=127.0.0.1,127.0.0.1 port=%d,%d dbname=%s user=postgres target_session_attrs=read-write connect_timeout=5',
    $primary->port, $standby->port, $name;
my $database = bless { %$first, params => $both }, ref $first;
my $server   = TripChat::Server->start(children => CHILDREN, database => $database, redis => TripChat::Redis->shared,
    site_config => "TripChatMessageRate 0\nTripChatUserMessageRate 0\n" . metrics_config());
my $site  = $server->site;
my @trips = map { $site->new_trip } 1 .. ROOMS;

# A client: { trip, name, is_of_today, chat, stretches => [{ epoch, after, is_resumed, begin, events => [[seq, id, kind]] }],
# cursor, epoch, sent => { client_id => content }, stored => { client_id => message id } }
my @clients = map { my $trip = $_; map { { trip => $trip, name => (qw(ann bob carol))[$_ % 3], is_of_today => $_ % 2, number => $_ } } 1 .. MEMBERS } @trips;

sub take_history {
    my ($client, $history, $after) = @_;
    my $is_resumed = $history->{recovered} ? 1 : 0;
    push @{ $client->{stretches} }, { epoch => $history->{epoch}, begin => $history->{last_seq}, after => $after, is_resumed => $is_resumed, events => [] }
        if !$is_resumed;
    my $stretch = $client->{stretches}[-1];
    if ($is_resumed) { note_event($client, $_) for @{ $history->{messages} } }
    else             { $stretch->{history} = [map { [$_->{seq}, $_->{id}] } @{ $history->{messages} }] }
    push @{ $stretch->{resumed} }, $history->{epoch} if $is_resumed;
    @$client{qw(cursor epoch)} = @$history{qw(last_seq epoch)};
    return;
}

sub note_event {
    my ($client, $message) = @_;
    push @{ $client->{stretches}[-1]{events} }, [@$message{qw(seq id)}];
    $client->{cursor} = $message->{seq};
    return;
}

sub take {
    my ($client, $event) = @_;
    if ($event->{type} eq 'chat_message') {
        my $id = $event->{client_id};
        $client->{stored}{$id} = $event->{message}{id} if defined $id;
        return if defined $id && $event->{message}{seq} <= $client->{cursor};    # an answer to what was sent again
        note_event($client, $event->{message});
    }
    return;
}

# Connects, also again: true when that succeeds.
sub connect_client {
    my ($client) = @_;
    my $after = $client->{cursor};
    my %resume = defined $after ? (after => $after, $client->{is_of_today} ? () : (epoch => $client->{epoch})) : ();
    my $chat = eval { $site->chat(trip => $client->{trip}, as => $client->{name}, %resume) } or return 0;
    take_history($client, $chat->history, $after);
    $client->{chat} = $chat;
    say_again($client);
    return 1;
}

sub say_again {
    my ($client) = @_;
    $client->{chat}->say($client->{sent}{$_}, client_id => $_) for grep { !$client->{stored}{$_} } sort keys %{ $client->{sent} };
    return;
}

# Takes all that has come. A client that was closed comes back with the next turn.
sub listen_to {
    my ($client) = @_;
    my $mark  = 'mark ' . ++$client->{marks};
    my $alive = eval {
        $client->{chat}->send_ping($mark);
        while (my $frame = $client->{chat}->next_frame) {
            return 1 if $frame->{opcode} == OP_PONG && $frame->{payload} eq $mark;
            take($client, $JSON->decode($frame->{payload})) if $frame->{opcode} == OP_TEXT;
            last if $frame->{opcode} == OP_CLOSE;
        }
        0;
    };
    $client->{chat} = undef if !$alive;
    return;
}

my $said = 0;

sub speak {
    my ($client) = @_;
    my $id = sprintf 'c-%d', ++$said;
    $client->{sent}{$id} = "message $said";
    eval { $client->{chat}->say($client->{sent}{$id}, client_id => $id); 1 } or $client->{chat} = undef;
    return;
}

sub talk_for {
    my ($seconds) = @_;
    my $until = now() + $seconds;
    while (now() < $until) {
        for my $client (@clients) {
            $client->{chat} or connect_client($client) or next;
            speak($client);
        }
        select undef, undef, undef, PAUSE_S;
        $_->{chat} and listen_to($_) for @clients;
    }
    return;
}

# Until nobody waits for an answer any more.
sub settle {
    until_true('all to be stored', sub {
        for my $client (@clients) {
            $client->{chat} or connect_client($client) or next;
            listen_to($client);
            eval { say_again($client) } if $client->{chat};
        }
        return !grep { my $client = $_; !$client->{chat} || grep { !$client->{stored}{$_} } keys %{ $client->{sent} } } @clients;
    });
    listen_to($_) for @clients;
    return;
}

connect_client($_) or die "no connection\n" for @clients;
talk_for(BEFORE_S);
my ($had) = $first->sql('SELECT count(*) FROM chat_messages');
my %shown = map { $_->[1] => 1 } map { @{ $_->{events} } } map { @{ $_->{stretches} } } @clients;
$primary->kill9;
$relay->stop;
$standby->promote;
my $second = $standby->database($name);
my ($has)  = $second->sql('SELECT count(*) FROM chat_messages');
cmp_ok($has, '<', $had, "the standby lacks messages: it has $has of $had");
@$database{qw(params command)} = ($both, $second->{command});
talk_for(AFTER_S);
settle();

# What the new primary holds of a trip: { seq => id }, last_seq, epoch
sub table_of {
    my ($trip) = @_;
    my ($room, $last_seq, $epoch) = split /\|/, ($second->sql("SELECT id, last_seq, epoch FROM chat_rooms WHERE trip_id = '$trip'"))[0];
    return ({ map { split /\|/ } $second->sql("SELECT seq, message_id FROM chat_events WHERE room_id = '$room'") }, $last_seq, $epoch);
}

for my $trip (@trips) {
    subtest "a room: $trip" => sub {
        my ($table, $last_seq, $epoch) = table_of($trip);
        my @members = grep { $_->{trip} eq $trip } @clients;
        my (%meaning, @twice, @holes, @wrong, @gone);
        for my $client (@members) {
            for my $stretch (@{ $client->{stretches} }) {
                my $is_newest = ($stretch->{epoch} // $epoch) == $epoch || reaches_new_numbers($stretch);
                for my $event (@{ $stretch->{history} }, @{ $stretch->{events} }) {
                    my ($seq, $id) = @$event;
                    push @twice, $seq if ($meaning{$seq} //= $id) ne $id;
                    push @gone, $seq if !grep { $_ eq $id } values %$table;
                    push @wrong, $seq if $is_newest && ($table->{$seq} // '') ne $id;
                }
                push @holes, holes_of($stretch, $is_newest ? $table : undef);
            }
            is($client->{cursor}, $last_seq, "$client->{name} $client->{number} has come to the end");
        }
        is_deeply(\@twice, [], 'no number has two meanings');
        is_deeply(\@holes, [], 'nobody has a hole');
        is_deeply(\@wrong, [], 'all read what the table reads');
        is_deeply(\@gone, [], 'and what was seen before is there');
    };
}

# A room that lacked nothing goes on in the new epoch with its members, who are not told.
sub reaches_new_numbers { my ($stretch) = @_; return grep { $_->[0] >= 1_000_000_000 } @{ $stretch->{events} } }

# The numbers that a client passed over: in the newest epoch, those of the table; in an older one, any.
sub holes_of {
    my ($stretch, $table) = @_;
    my ($last, @holes) = ($stretch->{begin});
    for my $event (@{ $stretch->{events} }) {
        my $seq = $event->[0];
        push @holes, "$seq after $last" if $seq <= $last;
        push @holes, $table ? grep { $_ > $last && $_ < $seq } keys %$table : $last + 1 .. $seq - 1;
        $last = $seq;
    }
    return @holes;
}

my @lost = grep { !$_->{again} } map { my $client = $_; map { { %$_, again => $_->{is_resumed} } } grep { defined $_->{after} } @{ $client->{stretches} } } @clients;
cmp_ok(scalar @lost, '>=', ROOMS, 'clients were told that they start afresh');
is((grep { !$_->{stored} || keys %{ $_->{stored} } != keys %{ $_->{sent} } } @clients), 0, 'all that was sent is stored');
my %has = map { $_ => 1 } $second->sql('SELECT id FROM chat_messages');
is_deeply([grep { !$has{$_} } keys %shown], [], 'all messages that somebody saw before are in the table');
my ($again) = $second->sql('SELECT count(*) FROM chat_messages WHERE client_id IS NULL');
cmp_ok($again, '>', 0, "$again of them were put back");
my $metrics = metrics_of($site);
is($metrics->{tripchat_events_put_back_total}, $again, 'and counted');
cmp_ok($metrics->{tripchat_events_lost_total}, '>=', $again, 'as those that were lost');
my ($twice) = $second->sql('SELECT count(*) FROM (SELECT content, room_id FROM chat_messages GROUP BY content, room_id HAVING count(*) > 1) x');
is($twice, 0, 'no message is there twice');
$_->{chat}->disconnect for @clients;
stops_clean($server, 'the log says what was lost', OF_THE_DATABASE);

done_testing;
