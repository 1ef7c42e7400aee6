# Shell functions: commands that take long, for scripts that have something to put in order when a signal ends them. Sourced.
# shellcheck shell=sh

running=

# await COMMAND…: a program, no function. A shell heeds a signal only when the command before it is over, but at once
# while it waits. The command has a session of its own, so that a signal reaches all that it has started.
await() {
    setsid "$@" </dev/null &
    running=$!
    awaited=0
    wait "$running" || awaited=$?
    running=
    return "$awaited"
}

# For the trap of a signal: what runs is told to end, and has a minute for it.
end_awaited() {
    trap '' INT TERM HUP PIPE
    [ -n "$running" ] && kill -s TERM -- "-$running" 2>/dev/null || return 0
    tries=0
    while kill -0 "$running" 2>/dev/null && [ "$tries" -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.2
    done
    kill -s KILL -- "-$running" 2>/dev/null || true
}
