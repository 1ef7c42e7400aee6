package TripChat::Rest;

# A client that uses the chat over HTTP. It keeps one connection as long as the server does, and makes another
# when it needs one. TripChat::Site makes this client; TripChat::Http writes and reads the bytes.
#
# An answer is { status, reason, fields, raw, body, json }; `json` is there if the body is JSON.

use strict;
use warnings;

use JSON::XS ();

use TripChat::Events;
use TripChat::Http;

use constant ROOT => '/api/v1/chat';

my $JSON = JSON::XS->new->utf8->canonical->allow_nonref;

# connect => code that makes a TripChat::Http; token
sub new {
    my ($class, %rest) = @_;
    return bless {%rest}, $class;
}

# ---- paths ----

sub room_path     { my ($id) = @_; return ROOT . "/rooms/$id/" }
sub list_path     { my ($id, @query) = @_; return ROOT . "/rooms/$id/messages/" . _query(@query) }
sub messages_path { return ROOT . '/messages/' }
sub message_path  { my ($id) = @_; return ROOT . "/messages/$id/" }

sub _query {
    my (%query) = @_;
    return %query ? '?' . join '&', map { "$_=$query{$_}" } sort keys %query : '';
}

# ---- any request ----

# Asks and waits for the answer. Options as for ask().
sub call { my ($self, @request) = @_; $self->ask(@request); return $self->answer }

# The two halves of call(), for those who ask many at once. A path that is a link of an answer is relative to the last one.
# token  => instead of the client's own; undef: none       json   => what the body is to say
# query  => 1: the token goes there                        origin => of the page that asks
# fields, body, chunks, http as for TripChat::Http
sub ask {
    my ($self, $method, $path, %opt) = @_;
    my $token = exists $opt{token} ? $opt{token} : $self->{token};
    $path = $self->{path} . $path if $path =~ /\A\?/;
    $self->{path} = $path =~ s/\?.*//sr;
    $opt{body} = $JSON->encode($opt{json}) if exists $opt{json};
    $path .= ($path =~ /\?/ ? '&' : '?') . "token=$token" if $opt{query};
    my %fields = (
        defined $token && !$opt{query}          ? ('Authorization' => "Bearer $token")      : (),
        defined $opt{origin}                    ? ('Origin'        => $opt{origin})         : (),
        defined $opt{body} || $opt{chunks}      ? ('Content-Type'  => 'application/json')   : (),
        %{ $opt{fields} || {} },
    );
    $self->{asked} = $method;
    $self->stream->write(TripChat::Http::request_text(%opt, method => $method, path => $path, fields => \%fields));
    return $self;
}

sub answer {
    my ($self) = @_;
    my $answer = $self->{stream}->read_response;
    $answer->{body} = $self->{stream}->read_body($self->{asked} // '', $answer);
    $answer->{json} = $JSON->decode($answer->{body}) if _field($answer, 'content-type') =~ m{\Aapplication/json\b} && length $answer->{body};
    $self->disconnect if _field($answer, 'connection') =~ /\bclose\b/i;
    return $answer;
}

sub _field { my ($answer, $name) = @_; return join ', ', @{ $answer->{fields}{$name} || [] } }

# The connection, made where there is none or the server has ended it.
sub stream {
    my ($self) = @_;
    return $self->{stream} if $self->{stream} && $self->{stream}->is_open;
    $self->{connections}++;
    return $self->{stream} = $self->{connect}->();
}

# How many connections it took so far.
sub connections { return $_[0]{connections} // 0 }

sub disconnect { my ($self) = @_; (delete $self->{stream})->disconnect if $self->{stream}; return }

sub get   { my ($self, $path, @opt) = @_; return $self->call('GET',  $path, @opt) }
sub head  { my ($self, $path, @opt) = @_; return $self->call('HEAD', $path, @opt) }

# ---- the chat ----

sub room { my ($self, $id, @opt) = @_; return $self->get(room_path($id), @opt) }

# A page of a room's list: the parameters, then options.
sub list { my ($self, $id, $query, @opt) = @_; return $self->get(list_path($id, %{ $query || {} }), @opt) }

sub post { my ($self, $room, $content, %more) = @_; return $self->post_json({ chat_room => $room, content => $content, %more }) }
sub post_json { my ($self, $message, @opt) = @_; return $self->call('POST', messages_path(), json => $message, @opt) }

sub edit { my ($self, $id, $content) = @_; return $self->patch_json($id, { content => $content }) }
sub patch_json { my ($self, $id, $edit, @opt) = @_; return $self->call('PATCH', message_path($id), json => $edit, @opt) }

# The message that was stored. Dies of an error.
sub posted {
    my ($self, @message) = @_;
    my $answer = $self->post(@message);
    die "posting was answered with $answer->{status}: $answer->{body}\n" if $answer->{status} !~ /\A20[01]\z/;
    return $answer->{json};
}

# Asks for what comes after a seq, and leaves the answer to be taken when there is one.
sub ask_for_news {
    my ($self, $id, $after, %query) = @_;
    return $self->ask('GET', list_path($id, wait => 60, after => $after, %query));
}

# The page's events. Dies of an error.
sub news {
    my ($self) = @_;
    my $answer = $self->answer;
    die "a poll was answered with $answer->{status}: $answer->{body}\n" if $answer->{status} != 200;
    return $answer->{json};
}

# Follows a room as a stream of events: parameters, then options. Dies when the answer is none.
sub follow {
    my ($self, @follow) = @_;
    return $self->ask_to_follow(@follow)->finish_follow;
}

# The two halves of follow().
sub ask_to_follow {
    my ($self, $id, $query, %opt) = @_;
    my %fields = (Accept => 'text/event-stream', %{ $opt{fields} || {} });
    return $self->ask('GET', list_path($id, %{ $query || {} }), %opt, fields => \%fields);
}

sub finish_follow {
    my ($self) = @_;
    my $stream = delete $self->{stream};
    my $head   = $stream->read_response;
    my $type   = _field($head, 'content-type');
    die "no events: $head->{raw}\n" if $head->{status} != 200 || $type ne 'text/event-stream';
    return TripChat::Events->new($stream, $head);
}

1;
