package TripChat::Stage;

# A private httpd with the demo page on it, and a node script (lib/stage.mjs) that plays people at it.
#
# Script and test exchange lines of JSON over the script's standard input and output. The script reports its results,
# { test: { ok, name, diag } }. It asks the test for tokens, trips, SQL, and to stop and start the server, with
# { id, ask, with }. The test answers each question with { id, answer } or { id, error }.

use strict;
use warnings;

use Encode qw(decode encode);
use FindBin;
use IO::Select;
use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More;

use TripChat::File qw(read_file write_file);
use TripChat::Httpd qw(top_dir);
use TripChat::Server;
use TripChat::Wait qw(patience_s until_true);

# A page that does something else than what stands in its files is found out, as in conf/demo.
use constant CONFIG => <<'CONF';
AddType text/html .html
AddType text/javascript .js
AddType text/css .css
AddType image/svg+xml .svg
AddType application/json .json
Header set Content-Security-Policy "default-src 'self'; connect-src 'self' ws: wss:" "expr=%{REQUEST_URI} !~ m#^/api/#"
CONF

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output);

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;
my $node;    # pid

# Runs the script on a new server, and ends the test file. allow => [patterns of lines the log may hold]; config, site_config,
# tls, http2, workers, mpm as in TripChat::Server; with tls the page is on the site over TLS
sub play {
    my ($class, $script, %opt) = @_;
    my $server = TripChat::Server->start(
        config => CONFIG . ($opt{config} // ''),
        modules => ['headers'],
        map { $_ => $opt{$_} } grep { exists $opt{$_} } qw(site_config tls http2 workers mpm),
    );
    my $self = bless { server => $server, site => $server->site($opt{tls} ? 'tls' : 'plain') }, $class;
    $self->_put_page_there;
    $self->_run("$FindBin::Bin/$script");
    my @wrong = $server->stop(allow => $opt{allow});
    is_deeply(\@wrong, [], 'the server stops, with nothing unexplained in its log');
    done_testing();
    return;
}

sub _htdocs { return $_[0]{server}->dir . '/htdocs' }

sub _put_page_there {
    my ($self) = @_;
    my $client = top_dir() . '/client';
    for my $file (glob("$client/demo/*"), "$client/tripchat.js") {
        my ($name) = $file =~ m{([^/]+)\z};
        write_file($self->_htdocs . "/$name", read_file($file));
    }
    return;
}

sub _run {
    my ($self, $file) = @_;
    $node = open2(my $from, my $to, 'node', $file, top_dir());
    $to->autoflush(1);
    my $rest = '';
    my $readable = IO::Select->new($from);
    while ($readable->can_read(4 * patience_s())) {
        last if !sysread $from, $rest, 65_536, length $rest;
        while ($rest =~ s/\A(.*)\n//) { $self->_hear($JSON->decode($1), $to) }
    }
    close $to;
    is(_end_of_node(), 0, 'the script comes to its end');
    return;
}

sub _hear {
    my ($self, $said, $to) = @_;
    if (my $test = $said->{test}) {
        ok($test->{ok}, $test->{name}) or diag($test->{diag} // '');
        return;
    }
    my $can    = $self->can("on_$said->{ask}");
    my $answer = eval { { id => $said->{id}, answer => $can->($self, %{ $said->{with} || {} }) } }
        || { id => $said->{id}, error => "$said->{ask}: $@" };
    print {$to} $JSON->encode($answer), "\n";
    return;
}

# The status it ended with; TERM where it has not by now. Its browser goes with it.
sub _end_of_node {
    my $ended;
    local $SIG{ALRM} = sub { kill 'TERM', $node };
    alarm 20;
    $ended = waitpid $node, 0 until $ended;
    alarm 0;
    undef $node;
    return $?;
}

END {
    if ($node) {
        local $?;
        kill 'TERM', $node;
        waitpid $node, 0;
    }
}

# ---- what a script may ask for ----

sub on_hello {
    my ($self) = @_;
    my $scheme = $self->{site}{tls} ? 'https' : 'http';
    return { url => "$scheme://127.0.0.1:" . $self->{site}->port, htdocs => $self->_htdocs, patience_s => patience_s() + 0 };
}

# A token; seconds => until it expires, claims => {}
sub on_token {
    my ($self, %with) = @_;
    my %claims = %{ $with{claims} || {} };
    $claims{exp} = time + $with{seconds} if defined $with{seconds};
    return $self->{site}->token($with{name}, %claims);
}

sub on_trip {
    my ($self, %with) = @_;
    $with{id} = encode('UTF-8', $with{id}) if defined $with{id};
    return $self->{site}->new_trip(map { $_ => $with{$_} } grep { defined $with{$_} } qw(id members));
}

sub on_sql { my ($self, %with) = @_; return [map { decode('UTF-8', $_) } $self->{site}->sql($with{sql})] }

# Stopped as an administrator does it, and started again with the same configuration, database and port.
sub on_stop {
    my ($self) = @_;
    $self->{server}->ask_to_stop;
    $self->{server}->wait_for_end;
    return 1;
}

sub on_start {
    my ($self) = @_;
    my $server = $self->{server};
    delete $server->{asked_to_stop};
    $server->launch;
    until_true('httpd to start again', sub {
        die "httpd has ended:\n" . $server->output if $server->has_ended;
        eval { $self->{site}->connect };
    });
    return 1;
}

# The lines of the access log about a trip's socket: [{ protocol, status }], in their order.
sub on_handshakes {
    my ($self, %with) = @_;
    my @lines = $self->{server}->access_log =~ m{"GET /ws/chat/\Q$with{trip}\E[^"]* (HTTP/[\d.]+)" (\d+)}g;
    return [map { { protocol => $lines[2 * $_], status => $lines[2 * $_ + 1] } } 0 .. $#lines / 2];
}

# For the next start or reload.
sub on_configure { my ($self, %with) = @_; $self->{server}->reconfigure(config => CONFIG . $with{config}); return 1 }

sub on_graceful { my ($self) = @_; $self->{server}->graceful; return 1 }

1;
