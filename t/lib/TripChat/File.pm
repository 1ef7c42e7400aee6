package TripChat::File;

# Whole files in and out. Dies, with the path, of anything that goes wrong.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(read_file write_file write_secret);

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

# A file that only its owner may read, as the module wants it.
sub write_secret {
    my ($path, $text) = @_;
    write_file($path, '');
    chmod 0600, $path or die "$path: $!\n";
    return write_file($path, $text);
}

1;
