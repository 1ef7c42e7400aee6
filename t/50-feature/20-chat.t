# The chat over WebSocket: each sentence of the specification, and each error with its code. Which messages are valid
# is in 21-contract.t.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Encode qw(encode);
use JSON::PP ();
use Time::Local qw(timegm);

use TripChat::Contract qw(bad_texts bad_messages bad_edits);
use TripChat::File qw(read_file);
use TripChat::Test;

use constant HISTORY => 50;

my $site = site('plain');

# ann and bob in the room of a new trip, $trip.
my $trip;

sub two_members {
    $trip = $site->new_trip;
    return map { $site->chat(trip => $trip, as => $_) } qw(ann bob);
}

# Both must get the event. Returns the event as each of them got it.
sub both_get {
    my ($type, @members) = @_;
    return map { $_->next_json($type) } @members;
}

sub seconds_of {
    my ($timestamp) = @_;
    my ($year, $month, @rest) = $timestamp =~ /\A(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)/ or return 0;
    return timegm(reverse(@rest), $month - 1, $year);
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

subtest 'a room has one id, two rooms have two' => sub {
    my ($ann, $bob) = two_members();
    my ($other) = two_members();
    my $room = $ann->said('one')->{chat_room_id};
    is($ann->said('two')->{chat_room_id}, $room, 'the same for two messages');
    $bob->next_many(2, 'chat_message');
    is($bob->said('three')->{chat_room_id}, $room, 'and for two members');
    isnt($other->said('elsewhere')->{chat_room_id}, $room, 'and another elsewhere');
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

subtest 'a quote reads like the message for those who come later, from memory and from the database' => sub {
    my $quoting = $site->new_trip;
    my ($ann, $bob) = map { $site->chat(trip => $quoting, as => $_) } qw(ann bob);
    my $message = $ann->said('one');
    $bob->next_json('chat_message');
    my @replies = map { $bob->said("to \"$_\"", reply_to => $message->{id}) } qw(one two);
    my $to_reply = $bob->said('to a reply', reply_to => $replies[0]{id});
    for my $content ('two', "\",\"content\":\"\\ \x{1f600}", 'x' x 5_000, 'two') {
        $bob->edit($replies[0]{id}, "edited before $content");
        $bob->next_json('message_edited');
        $ann->edit($message->{id}, $content);
        $bob->next_json('message_edited');
        my $late = $site->chat(trip => $quoting, as => 'carol');
        my @seen = @{ $late->history->{messages} };
        my ($quote, $edited) = map { length > 300 ? substr($_, 0, 300) . "\x{2026}" : $_ } $content, "edited before $content";
        is_deeply([map { $_->{reply_to} && $_->{reply_to}{content} } @seen], [undef, $quote, $quote, $edited],
            'in a history: ' . substr $content, 0, 10);
        is_deeply(\@seen, $site->rest->list($quoting)->{json}{results}, 'as in a page');
        $late->leave;
    }
    $_->leave for $ann, $bob;
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
    is_deeply($history, { type => 'message_history', messages => [], last_seq => 0, epoch => $history->{epoch} }, 'with the fields it always has');
};

subtest 'the history is the last fifty messages, oldest first' => sub {
    my ($ann) = two_members();
    my $sent = HISTORY + 10;
    $ann->say("message $_") for 1 .. $sent;
    my @live    = map { $_->{message} } $ann->next_many($sent, 'chat_message');
    my $history = $site->chat(trip => $trip, as => 'bob')->history;
    fields_are($history, [qw(type messages last_seq epoch)], 'its fields are the usual ones');
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

# Messages that only exist on a socket: name => [what is sent (JSON text, or a message), the fields of the error].
# The others are in TripChat::Contract.
my %ERRORS = (
    'no JSON, or nothing that can be a message' => { bad_texts() },
    'no message' => {
        'an empty object'         => ['{}',                                                  { code => 'invalid_message' }],
        'no type'                 => ['{"content":"x"}',                                     { code => 'invalid_message' }],
        'a type that is a number' => ['{"type":1}',                                          { code => 'invalid_message' }],
        'a type that is null'     => ['{"type":null}',                                       { code => 'invalid_message' }],
        'an unknown type'         => ['{"type":"shout","content":"x"}',                      { code => 'unknown_type' }],
        'a type of the server'    => ['{"type":"message_history"}',                          { code => 'unknown_type' }],
        'a type in capitals'      => ['{"type":"CHAT_MESSAGE","content":"x"}',               { code => 'unknown_type' }],
        'a type with a zero'      => ['{"type":"typing\\u0000","is_typing":true}',           { code => 'unknown_type' }],
    },
    'a bad field of a message' => _socket_errors('chat_message', {}, bad_messages()),
    'a bad field of an edit'   => {
        %{ _socket_errors('edit_message', { message_id => new_uuid() }, bad_edits()) },
        'no message_id'           => [{ type => 'edit_message', content => 'x' },              _field('message_id')],
        'a message_id of no UUID' => [{ type => 'edit_message', content => 'x', message_id => 'x' }, _field('message_id')],
        'a message that is not there' =>
            [{ type => 'edit_message', content => 'x', message_id => new_uuid() }, { code => 'message_not_found' }],
    },
    'a bad field of typing' => {
        'no is_typing'            => ['{"type":"typing"}',                                     _field('is_typing')],
        'is_typing that is text'  => ['{"type":"typing","is_typing":"true"}',                  _field('is_typing')],
        'is_typing that is 1'     => ['{"type":"typing","is_typing":1}',                       _field('is_typing')],
        'is_typing that is null'  => ['{"type":"typing","is_typing":null}',                    _field('is_typing')],
    },
);

# A table of TripChat::Contract as messages of this type. On a socket only the code says which field is bad, unless the
# form of the message is bad.
sub _socket_errors {
    my ($type, $more, %table) = @_;
    return {
        map {
            my ($fields, $error) = @{ $table{$_} };
            my %error = $error->{code} eq 'invalid_field' ? %$error : (code => $error->{code});
            ($_ => [{ type => $type, %$more, %{ TripChat::Contract::whole($fields) } }, \%error]);
        } keys %table
    };
}

sub _field   { my ($name) = @_; return { code => 'invalid_field', field => $name } }

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

subtest 'an error carries the client_id of what it is about' => sub {
    my ($ann) = two_members();
    $ann->say('', client_id => 'mine');
    error_is($ann, { code => 'empty_content', client_id => 'mine' }, 'of an empty message');
    $ann->say('x', client_id => 'mine too', reply_to => new_uuid());
    error_is($ann, { code => 'reply_not_found', client_id => 'mine too' }, 'of a message the store refuses');
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
