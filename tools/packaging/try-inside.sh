#!/bin/bash
# The part of try.sh that runs inside the clean system.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; exit 1; }
answers() {
    for _ in $(seq 100); do
        rk -s 127.0.0.1:2181 check --local --warn 5000 --critical 9000 >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    fail "the server does not answer: $(tail -5 /tmp/server.log)"
}
start() {
    local line
    line=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/ringkeeper.service)
    # shellcheck disable=SC2086 # a command line
    setpriv --reuid=ringkeeper --regid=ringkeeper --clear-groups $line > /tmp/server.log 2>&1 &
    server=$!
    answers
}

dpkg -i /tmp/ringkeeper.deb > /tmp/dpkg.log 2>&1 || fail "installation: $(cat /tmp/dpkg.log)"
getent passwd ringkeeper >/dev/null || fail "no user"
[ "$(stat -c '%U %a' /var/lib/ringkeeper)" = "ringkeeper 750" ] || fail "/var/lib/ringkeeper is not its own"
ringkeeper --version && rk --version
start
rk -s 127.0.0.1:2181 create /packaged before >/dev/null

# The configuration is the operator's: an upgrade keeps what they changed.
echo "maxClientCnxns=61" >> /etc/ringkeeper/zoo.cfg
(
    set +e
    written=0
    while [ ! -e /tmp/stop-writing ] && [ $written -lt 100000 ]; do
        rk -s 127.0.0.1:2181 set /packaged "$written" >/dev/null 2>&1 && echo "$written" > /tmp/written
        written=$((written + 1))
    done
) &
writer=$!
dpkg -i --force-confold /tmp/ringkeeper.deb > /tmp/dpkg.log 2>&1 || fail "upgrade: $(cat /tmp/dpkg.log)"
grep -q '^maxClientCnxns=61' /etc/ringkeeper/zoo.cfg || fail "an upgrade has replaced the configuration"
# What systemd does behind an upgrade.
kill -TERM $server
wait $server || fail "SIGTERM: exit status $?"
start
sleep 1
touch /tmp/stop-writing
wait $writer
last=$(cat /tmp/written)
found=$(rk -s 127.0.0.1:2181 get /packaged)
[ "$found" -ge "$last" ] || fail "$last was acknowledged, and $found is there"
kill -TERM $server
wait $server || fail "SIGTERM: exit status $?"

dpkg -r ringkeeper > /tmp/dpkg.log 2>&1 || fail "removal: $(cat /tmp/dpkg.log)"
[ -e /etc/ringkeeper/zoo.cfg ] || fail "a removal has taken the configuration"
[ -d /var/lib/ringkeeper/version-2 ] || fail "a removal has taken the data"
[ ! -e /usr/bin/ringkeeper ] || fail "a removal has left the binary"
dpkg -P ringkeeper > /tmp/dpkg.log 2>&1 || fail "purge: $(cat /tmp/dpkg.log)"
[ ! -e /etc/ringkeeper ] || fail "a purge has left /etc/ringkeeper"
[ -d /var/lib/ringkeeper/version-2 ] || fail "a purge has taken the data"
grep -q 'the data in /var/lib/ringkeeper' /tmp/dpkg.log || fail "a purge does not say what stays"
