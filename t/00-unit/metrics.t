#!/usr/bin/perl
# Holds docs/metrics.md and docs/grafana.json to the table of metrics that the module is built from.
use strict;
use warnings FATAL => 'all';

use FindBin;
use JSON::PP ();
use Test::More;

my $top = "$FindBin::Bin/../..";

sub read_text { my ($file) = @_; open my $in, '<', "$top/$file" or die "$file: $!"; local $/ = undef; return scalar <$in> }

my %TYPE = (
    COUNTER => 'counter', GAUGE => 'gauge', LARGEST => 'gauge', LONGEST => 'gauge', INFO => 'gauge',
    TIMES => 'histogram', SIZES => 'histogram',
);

# Metric => [type, labels as the document has them], from src/base/metrics.def.
sub defined_in_source {
    my $def    = read_text('src/base/metrics.def') =~ s{/\*.*?\*/}{}gsr;
    my %name   = $def =~ /^TC_LABEL\((\w+), "([^"]*)"\)/mg;
    my (%values, %metrics);
    push @{ $values{$1} }, $2 while $def =~ /^TC_VALUE\((\w+), \w+, "([^"]*)"\)/mg;
    while ($def =~ /^TC_METRIC\(\w+, "(\w+)", (\w+), (\w+), (\w+), (\w+),\s*"[^"]+"\)/mg) {
        my ($metric, $kind, $scope, @labels) = ($1, $2, $3, $4, $5);
        $metrics{$metric} = [$TYPE{$kind}, join '; ',
            $scope eq 'SITE' ? '`site`' : (), $kind eq 'INFO' ? '`version`' : (),
            map { "`$name{$_}`: " . join ', ', @{ $values{$_} } } grep { $_ ne 'NONE' } @labels];
    }
    return %metrics;
}

# The same from the rows of the table: | `name` | type | labels | meaning |
sub documented {
    my %metrics;
    for (split /\n/, read_text('docs/metrics.md')) {
        my ($name, $type, $labels) = /^\| `(tripchat_\w+)` \| (\w+) \| (.*?) ?\| [^|]+ \|$/ or next;
        die "$name stands there twice\n" if $metrics{$name};
        $metrics{$name} = [$type, $labels];
    }
    return %metrics;
}

my %METRIC = defined_in_source();

# Names in a text that are no metric's, nor a series' of a histogram.
sub unknown_in {
    my ($text) = @_;
    my %known;
    for my $name (keys %METRIC) {
        $known{$_} = 1 for $METRIC{$name}[0] eq 'histogram' ? map { "${name}_$_" } qw(bucket sum count) : $name;
    }
    return sort grep { !$known{$_} } $text =~ /\b(tripchat_\w+)/g;
}

cmp_ok(scalar keys %METRIC, '>', 30, 'the table is read');
is_deeply({ documented() }, \%METRIC, 'docs/metrics.md has the same metrics, types and labels');

my ($prose) = join '', map { /```(?:promql|yaml)\n(.*?)```/sg } read_text('docs/metrics.md');
is_deeply([unknown_in($prose)], [], 'what it asks for is there');

my $dashboard = JSON::PP::decode_json(read_text('docs/grafana.json'));
my @targets = map { @{ $_->{targets} || [] } } @{ $dashboard->{panels} };
my $asked   = join "\n", map { $_->{expr} } @targets;
is_deeply([unknown_in($asked)], [], 'what docs/grafana.json shows is there');
is_deeply([grep { $asked !~ /\b\Q$_\E(?:_bucket|_sum|_count)?\b/ } sort keys %METRIC], [], 'and all that is there is shown');

my %variable = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };
is($variable{datasource}{type}, 'datasource', 'the data source is the reader\'s to choose');
is_deeply([unknown_in(join ' ', map { $_->{definition} // () } values %variable)], [], 'what variables ask for is there');
is_deeply([grep { $_->{datasource}{uid} ne '${datasource}' } @targets, grep { $_->{type} ne 'row' } @{ $dashboard->{panels} }], [],
    'every panel uses it');
my %ids;
is_deeply([grep { $ids{ $_->{id} }++ } @{ $dashboard->{panels} }], [], 'panels have ids of their own');

done_testing;
