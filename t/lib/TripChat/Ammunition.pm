package TripChat::Ammunition;

# What attackers send, as bytes. No socket.

use strict;
use warnings;

use Exporter 'import';

use TripChat::Frame qw(:all);
use TripChat::WebSocket;

our @EXPORT_OK = qw(
    chat_json text_frame fragments empty_fragments singly control_flood bombs bad_texts huge_requests LIMIT
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

use constant LIMIT => 128 * 1024;    # TripChatMaxMessageSize

sub text_frame { my ($payload) = @_; return encode_frame(opcode => OP_TEXT, payload => $payload) }

# A chat message with this content, blown up to so many bytes by blanks, which mean nothing there.
sub chat_json {
    my ($content, $bytes) = @_;
    my $json = qq({"type":"chat_message","content":"$content"});
    return $json . ' ' x (($bytes // 0) > length $json ? $bytes - length $json : 0);
}

# A text as frames of $size bytes; $between goes behind each but the last.
sub fragments {
    my ($text, $size, $between) = @_;
    my @parts = unpack "(a$size)*", $text;
    my $last  = pop @parts;
    my %frame = map { $_ => encode_frame(opcode => OP_CONTINUATION, fin => 0, payload => $_) . ($between // '') } @parts;
    my $first = shift @parts;
    return encode_frame(opcode => OP_TEXT, fin => 0, payload => $first) . ($between // '')
        . join('', @frame{@parts}) . encode_frame(opcode => OP_CONTINUATION, payload => $last);
}

sub singly { my ($text, $between) = @_; return fragments($text, 1, $between) }

# A message with so many empty fragments in its middle; without => 'end': it never ends.
sub empty_fragments {
    my ($text, $count, %opt) = @_;
    return encode_frame(opcode => OP_TEXT, fin => 0, payload => $text)
        . encode_frame(opcode => OP_CONTINUATION, fin => 0) x $count
        . (($opt{without} // '') eq 'end' ? '' : encode_frame(opcode => OP_CONTINUATION));
}

sub control_flood { my ($opcode, $count, $payload) = @_; return encode_frame(opcode => $opcode, payload => $payload // '') x $count }

# Messages that are a great deal of work, or would be: name => text, as long as may be.
sub bombs {
    return (
        'arrays in arrays'          => '[' x LIMIT,
        'objects in objects'        => '{"a":' x int(LIMIT / 5),
        'arrays of fourteen levels' => _filled('{"a":[', '[[[[[[[[[[[[[]]]]]]]]]]]]],', '0]}'),
        'empty objects'             => _filled('{"a":[', '{},', '0]}'),
        'numbers'                   => _filled('{"a":[', '0,',  '0]}'),
        'a number of many digits'   => _filled('{"a":',  '9',   '}'),
        'a number with a great exponent' => _filled('{"a":1e', '9', '}'),
        'a string of escapes'       => _filled('{"type":"chat_message","content":"', '\\"', '"}'),
        'a string of escaped characters' => _filled('{"type":"chat_message","content":"', '\\u0041', '"}'),
        'a key of escapes'          => _filled('{"',     '\\\\', '":1}'),
        'one key a thousand times'  => '{"type":"chat_message",' . join(',', ('"content":"x"') x 1000) . '}',
        'many keys'                 => '{' . join(',', map { sprintf '"%x":0', $_ } 1 .. 12_000) . '}',
        'blanks'                    => ' ' x LIMIT,
    );
}

sub _filled {
    my ($head, $unit, $tail) = @_;
    return $head . $unit x int((LIMIT - length($head . $tail)) / length $unit) . $tail;
}

# Texts that are no UTF-8: name => bytes
sub bad_texts {
    my $long = 'x' x (LIMIT - 64);
    return (
        'a byte that never occurs'       => chat_json("\xff"),
        'the wrong byte at the very end' => chat_json($long) =~ s/"\}\z/\xc0"}/r,
        'too long a form'                => chat_json("\xc0\x80"),
        'half of a surrogate pair'       => chat_json("\xed\xa0\x80"),
        'beyond the last character'      => chat_json("\xf4\x90\x80\x80"),
        'cut inside a character'         => "\xf0\x9f\x98",
        'nothing but continuations'      => "\x80" x LIMIT,
    );
}

# Requests that are too much for httpd: name => text
sub huge_requests {
    my ($path) = @_;
    my $upgrade = sub {
        my (%fields) = @_;
        return TripChat::WebSocket::upgrade_request(path => $path, fields => \%fields);
    };
    return (
        'a field of a hundred thousand bytes' => $upgrade->('X-Long' => 'x' x 100_000),
        'a thousand fields'                   => $upgrade->(map { ("X-$_" => 'x') } 1 .. 1000),
        'a key of eight thousand bytes'       => $upgrade->('Sec-WebSocket-Key' => 'A' x 8000),
        'a thousand subprotocols'             => $upgrade->('Sec-WebSocket-Protocol' => join ',', map { "p$_" } 1 .. 1000),
        'a hundred lines of subprotocols'     => $upgrade->('Sec-WebSocket-Protocol' => [map { "p$_" } 1 .. 90]),
        'a bearer of eight thousand bytes'    => $upgrade->('Authorization' => 'Bearer ' . 'x.' x 4000),
        'a path of a hundred thousand bytes'  => "GET /ws/chat/" . 'x' x 100_000 . " HTTP/1.1\r\n\r\n",
        'a token of eight thousand bytes'     => TripChat::WebSocket::upgrade_request(path => "$path?token=" . 'x.' x 3900),
        'no line end in a hundred thousand bytes' => 'G' x 100_000,
    );
}

1;
