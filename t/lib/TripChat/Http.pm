package TripChat::Http;

# HTTP/1 on a byte stream: requests as text, answers in pieces. This package does only what the caller asks for, so
# that a request may be wrong or incomplete. Rest.pm is the client that sends correct requests.

use strict;
use warnings;

use TripChat::Stream;

our @ISA = ('TripChat::Stream');

# The text of a request.
# method => GET, path, http => 1.1, body => bytes
# fields => { name => value | undef (left out) | [values: a line each] } over Host
# chunks => [bytes of the body, a chunk each] instead of a body
sub request_text {
    my (%opt) = (method => 'GET', http => '1.1', @_);
    my $body   = $opt{chunks} ? join('', map { chunk($_) } @{ $opt{chunks} }, '') : $opt{body};
    my %fields = (Host => 'localhost', _length_fields(%opt), %{ $opt{fields} || {} });
    my @lines  = ("$opt{method} $opt{path} HTTP/$opt{http}");
    for my $name (sort keys %fields) {
        my $value = $fields{$name};
        push @lines, map { "$name: $_" } ref $value ? @$value : defined $value ? $value : ();
    }
    return join("\r\n", @lines, '', '') . ($body // '');
}

sub _length_fields {
    my (%opt) = @_;
    return ('Transfer-Encoding' => 'chunked') if $opt{chunks};
    return defined $opt{body} ? ('Content-Length' => length $opt{body}) : ();
}

# A chunk; the empty one is the last.
sub chunk { my ($bytes) = @_; return sprintf "%x\r\n%s\r\n", length $bytes, $bytes }

# Sends $text and returns the head of the answer.
sub request {
    my ($self, $text) = @_;
    $self->write($text);
    return $self->read_response;
}

# The head of an answer: { status, reason, fields, raw }.
sub read_response {
    my ($self) = @_;
    my ($head) = $self->read_until('an HTTP answer', sub { ${ $_[0] } =~ s/\A(.*?\r\n)\r\n//s ? $1 : () });
    die "no HTTP answer: the stream ended ($self->{ended})\n" if !defined $head;
    my ($status_line, @lines) = split /\r\n/, $head;
    my ($status, $reason) = $status_line =~ m{\AHTTP/1\.[01] (\d{3})(?: (.*))?\z}
        or die "not a status line: $status_line\n";
    return { status => $status, reason => $reason, fields => _fields(@lines), raw => $head };
}

# field => [values], names in lower case
sub _fields {
    my (@lines) = @_;
    my %fields;
    for (@lines) {
        my ($name, $value) = /\A([^:\s]+):\s*(.*?)\s*\z/ or die "not a field: $_\n";
        push @{ $fields{ lc $name } }, $value;
    }
    return \%fields;
}

# The body that belongs to a head, by its length or up to the end of the stream.
sub read_body {
    my ($self, $method, $head) = @_;
    return '' if $method eq 'HEAD' || $head->{status} =~ /\A(?:1..|204|304)\z/;
    die "a chunked answer: $head->{raw}\n" if $head->{fields}{'transfer-encoding'};
    my ($length) = @{ $head->{fields}{'content-length'} || [] };
    return $self->read_rest if !defined $length;
    my ($body) = $self->read_until("$length bytes of a body",
        sub { length ${ $_[0] } >= $length ? substr(${ $_[0] }, 0, $length, '') : () });
    die "the stream ended ($self->{ended}) within a body of $length bytes\n" if !defined $body;
    return $body;
}

# Everything up to the end of the stream.
sub read_rest {
    my ($self) = @_;
    $self->read_until('the end of the stream', sub { return });
    return substr $self->{in}, 0, length $self->{in}, '';
}

1;
