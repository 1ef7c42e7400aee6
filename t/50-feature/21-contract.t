# The same messages are valid over WebSocket and over HTTP. The tables of TripChat::Contract run both ways, and the
# room gets the same events.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Contract qw(ways bad_texts bad_messages bad_edits BLANKS SMILE MAX_CONTENT TEXTS);
use TripChat::Test;

use constant QUOTE => 300;    # code points of another message that a reply shows

my $site = site('plain');

# Runs $code for each way, in a room of its own, with the way's name, ann who sends, bob who receives, and the trip.
sub each_way {
    my ($code) = @_;
    for my $name ('a socket', 'HTTP') {
        my $trip = $site->new_trip;
        my $bob  = $site->chat(trip => $trip, as => 'bob');
        $code->($name, { ways($site, $trip, 'ann') }->{$name}, $bob, $trip);
    }
    return;
}

# Each row of a table is refused. The sender may go on, and the others get nothing.
sub all_are_refused {
    my ($speaker, $bob, $do, %table) = @_;
    for my $what (sort keys %table) {
        my ($sent, $error) = @{ $table{$what} };
        is_deeply($do->($sent), $speaker->expected($error), $what);
    }
    ok($speaker->say({ content => 'still here' })->{message}, 'the next message is stored');
    is($bob->next_json->{message}{content}, 'still here', 'and the others have noticed nothing');
    return;
}

subtest 'text comes back as it went' => sub {
    my %text = TEXTS;
    each_way(sub {
        my ($way, $ann, $bob) = @_;
        for my $what (sort keys %text) {
            my $message = $ann->say({ content => $text{$what} })->{message};
            message_is($message, 'ann', { content => $text{$what}, message_type => 'text', reply_to => undef, is_edited => 0 },
                "$what, over $way");
            is_deeply($bob->next_json, { type => 'chat_message', message => $message }, 'the others get the same');
        }
        my $escaped = $ann->send_text('{"type":"chat_message","content":"\\ud83d\\ude00\\u0041"}')->{message};
        is($escaped->{content}, SMILE . 'A', "escapes, over $way");
    });
};

subtest 'half of a surrogate pair is refused' => sub {
    each_way(sub {
        my ($way, $ann) = @_;
        for my $half ('\\ud83d', '\\ude00', '\\ude00\\ud83d') {
            my $outcome = $ann->send_text(qq({"type":"chat_message","content":"half $half pair"}));
            is($outcome->{code}, 'invalid_json', "the text $half over $way") or diag explain $outcome;
        }
    });
};

subtest 'what may be left out has a default, and null is as good as nothing' => sub {
    each_way(sub {
        my ($way, $ann) = @_;
        my @more = ({}, { message_type => undef, reply_to => undef, client_id => undef }, { unknown => [1, {}] });
        for my $more (@more) {
            message_is($ann->say({ content => 'short', %$more })->{message}, 'ann', { message_type => 'text', reply_to => undef },
                "over $way with @{[join ' ', sort keys %$more]}");
        }
    });
};

subtest 'each message_type of the specification is allowed' => sub {
    each_way(sub {
        my ($way, $ann) = @_;
        for my $type (qw(text image file location)) {
            is($ann->say({ content => "a $type", message_type => $type })->{message}{message_type}, $type, "$type over $way");
        }
    });
};

subtest 'ten thousand characters are allowed, whatever their size in bytes' => sub {
    my %character = ('one byte' => 'x', 'two bytes' => 'ä', 'three bytes' => '語', 'four bytes' => SMILE);
    each_way(sub {
        my ($way, $ann) = @_;
        for my $size (sort keys %character) {
            my $longest = $character{$size} x MAX_CONTENT;
            ok($ann->say({ content => $longest })->{message}{content} eq $longest, "ten thousand of $size over $way");
            is($ann->say({ content => $longest . $character{$size} })->{code}, 'content_too_long', "not one more of $size");
        }
        my $escaped = '\\ud83d\\ude00' x MAX_CONTENT;
        my $message = $ann->send_text(qq({"type":"chat_message","content":"$escaped"}))->{message};
        ok($message->{content} eq SMILE x MAX_CONTENT, 'an escaped pair is one character');
    });
};

