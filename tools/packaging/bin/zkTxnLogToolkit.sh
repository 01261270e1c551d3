#!/usr/bin/env bash
# Transaction logs printed, recovered, chopped: rk log dump.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

# shellcheck disable=SC2086 # Flags are words.
max_buffer ${JVMFLAGS:-}
exec "$RK" log "${BUFFER[@]}" dump "$@"
