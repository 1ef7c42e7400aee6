package TripChat::Memcheck;

# The heap of a process that runs under valgrind (t/sanitize/run memcheck), asked through vgdb while it runs.

use strict;
use warnings;

use Exporter 'import';

use TripChat::Surroundings qw(var_dir);

our @EXPORT_OK = qw(is_under_memcheck heap);

sub is_under_memcheck { return ($ENV{TC_UNDER} // '') eq 'memcheck' }

# How many blocks there are, reachable or not, by where they were allocated: { stack => blocks }
sub heap {
    my ($pid) = @_;
    my (%blocks, $count, $stack);
    for (split /\n/, _ask($pid, 'leak_check full kinds all any') =~ s/^==\d+== ?//gmr, -1) {
        if    (/ in ([\d,]+) \([^)]*\) blocks are .* in loss record | in ([\d,]+) blocks are .* in loss record /) { ($count, $stack) = (($1 // $2) =~ tr/,//dr, '') }
        elsif (/^ +(?:at|by) 0x/) { $stack .= "$_\n" }
        elsif ($count)            { $blocks{$stack} += $count; $count = 0 }
    }
    %blocks or die "valgrind knows of no heap\n";
    return \%blocks;
}

sub _ask {
    my ($pid, $question) = @_;
    my $prefix = var_dir() . '/vgdb';
    open my $answer, '-|', "vgdb --pid=$pid --vgdb-prefix='$prefix' $question 2>&1" or die "vgdb: $!\n";
    local $/ = undef;
    my $said = <$answer> // '';
    close $answer or die "vgdb failed:\n$said\n";
    return $said;
}

1;
