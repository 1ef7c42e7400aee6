package TripChat::Memcached;

# A memcached on a free port of 127.0.0.1 that stores nothing, answers whoever sets or gets a value, and never answers
# whoever wants to delete one. said() has the commands that came.

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IO::Socket::INET;

use TripChat::File qw(read_file);
use TripChat::Process qw(free_port);
use TripChat::Surroundings qw(var_dir);

our @ISA = ('TripChat::Process');

my $made = 0;

sub start {
    my ($class) = @_;
    return $class->start_on_free_port(qr/no port/, sub {
        return bless { port => free_port(), file => sprintf '%s/memcached-%d-%d', var_dir(), $$, ++$made }, $class;
    });
}

sub launch {
    my ($self) = @_;
    $self->run_command($self->{file}, $^X, (map { "-I$_" } @INC), '-M' . __PACKAGE__, '-e', __PACKAGE__ . "::serve($self->{port})");
    return;
}

sub port        { return $_[0]{port} }
sub output      { return -e $_[0]{file} ? read_file($_[0]{file}) : '' }
sub is_up       { return $_[0]->output =~ /^up$/m }
sub said        { return grep { $_ ne 'up' } split /\n/, $_[0]->output }
sub end_at_exit { my ($self) = @_; return $self->stop }

sub stop {
    my ($self) = @_;
    kill 'TERM', $self->{pid};
    $self->wait_for_end;
    unlink $self->{file};
    return;
}

# The program.
sub serve {
    my ($port) = @_;
    my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1) or die "no port $port\n";
    my $select   = IO::Select->new($listener);
    my %in;
    STDOUT->autoflush(1);
    print "up\n";
    while (my @ready = $select->can_read) {
        for my $stream (@ready) {
            if ($stream == $listener) { $select->add($listener->accept); next }
            if (!sysread $stream, $in{$stream}, 65_536, length($in{$stream} // '')) { $select->remove($stream); next }
            _answer($stream, \$in{$stream});
        }
    }
    return;
}

sub _answer {
    my ($stream, $in) = @_;
    while ($$in =~ /\A(\w+)([^\r\n]*)\r\n/) {
        my ($command, $rest, $length) = ($1, $2, $+[0]);
        my $bytes = $command eq 'set' ? (split ' ', $rest)[3] + 2 : 0;
        return if length $$in < $length + $bytes;
        substr $$in, 0, $length + $bytes, '';
        print "$command\n";
        my $answer = { set => 'STORED', get => 'END', version => 'VERSION 1.6.0' }->{$command};
        syswrite $stream, "$answer\r\n" if defined $answer;
    }
    return;
}

1;
