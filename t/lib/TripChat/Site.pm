package TripChat::Site;

# One chat site of a running server as a test sees it: its address, its secret,
# its database, and clients that join it.

use strict;
use warnings;

use TripChat::Client;
use TripChat::Http;
use TripChat::Rest;
use TripChat::Token qw(make_token access_claims);
use TripChat::WebSocket;
use TripChat::World qw(user new_uuid);

# host, port, tls, secret (bytes), database (TripChat::Database), error_log, access_log (paths)
sub new {
    my ($class, %site) = @_;
    return bless {%site}, $class;
}

sub database   { return $_[0]{database} }
sub error_log  { return $_[0]{error_log} }
sub access_log { return $_[0]{access_log} }
sub port       { return $_[0]{port} }

# A token for one of the World's people; %claims over the usual ones.
sub token {
    my ($self, $name, %claims) = @_;
    return make_token(secret => $self->{secret}, claims => access_claims(user($name)->{id}, %claims));
}

# A new trip with these people on it; without any, all but dave.
# id => chooses the id.
sub new_trip {
    my ($self, %opt) = @_;
    my $id  = $opt{id} // new_uuid();
    my $sql = "BEGIN; INSERT INTO trips (id) VALUES ('$id');";
    for my $name (@{ $opt{members} || [qw(ann bob carol)] }) {
        $sql .= sprintf "INSERT INTO trip_collaborators (trip_id, user_id) VALUES ('%s', '%s');", $id,
            user($name)->{id};
    }
    $self->sql("$sql COMMIT;");
    return $id;
}

sub sql { my ($self, $sql) = @_; return $self->{database}->sql($sql) }

# The path of a trip's socket; %query in the order of the names.
sub path {
    my ($self, $trip, %query) = @_;
    my $query = join '&', map { "$_=" . _percent_encoded($query{$_}) } sort keys %query;
    return "/ws/chat/$trip/" . ($query eq '' ? '' : "?$query");
}

# A connection on which nothing has been said yet. %opt as in TripChat::Stream.
sub connect {    ## no critic
    my ($self, %opt) = @_;
    return $self->_new_client('TripChat::WebSocket', %opt);
}

# Somebody who has joined the trip's chat and read its history.
# trip, as => name (ann), token, after; tls, receive_buffer as in TripChat::Stream
sub chat {
    my ($self, %opt) = @_;
    return ($self->chats({%opt}))[0];
}

# Several of them at once, each { options of chat }: all have asked before the first is waited for.
sub chats {
    my ($self, @options) = @_;
    my @clients = map { $self->_asking_client(%$_) } @options;
    return map { $_->finish_join } @clients;
}

sub _asking_client {
    my ($self, %opt) = @_;
    my %query = (token => $opt{token} // $self->token($opt{as} // 'ann'));
    defined $opt{$_} and $query{$_} = $opt{$_} for qw(after epoch);
    my $client = $self->_new_client('TripChat::Client', %opt);
    return $client->ask_to_open($self->path($opt{trip}, %query));
}

# Somebody who uses the chat over HTTP: as => name (ann) or token; tls, receive_buffer as in TripChat::Stream
sub rest {
    my ($self, %opt) = @_;
    return TripChat::Rest->new(
        token   => $opt{token} // $self->token($opt{as} // 'ann'),
        connect => sub { $self->_new_client('TripChat::Http', %opt) },
    );
}

# The close frame met by a client with this request path (and fields).
sub turned_away {
    my ($self, $path, $fields) = @_;
    return $self->connect->open($path, $fields)->read_close;
}

# A plain HTTP request over a connection of its own: { status, fields, body }.
sub http_get {
    my ($self, $path, %opt) = @_;
    my $stream = $self->connect(%opt);
    my $answer = $stream->request("GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n");
    $answer->{body} = $stream->read_rest;
    return $answer;
}

# mod_status by name, { BusyWorkers => 1, IdleWorkers => 7, … }
sub server_status {
    my ($self) = @_;
    my $body = $self->http_get('/server-status?auto')->{body};
    return { map { /\A([^:]+): (.*)\z/ ? ($1 => $2) : () } split /\r?\n/, $body };
}

sub _percent_encoded {
    my ($text) = @_;
    return $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger;
}

sub _new_client {
    my ($self, $class, %opt) = @_;
    return $class->connect(
        host           => $self->{host},
        port           => $self->{port},
        tls            => exists $opt{tls} ? $opt{tls} : $self->{tls},
        receive_buffer => $opt{receive_buffer},
    );
}

1;
