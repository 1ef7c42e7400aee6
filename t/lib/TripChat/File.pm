package TripChat::File;

# Whole files in and out. Dies, with the path, of anything that goes wrong.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(read_file write_file);

sub read_file {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar(<$file>) // '';
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return;
}

1;
