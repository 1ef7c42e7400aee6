package TripChat::Delay;

# A server that is far away: a process that relays connections to a port of 127.0.0.1, and delivers whatever it reads
# later by a fixed time, each way. What is sent at the same time arrives at the same time, as on a long line.
#
# It counts journeys. A journey begins when the client sends something and the server was the last to send, or nobody was.
# So what the client sends at once is one journey, however many packets it has.

use strict;
use warnings;

use IO::Poll qw(POLLIN POLLHUP POLLERR);
use IO::Socket::INET;
use POSIX ();
use Socket qw(AF_UNIX IPPROTO_TCP PF_UNSPEC SOCK_STREAM SOMAXCONN TCP_NODELAY);

use TripChat::Wait qw(now);

my %running;    # pid => relay, for END
my $owner = $$;

# to => the port; one_way_s => seconds each way
sub start {
    my ($class, %opt) = @_;
    my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => SOMAXCONN, ReuseAddr => 1) or die "listen: $!\n";
    socketpair my $line, my $others, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!\n";
    my $self = bless { %opt, port => $door->sockport, line => $line, journeys => 0 }, $class;
    my $pid  = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();    # a Ctrl-C is for whoever started it, and they stop it
        $SIG{$_} = sub { POSIX::_exit(0) } for qw(TERM INT HUP);
        $SIG{PIPE} = 'IGNORE';
        close $line;
        $self->{line} = $others;
        $self->_relay($door);
        POSIX::_exit(0);
    }
    return $running{ $self->{pid} = $pid } = $self;
}

sub port { return $_[0]{port} }

# Journeys so far. Whatever has been answered is counted.
sub journeys {
    my ($self) = @_;
    syswrite $self->{line}, "?" or die "the relay has ended: $!\n";
    my $said = '';
    while ($said !~ /\n\z/) { sysread $self->{line}, $said, 64, length $said or die "the relay has ended\n" }
    return 0 + $said;
}

# Breaks all connections on the client's side. The server does not learn of it.
sub cut {
    my ($self) = @_;
    syswrite $self->{line}, '!' or die "the relay has ended: $!\n";
    return;
}

# A database that is to be reached over the relay. psql and the like go the short way.
sub database {
    my ($self, $database) = @_;
    return bless { %$database, params => $database->{params} =~ s/\bport=\d+/port=$self->{port}/r }, ref $database;
}

sub stop {
    my ($self) = @_;
    delete $running{ $self->{pid} } or return;
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

END { local $?; if ($$ == $owner) { $_->stop for values %running } }

# An end is a socket, the other end, and what is to be written to it: [when, bytes], and undef for the end of the stream.
sub _relay {
    my ($self, $door) = @_;
    my $poll = IO::Poll->new;
    my %end;    # fileno => end
    $poll->mask($_ => POLLIN) for $door, $self->{line};
    while (1) {
        my ($next) = sort { $a <=> $b } map { @{ $_->{late} } ? $_->{late}[0][0] : () } values %end;
        my $wait = defined $next ? $next - now() : 10;
        $poll->poll($wait > 0 ? $wait : 0) >= 0 or $!{EINTR} or die "poll: $!\n";
        $self->_accept($door, $poll, \%end) if $poll->events($door);
        for my $end (my @there = values %end) {
            next if $end->{ended} || !$end->{other} || !$poll->events($end->{socket});
            my $n = sysread $end->{socket}, my $bytes, 65536;
            $end->{ended} = !$n;
            $self->_note_bytes($end) if $n;
            $poll->remove($end->{socket}) if !$n;
            push @{ $end->{other}{late} }, [now() + $self->{one_way_s}, $n ? $bytes : undef];
        }
        _deliver($_, \%end) for my @ends = values %end;
        $self->_answer($poll, \%end) if $poll->events($self->{line});
    }
    return;
}

sub _note_bytes {
    my ($self, $end) = @_;
    $self->{journeys}++ if $end->{is_client} && !$end->{was_last};
    $end->{was_last} = 1;
    $end->{other}{was_last} = 0;
    return;
}

# Whoever started the relay asks for the count, or has connections cut. When they end without a word, the relay ends, too.
sub _answer {
    my ($self, $poll, $ends) = @_;
    sysread $self->{line}, my $asked, 1 or POSIX::_exit(0);
    if ($asked eq '?') { syswrite $self->{line}, "$self->{journeys}\n"; return }
    for my $end (grep { $_->{is_client} } values %$ends) {
        my $other = delete $end->{other};
        $poll->remove($_->{socket}) for $end, $other;
        delete $ends->{ fileno $_->{socket} } for $end, $other;
        delete $other->{other};
        close $end->{socket};
        push @{ $self->{left_open} }, $other;
    }
    return;
}

sub _accept {
    my ($self, $door, $poll, $ends) = @_;
    my $from = $door->accept or return;
    my $to = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{to}) or return;
    my @pair = map { { socket => $_, late => [], is_client => $_ == $from } } $from, $to;
    @$_{other} = $pair[0] == $_ ? $pair[1] : $pair[0] for @pair;
    for my $end (@pair) {
        setsockopt $end->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
        $ends->{ fileno $end->{socket} } = $end;
        $poll->mask($end->{socket} => POLLIN | POLLHUP | POLLERR);
    }
    return;
}

sub _deliver {
    my ($end, $ends) = @_;
    return if !$end->{other};    # it went with the other end
    while (@{ $end->{late} } && $end->{late}[0][0] <= now()) {
        my (undef, $bytes) = @{ shift @{ $end->{late} } };
        shutdown $end->{socket}, 1 if !defined $bytes;
        while (length($bytes // '')) {
            my $n = syswrite $end->{socket}, $bytes;
            last if !$n;
            substr $bytes, 0, $n, '';
        }
        $end->{finished} = 1 if !defined $bytes;
    }
    my $other = $end->{other};
    if ($end->{finished} && $other->{finished}) {
        for my $one ($end, $other) {
            delete $ends->{ fileno $one->{socket} };
            close $one->{socket};
            delete $one->{other};
        }
    }
    return;
}

1;
