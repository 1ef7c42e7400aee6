package TripChat::TlsBytes;

# A WebSocket client over TLS that keeps its TLS records as bytes. The test cuts
# the records where it likes, and decides which bytes leave in which write.
# Otherwise this client is the same as TripChat::Client.

use strict;
use warnings;

use Net::SSLeay ();

use TripChat::Client;
use TripChat::Wait qw(deadline);

our @ISA = ('TripChat::Client');

Net::SSLeay::initialize();

my %VERSION = (TLSv1_2 => Net::SSLeay::TLS1_2_VERSION(), TLSv1_3 => Net::SSLeay::TLS1_3_VERSION());

# host, port, version => TLSv1_2 | TLSv1_3
# certificate => [file, key file]: the client sends this certificate if the server asks for one after the handshake;
#                []: it answers that it has none
sub connect {    ## no critic
    my ($class, %opt) = @_;
    my $self = $class->SUPER::connect(host => $opt{host}, port => $opt{port});
    my $ctx  = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_method()) or die "no TLS context\n";
    Net::SSLeay::CTX_set_min_proto_version($ctx, $VERSION{ $opt{version} });
    Net::SSLeay::CTX_set_max_proto_version($ctx, $VERSION{ $opt{version} });
    _promise_certificate($ctx, @{ $opt{certificate} }) if $opt{certificate};
    $self->{ssl} = Net::SSLeay::new($ctx);
    Net::SSLeay::CTX_free($ctx);
    @$self{qw(from_net to_net)} = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1, 2;
    Net::SSLeay::set_bio($self->{ssl}, $self->{from_net}, $self->{to_net});
    Net::SSLeay::set_connect_state($self->{ssl});
    return $self->_shake_hands;
}

sub _promise_certificate {
    my ($ctx, $file, $key) = @_;
    Net::SSLeay::CTX_set_post_handshake_auth($ctx, 1);
    return if !defined $file;
    my $pem = Net::SSLeay::FILETYPE_PEM();
    Net::SSLeay::CTX_use_certificate_file($ctx, $file, $pem) == 1 or die "no certificate $file\n";
    Net::SSLeay::CTX_use_PrivateKey_file($ctx, $key, $pem) == 1   or die "no key $key\n";
    return;
}

sub DESTROY {
    my ($self) = @_;
    Net::SSLeay::free(delete $self->{ssl}) if $self->{ssl};
    return;
}

# The record with these bytes, not sent.
sub sealed {
    my ($self, $bytes) = @_;
    Net::SSLeay::write($self->{ssl}, $bytes);
    return $self->_taken;
}

# Sends records, or a part of one.
sub write_sealed { my ($self, $records) = @_; return $self->SUPER::write($records) }

sub write {    ## no critic
    my ($self, $bytes) = @_;
    return $self->write_sealed($self->sealed($bytes));
}

sub _shake_hands {
    my ($self) = @_;
    my $deadline = deadline();
    while (Net::SSLeay::do_handshake($self->{ssl}) != 1) {
        $self->write_sealed($self->_taken);
        $self->_wait_to_read($deadline, 'the TLS handshake') if !$self->_read_records;
        die "the stream ended ($self->{ended}) during the TLS handshake\n" if $self->{ended};
    }
    $self->write_sealed($self->_taken);
    return $self;
}

# Sends what OpenSSL has to say to what it has read: an alert, or a certificate.
sub answer_tls { my ($self) = @_; return $self->write_sealed($self->_taken) }

# Takes this for input, so that OpenSSL finds the connection broken and wants to send a fatal alert.
sub take_for_input {
    my ($self, $bytes) = @_;
    Net::SSLeay::BIO_write($self->{from_net}, $bytes);
    Net::SSLeay::read($self->{ssl});
    return;
}

# What OpenSSL has to send.
sub _taken {
    my ($self) = @_;
    my $records = '';
    while (my $n = Net::SSLeay::BIO_pending($self->{to_net})) {
        $records .= Net::SSLeay::BIO_read($self->{to_net}, $n);
    }
    return $records;
}

# Reads from the socket as the stream does, but into OpenSSL.
sub _read_records {
    my ($self) = @_;
    local $self->{in} = '';
    my $read = $self->SUPER::_read_some;
    Net::SSLeay::BIO_write($self->{from_net}, $self->{in}) if length $self->{in};
    return $read;
}

sub _read_some {
    my ($self) = @_;
    my $read = $self->_read_records;
    while (defined(my $bytes = Net::SSLeay::read($self->{ssl}))) {
        last if $bytes eq '';
        $self->{in} .= $bytes;
    }
    return $read;
}

1;
