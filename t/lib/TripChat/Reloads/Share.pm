package TripChat::Reloads::Share;

# A share of a storm's clients, some rooms of them, in a process of its own. It does what the test orders, a word a
# line, and answers each order with a line of JSON when it is done:
#
#   open     everybody comes          talk     they begin to talk, and go on while others' orders are done
#   rest     they are silent, and have been told everything
#   compare  what each has seen with the table: complaints and counts
#   leave    everybody goes; the process ends

use strict;
use warnings;

use IO::Handle;
use JSON::XS ();
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);

use TripChat::Reloads::Client;
use TripChat::Storm::Dice;
use TripChat::Storm::Troupe;

our @ISA = ('TripChat::Storm::Troupe');

use constant PEOPLE     => qw(ann bob carol);
use constant RESTLESS_S => 1.5;                  # what those who come and go think in, one of each room

my $JSON = JSON::XS->new->utf8->canonical;
my %DO   = (
    open    => sub { my ($self) = @_; $self->run_until('everybody to be there', sub { $self->_are_all_there }) },
    talk    => sub { my ($self) = @_; $self->{calm} = 0 },
    rest    => sub { my ($self) = @_; $self->calm_down },
    compare => sub { my ($self) = @_; $self->catch_up_and_compare },
    leave   => sub { my ($self) = @_; $self->_leave },
);

# ---- the test's side ----

# name, database, seed, rooms => { number => trip }, plain, tls => sites, clients_of_room => { plain, tls },
# tokens => { name => token }, think_s
sub start {
    my ($class, %opt) = @_;
    socketpair my $ours, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        close $ours;
        $SIG{$_} = sub { POSIX::_exit(1) } for qw(TERM INT HUP);
        eval { $class->new(%opt, control => $its)->_serve; 1 } or print {*STDERR} "$opt{name}: $@";
        POSIX::_exit(0);    # what belongs to the test is the test's to end
    }
    close $its;
    $ours->autoflush(1);
    return bless { name => $opt{name}, pid => $pid, control => $ours }, $class;
}

sub order { my ($self, $order) = @_; print { $self->{control} } "$order\n"; return }

# Waits for the answer to an order.
sub answer {
    my ($self) = @_;
    my $line = readline $self->{control};
    die "$self->{name} has ended\n" if !defined $line;
    return $JSON->decode($line);
}

# ---- its own ----

sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(%opt, orders => [], calm => 1);
    $self->{clients} = [map { $self->_new_room($_) } sort { $a <=> $b } keys %{ $opt{rooms} }];
    return $self;
}

sub clients  { return @{ $_[0]{clients} } }
sub database { return $_[0]{database} }
sub token    { my ($self, $name) = @_; return $self->{tokens}{$name} }

# Nothing of what this test breaks should keep anybody waiting.
sub database_was_away { return 0 }

sub _new_room {
    my ($self, $room) = @_;
    my ($plain, $tls) = @{ $self->{clients_of_room} }{qw(plain tls)};
    return map { $self->_new_client($room, $_, $_ < $plain ? 'plain' : 'tls') } 0 .. $plain + $tls - 1;
}

sub _new_client {
    my ($self, $room, $number, $kind) = @_;
    my $name = "r$room-$kind$number";
    return TripChat::Reloads::Client->new(
        storm => $self, name => $name, room => $room, trip => $self->{rooms}{$room}, as => (PEOPLE)[$number % PEOPLE],
        dice  => TripChat::Storm::Dice->new($self->{seed}, $name), site => $self->{$kind},
        $number == 0 ? (leaves => 1, think_s => RESTLESS_S) : (think_s => $self->{think_s}),
    );
}

sub _serve {
    my ($self) = @_;
    $self->{control}->blocking(0);
    $self->{control}->autoflush(1);
    $self->watch($self->{control}->fileno, $self);
    while ($self->{control}) {
        $self->run_until('an order', sub { @{ $self->{orders} } || !$self->{control} }, forever => 1);
        my $order = shift @{ $self->{orders} } // last;
        $self->complain_if_it_dies(sub { $DO{$order}->($self) });
        $self->_answer;
        last if $order eq 'leave';
    }
    return;
}

# The test has an order, or has ended.
sub on_readable {
    my ($self) = @_;
    my $n = sysread $self->{control}, $self->{said}, 4096, length($self->{said} //= '');
    POSIX::_exit(1) if defined $n && $n == 0;
    push @{ $self->{orders} }, $1 while $self->{said} =~ s/\A(\w+)\n//;
    return;
}

sub _answer {
    my ($self) = @_;
    my $line = $JSON->encode({ name => $self->{name}, complaints => [$self->complaints], counts => $self->counts }) . "\n";
    $self->{control}->blocking(1);
    print { $self->{control} } $line;
    $self->{control}->blocking(0);
    return;
}

sub _are_all_there { my ($self) = @_; return !grep { !$_->is_open } $self->clients }

sub _leave {
    my ($self) = @_;
    $_->go_home for $self->clients;
    $self->run_until('everybody to have left', sub { !grep { !$_->is_at_home } $self->clients });
    return;
}

1;
