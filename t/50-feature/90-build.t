#!/usr/bin/perl
# How the module is built: what the compiler and the linker can do against faults in C is on, unless the builder chose
# other flags.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use TripChat::Surroundings qw(top_dir);

sub output_of { my (@command) = @_; open my $in, '-|', @command or die "$command[0]: $!"; local $/ = undef; return scalar <$in> // '' }

sub built_with { my ($name) = @_; open my $in, '<', top_dir() . "/build/.built-as/$name" or die "$name: $!"; return scalar <$in> }

my $module = top_dir() . '/build/mod_tripchat.so';

SKIP: {
    skip 'CFLAGS or LDFLAGS are the builder\'s', 4 if built_with('CFLAGS') !~ /FORTIFY/ || built_with('LDFLAGS') !~ /relro/;
    my $dynamic = output_of('readelf', '-d', $module);
    like($dynamic, qr/BIND_NOW/, 'the linker binds all symbols at the start');
    like(output_of('readelf', '-lW', $module), qr/GNU_RELRO/, 'and then protects their table');
    my $symbols = output_of('readelf', '--dyn-syms', '-W', $module);
    like($symbols, qr/__stack_chk_fail\b/, 'functions guard their stack');
    like($symbols, qr/__\w+_chk\b(?<!stack_chk)/, 'functions of libc check the sizes that the compiler knows');
}

unlike(output_of('readelf', '-lW', $module), qr/GNU_STACK.*RWE/, 'no stack is executable');

done_testing();