subtest 'content of blanks only is empty' => sub {
    each_way(sub {
        my ($way, $ann) = @_;
        for my $content ('', BLANKS) {
            is($ann->say({ content => $content })->{code}, 'empty_content',
                join ' ', "code points over $way:", map { sprintf '%04X', ord } split //, $content);
        }
        is($ann->say({ content => "\x{3000}x" })->{message}{content}, "\x{3000}x", 'one letter is enough');
    });
};

subtest 'a client_id may have sixty-four characters' => sub {
    each_way(sub {
        my ($way, $ann) = @_;
        ok($ann->say({ content => 'x', client_id => SMILE x 64 })->{message}, "over $way");
        is($ann->say({ content => 'x', client_id => SMILE x 65 })->{field}, 'client_id', 'and not one more');
    });
};

subtest 'a reply carries what it answers' => sub {
    each_way(sub {
        my ($way, $ann, $bob) = @_;
        my $question = $bob->said('Where do we meet?');
        my $answer   = $ann->say({ content => 'At the station.', reply_to => $question->{id} })->{message};
        is_deeply(
            $answer->{reply_to},
            { id => $question->{id}, content => 'Where do we meet?', sender_email => 'bob@example.com' },
            "its id, its content and the email of its sender, over $way"
        );
    });
};

# The parts that a reply is shown in: live, in a history from memory and from the database, in a resume, in a page, and
# once the message it quotes was edited.
subtest 'of a long message a reply shows the beginning' => sub {
    my $shown = SMILE x QUOTE . '…';
    each_way(sub {
        my ($way, $ann, $bob, $trip) = @_;
        my $whole  = $bob->said(SMILE x QUOTE);
        my $asked  = $bob->said(SMILE x QUOTE . 'x');
        my @quotes = map { $_->{reply_to}{content} } map { $ann->say({ content => 'yes', reply_to => $_->{id} })->{message} } $whole, $asked;
        is_deeply(\@quotes, [SMILE x QUOTE, $shown], "over $way");
        my %seen = (
            'in a live message' => (map { $bob->next_json->{message} } 1 .. 2)[1],
            'in a history'      => $site->chat(trip => $trip)->history->{messages}[-1],
            'in a resume'       => $site->chat(trip => $trip, after => 3)->history->{messages}[-1],
            'in a page'         => $site->rest->list($trip)->{json}{results}[-1],
            'in what comes after' => $site->rest->list($trip, { after => 3 })->{json}{results}[-1],
        );
        is($seen{$_}{reply_to}{content}, $shown, $_) for sort keys %seen;
        my $again = SMILE x QUOTE . ' and more';
        $bob->edit($asked->{id}, 'y' . $again);
        $bob->next_json('message_edited');
        my @histories = ($site->chat(trip => $trip)->history->{messages}[-1], $site->rest->list($trip)->{json}{results}[-1]);
        is_deeply([map { $_->{reply_to}{content} } @histories], [('y' . SMILE x (QUOTE - 1) . '…') x 2], 'after an edit');
    });
};

subtest 'an edit is told to the others, and shown as the message reads now' => sub {
    each_way(sub {
        my ($way, $ann, $bob) = @_;
        my $message = $ann->say({ content => 'Helo' })->{message};
        $bob->next_json('chat_message');
        my $edited = $ann->edit($message->{id}, { content => 'Hello' })->{message};
        my %shown  = map { $_ => $edited->{$_} } qw(id content is_edited updated_at seq);
        is_deeply($bob->next_json, { type => 'message_edited', message => \%shown }, "over $way");
        is_deeply([@shown{qw(id content seq)}, !!$shown{is_edited}], [$message->{id}, 'Hello', 2, 1], 'with what has changed');
    });
};

subtest 'another room does not exist for a message' => sub {
    my $elsewhere = $site->chat(trip => $site->new_trip)->said('elsewhere');
    each_way(sub {
        my ($way, $ann) = @_;
        is($ann->say({ content => 'what?', reply_to => $elsewhere->{id} })->{code}, 'reply_not_found', "nothing to answer, over $way");
    });
};

subtest 'only its sender edits a message, and only one that is there' => sub {
    each_way(sub {
        my ($way, $ann, $bob) = @_;
        my $of_bob = $bob->said('mine');
        is($ann->edit($of_bob->{id}, { content => 'yours' })->{code}, 'not_sender', "over $way");
        is($ann->edit(new_uuid(), { content => 'x' })->{code}, 'message_not_found', 'nor one that is not there');
        is_deeply([$bob->messages_before_marker], [], 'and nothing happens');
    });
};

subtest 'a text that is no message is refused' => sub {
    each_way(sub {
        my (undef, $ann, $bob) = @_;
        all_are_refused($ann, $bob, sub { $ann->send_text($_[0]) }, bad_texts());
    });
};

subtest 'a message with a bad field is refused' => sub {
    each_way(sub {
        my (undef, $ann, $bob) = @_;
        all_are_refused($ann, $bob, sub { $ann->say(TripChat::Contract::whole($_[0])) }, bad_messages());
    });
};

subtest 'an edit with a bad field is refused' => sub {
    each_way(sub {
        my (undef, $ann, $bob) = @_;
        my $id = $ann->say({ content => 'as it was' })->{message}{id};
        $bob->next_json('chat_message');
        all_are_refused($ann, $bob, sub { $ann->edit($id, TripChat::Contract::whole($_[0])) }, bad_edits());
    });
};

# A socket that sent these would be closed with 1007.
subtest 'a body that is no UTF-8 is no JSON' => sub {
    my $trip = $site->new_trip;
    my $ann  = { ways($site, $trip, 'ann') }->{HTTP};
    my %bytes = (
        'a byte of no meaning'  => "\xff", 'a cut sequence' => "\xe2\x82", 'a sequence too long' => "\xc0\xaf",
        'half of a surrogate'   => "\xed\xa0\x80", 'a code point too far' => "\xf4\x90\x80\x80",
    );
    for my $what (sort keys %bytes) {
        is_deeply($ann->send_bytes(qq({"type":"chat_message","content":"a$bytes{$what}"})), { code => 'invalid_json', status => 400 }, $what);
    }
    is($site->rest->room($trip)->{json}{last_seq}, 0, 'and nothing was stored');
};

done_testing;
