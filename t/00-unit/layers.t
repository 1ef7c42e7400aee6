#!/usr/bin/perl
# Checks the includes of src/ and mod_tripchat.c against the layers of docs/architecture.md. A lower layer never
# includes a higher one, codec and domain stay pure, and only src/httpd includes httpd's headers.
use strict;
use warnings FATAL => 'all';

use File::Find;
use FindBin;
use Test::More;

my $top = "$FindBin::Bin/../..";

# The floors of the house, lowest first. A folder may include itself and what stands on lower floors, not its neighbour.
my @floors = (
    [qw(base)], [qw(codec)], [qw(domain)], [qw(engine)], [qw(token shared)], [qw(store bus)], [qw(peer)], [qw(child)], [qw(httpd)],
);
# The engine moves bytes that it does not understand.
my %narrower = (engine => [qw(base)]);

my (%may_use, @below);
for my $floor (@floors) {
    $may_use{$_} = [$_, @{ $narrower{$_} // \@below }] for @$floor;
    push @below, @$floor;
}

# Headers of others that a layer must not include.
my $httpd    = qr{^(?:httpd|http_\w+|ap_\w+|ap\d\w*|util_\w+|mod_\w+|mpm_\w+|scoreboard)\.h$};
my $database = qr{^(?:apr_dbd|sqlite3|libpq|libpq-fe)\b};
my $openssl  = qr{^openssl/};
my $impure   = qr{^(?:sys/socket|sys/un|sys/epoll|sys/eventfd|sys/uio|sys/select|netinet/\w+|arpa/\w+
                    |netdb|poll|fcntl|unistd|time|sys/time|pthread|threads|semaphore|signal
                    |stdatomic|apr_time|apr_thread\w*|apr_poll|apr_network_io|apr_portable|apr_file\w*
                    |apr_signal|base/clock|base/thread|base/mail)\.h$}x;
my %must_not = (
    base     => [$httpd, $database, $openssl],
    codec    => [$httpd, $database, $openssl, $impure],
    domain   => [$httpd, $database, $openssl, $impure],
    engine   => [$httpd, $database, qr{^json}, qr{^jwt}],
    token    => [$httpd, $database],
    shared   => [$httpd, $database],
    store    => [$httpd],
    bus      => [$httpd, $database],
    peer     => [$httpd, $database],
    child    => [$httpd],
    httpd    => [],
);

# The exceptions, each with its reason.
my %allowed = (
    'src/domain/user.h stdatomic.h'      => 'a user record crosses threads: its count is atomic',
    'src/domain/site.h stdatomic.h'      => 'a database thread learns which database a site is on, other threads ask',
    'src/domain/store.h base/mail.h'     => 'a job is mail',
    'src/domain/hub.c base/thread.h'     => 'asserts that the loop runs it, in test builds',
);

sub text_of {
    my ($file) = @_;
    open my $in, '<', "$top/$file" or die "$file: $!";
    local $/;
    return scalar <$in>;
}

sub includes_of { my ($file) = @_; return map { /^\s*#\s*include\s+["<]([^">]+)[">]/ ? $1 : () } split /\n/, text_of($file) }

sub complaints_about {
    my ($file, $layer) = @_;
    my @wrong;
    for my $included (includes_of($file)) {
        next if $allowed{"$file $included"};
        my ($of) = $included =~ m{^(\w+)/};
        if (defined $of && $may_use{$of} && !grep { $_ eq $of } @{ $may_use{$layer} }) {
            push @wrong, "$file includes $included, of a layer that $layer may not use";
        }
        push @wrong, map { $included =~ $_ ? "$file includes $included" : () }
            @{ $must_not{$layer} };
    }
    return @wrong;
}

my %files;
find({ no_chdir => 1, wanted => sub {
    my ($layer) = m{^\Q$top\E/src/(\w+)/[^/]+\.(?:c|h|def)$} or return;
    push @{ $files{$layer} }, substr $_, length("$top/");
} }, "$top/src");

is_deeply([sort keys %files], [sort keys %may_use], 'src has a folder for each layer and no other');

for my $layer (sort keys %files) {
    my @wrong = map { complaints_about($_, $layer) } sort @{ $files{$layer} };
    ok(@{ $files{$layer} } && !@wrong, "$layer includes what it may") or diag join "\n", @wrong;
}

my @stray = grep { !-r "$top/$_" } map { (split ' ')[0] } sort keys %allowed;
is("@stray", '', 'every exception is about a file that is there');

for my $exception (sort keys %allowed) {
    my ($file, $included) = split ' ', $exception;
    ok((grep { $_ eq $included } includes_of($file)), "$file still needs its exception for $included");
}

# ---- circles ----

# A unit is a source with its header. Those that may know each other, with the reason that docs/architecture.md gives.
my %one_concept = (
    'src/child/arrival src/child/child src/child/departure' => 'a child, how it takes connections and how it parts',
);

sub unit_of { $_[0] =~ s/\.\w+$//r }

my %knows;
for my $file (map { @$_ } values %files) {
    my ($unit) = unit_of($file);
    $knows{$unit} //= {};
    for my $other (map { 'src/' . unit_of($_) } grep { m{/} } includes_of($file)) {
        $knows{$unit}{$other} = 1 if $other ne $unit && -d "$top/" . ($other =~ s{/[^/]+$}{}r);
    }
}

sub reachable_from {
    my ($unit) = @_;
    my (%seen, @next);
    @next = sort keys %{ $knows{$unit} };
    while (defined(my $at = shift @next)) {
        push @next, sort keys %{ $knows{$at} // {} } if !$seen{$at}++;
    }
    return \%seen;
}

my %reaches = map { $_ => reachable_from($_) } keys %knows;
my %circles;
for my $unit (sort keys %knows) {
    my @circle = grep { $reaches{$unit}{$_} && ($reaches{$_} // {})->{$unit} } sort keys %knows;
    $circles{ join ' ', @circle } = 1 if @circle;
}
is_deeply([sort keys %circles], [sort keys %one_concept], 'no units form a circle but those that are one concept');

my @modules = sort map { s{^\Q$top\E/}{}r } glob "$top/*.c";
is_deeply(\@modules, ['mod_tripchat.c'], 'the only source at the root is the module record');

# A connection to a database is held only where no client can be reached: in the store. httpd's side has the gate alone.
my %may_hold = map { $_ => 1 } 'src/httpd/runtime.c', grep { m{^src/store/} } map { @$_ } values %files;
my @holders  = grep { !$may_hold{$_} && text_of($_) =~ /\b(?:tc_sql_t|tc_dbd_open)\b/ } map { @$_ } values %files;
is("@holders", '', 'nobody but the store and the gate has connections to a database');

# The calls to the driver that may wait for the database are counted in one file (tc_calls_t).
my @callers = grep { $_ ne 'src/store/sql.c' && text_of($_) =~ /\bapr_dbd_(?:p?v?b?(?:query|select)|prepare|open\w*|escape|transaction_\w+)\s*\(/ }
    map { @$_ } values %files;
is("@callers", '', 'only src/store/sql.c calls the driver');

# A header that stands alone can be included anywhere: its own file includes it first.
my @not_first;
for my $file (grep { /\.c$/ } map { @$_ } values %files) {
    my $own = $file =~ s{^src/}{}r =~ s{\.c$}{.h}r;
    next unless -r "$top/src/$own";
    my ($first) = includes_of($file);
    push @not_first, "$file includes $first before $own" if $first ne $own;
}
is("@not_first", '', 'every source includes its own header first') or diag join "\n", @not_first;

done_testing();
