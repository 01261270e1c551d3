#!/usr/bin/env bash
# Tries the Debian package in a clean system: installs it, runs the unit's command line as the unit's user,
# writes under load while the package is installed again, removes and purges it, and looks what stays.
#
#   tools/packaging/try.sh PACKAGE.deb [SUITE…]        # suites: bookworm trixie (default: both)
#   tools/packaging/try.sh target/packages/image       # the image's files, on bookworm
#
# Needs root and debootstrap (apt-get install debootstrap). The systems stay in target/packages/roots for
# the next time.
set -euo pipefail
package=$(realpath "${1:?"usage: try.sh PACKAGE.deb|IMAGE_FOLDER [SUITE...]"}")
shift
cd "$(dirname "$0")/../.."
suites=("$@")
inside=try-inside.sh
if [ -d "$package" ]; then
    inside=try-image-inside.sh
    [ ${#suites[@]} -gt 0 ] || suites=(bookworm)
fi
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)

fail() { echo "FAILED: $*" >&2; exit 1; }
command -v debootstrap >/dev/null || fail "debootstrap is not installed"
[ "$(id -u)" = 0 ] || fail "a system in a folder needs root"

# One suite, in namespaces of its own: what is mounted and started in there ends with it.
try() {
    local suite=$1 root=$PWD/target/packages/roots/$1
    if [ ! -e "$root/etc/debian_version" ]; then
        mkdir -p "${root%/*}"
        debootstrap --variant=minbase --include=adduser "$suite" "$root" > "$root.log" 2>&1 ||
            fail "$suite: see $root.log"
    fi
    # Over the clean system lies a layer in memory, which ends with the namespaces.
    unshare --mount --pid --net --fork --kill-child bash -euc "
        ip link set lo up
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay -o 'lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work' overlay /mnt/root
        mount -t proc proc /mnt/root/proc
        mount --bind /dev /mnt/root/dev
        if [ -d '$package' ]; then cp -r '$package'/rootfs/. /mnt/root/
        else cp '$package' /mnt/root/tmp/ringkeeper.deb; fi
        install -m 755 tools/packaging/$inside /mnt/root/tmp/
        exec chroot /mnt/root /tmp/$inside" || fail "$suite"
    echo "$suite: passed"
}

for suite in "${suites[@]}"; do try "$suite"; done
