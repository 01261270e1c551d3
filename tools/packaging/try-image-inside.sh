#!/bin/bash
# The image's root file system without a container's runtime: what the Dockerfile's RUN lines do, then the
# entry point as root and as the image's user, with the environment that a compose file would give.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; exit 1; }
answers() {
    for _ in $(seq 100); do
        rk -s "127.0.0.1:$1" check --local --warn 5000 --critical 9000 >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    fail "nobody answers on $1: $(tail -5 /tmp/server.log)"
}

groupadd --gid 1000 zookeeper
useradd --uid 1000 --gid 1000 --home-dir /data --shell /usr/sbin/nologin zookeeper
install -d /conf /data /datalog /logs
export ZOO_ADMINSERVER_ENABLED=false ZOO_4LW_COMMANDS_WHITELIST=srvr,ruok ZOO_MY_ID=3
export ZOO_SERVERS="server.3=localhost:2888:3888;2191"
for round in 1 2; do
    # The second time as a runtime does that is told a user.
    as=()
    [ $round = 1 ] || as=(setpriv --reuid=1000 --regid=1000 --clear-groups)
    "${as[@]}" /docker-entrypoint.sh ringkeeper > /tmp/server.log 2>&1 &
    server=$!
    answers 2191
    [ "$(stat -c %U /proc/$server)" = zookeeper ] || fail "the server runs as $(stat -c %U /proc/$server)"
    [ $round = 2 ] || rk -s 127.0.0.1:2191 create /kept "of round 1" >/dev/null
    [ "$(rk -s 127.0.0.1:2191 get /kept)" = "of round 1" ] || fail "round $round finds other data"
    kill -TERM $server
    wait $server || fail "SIGTERM: exit status $?"
done
[ "$(cat /data/myid)" = 3 ] || fail "myid is $(cat /data/myid)"
