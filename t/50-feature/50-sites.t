# Two sites in one httpd, each with its own database and secret. They share a process and nothing else, even if both
# have the same trip.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Test;

my %site = map { $_ => site($_) } qw(plain second);
my $trip = new_uuid();
$_->new_trip(id => $trip) for values %site;

# ann and bob in the room of the trip, on both sites.
sub members {
    return map { my $site = $_; map { $site->chat(trip => $trip, as => $_) } qw(ann bob) } @site{qw(plain second)};
}

subtest 'a token of one site is refused at the other' => sub {
    for my $names (['plain', 'second'], ['second', 'plain']) {
        my ($from, $to) = @site{@$names};
        turned_away_with($to, $to->path($trip, token => $from->token('ann')), undef, 4001, join ' at ', @$names);
    }
};

subtest 'no message crosses between rooms of the same trip' => sub {
    my ($ann, $bob, $other_ann, $other_bob) = members();
    $ann->say('on the first site');
    $other_ann->say('on the second site');
    is($bob->next_json->{message}{content},       'on the first site',  'who is on the first site hears the first');
    is($other_bob->next_json->{message}{content}, 'on the second site', 'who is on the second hears the second');
    is_deeply([$bob->messages_before_marker],       [], 'and nothing else');
    is_deeply([$other_bob->messages_before_marker], [], 'there neither');
};

subtest 'nor does typing, nor an edit' => sub {
    my ($ann, $bob, $other_ann, $other_bob) = members();
    my $message = $ann->said('to be edited');
    $ann->edit($message->{id}, 'edited');
    $ann->next_json('message_edited');
    $ann->typing(1);
    $bob->next_json('typing');
    is_deeply([$other_bob->messages_before_marker], [], 'nothing is heard on the other site');
    $other_ann->next_json('chat_message');
    $other_ann->edit($message->{id}, 'from elsewhere');
    error_is($other_ann, { code => 'message_not_found' }, 'where the message does not exist');
};

subtest 'each site has a history and numbers of its own' => sub {
    my $both = new_uuid();
    $_->new_trip(id => $both) for values %site;
    my $ann = $site{plain}->chat(trip => $both);
    $ann->said("message $_") for 1 .. 3;
    my $other = $site{second}->chat(trip => $both);
    is_deeply($other->history->{messages}, [], 'what was said on one is not in the history of the other');
    is($other->said('first here')->{seq}, 1, 'whose numbers begin at 1');
};

subtest 'a client_id counts in its site' => sub {
    my $both = new_uuid();
    $_->new_trip(id => $both) for values %site;
    for my $name (sort keys %site) {
        my $message = $site{$name}->chat(trip => $both)->said("on $name", client_id => 'c-1');
        is($message->{content}, "on $name", "it is stored on $name");
    }
};

done_testing;
