#!/usr/bin/env bash
# Tries the Debian package in a clean system: installs it, runs the unit's command line as the unit's user,
# writes under load while the package is installed again, removes and purges it, and looks what stays.
#
#   tools/packaging/try.sh PACKAGE.deb [SUITE…]        # suites: bookworm trixie (default: both)
#
# Needs root and debootstrap (apt-get install debootstrap). The systems stay in target/packages/roots for
# the next time.
set -euo pipefail
package=$(realpath "${1:?"usage: try.sh PACKAGE.deb [SUITE...]"}")
shift
cd "$(dirname "$0")/../.."
suites=("$@")
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
    [ -e "$root/usr/sbin/policy-rc.d" ] || {
        printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
        chmod +x "$root/usr/sbin/policy-rc.d"
    }
    cp "$package" "$root/tmp/ringkeeper.deb"
    install -m 755 tools/packaging/try-inside.sh "$root/tmp/"
    unshare --mount --pid --net --fork --kill-child sh -c "
        ip link set lo up 2>/dev/null || ifconfig lo up
        mount -t proc proc '$root/proc' && mount --bind /dev '$root/dev' &&
        exec chroot '$root' /tmp/try-inside.sh" || fail "$suite"
    echo "$suite: passed"
}

for suite in "${suites[@]}"; do try "$suite"; done
