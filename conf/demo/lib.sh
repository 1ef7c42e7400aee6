# Shell functions and variables of the demo: its folders, its users, its tokens. Other scripts source this file.
# shellcheck shell=sh

ann=11111111-1111-4111-8111-111111111111
bob=22222222-2222-4222-8222-222222222222
carol=33333333-3333-4333-8333-333333333333
dave=44444444-4444-4444-8444-444444444444
first_trip=550e8400-e29b-41d4-a716-446655440000
token_seconds=86400

top=$(cd "$(dirname "$0")/../.." && pwd)
run=$top/run

die() {
    echo "$*" >&2
    exit 1
}

# If root starts the demo, httpd's children, PostgreSQL and Redis run as this user and group. The names are those of Debian,
# RHEL, FreeBSD and httpd's own build. $drop has the options that make setpriv change to this user.
web_user=
web_group=
drop=
if [ "$(id -u)" -eq 0 ]; then
    for web_user in www-data apache www daemon nobody; do
        ! web_group=$(id -gn "$web_user" 2>/dev/null) || break
    done
    drop="--reuid=$web_user --regid=$web_group --clear-groups"
fi

# find_httpd: sets $httpd and $modules, the program and the folder of its modules, as apxs knows them
find_httpd() {
    apxs=${APXS:-apxs}
    modules=$("$apxs" -q LIBEXECDIR) || die "apxs is missing: install httpd's development files (Debian: apache2-dev), or write APXS=/path/to/apxs."
    httpd=$("$apxs" -q SBINDIR)/$("$apxs" -q PROGNAME)
    [ -x "$httpd" ] || die "httpd is missing: there is no program $httpd. Install httpd (Debian: apache2)."
}

# user_id NAME: the id of ann, bob, carol, dave or u0 … u999
user_id() {
    case $1 in
        ann) echo "$ann" ;;
        bob) echo "$bob" ;;
        carol) echo "$carol" ;;
        dave) echo "$dave" ;;
        u[0-9] | u[0-9][0-9] | u[0-9][0-9][0-9])
            printf '00000000-0000-4000-9000-%012d\n' "${1#u}" ;;
        *) die "There is no user \"$1\": write USER=ann, bob, carol, dave, or u0 to u999." ;;
    esac
}

# make_run: makes run/ and its secret if they do not exist
make_run() {
    if [ ! -d "$run" ]; then
        # A server that root starts changes to another user, who may not enter root's own folders.
        if [ "$(id -u)" -eq 0 ] && ! may_pass "$top"; then
            rm -f "$run"
            ln -s "$(mktemp -d /var/tmp/tripchat-run.XXXXXX)" "$run"
            chmod 755 "$run/"
        else
            mkdir "$run"
        fi
    fi
    mkdir -p "$run/logs"
    make_secret "$run/secret"
}

# make_secret FILE: writes 32 random bytes in hex, readable by the owner only, unless the file exists
make_secret() {
    [ -s "$1" ] || (umask 077 && openssl rand -hex 32 >"$1.new" && mv "$1.new" "$1")
}

# may_pass FOLDER: may the user that httpd runs as enter the folder?
may_pass() {
    # shellcheck disable=SC2086 # words
    setpriv $drop -- test -x "$1/." 2>/dev/null
}

# own PATH…: gives the files to the user of $drop
own() {
    [ -z "$drop" ] || chown -R "$web_user:$web_group" "$@"
}

# runs PID WORDS: is there a process PID with WORDS on its command line? The pid in an old file may belong to another
# process now.
runs() {
    2>/dev/null tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF -- "$2 "
}

pidfile_runs() {
    [ -s "$1" ] && runs "$(head -n 1 "$1")" "$2"
}

# stop_process PID WORDS SIGNAL: ends the process and waits; after half a minute, kills it
stop_process() {
    tries=300
    kill -s "$3" "$1" 2>/dev/null || true
    while runs "$1" "$2"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || kill -s KILL "$1" 2>/dev/null || true
        sleep 0.1
    done
}

# stop_leftover PIDFILE WORDS SIGNAL: ends the process that the file names. If the pid belongs to another process now, the
# file is removed instead: PostgreSQL would think that the other process is a PostgreSQL.
stop_leftover() {
    if pidfile_runs "$1" "$2"; then
        pid=$(head -n 1 "$1")
        echo "Stopping a server that an earlier run left behind: ${2#"$run/"} (pid $pid)."
        stop_process "$pid" "$2" "$3"
    elif [ -s "$1" ] && kill -0 "$(head -n 1 "$1")" 2>/dev/null; then
        rm "$1"
    fi
}

# not_started NAME LOG: shows the end of the log, and ends this script
not_started() {
    echo "$1 did not start. The last lines of $2:" >&2
    tail -n 5 "$2" >&2
    exit 1
}

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# make_token NAME: prints an access token (HS256) that is valid for a day, alone on its line
make_token() {
    id=$(user_id "$1") || exit 1
    now=$(date +%s)
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
    claims=$(printf '{"user_id":"%s","token_type":"access","iat":%d,"exp":%d}' \
        "$id" "$now" "$((now + token_seconds))" | base64url)
    key=$(printf '%s' "$(cat "$run/secret")" | od -An -v -tx1 | tr -d ' \n')
    signature=$(printf '%s.%s' "$head" "$claims" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64url)
    printf '%s.%s.%s\n' "$head" "$claims" "$signature"
}
