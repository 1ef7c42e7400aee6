package TripChat::Httpd;

# Where httpd, its modules and the module under test are, and the LoadModule
# lines every httpd of the tests starts with. The environment overrides:
#   TC_HTTPD, TC_APXS, TC_LIBEXECDIR   the server's program, apxs, module directory
#   TRIPCHAT_MODULE                    the module under test
#   TC_MPM                             event (default), worker or prefork

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';

use TripChat::Surroundings qw(top_dir var_dir);

our @EXPORT_OK = qw(
    top_dir var_dir sql_dir httpd apxs module_file echo_module_file next_module_file mpm load_modules mpm_settings
);

# Some of them are linked into the server on some systems: no file, no line.
use constant MODULES => qw(
    unixd log_config logio authz_core alias dir mime setenvif status reqtimeout remoteip dbd
);

# Tests hurry more than people do.
use constant NO_LIMITS => join '', map { "TripChat${_} 0\n" } qw(
    MessageRate EditRate TypingRate UserMessageRate UserEditRate UserTypingRate HandshakeRate
    RequestRate UserRequestRate AddressConnections UserConnections
);

sub sql_dir { return top_dir() . '/sql' }

sub apxs { return $ENV{TC_APXS} || 'apxs' }

sub httpd { return $ENV{TC_HTTPD} || _apxs_says('SBINDIR') . '/' . _apxs_says('TARGET') }

sub libexec_dir { return $ENV{TC_LIBEXECDIR} || _apxs_says('LIBEXECDIR') }

sub mpm { return $ENV{TC_MPM} || 'event' }

sub module_file {
    my $file = $ENV{TRIPCHAT_MODULE} || top_dir() . '/build/mod_tripchat.so';
    return abs_path($file) || die "there is no module to test at $file: run make\n";
}

# The echo server's module (t/echo) lies beside the chat's.
sub echo_module_file { return module_file() =~ s/\.so\z/_echo.so/r }

# And the one whose children cannot read what ours leave them.
sub next_module_file { return module_file() =~ s/\.so\z/_next.so/r }

# LoadModule lines for this MPM and the modules all servers have; @more are the names of others, or
# { file => what stands for the module under test }, or { last => a module that is loaded behind it }.
sub load_modules {
    my ($mpm, @more) = @_;
    my ($tested) = map { $_->{file} // () } grep { ref } @more;
    my ($last)  = map { $_->{last} // () } grep { ref } @more;
    my @names   = grep { $_ ne ($last // '') } "mpm_$mpm", MODULES, grep { !ref } @more;
    my $of_httpd = sub { return _load_module($_[0], libexec_dir() . "/mod_$_[0].so") };
    return join '', (map { $of_httpd->($_) } @names), _load_module('tripchat', $tested // module_file()),
        defined $last ? $of_httpd->($last) : ();
}

# So many children, always: none is spare. One is what the local bus needs. $workers are a child's
# threads; with prefork a child is one worker. With $generations another takes a child's place as soon as
# it ends, and there is room for the children of as many generations at a time; none is too many then.
sub mpm_settings {
    my ($mpm, $workers, $children, $generations) = @_;
    $children //= 1;
    my $limit   = $children * ($generations // 1);
    my $threads = $workers * $children;
    return "ServerLimit $limit\nStartServers $children\nMinSpareServers $children\nMaxSpareServers $limit\n"
        . "MaxRequestWorkers $limit\n"
        if $mpm eq 'prefork';
    my ($least, $most) = $generations ? ($threads - $workers + 1, $limit * $workers) : (1, $threads);
    return "ServerLimit $limit\nStartServers $children\nThreadsPerChild $workers\n"
        . "MaxRequestWorkers $threads\nMinSpareThreads $least\nMaxSpareThreads $most\n";
}

sub _load_module {
    my ($name, $file) = @_;
    return '' if !-e $file;
    return "<IfModule !mod_$name.c>\nLoadModule ${name}_module \"$file\"\n</IfModule>\n";
}

my %said;

sub _apxs_says {
    my ($what) = @_;
    return $said{$what} //= do {
        open my $answer, '-|', apxs(), '-q', $what or die 'cannot run ' . apxs() . ": $!\n";
        chomp(my $line = <$answer> // '');
        $line || die apxs() . " -q $what says nothing\n";
    };
}

1;
