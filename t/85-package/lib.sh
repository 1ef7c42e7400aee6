# Shell functions that make a Debian in a folder with debootstrap. Scripts that run as root and set $top and $root source this file.
# shellcheck shell=sh

mirror=${TC_DEBIAN_MIRROR:-http://deb.debian.org/debian}
host_release=$(. /etc/os-release && echo "$VERSION_CODENAME")

inside() {
    chroot "$root" env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# make_chroot RELEASE: makes a minimal Debian with its updates, in which no service starts by itself
make_chroot() {
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase "$1" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; exit 2; }
    printf 'deb %s %s main\n' "$mirror" "$1" "$mirror" "$1-updates" "${TC_DEBIAN_SECURITY_MIRROR:-$mirror-security}" "$1-security" \
        >"$root/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    inside apt-get -q update >>"$root.log" 2>&1
}

# Nothing below a mount point is removed.
remove_chroot() {
    for point in dev/shm dev/pts proc; do
        if mountpoint -q "$root/$point" && ! umount "$root/$point"; then
            umount -l "$root/$point" || return 1
        fi
    done
    rm -rf "$root"
}
