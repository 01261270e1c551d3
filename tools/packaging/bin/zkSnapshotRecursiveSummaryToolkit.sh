#!/usr/bin/env bash
# Nodes and bytes beneath each node of a snapshot: rk snapshot summary.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

# shellcheck disable=SC2086 # Flags are words.
max_buffer ${JVMFLAGS:-}
exec "$RK" snapshot "${BUFFER[@]}" summary "$@"
