# The chat as its clients know it: each sentence of the specification's
# WebSocket side, and each error with its code.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Encode qw(encode);
use JSON::PP ();
use Time::Local qw(timegm);

use TripChat::File qw(read_file);
use TripChat::Test;

use constant {
    MAX_CONTENT => 10_000,
    HISTORY     => 50,
    SMILE       => "\x{1f600}",      # four bytes
};

my $site = site('plain');

# ann and bob in a new room, of the trip $trip.
my $trip;

sub two_members {
    $trip = $site->new_trip;
    return map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
}

# Both must get the event; returns it as each of them got it.
sub both_get {
    my ($type, @members) = @_;
    return map { $_->next_json($type) } @members;
}

sub seconds_of {
    my ($timestamp) = @_;
    my ($year, $month, @rest) = $timestamp =~ /\A(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)/ or return 0;
    return timegm(reverse(@rest), $month - 1, $year);
}

# A message of this many levels of lists in its content field.
sub nested {
    my ($levels) = @_;
    return '{"type":"chat_message","content":' . '[' x $levels . ']' x $levels . '}';
}

subtest 'a message goes to all members, its sender included' => sub {
    my ($ann, $bob) = two_members();
    my $before = time;
    $ann->say('Hello, team!');
    my ($to_ann, $to_bob) = both_get('chat_message', $ann, $bob);
    fields_are($_, [qw(type message)], 'an event has a type and a message') for $to_ann, $to_bob;
    my %expected = (content => 'Hello, team!', message_type => 'text', reply_to => undef, is_edited => 0, seq => 1);
    message_is($to_bob->{message}, 'ann', \%expected, 'with the fields of the specification');
    is_deeply($to_ann->{message}, $to_bob->{message}, 'both got the same');
    my $created = seconds_of($to_ann->{message}{created_at});
    cmp_ok($created, '>=', $before - 1, 'it was created now');
    cmp_ok($created, '<=', time + 1,    'and not later');
    is($to_ann->{message}{updated_at}, $to_ann->{message}{created_at}, 'and has not been updated');
};

subtest 'a message may leave out what has a default' => sub {
    my ($ann, $bob) = two_members();
    $ann->send_json({ type => 'chat_message', content => 'short' });
    my ($event) = both_get('chat_message', $bob);
    is($event->{message}{message_type}, 'text', 'the message_type');
    $ann->say('null is none', reply_to => undef, client_id => undef);
    is($bob->next_json('chat_message')->{message}{reply_to}, undef, 'and null is as good as nothing');
};

subtest 'each message_type of the specification is allowed' => sub {
    my ($ann) = two_members();
    for my $type (qw(text image file location)) {
        is($ann->said("a $type", message_type => $type)->{message_type}, $type, $type);
    }
};

subtest 'a room has one id, two rooms have two' => sub {
    my ($ann, $bob) = two_members();
    my ($other) = two_members();
    my $room = $ann->said('one')->{chat_room_id};
    is($ann->said('two')->{chat_room_id}, $room, 'the same for two messages');
    $bob->next_many(2, 'chat_message');
    is($bob->said('three')->{chat_room_id}, $room, 'and for two members');
    isnt($other->said('elsewhere')->{chat_room_id}, $room, 'and another elsewhere');
};

