#!/usr/bin/env bash
# Fetches the jars of tests/java/<what>/pom.xml into target/<folder> and prints that folder.
#   fetch-jars.sh zookeeper    target/zookeeper-3.9.5/lib
#   fetch-jars.sh zookeeper-3.8.4    target/zookeeper-3.8.4/lib; others that tests/java has likewise
#   fetch-jars.sh curator      target/curator-5.8.0/lib
# Several tests may ask at once: one fetches, the others wait for it. Installs a JDK and Maven
# where they are absent; says why where it cannot.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case ${1:-} in
    zookeeper) folder=$target/zookeeper-3.9.5 ;;
    zookeeper-3.*) folder=$target/$1 ;;
    curator) folder=$target/curator-5.8.0 ;;
    *) echo "usage: fetch-jars.sh zookeeper|zookeeper-VERSION|curator" >&2; exit 2 ;;
esac
"$root/tests/support/need.sh" java mvn flock >&2
mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9
stamp=$folder/.complete
if ! cmp -s "$stamp" "$root/tests/java/$1/pom.xml"; then
    rm -rf "$folder/lib"
    mvn -q -B -f "$root/tests/java/$1/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$folder/lib" >&2 ||
        { echo "cannot fetch the jars of tests/java/$1/pom.xml with Maven" >&2; exit 1; }
    cp "$root/tests/java/$1/pom.xml" "$stamp"
fi
echo "$folder/lib"
