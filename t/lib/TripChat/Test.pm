package TripChat::Test;

# What the test files share: the sites, the usual assertions, and the form of a valid
# message. Assertions report the line of the test that calls them.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More ();

use TripChat::Frame qw(:all);
use TripChat::Server;
use TripChat::Shared qw(site);
use TripChat::Token qw(make_token access_claims);
use TripChat::Wait qw(until_true now);
use TripChat::World qw(user new_uuid);

our @EXPORT = (
    qw(site user new_uuid make_token access_claims until_true now),
    qw(closes_with bytes_close_with turned_away_with error_is error_at_once_is answer_is refusal_is),
    qw(still_talks fields_are message_is is_consecutive log_says stops_clean),
    qw(contents_of seqs_of UUID TIMESTAMP),
    @TripChat::Frame::EXPORT_OK,
);

# Texts of the chat stand in what a failing test says.
binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

use constant {
    UUID      => qr/\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z/,
    TIMESTAMP => qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\z/,
};

# The fields of a message object, and of what is in it, no more and no fewer.
my @MESSAGE_FIELDS = qw(
    id chat_room_id seq sender content message_type reply_to is_edited created_at updated_at
);

sub _at_caller(&) {
    my ($code) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 3;
    return $code->();
}

# The server sends a close frame with this code, and having got its answer ends the stream.
sub closes_with {
    my ($client, $code, $name) = @_;
    my $close = $client->read_close;
    $client->send_close($close->{code});
    $client->read_to_end;
    return _at_caller {
        Test::More::is($close->{code}, $code, $name)
            or Test::More::diag('reason: ', $close->{reason} // 'none');
    };
}

# A member who writes these bytes is turned out with this code.
sub bytes_close_with {
    my ($site, $trip, $bytes, $code, $name) = @_;
    my $client = $site->chat(trip => $trip);
    $client->write($bytes);
    return _at_caller { closes_with($client, $code, $name) };
}

# A client that asks for this path is let in and closed at once with this code.
sub turned_away_with {
    my ($site, $path, $fields, $code, $name) = @_;
    my $close = $site->turned_away($path, $fields);
    return _at_caller { Test::More::is($close->{code}, $code, $name) };
}

# The next message is an error with these fields, with words for a human
# besides, and nothing else in it.
sub error_is {
    my ($client, $expected, $name) = @_;
    my $error = $client->next_json;
    return _at_caller { _is_error($error, $expected, $name) };
}

# The same for what is refused without a look into the database: the error is
# there before the answer to a ping, and the test need not wait for one that never comes.
sub error_at_once_is {
    my ($client, $expected, $name) = @_;
    my ($error) = $client->json_before_pong;
    return _at_caller { _is_error($error // {}, $expected, $name) };
}

sub _is_error {
    my ($error, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $words = delete $error->{message} // '';
    return Test::More::is_deeply({ %$error, words => length $words > 0 },
        { type => 'error', words => 1, %$expected }, $name);
}

# An answer over HTTP with this status and these fields: name => value, undef where there must be none.
sub answer_is {
    my ($answer, $status, $fields, $name) = @_;
    my %got = map { $_ => $answer->{fields}{ lc $_ } && join ', ', @{ $answer->{fields}{ lc $_ } } } keys %$fields;
    return _at_caller {
        Test::More::is_deeply({ status => $answer->{status}, %got }, { status => $status, %$fields }, $name)
            or Test::More::diag($answer->{raw}, $answer->{body});
    };
}

# An answer that is an error with this status, these members, words for a human besides, and nothing else.
sub refusal_is {
    my ($answer, $status, $expected, $name) = @_;
    my %error = %{ ref $answer->{json} eq 'HASH' ? $answer->{json} : { body => $answer->{body} } };
    my $words = delete $error{message} // '';
    return _at_caller {
        Test::More::is_deeply(
            { %error, status => $answer->{status}, words => length $words > 0 },
            { type => 'error', status => $status, words => 1, %$expected }, $name
        );
    };
}

# The connection is open and chats.
sub still_talks {
    my ($client, $name) = @_;
    my $content = 'still here ' . new_uuid();
    my $message = eval { $client->said($content) };
    return _at_caller { Test::More::is($message && $message->{content}, $content, $name) or Test::More::diag($@) };
}

sub fields_are {
    my ($object, $expected, $name) = @_;
    return _at_caller { Test::More::is_deeply([sort keys %$object], [sort @$expected], $name) };
}

# A whole message object: the fields of the specification and no other, well
# formed, from this user, with the expected values where some are given.
sub message_is {
    my ($message, $sender, $expected, $name) = @_;
    my %got  = map { $_ => _plain($message->{$_}) } 'sender', keys %$expected;
    my %want = (sender => user($sender), %$expected);
    my @odd  = grep { ($message->{$_} // '') !~ UUID } qw(id chat_room_id);
    push @odd, grep { ($message->{$_} // '') !~ TIMESTAMP } qw(created_at updated_at);
    push @odd, 'seq'       if ($message->{seq} // '') !~ /\A[1-9]\d*\z/;
    push @odd, 'is_edited' if !JSON::PP::is_bool($message->{is_edited});
    return _at_caller {
        Test::More::is_deeply(
            { fields => [sort keys %$message], odd => \@odd, %got },
            { fields => [sort @MESSAGE_FIELDS], odd => [], %want }, $name
        );
    };
}

# true and false of JSON as 1 and 0
sub _plain { my ($value) = @_; return JSON::PP::is_bool($value) ? ($value ? 1 : 0) : $value }

# Numbers that follow each other without a gap, from $first on.
sub is_consecutive {
    my ($numbers, $first, $count, $name) = @_;
    return _at_caller { Test::More::is_deeply($numbers, [$first .. $first + $count - 1], $name) };
}

sub contents_of { return [map { ($_->{message} // $_)->{content} } @_] }
sub seqs_of     { return [map { ($_->{message} // $_)->{seq} } @_] }

# The server's error log has a line that matches, by now or soon: what does not come from a worker, a thread of its own writes.
sub log_says {
    my ($server, $pattern, $name) = @_;
    eval { until_true('the line', sub { $server->error_log =~ $pattern }) } or return _at_caller { Test::More::like($server->error_log, $pattern, $name) };
    return _at_caller { Test::More::pass($name) };
}

# The server stops, with nothing left behind and nothing unexplained in its log.
sub stops_clean {
    my ($server, $name, @allowed) = @_;
    my @wrong = $server->stop(allow => \@allowed);
    return _at_caller { Test::More::is_deeply(\@wrong, [], $name) };
}

1;