subtest 'text comes back as it went' => sub {
    my ($ann, $bob) = two_members();
    my %text = (
        'quotes and backslashes'  => q{"\\' / \\u0041},
        'control characters'      => "tab\tnewline\nbell\a escape\e delete\x7f",
        'markup'                  => '<script>alert("&amp;")</script>',
        'four scripts'            => "Grüße, привет, 你好, \x{1f468}\x{200d}\x{1f469}",
        'SQL'                     => q{'); DROP TABLE chat_messages; -- %s %d},
        'line separators of JSON' => "one\x{2028}two\x{2029}three",
    );
    for my $what (sort keys %text) {
        $ann->say($text{$what});
        is($bob->next_json('chat_message')->{message}{content}, $text{$what}, $what);
    }
    $ann->send_text('{"type":"chat_message","content":"\\ud83d\\ude00\\u0041"}');
    is($bob->next_json('chat_message')->{message}{content}, SMILE . 'A', 'escapes');
};

subtest 'half of a surrogate pair becomes no broken text' => sub {
    my ($ann) = two_members();
    for my $half ('\\ud83d', '\\ude00', '\\ude00\\ud83d') {
        $ann->send_text(qq({"type":"chat_message","content":"half $half pair"}));
        my $answer = $ann->next_json;    # dies of text that is not UTF-8
        ok($answer->{type} eq 'error' || $answer->{message}{content} =~ /\Ahalf \x{fffd}+ pair\z/, "the text $half")
            or diag explain $answer;
    }
    still_talks($ann, 'and the connection stays');
};

subtest 'a reply carries what it answers' => sub {
    my ($ann, $bob) = two_members();
    my $question = $ann->said('Where do we meet?');
    $bob->next_json('chat_message');
    my $answer = $bob->said('At the station.', reply_to => $question->{id});
    is_deeply(
        $answer->{reply_to},
        { id => $question->{id}, content => 'Where do we meet?', sender_email => 'ann@example.com' },
        'its id, its content and the email of its sender'
    );
    message_is($ann->next_json('chat_message')->{message}, 'bob', { id => $answer->{id}, reply_to => $answer->{reply_to} },
        'for all members');
};

subtest 'an edit goes to all members' => sub {
    my ($ann, $bob) = two_members();
    my $message = $ann->said('Helo');
    $bob->next_json('chat_message');
    $ann->edit($message->{id}, 'Hello');
    for my $event (both_get('message_edited', $ann, $bob)) {
        fields_are($event,          [qw(type message)],                           'an event has a type and a message');
        fields_are($event->{message}, [qw(id content is_edited updated_at seq)], 'with the fields of the specification');
        is($event->{message}{id},      $message->{id}, 'the id is that of the message');
        is($event->{message}{content}, 'Hello',        'the content is the new one');
        ok($event->{message}{is_edited}, 'it says that it is edited');
        like($event->{message}{updated_at}, TIMESTAMP, 'and when');
        cmp_ok($event->{message}{updated_at}, 'ge', $message->{updated_at}, 'which is not before the message');
    }
};

subtest 'an edited message is edited for those who come later' => sub {
    my ($ann) = two_members();
    my $message = $ann->said('Helo');
    $ann->edit($message->{id}, 'Hello');
    my $edited = $ann->next_json('message_edited')->{message};
    my ($later) = @{ $site->chat(trip => $trip, as => 'bob')->history->{messages} };
    message_is(
        $later, 'ann',
        {
            id         => $message->{id},
            content    => 'Hello',
            is_edited  => 1,
            created_at => $message->{created_at},
            updated_at => $edited->{updated_at},
        },
        'in the history'
    );
    $ann->say('I meant Hello', reply_to => $message->{id});
    is($ann->next_json('chat_message')->{message}{reply_to}{content}, 'Hello', 'and in a reply to it');
};

subtest 'typing is told to the others only' => sub {
    my $four = $site->new_trip;
    my ($ann, $bob, $carol, $ann_again) = map { $site->chat(trip => $four, as => $_) } qw(ann bob carol ann);
    $ann->typing(1);
    $ann->say('typed');
    for my $other ($bob, $carol) {
        is_deeply(
            $other->next_json,
            {
                type       => 'typing',
                user_id    => user('ann')->{id},
                user_email => 'ann@example.com',
                is_typing  => JSON::PP::true,
            },
            'another member learns it, before the message'
        );
        is($other->next_json->{type}, 'chat_message', 'and the message follows');
    }
    is($_->next_json->{type}, 'chat_message', 'ann learns nothing of it on either connection') for $ann, $ann_again;
};

subtest 'typing goes out at most once a second for a user' => sub {
    my ($ann, $bob) = two_members();
    my $start = now();
    $ann->typing($_) for 1, 1, 0, 1, 1, 0, 0;
    my ($first, $second) = $bob->next_many(2, 'typing');
    my $elapsed = now() - $start;
    ok($first->{is_typing},   'the first state goes out');
    ok(!$second->{is_typing}, 'then the last one');
    cmp_ok($elapsed, '>=', 0.9, 'when the second is over');
    $ann->say('done');
    is_deeply([map { $_->{type} } $bob->messages_until('done')], [], 'and none of those in between');
};

subtest 'typing is not told in a room above TripChatTypingMaxRoom' => sub {
    my $small = site('small');
    my $there = $small->new_trip;
    my ($ann, $bob, $carol) = map { $small->chat(trip => $there, as => $_) } qw(ann bob carol);
    $ann->typing(1);
    is($bob->next_json->{type}, 'typing', 'three members are few enough here');
    my $bob_again = $small->chat(trip => $there, as => 'bob');
    $ann->typing(0);
    $ann->say('four');
    is_deeply([map { $_->{type} } $_->messages_until('four')], [], 'four are too many') for $bob, $bob_again;
    $bob_again->leave;
    until_true('the room to be small again',
        sub { $ann->typing(1); grep { $_->{type} eq 'typing' } $bob->json_before_pong });
    pass('when one has left they are few enough again');
};

subtest 'typing is not part of the record' => sub {
    my ($ann, $bob) = two_members();
    is($ann->said('one')->{seq}, 1, 'a message');
    $ann->typing(1);
    $bob->next_json('typing');
    is($ann->said('two')->{seq}, 2, 'and the next have numbers in a row');
    is(scalar @{ $site->chat(trip => $trip)->history->{messages} }, 2, 'the history has the two alone');
};

subtest 'the history of a new room is empty' => sub {
    my $history = $site->chat(trip => $site->new_trip)->history;
    is_deeply($history, { type => 'message_history', messages => [], last_seq => 0 }, 'with the fields it always has');
};

subtest 'the history is the last fifty messages, oldest first' => sub {
    my ($ann) = two_members();
    my $sent = HISTORY + 10;
    $ann->say("message $_") for 1 .. $sent;
    my @live    = map { $_->{message} } $ann->next_many($sent, 'chat_message');
    my $history = $site->chat(trip => $trip, as => 'bob')->history;
    fields_are($history, [qw(type messages last_seq)], 'its fields are the usual ones');
    is_deeply(contents_of(@{ $history->{messages} }), [map { "message $_" } 11 .. $sent], 'in that order');
    is_deeply($history->{messages}, [@live[10 .. $sent - 1]], 'as they were sent out live');
    is($history->{last_seq}, $sent, 'and last_seq is that of the last');
};

subtest 'TripChatHistory and TripChatMessageTypes change that' => sub {
    my $small = site('small');
    my $there = $small->new_trip;
    my $ann   = $small->chat(trip => $there);
    $ann->said("message $_") for 1 .. 7;
    is_deeply(contents_of(@{ $small->chat(trip => $there)->history->{messages} }),
        [map { "message $_" } 3 .. 7], 'five messages are the history here');
    is($ann->said('which?', message_type => 'poll')->{message_type}, 'poll', 'a poll is allowed here');
    $ann->say('where', message_type => 'location');
    error_is($ann, { code => 'invalid_message_type' }, 'a location is not');
};

subtest 'ten thousand characters are allowed, whatever their size in bytes' => sub {
    my ($ann, $bob) = two_members();
    my %character = ('one byte' => 'x', 'two bytes' => 'ä', 'three bytes' => '語', 'four bytes' => SMILE);
    for my $size (sort keys %character) {
        my $longest = $character{$size} x MAX_CONTENT;
        $ann->say($longest);
        ok($bob->next_json('chat_message')->{message}{content} eq $longest, "ten thousand of $size");
        $ann->next_json('chat_message');
        $ann->say($longest . $character{$size});
        error_is($ann, { code => 'content_too_long' }, "not one more of $size");
    }
    my $escaped = '\\ud83d\\ude00' x MAX_CONTENT;
    $ann->send_text(qq({"type":"chat_message","content":"$escaped"}));
    ok($bob->next_json('chat_message')->{message}{content} eq SMILE x MAX_CONTENT, 'an escaped pair is one character');
};

# name => [what is sent (JSON text, or a message), the error's fields]
my %ERRORS = (
    'no JSON' => {
        'nothing'                 => ['',                                                    { code => 'invalid_json' }],
        'a blank'                 => [' ',                                                   { code => 'invalid_json' }],
        'an open brace'           => ['{',                                                   { code => 'invalid_json' }],
        'half a message'          => ['{"type":"chat_message","content":"x',                 { code => 'invalid_json' }],
        'a message and more'      => ['{"type":"typing","is_typing":true} x',                { code => 'invalid_json' }],
        'two messages'            => ['{"type":"typing","is_typing":true}{}',                { code => 'invalid_json' }],
        'a comma too many'        => ['{"type":"typing","is_typing":true,}',                 { code => 'invalid_json' }],
        'single quotes'           => [q({'type':'typing','is_typing':true}),                 { code => 'invalid_json' }],
        'a comment'               => ['{"type":"typing",/* now */"is_typing":true}',         { code => 'invalid_json' }],
        'a word'                  => ['hello',                                               { code => 'invalid_json' }],
        'NaN'                     => ['{"type":"typing","is_typing":NaN}',                   { code => 'invalid_json' }],
        'Infinity'                => ['{"type":"typing","is_typing":-Infinity}',             { code => 'invalid_json' }],
        'a word in capitals'      => ['{"type":"typing","is_typing":TRUE}',                  { code => 'invalid_json' }],
        'a number with a zero before it' => ['{"type":"typing","is_typing":true,"n":01}',    { code => 'invalid_json' }],
        'a number with a plus'    => ['{"type":"typing","is_typing":true,"n":+1}',           { code => 'invalid_json' }],
        'a number that ends in a point' => ['{"type":"typing","is_typing":true,"n":1.}',     { code => 'invalid_json' }],
        'an escape of no meaning' => ['{"type":"chat_message","content":"\\x41"}',           { code => 'invalid_json' }],
        'a short escape'          => ['{"type":"chat_message","content":"\\u12"}',           { code => 'invalid_json' }],
        'a byte order mark'       => [qq(\x{feff}{"type":"typing","is_typing":true}),        { code => 'invalid_json' }],
        'a zero behind the end'   => [qq({"type":"typing","is_typing":true}\0),              { code => 'invalid_json' }],
        'a tab in a key'          => [qq({"type":"typing","is_typing":true,"a\tb":1}),        { code => 'invalid_json' }],
        'a bare newline in text'  => [qq({"type":"chat_message","content":"a\nb"}),          { code => 'invalid_json' }],
        'a key twice'             => ['{"type":"typing","type":"chat_message"}',             { code => 'invalid_json' }],
    },
    'no message' => {
        'a list'                  => ['[]',                                                  { code => 'invalid_message' }],
        'a string'                => ['"chat_message"',                                      { code => 'invalid_message' }],
        'a number'                => ['17',                                                  { code => 'invalid_message' }],
        'null'                    => ['null',                                                { code => 'invalid_message' }],
        'an empty object'         => ['{}',                                                  { code => 'invalid_message' }],
        'no type'                 => ['{"content":"x"}',                                     { code => 'invalid_message' }],
        'a type that is a number' => ['{"type":1}',                                          { code => 'invalid_message' }],
        'a type that is null'     => ['{"type":null}',                                       { code => 'invalid_message' }],
        'an unknown type'         => ['{"type":"shout","content":"x"}',                      { code => 'unknown_type' }],
        'a type of the server'    => ['{"type":"message_history"}',                          { code => 'unknown_type' }],
        'a type in capitals'      => ['{"type":"CHAT_MESSAGE","content":"x"}',               { code => 'unknown_type' }],
        'a type with a zero'      => ['{"type":"typing\\u0000","is_typing":true}',           { code => 'unknown_type' }],
    },
    'too deep' => {
        'a hundred levels'          => [nested(100),    { code => 'too_deep' }],
        'sixty thousand levels'     => [nested(60_000), { code => 'too_deep' }],
        'levels that are not ended' => ['[' x 60_000,   { code => 'too_deep' }],
        'levels of objects'         => ['{"a":' x 20_000, { code => 'too_deep' }],
    },
    'a bad field of a message' => {
        'no content'              => [{ type => 'chat_message' },                              _field('content')],
        'content that is null'    => [{ type => 'chat_message', content => undef },            _field('content')],
        'content that is a list'  => [{ type => 'chat_message', content => ['x'] },            _field('content')],
        'content that is a number' => [{ type => 'chat_message', content => 17 },              _field('content')],
        'a zero in the content'   => [{ type => 'chat_message', content => "a\0b" },           _field('content')],
        'an unknown message_type' => [_message(message_type => 'poem'),       { code => 'invalid_message_type' }],
        'an empty message_type'   => [_message(message_type => ''),           { code => 'invalid_message_type' }],
        'a message_type in capitals' => [_message(message_type => 'TEXT'),    { code => 'invalid_message_type' }],
        'a message_type that is a list' => [_message(message_type => ['text']), _field('message_type')],
        'a reply to no UUID'      => [_message(reply_to => 'first'),                           _field('reply_to')],
        'a reply to a number'     => [_message(reply_to => 1),                                 _field('reply_to')],
        'a reply to what is not there' => [_message(reply_to => new_uuid()),  { code => 'reply_not_found' }],
        'a client_id that is empty'  => [_message(client_id => ''),                            _field('client_id')],
        'a client_id of 65 characters' => [_message(client_id => 'x' x 65),                    _field('client_id')],
        'a client_id that is a number' => [_message(client_id => 1),                           _field('client_id')],
        'a client_id with a zero' => [_message(client_id => "a\0"),                            _field('client_id')],
    },
    'a bad field of an edit' => {
        'no message_id'           => [{ type => 'edit_message', content => 'x' },              _field('message_id')],
        'a message_id of no UUID' => [{ type => 'edit_message', content => 'x', message_id => 'x' }, _field('message_id')],
        'a message that is not there' =>
            [{ type => 'edit_message', content => 'x', message_id => new_uuid() }, { code => 'message_not_found' }],
        'no content'              => [{ type => 'edit_message', message_id => new_uuid() },    _field('content')],
        'empty content' =>
            [{ type => 'edit_message', content => ' ', message_id => new_uuid() }, { code => 'empty_content' }],
        'long content' => [
            { type => 'edit_message', content => 'x' x 10_001, message_id => new_uuid() },
            { code => 'content_too_long' }
        ],
    },
    'a bad field of typing' => {
        'no is_typing'            => ['{"type":"typing"}',                                     _field('is_typing')],
        'is_typing that is text'  => ['{"type":"typing","is_typing":"true"}',                  _field('is_typing')],
        'is_typing that is 1'     => ['{"type":"typing","is_typing":1}',                       _field('is_typing')],
        'is_typing that is null'  => ['{"type":"typing","is_typing":null}',                    _field('is_typing')],
    },
);

sub _field   { my ($name) = @_; return { code => 'invalid_field', field => $name } }
sub _message { my (%more) = @_; return { type => 'chat_message', content => 'x', %more } }

for my $group (sort keys %ERRORS) {
    subtest "an error is told and the connection stays: $group" => sub {
        my ($ann, $bob) = two_members();
        for my $what (sort keys %{ $ERRORS{$group} }) {
            my ($sent, $error) = @{ $ERRORS{$group}{$what} };
            ref $sent ? $ann->send_json($sent) : $ann->send_text(encode('UTF-8', $sent));
            my %client_id = $error->{code} ne 'invalid_field' && ref $sent && $sent->{client_id}
                ? (client_id => $sent->{client_id}) : ();
            my $is = $error->{code} =~ /_not_found\z/ ? \&error_is : \&error_at_once_is;
            $is->($ann, { %$error, %client_id }, $what);
        }
        still_talks($ann, 'the connection stays');
        is($bob->next_json->{type}, 'chat_message', 'and the others have noticed nothing');
    };
}

subtest 'content of blanks only is empty' => sub {
    my ($ann, $bob) = two_members();
    my @blanks = map { chr } 0x09 .. 0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000 .. 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000;
    for my $content ('', @blanks, join '', @blanks) {
        $ann->say($content);
        error_is($ann, { code => 'empty_content' }, join ' ', 'code points', map { sprintf '%04X', ord } split //, $content);
    }
    is($ann->said("\x{3000}x")->{content}, "\x{3000}x", 'one letter is enough');
};

subtest 'an error carries the client_id of what it is about' => sub {
    my ($ann) = two_members();
    $ann->say('', client_id => 'mine');
    error_is($ann, { code => 'empty_content', client_id => 'mine' }, 'of an empty message');
    $ann->say('x', client_id => 'mine too', reply_to => new_uuid());
    error_is($ann, { code => 'reply_not_found', client_id => 'mine too' }, 'of a message the store refuses');
};

subtest 'only its sender edits a message' => sub {
    my ($ann, $bob) = two_members();
    my $message = $ann->said('mine');
    $bob->next_json('chat_message');
    $bob->edit($message->{id}, 'yours');
    error_is($bob, { code => 'not_sender' }, 'another member is told so');
    is_deeply([$ann->messages_before_marker], [], 'and nothing happens');
};

subtest 'another room does not exist for a message' => sub {
    my ($ann)   = two_members();
    my ($other) = two_members();
    my $message = $ann->said('here');
    $other->edit($message->{id}, 'there');
    error_is($other, { code => 'message_not_found' }, 'it cannot be edited from there');
    $other->say('what?', reply_to => $message->{id});
    error_is($other, { code => 'reply_not_found' }, 'nor answered');
    is_deeply([$ann->messages_before_marker], [], 'and here nothing is heard of it');
};

subtest 'a text does not get into the error log' => sub {
    my ($ann) = two_members();
    my $text = 'a secret between friends ' . new_uuid();
    $ann->said($text);
    $ann->send_text("{$text");
    error_is($ann, { code => 'invalid_json' }, 'not even one that is no JSON');
    ok(index(read_file($site->error_log), $text) < 0, 'it is not there');
};

done_testing;
