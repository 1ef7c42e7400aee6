# What t/parts promises: each target is made, also after one has failed, the last lines tell which failed and why, and a
# signal ends what runs.
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

my $dir = var_dir() . "/parts-$$";
make_path($dir);

# Starts t/parts on these targets of a Makefile with these rules. Returns its pid.
sub begin_parts {
    my ($rules, @targets) = @_;
    write_file("$dir/Makefile", $rules);
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    delete @ENV{qw(MAKE MAKEFLAGS MAKELEVEL)};
    chdir $dir                       or POSIX::_exit(126);
    open STDOUT, '>', "$dir/said"    or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT      or POSIX::_exit(126);
    exec top_dir() . '/t/parts', @targets or POSIX::_exit(127);
}

# (exit status, all that it said, what it said at the end)
sub end_of {
    my ($pid) = @_;
    waitpid $pid, 0;
    my $said = read_file("$dir/said");
    return ($? >> 8, $said, $said =~ /\n\n(part .*)\z/s);
}

my $RULES = <<'MAKE';
good:
	@echo 'this goes well'
test:
	@printf 'ok 1 - one\nnot ok 2 - two is there\nnot ok 3 - three # TODO later\n'; exit 1
counts:
	@echo 'Files=7, Tests=90, 12 wallclock secs ( 1.00 usr )'
tool:
	@echo 'SUMMARY: ThreadSanitizer: data race in main' >&2; exit 1
cut:
	@printf 'the last line has no end'; kill -s KILL $$$$
many:
	@i=0; while [ $$i -lt 5000 ]; do i=$$((i + 1)); echo "not ok $$i - number $$i"; done; exit 1
behind:
	@sleep 300 & echo $$! >pids
wait:
	@echo $$$$ >pids.new; mv pids.new pids; exec sleep 300
MAKE

subtest 'all succeed' => sub {
    my ($status, $said, $end) = end_of(begin_parts($RULES, 'good'));
    is($status, 0, 'the status');
    like($said, qr/^this goes well$/m, 'what the target says');
    like($end, qr/\Apart good: passed after \d+ s\nFiles=0, Tests=0, \d+ s in 1 parts\n\z/, 'the end');
};

subtest 'some fail' => sub {
    my ($status, $said, $end) = end_of(begin_parts($RULES, qw(test good tool cut nothing)));
    is($status, 1, 'the status');
    like($said, qr/this goes well.*ThreadSanitizer.*no end/s, 'each target is made');
    like($end, qr/^part test: failed.*\n    not ok 2 - two is there\n    make: \*\*\* /m, 'a test is named');
    unlike($end, qr/three/, 'one that may fail is not');
    like($end, qr/^part good: passed/m, 'what succeeds');
    like($end, qr/^part tool: failed.*\n    SUMMARY: ThreadSanitizer: data race in main\n/m, 'a tool');
    like($end, qr/^part cut: failed/m, 'a signal');
    like($end, qr/^part nothing: failed.*\n    make: \*\*\* No rule/m, 'a target that does not exist');
};

subtest 'the end is short' => sub {
    my ($status, $said, $end) = end_of(begin_parts($RULES, 'many'));
    like($said, qr/^not ok 1 - .*^not ok 5000 - /ms, 'nothing is lost');
    my @lines = split /\n/, $end;
    cmp_ok(scalar @lines, '<', 20, 'lines at the end');
    is(scalar(grep { /not ok 5000/ } @lines), 1, 'the last ones');
};

subtest 'parts of a part' => sub {
    my ($status, undef, $end) = end_of(begin_parts($RULES . "inner:\n\t\@'" . top_dir() . "/t/parts' good test\n", 'inner'));
    is($status, 1, 'the status');
    like($end, qr/^part inner: failed.*\n(?:    .*\n)*    part test: failed/m, 'the inner part is named');
};

subtest 'tests are counted' => sub {
    my $rules = $RULES . "inner:\n\t\@'" . top_dir() . "/t/parts' counts good counts\n";
    my ($status, undef, $end) = end_of(begin_parts($rules, qw(counts good inner counts)));
    is($status, 0, 'the status');
    like($end, qr/\nFiles=28, Tests=360, \d+ s in 4 parts\n\z/, 'each once');
};

subtest 'what a target leaves running is not waited for' => sub {
    my ($status, undef, $end) = end_of(begin_parts($RULES, 'behind', 'good'));
    is($status, 0, 'the status');
    like($end, qr/^part good: passed/m, 'the next one is made');
    chomp(my $left = read_file("$dir/pids"));
    ok(is_alive($left), 'it runs');
    kill 'KILL', $left;
    unlink "$dir/pids";
};

for my $signal (qw(INT TERM HUP)) {
    subtest "told to end by SIG$signal" => sub {
        my $pid = begin_parts($RULES, 'wait', 'good');
        until_true('the target to run', sub { -e "$dir/pids" });
        kill $signal, $pid;
        my ($status, $said) = end_of($pid);
        isnt($status, 0, 'the status');
        unlike($said, qr/this goes well/, 'no other target is made');
        chomp(my $runs = read_file("$dir/pids"));
        until_true('the target to end', sub { !is_alive($runs) });
        unlink "$dir/pids";
    };
}

remove_tree($dir) if Test::More->builder->is_passing;
done_testing;
