#!/usr/bin/perl
# README names each page of docs/ once, and every link between Markdown files leads to a
# file that exists, and to a heading in it.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use Test::More;

my $top = abs_path("$FindBin::Bin/../..");
chdir $top or die "$top: $!\n";
my @papers = (glob('*.md'), glob('docs/*.md'));

sub text_of {
    my ($path) = @_;
    open my $file, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar <$file>;
}

# As GitHub makes anchors of headings; an <a id="…"> before a heading keeps its former one.
sub anchors_of {
    my ($path) = @_;
    my $text = text_of($path) =~ s/^ *```.*?^ *```$//gmsr;
    my @former = $text =~ /^<a id="([^"]+)"><\/a>$/gm;
    return @former, map { lc =~ s/[^\w\- ]//gr =~ tr/ /-/r } $text =~ /^\#+ (.*)$/gm;
}

# [file, anchor] of each link that leads to no other site.
sub links_of {
    my ($path) = @_;
    my $text = text_of($path) =~ s/^ *```.*?^ *```$//gmsr;
    return map { [/\A([^#]*)(?:#(.*))?\z/] } grep { !/\A\w+:/ } $text =~ /\]\(([^)\s]+)\)/g;
}

my ($index) = text_of('README.md') =~ /^## Read on\n(.*)/ms;
is_deeply([sort $index =~ /\]\((docs\/[^)]*)\)/g], [sort glob 'docs/*.md'], 'README names every paper once');

for my $paper (@papers) {
    my @wrong;
    for my $link (links_of($paper)) {
        my ($file, $anchor) = @$link;
        my $target = $file eq '' ? $paper : dirname($paper) . "/$file";
        push @wrong, "$file does not exist" if !-e $target;
        push @wrong, "$file has no heading #$anchor"
            if -f $target && defined $anchor && !grep { $_ eq $anchor } anchors_of($target);
    }
    is_deeply(\@wrong, [], "the links of $paper lead somewhere");
}

done_testing;
