# Shell functions of the demo's full stack: a private PostgreSQL and a private Redis under run/, both on
# 127.0.0.1 alone and each with a password. Sourced after lib.sh, never run.
# shellcheck shell=sh disable=SC2154 # lib.sh sets $run and $drop

# These variables would override the options below.
unset PGPASSWORD PGSERVICE PGOPTIONS

# The newest PostgreSQL server: of Debian's packages, of PostgreSQL's own RPMs, or the one that pg_config knows.
pg=$(find /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(pg_config --bindir 2>/dev/null)" -name initdb 2>/dev/null |
    sort -V | tail -n 1)
pg=${pg%/initdb}
postgres_pid=
redis_pid=
redis_server=$(command -v redis-server || command -v valkey-server || true)
redis_client=$(command -v redis-cli || command -v valkey-cli || true)

# conninfo USER DATABASE: prints how libpq reaches the database; the password stays in its file
conninfo() {
    echo "host=127.0.0.1 port=$(cat "$run/postgres/port") dbname=$2 user=$1" \
        "passfile='$run/postgres/pgpass' connect_timeout=3 tcp_user_timeout=10000"
}

# sql …: runs psql in the chat's database; without an argument, psql reads SQL from standard input
sql() {
    "$pg/psql" -X -q -v ON_ERROR_STOP=1 -d "$(conninfo tripchat tripchat)" "$@"
}

# full_stack_runs: is "make run STACK=full" running?
full_stack_runs() {
    [ "$(cat "$run/stack" 2>/dev/null)" = full ] && pidfile_runs "$run/httpd.pid" "$run/httpd.conf"
}

# keep_port FILE FIRST: writes a free port into FILE. If FILE holds a port already and the port is free, the port stays. All
# ports are below the range of outgoing connections. In that range, a client that tries an unused port again and again may
# in the end be connected to its own socket.
keep_port() {
    free=$(perl -MIO::Socket::INET -e '
        for my $port (grep { $_ } @ARGV, $ARGV[-1] + 1 .. $ARGV[-1] + 999) {
            IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => $port, ReuseAddr => 1)
                or next;
            print $port;
            last;
        }' "$(cat "$1" 2>/dev/null)" "$2")
    [ -n "$free" ] || die "No port from $2 to $(($2 + 999)) is free."
    echo "$free" >"$1"
}

# prepare_services: passwords, ports and settings
prepare_services() {
    [ -n "$pg" ] || die "The PostgreSQL server is missing: install postgresql."
    [ -n "$redis_server" ] || die "The Redis server is missing: install redis-server or valkey-server."
    (
        umask 077
        mkdir -p "$run/postgres" "$run/redis"
        keep_port "$run/postgres/port" 15432
        keep_port "$run/redis/port" 16379
        make_secret "$run/postgres/password"
        make_secret "$run/redis/password"
        echo "127.0.0.1:*:*:*:$(cat "$run/postgres/password")" >"$run/postgres/pgpass"
        # A later run recognizes this Redis by its command line, so Redis must not change its title (set-proc-title).
        cat >"$run/redis/redis.conf" <<CONF
bind 127.0.0.1
port $(cat "$run/redis/port")
requirepass $(cat "$run/redis/password")
dir "$run/redis"
pidfile "$run/redis/pid"
save ""
appendonly no
set-proc-title no
CONF
    )
}

# start_services: starts each server in a session of its own, so that Ctrl-C does not end it before httpd has ended. If this
# shell is killed, the servers get the signal of --pdeathsig.
start_services() {
    make_cluster
    # No Unix socket, because its path might be too long. 200 connections are enough for two httpds of four children.
    # shellcheck disable=SC2086 # words
    setsid setpriv $drop --pdeathsig INT -- "$pg/postgres" -D "$run/postgres/data" -h 127.0.0.1 \
        -p "$(cat "$run/postgres/port")" -k '' -N 200 >>"$run/logs/postgres.log" 2>&1 9>&- &
    postgres_pid=$!
    # shellcheck disable=SC2086 # words
    setsid setpriv $drop --pdeathsig TERM -- "$redis_server" "$run/redis/redis.conf" \
        >>"$run/logs/redis.log" 2>&1 9>&- &
    redis_pid=$!

    until "$pg/pg_isready" -q -h 127.0.0.1 -p "$(cat "$run/postgres/port")"; do
        kill -0 "$postgres_pid" 2>/dev/null || not_started PostgreSQL "$run/logs/postgres.log"
        sleep 0.1
    done
    until REDISCLI_AUTH=$(cat "$run/redis/password") "$redis_client" -h 127.0.0.1 -p "$(cat "$run/redis/port")" \
        ping 2>/dev/null | grep -q PONG; do
        kill -0 "$redis_pid" 2>/dev/null || not_started Redis "$run/logs/redis.log"
        sleep 0.1
    done
    make_database
}

# make_cluster: makes PostgreSQL's files, under another name until they are complete
make_cluster() {
    [ ! -d "$run/postgres/data" ] || return 0
    rm -rf "$run/postgres/data.new"
    # shellcheck disable=SC2086 # words
    setpriv $drop -- "$pg/initdb" -D "$run/postgres/data.new" -U postgres -A scram-sha-256 \
        --pwfile "$run/postgres/password" --encoding UTF8 --no-locale >>"$run/logs/postgres.log" 2>&1 ||
        not_started initdb "$run/logs/postgres.log"
    mv "$run/postgres/data.new" "$run/postgres/data"
}

# make_database: makes the chat's database, and a user who owns it and has no other rights
make_database() {
    "$pg/psql" -X -q -v ON_ERROR_STOP=1 -d "$(conninfo postgres postgres)" <<SQL
SELECT 'CREATE ROLE tripchat LOGIN PASSWORD ''$(cat "$run/postgres/password")'''
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tripchat') \gexec
SELECT 'CREATE DATABASE tripchat OWNER tripchat'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'tripchat') \gexec
SQL
}

stop_services() {
    [ -z "$redis_pid" ] || stop_process "$redis_pid" "$run/redis/redis.conf" TERM
    [ -z "$postgres_pid" ] || stop_process "$postgres_pid" "$run/postgres/data" INT
}

# stop_leftovers: ends the servers of an earlier run that was killed
stop_leftovers() {
    stop_leftover "$run/httpd.pid" "$run/httpd.conf" TERM
    stop_leftover "$run/redis/pid" "$run/redis/redis.conf" TERM
    stop_leftover "$run/postgres/data/postmaster.pid" "$run/postgres/data" INT
}
