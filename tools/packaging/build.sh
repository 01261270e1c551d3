#!/usr/bin/env bash
# Builds what people install, into target/packages.
#
#   tools/packaging/build.sh [--no-build] tarball|deb|image|all
#
# tarball: the Apache package's layout (bin, conf) and documents; deb: for Debian 12 and 13, by cargo-deb;
# image: a folder for `docker build`. With --no-build the binaries of target/release are taken as they are.
# The same binaries and commit give the same tarball, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=yes
if [ "${1:-}" = --no-build ]; then build=no; shift; fi
wanted=${1:?"usage: build.sh [--no-build] tarball|deb|image|all"}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
from=${RINGKEEPER_BINARIES:-target/release}
out=target/packages
name=ringkeeper-$version-linux-$(uname -m)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

if [ "$build" = yes ]; then cargo build --release --locked -p ringkeeper -p ringkeeper-rk; fi
for binary in ringkeeper rk; do
    [ -x "$from/$binary" ] || { echo "$from/$binary is not there: build it, or leave --no-build out" >&2; exit 1; }
done
mkdir -p "$out"

# Names, versions and licences of what is linked in.
third_party() {
    cargo tree --locked --edges normal --prefix none --format '{p}	{l}	{r}' -p ringkeeper -p ringkeeper-rk |
        sed 's/ (\*)$//; s/ (proc-macro)//' | grep -v '^ringkeeper' | sort -u
}

# What every package has, in the tarball's layout.
lay_out() {
    local to=$1
    rm -rf "$to"
    mkdir -p "$to/bin" "$to/conf" "$to/docs"
    install -m 755 "$from/ringkeeper" "$from/rk" "$to/bin/"
    if [ -d tools/packaging/bin ]; then cp -r tools/packaging/bin/. "$to/bin/"; fi
    cp tools/packaging/conf/* "$to/conf/"
    cp LICENSE README.md CHANGELOG.md "$to/"
    third_party > "$to/docs/third-party.tsv"
}

tarball() {
    lay_out "$out/$name"
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        -C "$out" -cf - "$name" | gzip -9n > "$out/$name.tar.gz"
    echo "$out/$name.tar.gz"
}

deb() {
    command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
    mkdir -p "$out"
    third_party > "$out/third-party.tsv"
    cargo deb --no-build --quiet --locked -p ringkeeper --output "$out/"
}

image() {
    local context=$out/image
    lay_out "$out/$name"
    rm -rf "$context"
    mkdir -p "$context/rootfs/usr/bin" "$context/rootfs/usr/share/doc/ringkeeper"
    cp "$out/$name"/bin/* "$context/rootfs/usr/bin/"
    cp "$out/$name"/{LICENSE,README.md,docs/third-party.tsv} "$context/rootfs/usr/share/doc/ringkeeper/"
    install -m 755 tools/packaging/container/entrypoint.sh "$context/rootfs/docker-entrypoint.sh"
    cp tools/packaging/container/{Dockerfile,seccomp.json} "$context/"
    echo "docker build -t ringkeeper:$version $context"
    echo "docker run --security-opt seccomp=$context/seccomp.json -p 2181:2181 ringkeeper:$version"
}

case $wanted in
    tarball | deb | image) $wanted ;;
    all) tarball; deb; image ;;
    *) echo "$wanted is none of tarball, deb, image, all" >&2; exit 2 ;;
esac
