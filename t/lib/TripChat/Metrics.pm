package TripChat::Metrics;

# Reads the page of metrics as strictly as its format says
# (https://prometheus.io/docs/instrumenting/exposition_formats/), so that mistakes are found without a Prometheus.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(metrics_config health_config page_of metrics_of parse_page value_of grown sum_of);

use constant PATH => '/tripchat-metrics';

# Lines of a site's configuration: its page of metrics, and its page of health at a path.
sub metrics_config { return _page_config(PATH, 'metrics') }
sub health_config  { my ($path) = @_; return _page_config($path // '/tripchat-health', 'health') }

sub _page_config { my ($path, $handler) = @_; return qq(<Location "$path">\nSetHandler tripchat-$handler\n</Location>\n) }

sub page_of { my ($site) = @_; return $site->http_get(PATH) }

# What a site's page says: { 'name{label="value",…}' => number }, labels but `site` sorted, of this site alone and of none.
sub metrics_of {
    my ($site) = @_;
    my $series = parse_page(page_of($site)->{body})->{series};
    my $own    = 'localhost:' . $site->port;
    my %metrics;
    for my $sample (@$series) {
        my %labels = %{ $sample->{labels} };
        next if defined $labels{site} && delete $labels{site} ne $own;
        $metrics{ _key($sample->{name}, \%labels) } = $sample->{value};
    }
    return \%metrics;
}

sub _key {
    my ($name, $labels) = @_;
    return $name if !%$labels;
    return "$name\{" . join(',', map { qq($_="$labels->{$_}") } sort keys %$labels) . '}';
}

# 0 for what is not there.
sub value_of { my ($metrics, $key) = @_; return $metrics->{$key} // 0 }

# The sum of all series of a name.
sub sum_of {
    my ($metrics, $name) = @_;
    my $sum = 0;
    $sum += $metrics->{$_} for grep { /\A\Q$name\E(?:\{|\z)/ } keys %$metrics;
    return $sum;
}

# By how much what these names stand for has grown, where it has: { key without the names' common head => number }
sub grown {
    my ($before, $after, @names) = @_;
    my %grown;
    for my $name (@names) {
        for my $key (grep { /\A\Q$name\E(?:\{|\z)/ } keys %$after) {
            my $by = $after->{$key} - value_of($before, $key);
            $grown{$key} = $by if $by;
        }
    }
    return \%grown;
}

my $NAME   = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $LABEL  = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $TEXT   = qr/(?:[^\\"\n]|\\[\\"n])*/;
my $NUMBER = qr/(?:0|[1-9]\d*)(?:\.\d+)?/;    # of those that a float may be, the ones we write

# { family => { name => { type, help } }, series => [{ name, labels, value }] }. Dies of what is wrong.
sub parse_page {
    my ($page) = @_;
    my (%families, @series, %seen, $open);
    $page =~ /\n\z/ or die "the last line does not end\n";
    for my $line (split /\n/, $page, -1) {
        next if $line eq '';
        if ($line =~ /\A# HELP ($NAME) (\S.*)\z/) {
            die "$1 comes twice\n" if $families{$1};
            $families{ $open = $1 } = { help => $2 };
        }
        elsif ($line =~ /\A# TYPE ($NAME) (counter|gauge|histogram)\z/) {
            die "the type of $1 is not behind its help\n" if $1 ne ($open // '') || $families{$1}{type};
            $families{$1}{type} = $2;
        }
        elsif ($line =~ /\A($NAME)(?:\{(.*)\})? ($NUMBER)\z/) {
            my $sample = { name => $1, labels => _labels($2 // ''), value => $3 };
            die "no place for $line\n" if !defined $open || !_belongs($1, $open, $families{$open}{type} // '');
            die "twice: $line\n" if $seen{ _key($1, $sample->{labels}) }++;
            $families{$open}{samples}++;
            push @series, $sample;
        }
        else {
            die "not a line: $line\n";
        }
    }
    _check_family($_, $families{$_}) for sort keys %families;
    _check_histograms(\@series, map { $families{$_}{type} eq 'histogram' ? $_ : () } sort keys %families);
    return { families => \%families, series => \@series };
}

sub _labels {
    my ($text) = @_;
    my %labels;
    while ($text =~ s/\A($LABEL)="($TEXT)"(?:,|\z)//) {
        die "the label $1 comes twice\n" if exists $labels{$1};
        $labels{$1} = $2;
    }
    die "not a label: $text\n" if $text ne '';
    return \%labels;
}

sub _belongs {
    my ($name, $family, $type) = @_;
    return $name =~ /\A\Q$family\E_(?:bucket|sum|count)\z/ if $type eq 'histogram';
    return $name eq $family;
}

sub _check_family {
    my ($name, $family) = @_;
    die "$name has no type\n"    if !$family->{type};
    die "$name has no samples\n" if !$family->{samples};
    die "$name is a $family->{type}\n" if ($family->{type} eq 'counter') != ($name =~ /_total\z/);
    return;
}

# Buckets ascend and hold what is below them, the last is the count, and there is a sum.
sub _check_histograms {
    my ($series, @names) = @_;
    for my $name (@names) {
        my (%buckets, %count, %sum);
        for my $sample (grep { $_->{name} =~ /\A\Q$name\E_/ } @$series) {
            my %labels = %{ $sample->{labels} };
            my $le     = delete $labels{le};
            my $key    = _key($name, \%labels);
            if    ($sample->{name} =~ /_bucket\z/) { push @{ $buckets{$key} }, [$le // die("no le: $key\n"), $sample->{value}] }
            elsif ($sample->{name} =~ /_count\z/)  { $count{$key} = $sample->{value} }
            else                                   { $sum{$key} = $sample->{value} }
        }
        for my $key (keys %buckets) {
            my @all = @{ $buckets{$key} };
            die "$key does not end in +Inf\n" if $all[-1][0] ne '+Inf' || $all[-1][1] != $count{$key};
            die "$key has no sum\n" if !defined $sum{$key};
            for my $i (1 .. $#all) {
                die "$key does not ascend\n" if $all[$i][1] < $all[$i - 1][1] || $i < $#all && $all[$i][0] <= $all[$i - 1][0];
            }
        }
        die "$name has more counts than buckets\n" if keys %count != keys %buckets;
    }
    return;
}

1;
