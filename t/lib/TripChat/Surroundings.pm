package TripChat::Surroundings;

# Makes the surroundings of the tests the same on every machine: environment, signals, umask and standard input. A test
# then has the same result in a terminal, in the background of a script, and under a service. TripChat::Process and
# t/run load this before anything else.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use POSIX ();

our @EXPORT_OK = qw(top_dir var_dir default_signals);

# Signals that a program may inherit as ignored: from nohup, from a script's background, from a parent that ignores them.
use constant SIGNALS => qw(HUP INT QUIT TERM PIPE ALRM USR1 USR2 CHLD TSTP TTIN TTOU);

# What is kept of the environment. Everything else may change what a program does: PG* and ~/.sqliterc, proxies, locale.
use constant KEPT => qr/\A(?:
    PATH | USER | LOGNAME | SHELL | TMPDIR | TC_\w+ | TRIPCHAT_\w+ | HARNESS_\w+ | APACHE_TEST_\w+ | PERL5LIB
    | APXS | AP[RU]_CONFIG | PKG_CONFIG(?:_PATH)? | CPPFLAGS | LD_\w+ | MALLOC_\w+ | (?:[ALTU]|UB)SAN_OPTIONS
)\z/x;

my $TOP = abs_path(dirname(__FILE__) . '/../../..');

sub top_dir { return $TOP }

# Where the tests put what they make: logs, databases, servers. TC_VAR names another folder.
sub var_dir { return $ENV{TC_VAR} || "$TOP/t/var" }

# For a child right before its exec(): no signal is ignored or blocked.
sub default_signals {
    $SIG{$_} = 'DEFAULT' for SIGNALS;
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), POSIX::SigSet->new);
    return;
}

default_signals();
$SIG{PIPE} = 'IGNORE';    # a server that has closed is an error of write(), over TLS of read() as well

umask 022;
open STDIN, '<', '/dev/null' or die "/dev/null: $!\n" if !defined fileno STDIN;

delete @ENV{ grep { $_ !~ KEPT } keys %ENV };
# A home of the tests' own has no settings of psql, sqlite3, redis-cli and curl, and can be written to.
$ENV{HOME} = var_dir() . '/home';
@ENV{qw(LC_ALL TZ TERM)} = qw(C.UTF-8 UTC dumb);
make_path($ENV{HOME});

1;
