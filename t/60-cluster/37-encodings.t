# Databases that are not in UTF8. What their encoding has is stored, shown and found again as it was said. What it does not have
# is refused for good, alone. Texts that the site's other programs wrote never close a room.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Cluster qw(children_of chat_on);
use TripChat::Postgres;
use TripChat::Redis;
use TripChat::Test;

use constant OF_THE_DATABASE => qr/\bTC0016:|\bTC0012:/;

my %TEXT = (
    ascii => 'plain', umlaut => 'Grüße', kanji => '日本', emoji => "\x{1f600}", both => "ü 日本 \x{1f600}", sign => "a \x{9f} c",
);

# What each encoding has; the others it has not. `name` is a full name, as an SQL literal, and what it reads like. `hole` is a
# text with a character that Unicode does not have.
my %ENCODING = (
    LATIN1    => { has => [qw(ascii umlaut sign)], name => ["U&'J\\00fcrgen'", 'Jürgen'] },
    EUC_JP    => { has => [qw(ascii kanji umlaut)], name => ["U&'\\65e5\\672c'", '日本'],
        hole => ["E'\\xc6\\xfc \\xa9\\xa1.'", "日 \x{fffd}."] },
    WIN1252   => { has => [qw(ascii umlaut)], name => ["U&'J\\00fcrgen'", 'Jürgen'],
        hole => ["E'caf\\xe9 \\x81.'", "café \x{fffd}."] },
    SQL_ASCII => { has => [sort keys %TEXT], name => ["E'J\\xfcrgen'", "J\x{fffd}rgen"] },
);

my $ids = 0;

# Sends these contents at once, and returns the answers in their order, each the content or the error's code.
sub answers_to {
    my ($member, @contents) = @_;
    my @ids = map { 'c-' . ++$ids } @contents;
    my %answer;
    $member->say($contents[$_], client_id => $ids[$_]) for 0 .. $#ids;
    while (keys %answer < @ids) {
        my $event = $member->next_json;
        my $id = $event->{client_id} // next;
        $answer{$id} = $event->{type} eq 'error' ? $event->{code} : $event->{message}{content};
    }
    return [@answer{@ids}];
}

for my $encoding (sort keys %ENCODING) {
    my ($sql_name, $name) = @{ $ENCODING{$encoding}{name} };
    my %has      = map { $_ => 1 } @{ $ENCODING{$encoding}{has} };
    my $database = TripChat::Postgres->shared->new_database(encoding => $encoding);
    $database->sql(sprintf "UPDATE users SET full_name = %s WHERE id = '%s'", $sql_name, user('ann')->{id});
    my $server = TripChat::Server->start(children => 2, database => $database, redis => TripChat::Redis->shared);
    my $site   = $server->site;
    my $trip   = $site->new_trip;
    my ($ann, $bob) = map { chat_on($server, (children_of($server))[$_], trip => $trip, as => (qw(ann bob))[$_]) } 0, 1;

    my (@shown, $first);

    subtest "$encoding: what it has is shown, and what it lacks is refused alone" => sub {
        my @texts = map { ($_, 'ascii') } sort keys %TEXT;
        is_deeply(answers_to($ann, @TEXT{@texts}), [map { $has{$_} ? $TEXT{$_} : 'internal' } @texts], 'the sender learns of each');
        @shown = map { $TEXT{$_} } grep { $has{$_} } @texts;
        my @seen = map { $bob->next_json('chat_message')->{message} } @shown;
        is_deeply(contents_of(@seen), \@shown, 'others see what was stored');
        is_consecutive(seqs_of(@seen), 1, scalar @shown, 'and no number is missing');
        is_deeply([map { $_->{sender}{full_name} } @seen], [($name) x @shown], 'under the name of the site');
        $first = $seen[0];
    };

    subtest "$encoding: edits, replies and REST" => sub {
        for my $text (sort keys %TEXT) {
            my $content = $TEXT{$text} . ' edited';
            $ann->edit($first->{id}, $content);
            is($ann->next_json($has{$text} ? 'message_edited' : 'error')->{code} // 'edited', $has{$text} ? 'edited' : 'internal', "an edit: $text");
            $first->{content} = $content if $has{$text};
            my $answer = $site->rest(as => 'bob')->post($trip, $TEXT{$text}, reply_to => $first->{id});
            is($answer->{status}, $has{$text} ? 201 : 500, "a reply by REST: $text");
            push @shown, $TEXT{$text} if $has{$text};
            is($answer->{json}{reply_to}{content}, $first->{content}, 'with what it replies to') if $has{$text};
        }
        $shown[0] = $first->{content};
        $ann->say('with an id', client_id => $TEXT{emoji});
        my $answer;
        do { $answer = $ann->next_json } until ($answer->{client_id} // '') eq $TEXT{emoji};
        is($answer->{code} // 'stored', $has{emoji} ? 'stored' : 'internal', 'a client_id is as good as its text');
        push @shown, 'with an id' if $has{emoji};
    };

    subtest "$encoding: who comes sees the same" => sub {
        for my $child (children_of($server)) {
            my $late = chat_on($server, $child, trip => $trip, as => 'carol');
            is_deeply(contents_of(@{ $late->history->{messages} }), \@shown, "a history of the child $child");
            $late->leave;
        }
        my $page = $site->rest->list($trip)->{json};
        is_deeply(contents_of(@{ $page->{results} }), \@shown, 'a page');
        is($page->{results}[0]{sender}{full_name}, $name, 'with the name');
    };

    subtest "$encoding: a character that Unicode does not have closes no room" => sub {
        my ($sql, $text) = @{ $ENCODING{$encoding}{hole} };
        $database->sql(sprintf "UPDATE chat_messages SET content = %s WHERE id = '%s'", $sql, $first->{id});
        $database->sql(sprintf "UPDATE users SET full_name = %s WHERE id = '%s'", $sql, user($_)->{id}) for qw(ann carol);
        $shown[0] = $text;
        my $page = $site->rest(as => 'carol')->list($trip)->{json};
        is_deeply(contents_of(@{ $page->{results} }), \@shown, 'a page has it, and the others as they are');
        my $other = TripChat::Server->start(children => 1, database => $database, redis => TripChat::Redis->shared);
        my $carol = $other->site->chat(trip => $trip, as => 'carol');
        my $messages = $carol->history->{messages};
        is_deeply(contents_of(@$messages), \@shown, 'a history, too');
        is($messages->[0]{sender}{full_name}, $text, 'and the name of its sender');
        my $said = $carol->said('after that');
        is($said->{sender}{full_name}, $text, 'who has it in their name may write');
        is($carol->said($TEXT{$_})->{content}, $TEXT{$_}, "the connection is as before: $_") for grep { $has{$_} } sort keys %TEXT;
        $carol->leave;
        log_says($other, qr/TC0016/, 'the log has the warning');
        stops_clean($other, 'and nothing else', OF_THE_DATABASE);
    } if $ENCODING{$encoding}{hole};

    $_->leave for $ann, $bob;
    log_says($server, qr/TC0016: the database of \S+ has the encoding $encoding: /, 'the log says so');
    stops_clean($server, 'and nothing else', OF_THE_DATABASE);
}

done_testing;
