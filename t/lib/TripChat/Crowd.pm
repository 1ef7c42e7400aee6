package TripChat::Crowd;

# Members who do nothing wrong, in a few rooms, half of them over TLS. measure() makes each member send a message at
# an interval, and returns how long each message took to come back to its sender.

use strict;
use warnings;

use IO::Select;

use TripChat::Frame qw(OP_CLOSE);
use TripChat::Wait qw(now deadline seconds_left);

use constant PEOPLE => qw(ann bob carol);

# server, clients, rooms, messages => of each, every_s
sub new {
    my ($class, %opt) = @_;
    my $self  = bless {%opt}, $class;
    my @trips = map { $opt{server}->site->new_trip } 1 .. $opt{rooms};
    $self->{members} = [map {
        $opt{server}->site($_ % 2 ? 'plain' : 'tls')->chat(trip => $trips[$_ % @trips], as => (PEOPLE)[$_ % PEOPLE])
    } 1 .. $opt{clients}];
    return $self;
}

# Seconds from send to echo of every message, the shortest first. Dies when somebody is closed, refused or
# not answered.
sub measure {
    my ($self) = @_;
    my @members = @{ $self->{members} };
    my ($begun, $deadline) = (now(), deadline());
    @$self{qw(sent took)} = ({}, []);
    $_->{left} = $self->{messages} for @members;
    $members[$_]{due} = $begun + $self->{every_s} * $_ / @members for 0 .. $#members;
    while (grep { $_->{left} } @members or %{ $self->{sent} }) {
        $self->_speak($_) for grep { $_->{left} && $_->{due} <= now() } @members;
        seconds_left($deadline, 'everybody to hear himself');
        $self->_listen($self->_seconds_to_next);
    }
    return sort { $a <=> $b } @{ $self->{took} };
}

# Answers pings and drops what comes, until a condition holds.
sub idle_until {
    my ($self, $what, $is_done) = @_;
    my $deadline = deadline();
    while (!$is_done->()) {
        seconds_left($deadline, $what);
        $self->_listen(0.02);
    }
    return;
}

# Answers the pings that have come by now.
sub attend { my ($self) = @_; return $self->_listen(0) }

sub leave { my ($self) = @_; $_->leave for @{ delete $self->{members} }; return }

sub _speak {
    my ($self, $member) = @_;
    my $id = sprintf 'm%d', ++$self->{made};
    $member->{left}--;
    $member->{due} += $self->{every_s};
    $self->{sent}{$id} = now();
    $member->say('Hello, team!', client_id => $id);
    return;
}

sub _seconds_to_next {
    my ($self) = @_;
    my ($first) = sort { $a <=> $b } map { $_->{left} ? $_->{due} : () } @{ $self->{members} };
    my $wait = defined $first ? $first - now() : 0.02;
    return $wait > 0 ? $wait : 0;
}

sub _listen {
    my ($self, $timeout_s) = @_;
    my %by_socket = map { $_->{socket} => $_ } @{ $self->{members} };
    my $set = IO::Select->new(map { $_->{socket} } @{ $self->{members} });
    $self->_hear($by_socket{$_}) for $set->can_read($timeout_s);
    return;
}

sub _hear {
    my ($self, $member) = @_;
    for my $frame ($member->frames_at_hand) {
        die "a member was closed with $frame->{code} ($frame->{reason})\n" if $frame->{opcode} == OP_CLOSE;
        die "a member was told $frame->{payload}\n" if $frame->{payload} =~ /\A\{"type":"error"/;
        my ($id) = $frame->{payload} =~ /"client_id":"(m\d+)"\}\z/ or next;
        push @{ $self->{took} }, now() - delete $self->{sent}{$id};
    }
    die "a member's stream ended ($member->{ended})\n" if $member->{ended};
    return;
}

1;
