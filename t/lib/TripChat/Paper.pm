package TripChat::Paper;

# Reads the code blocks of a page in docs/, by the heading that they stand under.
# Tests use them to run exactly what the page tells people to write.

use strict;
use warnings;

use Exporter 'import';

use TripChat::File qw(read_file);
use TripChat::Httpd qw(top_dir);

our @EXPORT_OK = qw(blocks_of filled_in);

# The blocks of this language under this heading, in their order, without their indentation. Dies where there
# is none.
sub blocks_of {
    my ($paper, $heading, $language) = @_;
    my ($section) = read_file(top_dir() . "/docs/$paper") =~ /^\#+ \Q$heading\E\n(.*?)(?=^\#|\z)/ms
        or die "docs/$paper has no heading \"$heading\"\n";
    my @blocks = map { s/^ +(?=\S)//gmr } $section =~ /^ *```\Q$language\E\n(.*?)^ *```$/msg
        or die "docs/$paper has no $language under \"$heading\"\n";
    return @blocks;
}

# A block with what is this machine's in place of the paper's examples, each of which must be there.
sub filled_in {
    my ($block, %value) = @_;
    for my $example (sort { length $b <=> length $a } keys %value) {
        $block =~ s/\Q$example\E/$value{$example}/g or die "the paper does not say $example:\n$block";
    }
    return $block;
}

1;
