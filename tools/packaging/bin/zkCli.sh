#!/usr/bin/env bash
# The command line: rk, with zkCli's options and what zkCli prints around commands.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

# shellcheck disable=SC2086 # Flags are words.
jaas_file ${CLIENT_JVMFLAGS:-} ${JVMFLAGS:-}
# shellcheck disable=SC2086
unheard rk ${CLIENT_JVMFLAGS:-} ${JVMFLAGS:-}
exec "$RK" --zkcli "${JAAS[@]}" "$@"
