# TripChatDeflate: it is off by default. Clients with and without compression get the same chat, and the memory and the
# size of a message stay bounded.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use TripChat::Deflated;
use TripChat::Test;

my $server = TripChat::Server->start(site_config => "TripChatDeflate on\nTripChatInflateRatio 50", tls => 1);
my $site   = $server->site;

sub join_deflated {
    my ($where, $trip, %opt) = @_;
    my $client = bless $where->connect, 'TripChat::Deflated';
    $client->open_deflated($where->path($trip, token => $where->token($opt{as} // 'ann'), map { defined $opt{$_} ? ($_ => $opt{$_}) : () } 'after'),
        $opt{offers} // 'permessage-deflate; client_max_window_bits');
    $client->{history} = $client->next_json;
    return $client;
}

sub text_of { my ($length) = @_; return substr 'What a lovely day for a walk along the river. ' x ($length / 46 + 1), 0, $length }

subtest 'it is off unless it is asked for' => sub {
    my $plain  = TripChat::Server->start;
    my $client = bless $plain->site->connect, 'TripChat::Deflated';
    my $trip   = $plain->site->new_trip;
    $client->open_deflated($plain->site->path($trip, token => $plain->site->token('ann')), 'permessage-deflate');
    is($client->{extensions}, undef, 'no offer is taken');
    stops_clean($plain, 'the log has nothing to say');
};

subtest 'members with and without compression chat alike' => sub {
    for my $name (qw(plain tls)) {
        my $where = $server->site($name);
        my $trip  = $where->new_trip;
        my @packed = map { join_deflated($where, $trip, as => $_) } qw(ann bob);
        my $plain  = $where->chat(trip => $trip, as => 'carol');
        is($packed[0]{extensions}, 'permessage-deflate; server_no_context_takeover; client_no_context_takeover', "the terms, on $name");
        for my $length (1, 100, 3000) {
            for my $speaker (@packed, $plain) {
                my $text = text_of($length);
                my $json = JSON::PP->new->utf8->canonical->encode({ type => 'chat_message', content => $text });
                $speaker == $plain ? $speaker->send_text($json) : $speaker->send_deflated($json);
                my @heard = map { $_->next_json('chat_message') } @packed, $plain;
                is_deeply($heard[$_], $heard[2], "$length characters") for 0, 1;
                is($heard[2]{message}{content}, $text, 'as they were said');
            }
        }
        my $late = join_deflated($where, $trip);
        is_deeply($late->{history}, $where->chat(trip => $trip)->history, 'a history');
        is_deeply(join_deflated($where, $trip, after => 5)->{history}, $where->chat(trip => $trip, after => 5)->history, 'and what was missed');
        $_->leave for @packed, $plain, $late;
    }
};

subtest 'what comes is shorter where that is worth it' => sub {
    my $trip = $site->new_trip;
    my $ann  = join_deflated($site, $trip);
    $ann->say(text_of(5000));
    my $frame = $ann->next_frame;
    cmp_ok($frame->{deflated}, '<', length($frame->{payload}) / 5, 'a long message');
    my $narrow = join_deflated($site, $trip, offers => 'permessage-deflate; server_max_window_bits=9');
    $narrow->{bits} = 9;
    $ann->say('hi');
    is($narrow->next_json('chat_message')->{message}{content}, 'hi', 'nor does a narrow window hinder');
};

subtest 'a message that becomes too long is closed with 1009' => sub {
    my $trip = $site->new_trip;
    my %bomb = (
        'too long'            => '{"type":"chat_message","content":"' . join('', map { chr(97 + $_ * 7 % 26) . $_ } 1 .. 40_000) . '"}',
        'too much longer'     => '{"type":"chat_message","content":"' . ' ' x 100_000 . '"}',
        'a million times so'  => ' ' x 50_000_000,
    );
    for my $what (sort keys %bomb) {
        my $client = join_deflated($site, $trip);
        $client->send_deflated($bomb{$what});
        closes_with($client, 1009, $what);
    }
};

subtest 'what is no DEFLATE is closed with 1007' => sub {
    my $client = join_deflated($site, $site->new_trip);
    $client->send_frame(1, "\xff\xff\xff", rsv => TripChat::Deflated::RSV1);
    closes_with($client, 1007, 'at once');
};

stops_clean($server, 'the log has nothing to say');

done_testing;
