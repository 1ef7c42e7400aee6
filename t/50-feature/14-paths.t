# The chat's paths are the chat's, whatever the site does with its files: front controllers, MultiViews, spelling, fallbacks,
# denied directories. All that a site needs is a <Location> with SetHandler. The site's other paths are as they were.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(make_path);
use Test::More;

use TripChat::File qw(write_file);
use TripChat::Test;

use constant {
    MODULES => [qw(rewrite negotiation speling dir mime actions autoindex)],
    # With these in the way of a path, the site's front page answers.
    FRONT   => "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /index.html [L]\n",
};

# What a site does for its files, in a <Directory> or, with 'htaccess', in a file.
my %HABITS = (
    'a front controller'                       => FRONT,
    'a front controller in .htaccess'          => { htaccess => FRONT },
    'a fallback'                               => "FallbackResource /index.html\n",
    'MultiViews and an index'                  => "Options +MultiViews +Indexes\nDirectoryIndex index.html\n",
    'directories that nobody may enter'        => "Require all denied\n",
    'an .htaccess that denies everything'      => { htaccess => "Require all denied\n" },
    'an .htaccess that is broken'              => { htaccess => "NoSuchDirective\n" },
    'another handler'                          => "SetHandler server-info\nForceType text/plain\n",
    'rules that forbid what is no file'        => "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . - [F]\n",
);

sub chats {
    my ($site, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $trip   = $site->new_trip;
    my $member = $site->chat(trip => $trip);
    is($member->said('hello')->{content}, 'hello', "$what: a socket") or return;
    is($site->rest->post($trip, 'over HTTP')->{status}, 201, "$what: a post");
    is($member->next_json('chat_message')->{message}{content}, 'over HTTP', "$what: which the socket hears");
    is($site->rest->list($trip)->{status}, 200, "$what: a page");
    return $member->leave;
}

for my $what (sort keys %HABITS) {
    my $habit = $HABITS{$what};
    subtest $what => sub {
        my $in_file = ref $habit;
        my $server  = TripChat::Server->start(modules => MODULES, config => <<"CONF");
CheckSpelling On
<Directory "/">
    AllowOverride All
    @{[$in_file ? '' : $habit]}
</Directory>
CONF
        # Directories and files whose names are the beginning of the chat's paths.
        make_path("$server->{dir}/htdocs/ws/chat", "$server->{dir}/htdocs/api");
        write_file("$server->{dir}/htdocs/ws/chat.html", "a file\n");
        write_file("$server->{dir}/htdocs/ws/.htaccess", $habit->{htaccess}) if $in_file;
        write_file("$server->{dir}/htdocs/api/.htaccess", $habit->{htaccess}) if $in_file;
        chats($server->site, $what);
        stops_clean($server, 'the log has nothing to say');
    };
}

# The same options may stand outside of a <Directory>: no walk through the directories brings them, and none takes them back.
my %WIDE = (
    'MultiViews of the whole server'    => "Options +MultiViews +Indexes\n",
    'MultiViews in a <Location>'        => "<Location \"/\">\nOptions +MultiViews\n</Location>\n",
    'a fallback of the whole server'    => "FallbackResource /index.html\n",
    'an action of the whole server'     => "Action text/html /index.html\nDirectoryIndex index.html\nCheckSpelling On\n",
);

for my $what (sort keys %WIDE) {
    subtest $what => sub {
        my $server = TripChat::Server->start(modules => MODULES, config => $WIDE{$what});
        chats($server->site, $what);
        stops_clean($server, 'the log has nothing to say');
    };
}

# httpd applies these to every path (docs/deployment.md, "Beside a front controller").
subtest 'a front controller in a <Location>' => sub {
    my $off    = join '', map { "<Location \"$_\">\nRewriteEngine Off\n</Location>\n" } '/ws/chat/', '/api/v1/chat/';
    my $server = TripChat::Server->start(modules => MODULES, config => "<Location \"/\">\n" . FRONT . "</Location>\n$off");
    chats($server->site, 'with RewriteEngine Off for the chat');
    is($server->site->http_get('/some/page')->{status}, 200, 'the front controller answers other paths');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'the site\'s own paths are the site\'s' => sub {
    my $server = TripChat::Server->start(modules => MODULES, config => "<Directory \"/\">\n" . FRONT . "</Directory>\n");
    my $site   = $server->site;
    is($site->http_get('/some/page')->{status}, 200, 'the front controller answers other paths');
    is($site->http_get('/ws/other')->{status}, 200, 'also beside the chat\'s');
    stops_clean($server, 'the log has nothing to say');
};

subtest 'a <Location> can still close the chat' => sub {
    my $server = TripChat::Server->start(config => "<Location \"/ws/chat/\">\nRequire all denied\n</Location>\n");
    my $site   = $server->site;
    my $path   = $site->path($site->new_trip, token => $site->token('ann'));
    is($site->connect->request(TripChat::WebSocket::upgrade_request(path => $path))->{status}, 403, 'nobody comes in');
    stops_clean($server, 'the log says so', qr/AH01630/);
};

done_testing;
