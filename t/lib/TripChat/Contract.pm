package TripChat::Contract;

# Which messages are valid. The same tables are tested over a socket and over HTTP, and this file has these two
# ways. See docs/protocol.md, "From the client" and "Writing".
#
# A way is a client in a trip's room. Each of its methods returns the result: { message => the object }, or
# { code, field } of the error, as far as the error has them.

use strict;
use warnings;
use utf8;

use Exporter 'import';

use TripChat::World qw(new_uuid);

our @EXPORT_OK = qw(ways bad_texts bad_messages bad_edits BLANKS SMILE MAX_CONTENT TEXTS);

use constant {
    MAX_CONTENT => 10_000,
    SMILE       => "\x{1f600}",      # four bytes
};

# Characters that Unicode calls White_Space.
use constant BLANKS => map { chr } 0x09 .. 0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000 .. 0x200a, 0x2028, 0x2029,
    0x202f, 0x205f, 0x3000;

# Contents that come back as they went.
use constant TEXTS => (
    'quotes and backslashes'  => q{"\\' / \\u0041},
    'control characters'      => "tab\tnewline\nbell\a escape\e delete\x7f",
    'markup'                  => '<script>alert("&amp;")</script>',
    'four scripts'            => "Grüße, привет, 你好, \x{1f468}\x{200d}\x{1f469}",
    'SQL'                     => q{'); DROP TABLE chat_messages; -- %s %d},
    'line separators of JSON' => "one\x{2028}two\x{2029}three",
);

# A text of this many levels of lists.
sub _nested {
    my ($levels) = @_;
    return '{"type":"chat_message","content":' . '[' x $levels . ']' x $levels . '}';
}

# name => [text (characters), error]: no JSON at all, or none that can be a message
sub bad_texts {
    my %no_json = (
        'nothing'                       => '',
        'a blank'                       => ' ',
        'an open brace'                 => '{',
        'half a message'                => '{"type":"chat_message","content":"x',
        'a message and more'            => '{"type":"typing","is_typing":true} x',
        'two messages'                  => '{"type":"typing","is_typing":true}{}',
        'a comma too many'              => '{"type":"typing","is_typing":true,}',
        'single quotes'                 => q({'type':'typing','is_typing':true}),
        'a comment'                     => '{"type":"typing",/* now */"is_typing":true}',
        'a word'                        => 'hello',
        'NaN'                           => '{"type":"typing","is_typing":NaN}',
        'Infinity'                      => '{"type":"typing","is_typing":-Infinity}',
        'a word in capitals'            => '{"type":"typing","is_typing":TRUE}',
        'a number with a zero before it' => '{"type":"typing","is_typing":true,"n":01}',
        'a number with a plus'          => '{"type":"typing","is_typing":true,"n":+1}',
        'a number that ends in a point' => '{"type":"typing","is_typing":true,"n":1.}',
        'an escape of no meaning'       => '{"type":"chat_message","content":"\\x41"}',
        'a short escape'                => '{"type":"chat_message","content":"\\u12"}',
        'a byte order mark'             => qq(\x{feff}{"type":"typing","is_typing":true}),
        'a zero behind the end'         => qq({"type":"typing","is_typing":true}\0),
        'a tab in a key'                => qq({"type":"typing","is_typing":true,"a\tb":1}),
        'a bare newline in text'        => qq({"type":"chat_message","content":"a\nb"}),
        'a key twice'                   => '{"type":"typing","type":"chat_message"}',
    );
    my %no_object = ('a list' => '[]', 'a string' => '"chat_message"', 'a number' => '17', 'null' => 'null');
    my %too_deep  = (
        'a hundred levels'          => _nested(100),
        'sixty thousand levels'     => _nested(60_000),
        'levels that are not ended' => '[' x 60_000,
        'levels of objects'         => '{"a":' x 20_000,
    );
    return (
        _with(invalid_json => %no_json), _with(invalid_message => %no_object), _with(too_deep => %too_deep),
    );
}

sub _with { my ($code, %texts) = @_; return map { $_ => [$texts{$_}, { code => $code }] } keys %texts }

# name => [fields of a message beside a content of x, error]
sub bad_messages {
    return (
        _bad_contents(),
        'an unknown message_type'        => [{ message_type => 'poem' },   _error(invalid_message_type => 'message_type')],
        'an empty message_type'          => [{ message_type => '' },       _error(invalid_message_type => 'message_type')],
        'a message_type in capitals'     => [{ message_type => 'TEXT' },   _error(invalid_message_type => 'message_type')],
        'a message_type with a zero'     => [{ message_type => "text\0" }, _error(invalid_message_type => 'message_type')],
        'a message_type that is a list'  => [{ message_type => ['text'] }, _error(invalid_field => 'message_type')],
        'a reply to no UUID'             => [{ reply_to => 'first' },      _error(invalid_field => 'reply_to')],
        'a reply to a number'            => [{ reply_to => 1 },            _error(invalid_field => 'reply_to')],
        'a reply to what is not there'   => [{ reply_to => new_uuid() },   _error(reply_not_found => 'reply_to')],
        _bad_client_ids(),
    );
}

# name => [fields of an edit beside a content of x, error]
sub bad_edits { return (_bad_contents(), _bad_client_ids()) }

sub _bad_contents {
    return (
        'no content'               => [{ content => \undef },                       _error(invalid_field => 'content')],
        'content that is null'     => [{ content => undef },                        _error(invalid_field => 'content')],
        'content that is a list'   => [{ content => ['x'] },                        _error(invalid_field => 'content')],
        'content that is a number' => [{ content => 17 },                           _error(invalid_field => 'content')],
        'a zero in the content'    => [{ content => "a\0b" },                       _error(invalid_field => 'content')],
        'empty content'            => [{ content => '' },                           _error(empty_content => 'content')],
        'content of blanks'        => [{ content => join '', BLANKS },              _error(empty_content => 'content')],
        'content too long by one'  => [{ content => SMILE x (MAX_CONTENT + 1) },    _error(content_too_long => 'content')],
    );
}

sub _bad_client_ids {
    return (
        'a client_id that is empty'     => [{ client_id => '' },       _error(invalid_field => 'client_id')],
        'a client_id of 65 characters'  => [{ client_id => 'x' x 65 }, _error(invalid_field => 'client_id')],
        'a client_id that is a number'  => [{ client_id => 1 },        _error(invalid_field => 'client_id')],
        'a client_id with a zero'       => [{ client_id => "a\0" },    _error(invalid_field => 'client_id')],
    );
}

sub _error { my ($code, $field) = @_; return { code => $code, field => $field } }

# The message that a row of the tables is about: a reference to undef leaves a field out.
sub whole {
    my ($fields) = @_;
    my %message = (content => 'x', %$fields);
    delete @message{ grep { ref $message{$_} eq 'SCALAR' && !defined ${ $message{$_} } } keys %message };
    return \%message;
}

# name => way, each of a person in the trip's room.
sub ways {
    my ($site, $trip, $as) = @_;
    return (
        'a socket' => TripChat::Contract::Socket->new($site, $trip, $as),
        'HTTP'     => TripChat::Contract::Http->new($site, $trip, $as),
    );
}

package TripChat::Contract::Socket;

use strict;
use warnings;

use Encode qw(encode);

sub new {
    my ($class, $site, $trip, $as) = @_;
    return bless { client => $site->chat(trip => $trip, as => $as), as => $as }, $class;
}

# A socket names the field where it has the wrong form; elsewhere the code does.
sub expected {
    my ($self, $error) = @_;
    return $error if $error->{code} eq 'invalid_field';
    return { code => $error->{code} };
}

sub say  { my ($self, $message) = @_; return $self->_do({ type => 'chat_message', %$message }) }
sub edit { my ($self, $id, $edit) = @_; return $self->_do({ type => 'edit_message', message_id => $id, %$edit }) }

sub _do { my ($self, $message) = @_; $self->{client}->send_json($message); return $self->_outcome }

sub send_text { my ($self, $text) = @_; return $self->send_bytes(encode('UTF-8', $text)) }
sub send_bytes { my ($self, $bytes) = @_; $self->{client}->send_text($bytes); return $self->_outcome }

# What others say in the meantime is not meant. An edit doesn't name its sender: here nobody else edits.
sub _outcome {
    my ($self) = @_;
    while (my $message = $self->{client}->next_json) {
        return { map { defined $message->{$_} ? ($_ => $message->{$_}) : () } qw(code field) } if $message->{type} eq 'error';
        my $sender = $message->{message}{sender} || { username => $self->{as} };
        return { message => $message->{message} } if $sender->{username} eq $self->{as};
    }
    return;
}

package TripChat::Contract::Http;

use strict;
use warnings;

use Encode qw(encode);

sub new {
    my ($class, $site, $trip, $as) = @_;
    return bless { client => $site->rest(as => $as), trip => $trip }, $class;
}

# HTTP always names the field, and has a status.
sub expected {
    my ($self, $error) = @_;
    return { %$error, status => 400 };
}

sub say  { my ($self, $message) = @_; return _outcome($self->{client}->post_json({ chat_room => $self->{trip}, %$message })) }
sub edit { my ($self, $id, $edit) = @_; return _outcome($self->{client}->patch_json($id, $edit)) }

sub send_text { my ($self, $text) = @_; return $self->send_bytes(encode('UTF-8', $text)) }

# A socket's message, with the room that a request has to name.
sub send_bytes {
    my ($self, $bytes) = @_;
    $bytes =~ s/\A\{"type":"chat_message",/{"chat_room":"$self->{trip}",/;
    return _outcome($self->{client}->call('POST', TripChat::Rest::messages_path(), body => $bytes));
}

sub _outcome {
    my ($answer) = @_;
    return { message => $answer->{json} } if $answer->{status} =~ /\A20[01]\z/;
    return { status => $answer->{status}, map { defined $answer->{json}{$_} ? ($_ => $answer->{json}{$_}) : () } qw(code field) };
}

1;
