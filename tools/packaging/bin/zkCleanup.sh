#!/usr/bin/env bash
# Old logs and snapshots removed: rk purge, with the folders of zoo.cfg in front of what is given.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

# dir KEY: a folder of zoo.cfg
dir() {
    [[ -f $ZOOCFG ]] && property "$ZOOCFG" "$1=" | sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//'
}
folders=()
logs=$(dir dataLogDir)
data=$(dir dataDir)
[[ -n $logs ]] && folders+=("$logs")
[[ -n $data ]] && folders+=("$data")
exec "$RK" purge "${folders[@]}" "$@"
