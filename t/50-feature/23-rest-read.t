# Reading over HTTP: a room, its messages in pages in both directions, and answers that need not be sent again (304).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Rest;
use TripChat::Test;

use constant {
    PAGE     => 50,      # messages of a page, unless the client asks for another number
    LARGEST  => 100,
};

my $site = site('plain');
my $ann  = $site->rest;

# A new trip with these messages from ann.
sub trip_with {
    my (@contents) = @_;
    my $trip = $site->new_trip;
    return ($trip, map { $ann->posted($trip, $_) } @contents);
}

# A trip with seven events, two of them edits: 1 2 3 edit-of-1 5 edit-of-2 7
sub trip_with_edits {
    my ($trip, @messages) = trip_with(qw(one two three));
    $ann->edit($messages[0]{id}, 'one, mended');
    $ann->posted($trip, 'five');
    $ann->edit($messages[1]{id}, 'two, mended');
    $ann->posted($trip, 'seven');
    return ($trip, @messages);
}

sub page { my ($trip, %query) = @_; return $ann->list($trip, \%query)->{json} }

# A page as "seq:content", and the targets of its links: "next before=3", "previous after=7".
sub page_is {
    my ($page, $results, $links, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @links = map { ($page->{$_} // '') =~ /((?:after|before)=\d+)\z/ ? "$_ $1" : () } qw(next previous);
    return is_deeply(
        [[map { "$_->{seq}:$_->{content}" } @{ $page->{results} }], \@links],
        [$results, $links], $name
    );
}

# Everything that a link leads to, page by page.
sub all_pages {
    my ($path, $link) = @_;
    my @pages;
    while (defined $path) {
        push @pages, $ann->get($path)->{json};
        $path = $pages[-1]{$link};
        die "it goes in a circle\n" if @pages > 50;
    }
    return @pages;
}

subtest 'a room says its ids and how far it has come' => sub {
    my ($trip) = trip_with();
    my $room = $ann->room($trip)->{json};
    like($room->{id}, UUID, 'its own id');
    is_deeply($room, { id => $room->{id}, trip_id => $trip, last_seq => 0, epoch => $room->{epoch} }, 'a new one');
    like($room->{epoch}, qr/\A\d+\z/, 'with its epoch');
    my $message = $ann->posted($trip, 'one');
    is($message->{chat_room_id}, $room->{id}, 'messages carry its id');
    is_deeply($ann->room($trip)->{json}, { %$room, last_seq => 1 }, 'it has come further');
    is_deeply($ann->room($_)->{json}, { %$room, last_seq => 1 }, "asked for as $_") for $room->{id}, uc $room->{id}, uc $trip;
};

subtest 'an empty list' => sub {
    my ($trip) = trip_with();
    my $epoch = $ann->room($trip)->{json}{epoch};
    is_deeply(page($trip), { next => undef, previous => undef, results => [], last_seq => 0, epoch => $epoch }, 'has every field');
    is_deeply(page($trip, after => 0), page($trip), 'forward as well');
};

subtest 'a list is the room\'s or the trip\'s' => sub {
    my ($trip, $message) = trip_with('one');
    is_deeply(page($_)->{results}, [$message], $_) for $trip, $message->{chat_room_id}, uc $message->{chat_room_id};
};

subtest 'a page has whole messages, as they are on a socket' => sub {
    my $trip    = $site->new_trip;
    my ($socket) = $site->chat(trip => $trip, as => 'bob');
    my $asked   = $socket->said('question');
    my $reply   = $socket->said('answer', reply_to => $asked->{id}, message_type => 'location');
    is_deeply(page($trip)->{results}, [$asked, $reply], 'as they were sent out');
    is_deeply(page($trip)->{results}, $site->chat(trip => $trip)->history->{messages}, 'as they are in a history');
    $socket->edit($asked->{id}, 'mended');
    $socket->next_json('message_edited');
    my ($now) = @{ page($trip)->{results} };
    message_is($now, 'bob', { id => $asked->{id}, seq => 1, content => 'mended', is_edited => 1 }, 'as they read now');
    is(page($trip)->{results}[1]{reply_to}{content}, 'mended', 'in what answers them, too');
};

subtest 'the newest page comes first, and leads back' => sub {
    my ($trip) = trip_with_edits();
    page_is(page($trip), ['1:one, mended', '2:two, mended', '3:three', '5:five', '7:seven'], [], 'all of it');
    page_is(page($trip, limit => 2), ['5:five', '7:seven'], ['next before=5'], 'two');
    page_is(page($trip, limit => 2, before => 5), ['2:two, mended', '3:three'], ['next before=2', 'previous after=3'], 'the two before');
    page_is(page($trip, limit => 2, before => 2), ['1:one, mended'], ['previous after=1'], 'the first');
    page_is(page($trip, before => 1), [], ['previous after=0'], 'nothing is before the first');
    page_is(page($trip, before => 99, limit => 1), ['7:seven'], ['next before=7', 'previous after=7'], 'before what is to come');
    is(page($trip, before => 2)->{last_seq}, 7, 'each says how far the room has come');
};

subtest 'forward an edit is an event' => sub {
    my ($trip) = trip_with_edits();
    my @all = ('1:one, mended', '2:two, mended', '3:three', '4:one, mended', '5:five', '6:two, mended', '7:seven');
    page_is(page($trip, after => 0), \@all, [], 'from the beginning');
    page_is(page($trip, after => 3, limit => 2), [@all[3, 4]], ['next after=5', 'previous before=4'], 'two');
    page_is(page($trip, after => 5, limit => 2), [@all[5, 6]], ['previous before=6'], 'the last two');
    page_is(page($trip, after => 6), [$all[6]], ['previous before=7'], 'the last');
    page_is(page($trip, after => 7), [], ['previous before=8'], 'nothing is after it');
    message_is(page($trip, after => 3)->{results}[0], 'ann', { seq => 4, content => 'one, mended', is_edited => 1 }, 'the whole message');
};

subtest 'after= in the future is empty, and last_seq says so' => sub {
    my ($trip) = trip_with('one');
    for my $after (2, 999_999_999_999_999) {
        my $page = page($trip, after => $after);
        page_is($page, [], ['previous before=2'], "after $after");
        is($page->{last_seq}, 1, 'it is another room');
    }
};

subtest 'links lead to both ends, through everything once' => sub {
    my ($trip, @messages) = trip_with(map { "message $_" } 1 .. 23);
    $ann->edit($messages[$_]{id}, "mended $_") for 2, 5, 2;
    for my $limit (1, 7, 23, 26, LARGEST) {
        my @back = all_pages(TripChat::Rest::list_path($trip, limit => $limit), 'next');
        is_deeply(seqs_of(map { @{ $_->{results} } } reverse @back), [1 .. 23], "back by $limit");
        my @on = all_pages(TripChat::Rest::list_path($trip, limit => $limit, after => 0), 'next');
        is_consecutive(seqs_of(map { @{ $_->{results} } } @on), 1, 26, "on by $limit");
        is(scalar(grep { !@{ $_->{results} } } @back, @on), 0, 'and no page is empty');
        my $first = TripChat::Rest::list_path($trip, limit => $limit, before => 2);
        my %seen  = map { $_->{seq} => 1 } map { @{ $_->{results} } } $ann->get($first)->{json}, _behind($first);
        is_deeply([sort { $a <=> $b } keys %seen], [1 .. 26], 'from the first page forward comes all the rest');
    }
};

# Goes from a page of older messages in the other direction: "previous" once, then on.
sub _behind {
    my ($path) = @_;
    return all_pages($ann->get($path)->{json}{previous}, 'next');
}

subtest 'a link keeps the limit and is relative to the request, without a token' => sub {
    my ($trip) = trip_with(map { "message $_" } 1 .. 5);
    my $page = $ann->list($trip, { before => 4, limit => 2 }, query => 1)->{json};
    is($page->{next},     '?limit=2&before=2', 'next');
    is($page->{previous}, '?limit=2&after=3',  'previous');
};

subtest 'limit= is 1 to 100, and 50 unless said' => sub {
    my ($trip) = trip_with();
    my $socket = $site->chat(trip => $trip);
    $socket->say("message $_") for 1 .. LARGEST + 5;
    $socket->next_many(LARGEST + 5, 'chat_message');
    is(scalar @{ page($trip)->{results} }, PAGE, 'fifty');
    is(scalar @{ page($trip, limit => 1)->{results} },       1,       'one');
    is(scalar @{ page($trip, limit => LARGEST)->{results} }, LARGEST, 'a hundred');
    is(scalar @{ page($trip, after => 0)->{results} },       PAGE,    'fifty forward as well');
};

subtest 'a parameter that is no number is refused by name' => sub {
    my ($trip) = trip_with('one');
    my @no_number = ('', 'x', '-1', '1.5', '1x', '%201', '1%00', '0x1', '9999999999999999');
    my %bad = (
        (map { ("after=$_" => 'after', "before=$_" => 'before', "limit=$_" => 'limit', "after=1&wait=$_" => 'wait') } @no_number),
        'limit=0'          => 'limit', 'limit=101' => 'limit',
        'after=1&before=2' => 'before',
        'wait=5'           => 'wait', 'before=1&wait=5' => 'wait',
        'after=%'          => 'after', 'limit=%zz' => 'limit',
    );
    for my $query (sort keys %bad) {
        refusal_is($ann->get(TripChat::Rest::list_path($trip) . "?$query"), 400, { code => 'invalid_field', field => $bad{$query} }, $query);
    }
    is(page($trip, after => '%30', x => 1)->{results}[0]{seq}, 1, 'one that is escaped is read, one that is unknown is not');
};

subtest 'HEAD is GET without its body' => sub {
    my ($trip, $message) = trip_with('one');
    for my $path (TripChat::Rest::room_path($trip), TripChat::Rest::list_path($trip), TripChat::Rest::list_path($trip, after => 0)) {
        my ($get, $head) = map { $ann->call($_, $path) } qw(GET HEAD);
        delete $_->{fields}{date} for $get, $head;
        is($head->{status}, 200, $path);
        is_deeply($head->{fields}, $get->{fields}, 'with the same fields');
    }
    is($ann->head(TripChat::Rest::list_path($trip, after => 1, wait => 60))->{status}, 200, 'it does not wait');
    is($ann->head(TripChat::Rest::room_path(new_uuid()))->{status}, 403, 'and is refused as well');
    is($ann->head(TripChat::Rest::list_path($trip), fields => { Accept => 'text/event-stream' })->{status}, 200, 'nor does it follow');
};

subtest 'what has not changed is not sent again' => sub {
    my ($trip, $message) = trip_with('one');
    for my $path (TripChat::Rest::room_path($trip), TripChat::Rest::list_path($trip), TripChat::Rest::list_path($trip, after => 0)) {
        my $etag = $ann->get($path)->{fields}{etag}[0];
        my $if   = sub { my ($tags, $method) = @_; $ann->call($method // 'GET', $path, fields => { 'If-None-Match' => $tags }) };
        answer_is($if->($etag), 304, { ETag => $etag, 'Content-Type' => undef }, "304 for $path");
        is($if->($etag)->{body}, '', 'has no body');
        is($if->($etag, 'HEAD')->{status}, 304, 'to HEAD as well');
        is($if->(qq("other", $etag))->{status}, 304, 'where it is one of several');
        is($if->('"other"')->{status}, 200, 'another tag is not it');
        $ann->edit($message->{id}, "for $path");
        my $answer = $if->($etag);
        isnt($answer->{fields}{etag}[0], $etag, 'an event changes it');
        is($answer->{status}, 200, 'and all comes');
    }
    is($ann->list($trip, {}, token => undef, fields => { 'If-None-Match' => '*' })->{status}, 401, 'nobody learns of it without a token');
    answer_is($ann->list($trip), 200, { 'Cache-Control' => 'no-store', Vary => 'Origin', 'X-Content-Type-Options' => 'nosniff' }, 'no cache keeps what people write');
};

subtest 'a change that takes no number changes the tag, too' => sub {
    my $server = TripChat::Server->start;
    my $here   = $server->site;
    my ($trip, $other, $reader) = ($here->new_trip, $here->new_trip, $here->rest);
    my @messages = map { $here->rest(as => 'bob')->posted($trip, $_) } qw(one two);
    push @messages, map { $reader->posted($trip, "$_ of ann", reply_to => $messages[0]{id}) } qw(three four five);
    $reader->posted($other, 'elsewhere');
    my $id     = sub { "'$messages[$_[0]]{id}'" };
    my $bob    = user('bob')->{id};
    my $get    = sub { my ($path, $etag) = @_; $reader->get($path, fields => { $etag ? ('If-None-Match' => $etag) : () }) };
    my @paths  = map { TripChat::Rest::list_path($trip, %$_) } {}, { after => 0 }, { before => 5, limit => 2 };
    my @elsewhere = map { [$_, $get->($_)->{fields}{etag}[0]] } TripChat::Rest::list_path($other), TripChat::Rest::room_path($other);
    my $notices = sub {
        my ($paths, $change, $name) = @_;
        my %before = map { $_ => $get->($_) } @$paths;
        $change->();
        for my $path (@$paths) {
            my $now = $get->($path, $before{$path}{fields}{etag}[0]);
            is($now->{status}, 200, "$name: $path");
            isnt($now->{body}, $before{$path}{body}, 'is another answer');
            is($get->($path, $now->{fields}{etag}[0])->{status}, 304, 'which has a tag of its own');
        }
    };
    $notices->(\@paths, sub { $here->sql("UPDATE chat_messages SET content = 'by SQL' WHERE id = " . $id->(0)) }, 'an edit by a program');
    $notices->(\@paths, sub { $here->sql("UPDATE users SET full_name = 'Robert', email = 'robert\@x.example' WHERE id = '$bob'"); $server->restart }, 'a user with a new name');
    $notices->([@paths[0, 1]], sub { $here->sql('DELETE FROM chat_messages WHERE id = ' . $id->(4)) }, 'a message that is gone');
    $notices->(\@paths, sub { $here->sql("DELETE FROM users WHERE id = '$bob'") }, 'a user who is gone');
    $notices->([@paths, TripChat::Rest::room_path($trip)],
        sub { $here->sql("UPDATE chat_rooms SET epoch = epoch + 1 WHERE trip_id = '$trip'") }, 'another epoch');
    is($get->(@$_)->{status}, 304, "what has not changed, has not: $_->[0]") for @elsewhere;
    stops_clean($server, 'the log has nothing to say');
};

subtest 'If-Match that fails gets 412, as JSON' => sub {
    my ($trip) = trip_with('one');
    for my $path (TripChat::Rest::room_path($trip), TripChat::Rest::list_path($trip)) {
        refusal_is($ann->call('GET', $path, fields => { 'If-Match' => '"other"' }), 412, { code => 'precondition_failed' }, $path);
    }
};

subtest 'a list of large messages' => sub {
    my $trip  = $site->new_trip;
    my $large = "\x{1f600}" x 10_000;
    $ann->posted($trip, $large) for 1 .. LARGEST;
    my $page = page($trip, limit => LARGEST);
    is_consecutive(seqs_of(@{ $page->{results} }), 1, LARGEST, 'is whole');
    is(scalar(grep { $_->{content} ne $large } @{ $page->{results} }), 0, 'to the last byte');
};

subtest 'messages of a user who is gone leave holes that pages step over' => sub {
    my $server = TripChat::Server->start;
    my ($here, $trip) = ($server->site, $server->site->new_trip);
    my ($reader, $bob) = ($here->rest, $here->rest(as => 'bob'));
    ($_ % 3 ? $bob : $reader)->posted($trip, "message $_") for 1 .. 9;
    $here->sql(sprintf "DELETE FROM users WHERE id = '%s'", user('bob')->{id});
    is_deeply(seqs_of(@{ $reader->list($trip)->{json}{results} }), [3, 6, 9], 'the newest page');
    my $page = $reader->list($trip, { after => 0, limit => 2 })->{json};
    is_deeply(seqs_of(@{ $page->{results} }), [3, 6], 'forward');
    is_deeply(seqs_of(@{ $reader->get(TripChat::Rest::list_path($trip) . $page->{next})->{json}{results} }), [9], 'and on');
    stops_clean($server, 'the log has nothing to say');
};

done_testing;
