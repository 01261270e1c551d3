#!/usr/bin/env bash
# Makes sure that the named tools are there, installing what is missing with apt. A tool that
# cannot be had is an error that names it: nothing is skipped because of it.
set -euo pipefail
package_of() {
    case $1 in
        java | javac) echo openjdk-17-jdk-headless ;;
        mvn) echo maven ;;
        go) echo golang-go ;;
        node) echo nodejs ;;
        npm) echo npm ;;
        python3) echo python3-venv ;;
        make) echo make ;;
        cc) echo gcc libc6-dev ;;
        ip) echo iproute2 ;;
        flock | unshare) echo util-linux ;;
        *) echo "$1" ;;
    esac
}
missing=()
for tool in "$@"; do
    command -v "$tool" >/dev/null || missing+=("$(package_of "$tool")")
done
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null || { echo "missing: ${missing[*]} (and no apt-get to install them)" >&2; exit 1; }
sudo=; [ "$(id -u)" -eq 0 ] || sudo=sudo
exec 8>/tmp/.ringkeeper-tests-apt.lock
flock 8 2>/dev/null || true
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends ${missing[*]}; } >&2 ||
    { echo "cannot install ${missing[*]} with apt" >&2; exit 1; }
for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "$tool is still missing after installing ${missing[*]}" >&2; exit 1; }
done
