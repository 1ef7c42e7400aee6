# What t/run promises: it names the test that failed, its result does not depend on the surroundings, and no process
# remains, however a run or a test ends. Each subtest runs t/run on a file of its own.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(make_path remove_tree);
use POSIX ();
use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Process qw(is_alive);
use TripChat::Surroundings qw(top_dir var_dir);
use TripChat::Wait qw(until_true);

my $dir = var_dir() . "/runner-$$";
make_path($dir);

# Starts t/run on a file with this code; $prepare is called in the child before. Returns the pid.
sub begin_run {
    my ($name, $code, $prepare) = @_;
    my $lib = top_dir() . '/t/lib';
    write_file("$dir/$name.t", "use strict; use warnings; use lib '$lib'; use Test::More; use TripChat::Test;\nmy \$dir = '$dir';\n$code");
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    $ENV{TC_VAR} = "$dir/var";
    open STDOUT, '>', "$dir/$name.said" or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT         or POSIX::_exit(126);
    $prepare->() if $prepare;
    exec top_dir() . '/t/run', "$dir/$name.t" or POSIX::_exit(127);
}

# (exit status, what it said) of a run from its beginning to its end
sub run_file {
    my ($name, @how) = @_;
    return end_of(begin_run($name, @how), $name);
}

sub end_of {
    my ($pid, $name) = @_;
    waitpid $pid, 0;
    return ($? >> 8, read_file("$dir/$name.said"));
}

# Starts an httpd and writes down its processes.
my $WITH_SERVER = <<'CODE';
my $server = TripChat::Server->start;
TripChat::File::write_file("$dir/pids.new", join ' ', $server->pids);
rename "$dir/pids.new", "$dir/pids";
CODE

sub pids { return split ' ', read_file("$dir/pids") }

subtest 'a failure is named' => sub {
    my ($status, $said) = run_file('failing', "is(1, 2, 'one is two'); done_testing;");
    isnt($status, 0, 'the status');
    like($said, qr/not ok 1 - one is two/, 'the complaint');
    like($said, qr{failing\.t failed\. All of its output: (\S+)}, 'the file');
    my ($log) = $said =~ /All of its output: (\S+)/;
    like(read_file(top_dir() . "/$log"), qr/got: '1'/, 'its output is there');
    like($said, qr/^Files=1, Tests=1,.*^Result: FAIL/ms, "prove's last lines");
};

subtest 'surroundings make no difference' => sub {
    my $code = $WITH_SERVER . <<'CODE';
my %of = map { TripChat::File::read_file("/proc/$_/status") =~ /^SigIgn:\s*(\S+)/m } $server->pid;
my ($ignored) = map { hex } keys %of;
is($ignored & 1 << $_ - 1, 0, "httpd does not ignore signal $_") for 1, 2, 3, 15;
is_deeply([grep { /^PG|proxy|^LANG/i } keys %ENV], [], 'variables');
is($ENV{LC_ALL}, 'C.UTF-8', 'locale');
is(umask, 022, 'umask');
ok(-w $ENV{HOME}, 'a home');
ok(!-e "$ENV{HOME}/.sqliterc", 'of its own');
ok(!-t STDIN && eof STDIN, 'no input');
stops_clean($server, 'it stops');
done_testing;
CODE
    my ($status, $said) = run_file('surrounded', $code, sub {
        $SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE TERM CHLD);
        @ENV{qw(PGHOST PGPORT http_proxy HTTPS_PROXY LC_ALL LANG TZ HOME TERM CI MAKEFLAGS PERL_UNICODE)} =
            ('nowhere', 1, 'http://127.0.0.1:9', 'http://127.0.0.1:9', 'tr_TR.UTF-8', 'tr_TR.UTF-8', 'Asia/Kathmandu', '/nonexistent', '', 'true', '-n', 'SDA');
        umask 077;
        POSIX::close(0);
    });
    is($status, 0, 'all is as always') or diag($said);
};

for my $signal (qw(KILL SEGV TERM)) {
    subtest "a test that ends of SIG$signal leaves nothing behind" => sub {
        my ($status) = run_file('killed', "$WITH_SERVER kill '$signal', \$\$; sleep 60;");
        isnt($status, 0, 'the run has failed');
        is_deeply([grep { is_alive($_) } pids()], [], 'its server is gone');
        unlink "$dir/pids";
    };
}

for my $signal (qw(INT TERM HUP)) {
    subtest "a run that is told to end by SIG$signal" => sub {
        my $pid = begin_run('waiting', "$WITH_SERVER \$server->wait_for_end;");
        until_true('the test to run', sub { -e "$dir/pids" });
        kill $signal, $pid;
        my ($status) = end_of($pid, 'waiting');
        isnt($status, 0, 'has failed');
        is_deeply([grep { is_alive($_) } pids()], [], 'and nothing is left of it');
        unlink "$dir/pids";
    };
}

subtest 'what a test leaves behind is found' => sub {
    my ($status, $said) = run_file('leaving', 'my $pid = fork // die; if (!$pid) { POSIX::setsid(); $SIG{TERM} = "IGNORE"; close $_ for *STDOUT, *STDERR;'
        . ' exec "sleep", "300" } TripChat::File::write_file("$dir/pids", $pid); pass("it is there"); done_testing;');
    isnt($status, 0, 'the run has failed');
    like($said, qr/processes were left behind.*sleep 300/s, 'it is named');
    is_deeply([grep { is_alive($_) } pids()], [], 'and ended');
};

remove_tree($dir) if Test::More->builder->is_passing;
done_testing;
