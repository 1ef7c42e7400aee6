# Shell functions that make a Debian in a folder with debootstrap. Scripts that run as root source this file. They set $top
# and $root, and patience_s, the seconds that a command may take.
# shellcheck shell=sh
# shellcheck source-path=SCRIPTDIR
. "$top/t/lib/await.sh"

mirror=${TC_DEBIAN_MIRROR:-http://deb.debian.org/debian}
host_release=$(. /etc/os-release && echo "$VERSION_CODENAME")

inside() {
    await timeout -k 60 "$patience_s" chroot "$root" env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# logged COMMAND…: runs a command whose output goes to the log. If the command fails, shows the end of the log and exits.
logged() {
    "$@" >>"$root.log" 2>&1 && return
    echo "This failed: $*. The end of its log:" >&2
    tail -n 20 "$root.log" >&2
    exit 2
}

# make_chroot RELEASE: makes a minimal Debian with its updates, in which no service starts by itself
make_chroot() {
    remove_chroot
    mkdir -p "$root"
    : >"$root.log"
    logged await timeout -k 60 1800 debootstrap --variant=minbase "$1" "$root" "$mirror"
    printf 'deb %s %s main\n' "$mirror" "$1" "$mirror" "$1-updates" "${TC_DEBIAN_SECURITY_MIRROR:-$mirror-security}" "$1-security" \
        >"$root/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    logged inside apt-get -q update
}

# Whatever still runs in the chroot was started by its script.
end_processes() {
    for process in /proc/[0-9]*; do
        case $(readlink "$process/root" 2>/dev/null) in
        "$1" | "$1"/*) kill -s KILL "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
}

# The mount points below a folder, the deepest first. The kernel writes a space as \040.
mounts_below() {
    cut -d' ' -f2 /proc/self/mounts | while read -r point; do
        point=$(printf '%b' "$point")
        case $point in "$1"/*) printf '%s\n' "$point" ;; esac
    done | sort -r
}

# Nothing below a mount point is removed.
remove_chroot() {
    [ -d "$root" ] || return 0
    real=$(cd "$root" && pwd -P)
    end_processes "$real"
    mounts_below "$real" | while IFS= read -r point; do
        umount "$point" 2>/dev/null || umount -l "$point" || true
    done
    if [ -n "$(mounts_below "$real")" ]; then
        echo "These file systems are still mounted, so $root is not removed:" >&2
        mounts_below "$real" >&2
        return 1
    fi
    rm -rf --one-file-system "$root"
}
