# Shell functions of the demo: where its things are and who lives in it. Sourced, never run.
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

# Makes run/ and its secret if they aren't there.
make_run() {
    if [ ! -d "$run" ]; then
        # A server that root starts goes on as another user, who may not pass root's own folders.
        if [ "$(id -u)" -eq 0 ] && ! may_pass "$top"; then
            rm -f "$run"
            ln -s "$(mktemp -d /var/tmp/tripchat-run.XXXXXX)" "$run"
            chmod 755 "$run/"
        else
            mkdir "$run"
        fi
    fi
    mkdir -p "$run/logs"
    if [ ! -s "$run/secret" ]; then
        (umask 077 && openssl rand -hex 32 >"$run/secret.new" && mv "$run/secret.new" "$run/secret")
    fi
}

# may_pass FOLDER: may the user that httpd runs as go through it?
may_pass() {
    setpriv --reuid=www-data --regid=www-data --clear-groups test -x "$1/." 2>/dev/null
}

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# make_token NAME: an access token of a day, HS256, alone on its line
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
