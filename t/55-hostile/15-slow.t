# Clients who send and read as slowly as they can, each with a good token, on a server that has no mod_reqtimeout and as
# few connections to its database as an administrator may give it. They hold their workers. They hold nothing that
# others need: members talk on, newcomers come in, and the health page says that all is well.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Metrics qw(health_config);
use TripChat::Hostile;
use TripChat::Rest;
use TripChat::Shared qw(is_full);
use TripChat::Test;

use constant {
    WORKERS  => 24,
    DBD_MAX  => 4,
    MESSAGES => 20,        # each of 10,000 characters: a page of them is more than all buffers hold
    WATCH_S  => 5,         # longer than the database may be silent
    PAUSE_S  => 0.1,       # between two bytes, or two reads
    SOON_S   => $ENV{TC_UNDER} ? 30 : 3,    # a tool makes a server slower
};

# Requests of a member that the server cannot answer at once, each on a connection of its own.
my %slow = (
    'bodies of POST'  => sub { my ($site, $trip, $message) = @_; return body_of($site, 'POST', TripChat::Rest::messages_path()) },
    'bodies of PATCH' => sub { my ($site, $trip, $message) = @_; return body_of($site, 'PATCH', TripChat::Rest::message_path($message)) },
    'readers of a page' => sub {
        my ($site, $trip) = @_;
        return get($site, TripChat::Rest::list_path($trip, limit => MESSAGES));
    },
    'readers of what comes after' => sub {
        my ($site, $trip) = @_;
        return get($site, TripChat::Rest::list_path($trip, after => 0, limit => MESSAGES, wait => 5));
    },
);

sub request {
    my ($site, %opt) = @_;
    my %fields = (Authorization => 'Bearer ' . $site->token('ann'), %{ delete $opt{fields} || {} });
    return TripChat::Http::request_text(%opt, fields => \%fields);
}

sub get { my ($site, $path) = @_; return request($site, path => $path) }

sub body_of {
    my ($site, $method, $path) = @_;
    return request($site, method => $method, path => $path,
        fields => { 'Content-Type' => 'application/json', 'Content-Length' => 100_000 });
}

# Sends or reads a byte on each of these connections.
sub dawdle {
    my ($sends, @streams) = @_;
    for my $stream (@streams) {
        if ($sends) { $stream->write(' ') }
        else        { sysread $stream->{socket}, my $byte, 1 }
    }
    return;
}

sub seconds_of {
    my ($code) = @_;
    my $start = now();
    $code->();
    return now() - $start;
}

# Watches the server while the streams dawdle. Returns the longest time that a member, a newcomer, a poster and the
# health page waited.
sub watch {
    my ($site, $trip, $sends, @streams) = @_;
    my %longest = map { $_ => 0 } qw(member newcomer poster health);
    my $member  = $site->chat(trip => $trip);
    my $rest    = $site->rest(as => 'bob');
    my $end     = now() + WATCH_S;
    while (now() < $end) {
        dawdle($sends, @streams);
        my %took = (
            member   => seconds_of(sub { $member->said('still here') }),
            newcomer => seconds_of(sub { $site->chat(trip => $site->new_trip)->leave }),
            poster   => seconds_of(sub { is($rest->call(POST => TripChat::Rest::messages_path(),
                json => { chat_room => $trip, content => 'by REST' })->{status}, 201, 'a message is posted') }),
            health   => seconds_of(sub { is($site->http_get('/health')->{body} =~ s/,"desc.*//rs, '{"status":"ok","database":"ok"'
                . (is_full() ? ',"redis":"ok"' : ''), 'the health page says that all is well') }),
        );
        for (keys %took) { $longest{$_} = $took{$_} if $took{$_} > $longest{$_} }
        select undef, undef, undef, PAUSE_S;
    }
    $member->leave;
    return \%longest;
}

my $server = TripChat::Hostile->start(
    workers     => WORKERS,
    config      => "RequestReadTimeout handshake=0 header=0 body=0\nTimeout 60\n"
        . health_config('/health'),
    site_config => join('', map { "DBD$_ @{[DBD_MAX]}\n" } qw(Min Keep Max)),
);
my $site = $server->site;
my $trip = $site->new_trip;
my ($message) = map { $site->chat(trip => $trip)->said('x' x 10_000)->{id} } 1 .. MESSAGES;

for my $who (sort keys %slow) {
    my $request = $slow{$who}->($site, $trip, $message);
    my $sends   = $who =~ /bodies/;
    $server->withstands("slow $who", DBD_MAX + 1, sub {
        my @streams = map { $site->connect(receive_buffer => 4096) } 0 .. DBD_MAX;
        $_->write($request . ($sends ? '{"content":' : '')) for @streams;
        until_true('the workers to be held', sub { $site->server_status->{BusyWorkers} > DBD_MAX + 1 });
        my $longest = watch($site, $site->new_trip, $sends, @streams);
        cmp_ok($longest->{$_}, '<', SOON_S, "a $_ does not wait") for sort keys %$longest;
        cmp_ok($site->server_status->{BusyWorkers}, '>', DBD_MAX + 1, 'and they still hold their workers');
        $_->disconnect for @streams;
    });
}
$server->is_unharmed;

done_testing;
