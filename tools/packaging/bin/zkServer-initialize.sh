#!/usr/bin/env bash
# Makes a server's folders, empty: without them no server starts that may not make them itself.

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

usage() {
    printf '%s\n' "usage: $0 <parameters>" "  Optional parameters:"
    printf '     %-53s %s\n' \
        -h "Display this message" \
        --help "Display this message" \
        "$(printf -- '--configfile=%-40s' "$ZOOCFG")" "ZooKeeper config file" \
        '--myid=#' "Set the myid to be used, if any (1-255)" \
        --force "Force creation of the data/txnlog dirs"
    exit 1
}

# empty DIR: a folder of files without any
empty() {
    rm -rf "$1/myid" "$1/version-2" 2>/dev/null
    mkdir -p "$1/version-2"
}

initialize() {
    if [[ ! -e $ZOOCFG ]]; then
        echo "Unable to find config file at $ZOOCFG"
        exit 1
    fi
    local data logs
    data=$(property "$ZOOCFG" dataDir)
    logs=$(property "$ZOOCFG" dataLogDir)
    if [[ -z $data ]]; then
        echo "Unable to determine dataDir from $ZOOCFG"
        exit 1
    fi
    if [[ -n $force ]]; then
        echo "Force enabled, data/txnlog directories will be re-initialized"
    elif [[ -d $data/version-2 ]]; then
        echo "ZooKeeper data directory already exists at $data (or use --force to force re-initialization)"
        exit 1
    elif [[ -n $logs && -d $logs/version-2 ]]; then
        echo "ZooKeeper txnlog directory already exists at $logs (or use --force to force re-initialization)"
        exit 1
    fi
    empty "$data"
    [[ -n $logs ]] && empty "$logs"
    if [[ -n $id ]]; then
        echo "Using myid of $id"
        echo "$id" >"$data/myid"
    else
        echo "No myid provided, be sure to specify it in $data/myid if using non-standalone"
    fi
    touch "$data/initialize"
}

force='' id=''
while [[ -n ${1:-} ]]; do
    case $1 in
        --configfile) ZOOCFG=${2:-} && shift ;;
        --configfile=?*) ZOOCFG=${1#*=} ;;
        --myid) id=${2:-} && shift ;;
        --myid=?*) id=${1#*=} ;;
        --force) force=1 ;;
        -h | --help) usage ;;
        *)
            echo "Unknown option: $1"
            usage
            ;;
    esac
    shift
done
initialize
