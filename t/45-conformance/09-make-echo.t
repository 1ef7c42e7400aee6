# What `make echo` runs (t/echo/run): it says where it is, echoes there, and
# leaves nothing behind.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use IO::Socket::INET;

use TripChat::Echo;
use TripChat::File qw(read_file);
use TripChat::Httpd qw(var_dir echo_module_file);
use TripChat::WebSocket;

my $dir = var_dir() . "/make-echo-$$";
mkdir $dir or die "$dir: $!\n";

package TripChat::EchoRun {
    use TripChat::File qw(read_file);
    our @ISA = ('TripChat::Process');
    my $made = 0;

    sub start {
        my ($class) = @_;
        return $class->start_on_free_port(qr/could not bind to address/, sub { $class->on_port(TripChat::Process::free_port()) });
    }

    sub on_port { my ($class, $port) = @_; return bless { port => $port, log => "$dir/" . ++$made }, $class }

    sub launch {
        my ($self) = @_;
        local @ENV{qw(PORT TMPDIR)} = ($self->{port}, $dir);
        return $self->run_command($self->{log}, TripChat::Surroundings::top_dir() . '/t/echo/run', TripChat::Httpd::echo_module_file());
    }

    sub output { my ($self) = @_; return -e $self->{log} ? read_file($self->{log}) : '' }
    sub is_up  { my ($self) = @_; return $self->output =~ m{ws://} }

    sub end_at_exit { my ($self) = @_; kill 'TERM', $self->{pid}; return $self->wait_for_end }
}

# What a run of it that is to fail says, and how it ends.
sub refusal {
    my ($port) = @_;
    my $run = TripChat::EchoRun->on_port($port);
    $run->launch;
    return ($run->wait_for_end, $run->output);
}

for my $signal (qw(TERM INT)) {
    subtest "from its start to $signal" => sub {
        my $run  = TripChat::EchoRun->start;
        my ($port) = $run->output =~ m{^\s+ws://127\.0\.0\.1:(\d+)/$}m;
        is($port, $run->{port}, 'it prints its address, with the port it was told');
        my $client = TripChat::WebSocket->connect(host => '127.0.0.1', port => $port)->open('/whatever?path');
        still_echoes($client, 'it echoes there');
        my @made = glob "$dir/tripchat-echo.*";
        is(scalar @made, 1, 'what it makes is in one folder');
        kill $signal, $run->pid;
        is($client->read_close->{code}, 1001, 'it tells its clients');
        $client->disconnect;
        is($run->wait_for_end, 0, 'it ends without an error');
        ok(!IO::Socket::INET->new("127.0.0.1:$port"), 'nobody listens any more');
        is_deeply([glob "$dir/tripchat-echo.*"], [], 'the folder is gone');
        is_deeply([grep { index($_, $made[0]) >= 0 } command_lines()], [], 'and no process is left');
    };
}

sub command_lines { return map { eval { read_file($_) } // () } glob '/proc/[0-9]*/cmdline' }

subtest 'what it cannot do, it says' => sub {
    my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "listen: $!\n";
    my ($status, $said) = refusal($taken->sockport);
    isnt($status, 0, 'a port that is taken');
    like($said, qr/could not bind to address/, 'is named');
    ($status, $said) = refusal('nine thousand');
    isnt($status, 0, 'a port that is none');
    like($said, qr/is no port number/, 'is named');
    is_deeply([glob "$dir/tripchat-echo.*"], [], 'nothing is left behind');
};

done_testing;
