#!/usr/bin/env bash
# Two snapshots compared: rk snapshot compare.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

# shellcheck disable=SC2086 # Flags are words.
max_buffer ${JVMFLAGS:-}
exec "$RK" snapshot "${BUFFER[@]}" compare "$@"
