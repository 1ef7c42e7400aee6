package TripChat::Hostile;

# A private httpd under attack. After each attack withstands() checks that the child is the same process, has not
# grown more than it may, has ended every connection of the attack, and serves files. It also checks that a member
# who was connected all the time can still chat.

use strict;
use warnings;

use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More ();

use TripChat::File qw(read_file write_file);
use TripChat::Server;
use TripChat::Wait qw(until_true);

our @ISA = ('TripChat::Server');

use constant {
    QUEUE_KB   => 128,    # TripChatSendQueueSize
    MESSAGE_KB => 128,    # TripChatMaxMessageSize
    HISTORY_KB => 3072,   # TC_HISTORY_BYTES in src/base/limits.h
    OWN_KB     => 32,     # a connection itself, with TLS, and what httpd had of it
    BASE_KB    => 8192,   # what is there once: a room's cache and histories, a batch on its way, malloc's holes
};

# Deadlines that a test can wait for. The kernel buffers little, so that a client that does not read is found soon. The
# server pings nobody, because the members of a test do not answer during an attack.
use constant CONFIG => <<'CONF';
RequestReadTimeout handshake=1 header=1 body=1
KeepAliveTimeout 1
SendBufferSize 16384
CONF
use constant SITE_CONFIG => <<"CONF";
TripChatFrameTimeout 500ms
TripChatCloseTimeout 500ms
TripChatPingInterval 1h
TripChatSendQueueSize @{[QUEUE_KB]}k
CONF

# %opt as in TripChat::Server; config and site_config take the place of what those above say of the same directive.
# staying => 0: nobody is there all the while; instead somebody new comes and talks
sub start {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::start(
        %opt,
        config      => _with(CONFIG, $opt{config} // ''),
        site_config => _with(SITE_CONFIG, $opt{site_config} // ''),
    );
    $self->_settle_in;
    return $self;
}

sub _with {
    my ($usual, $special) = @_;
    my %named = map { $_ => 1 } $special =~ /^(TripChat\w+)/mg;
    return join '', (grep { !/^(\w+)/ || !$named{$1} } split /^/m, $usual), $special;
}

# What a child does once is done: its threads run, its descriptors are open. A member stays.
sub _settle_in {
    my ($self) = @_;
    ($self->{child}) = $self->child_pids;
    for my $name (sort keys %{ $self->{sites} }) {
        my $site = $self->site($name);
        my ($member, @others) = map { $site->chat(trip => $site->new_trip) } 1 .. 3;
        $_->said('hello') for $member, @others;
        $site->http_get('/index.html');
        $_->leave for @others, ($self->{staying} // 1) ? () : $member;
        $self->{members}{$name} = $member if $self->{staying} // 1;
    }
    return;
}

sub child  { return $_[0]{child} }
sub member { my ($self, $site) = @_; return $self->{members}{ $site // 'plain' } }

# How many the child has, but for the database's files: how many connections to it are open is mod_dbd's to say.
sub descriptors {
    my ($self) = @_;
    return scalar grep { defined && !/\.db(?:-\w+)?\z/ } map { readlink } glob "/proc/$self->{child}/fd/*";
}

# The child's memory, in KB: { VmRSS, VmHWM, RssAnon, … }
sub memory {
    my ($self) = @_;
    return { read_file("/proc/$self->{child}/status") =~ /^(\w+):\s+(\d+) kB$/mg };
}

# From here on VmHWM, the greatest size there was, begins anew (proc(5), clear_refs).
sub forget_peak { my ($self) = @_; write_file("/proc/$self->{child}/clear_refs", "5\n"); return }

# What so many connections may add to a child, by what is configured. A tool (t/sanitize/run) adds what it likes.
# histories => each of them may hold a history besides
sub allowance_kb {
    my ($self, $connections, %opt) = @_;
    return 'inf' if $ENV{TC_UNDER};
    return BASE_KB + $connections * (QUEUE_KB + MESSAGE_KB + OWN_KB + ($opt{histories} ? HISTORY_KB : 0));
}

# Runs an attack that has so many connections at a time, as a subtest. %opt as in allowance_kb
sub withstands {
    my ($self, $name, $connections, $attack, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::subtest($name, sub {
        my $before = $self->vital_signs;
        eval { $attack->(); 1 } or Test::More::fail("the attack: $@");
        $self->has_survived($before, $connections, %opt);
    });
}

sub vital_signs {
    my ($self) = @_;
    $self->forget_peak;
    return { descriptors => $self->descriptors, kb => $self->memory->{VmRSS} };
}

sub has_survived {
    my ($self, $before, $connections, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $let_go = eval { until_true('the descriptors to be closed', sub { $self->descriptors <= $before->{descriptors} }) };
    Test::More::ok($let_go, 'every connection of the attack is gone') or Test::More::diag($@);
    my $grown = $self->memory->{VmHWM} - $before->{kb};
    Test::More::cmp_ok($grown, '<=', $self->allowance_kb($connections, %opt), "it took no more memory than $connections connections may");
    Test::More::is($self->site->http_get('/index.html')->{body}, $self->PAGE, 'a file is served');
    Test::More::is(eval { $self->_said($_) } // $@, 'still here', "a member talks ($_)") for sort keys %{ $self->{sites} };
    return Test::More::is("@{[$self->child_pids]}", $self->{child}, 'the child is the same');
}

sub _said {
    my ($self, $name) = @_;
    my $site   = $self->site($name);
    my $member = $self->{members}{$name} // $site->chat(trip => $site->new_trip);
    my $said   = $member->said('still here')->{content};
    $member->leave if !$self->{members}{$name};
    return $said;
}

# The members leave, the server stops, and its log holds nothing that was not announced.
sub is_unharmed {
    my ($self, @allowed) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $_->leave for values %{ delete $self->{members} || {} };
    my @wrong = $self->stop(allow => \@allowed);
    return Test::More::is_deeply(\@wrong, [], 'the server stops in order, and its log has nothing else to say');
}

# Closes a stream with a reset instead of an end.
sub reset_stream {
    my ($stream) = @_;
    setsockopt $stream->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 or die "SO_LINGER: $!\n";
    $stream->disconnect;
    return;
}

1;
