#!/usr/bin/env bash
# Starts and stops the server: the verbs, variables, messages and exit codes of ZooKeeper's script of this
# name. SERVER_JVMFLAGS and JVMFLAGS are read by the server itself, which takes their -Dzookeeper.* and says
# what it does not honour; there is no JMX, and no heap to size.
#
#   ZOOPIDFILE                       the process's number (zookeeper_server.pid in dataDir)
#   ZOO_DATADIR_AUTOCREATE_DISABLE   nothing starts on folders that are not there
#   ZOO_NOEXEC                       start-foreground stays beside the server

ZOOBIN=$(dirname "${BASH_SOURCE-$0}")
ZOOBINDIR=$(cd "$ZOOBIN" && pwd) || exit
if [[ -e $ZOOBIN/../libexec/zkEnv.sh ]]; then
    . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
    . "$ZOOBINDIR/zkEnv.sh"
fi

[[ -n ${2:-} ]] && ZOOCFG=$ZOOCFGDIR/$2
# A path to the file is taken as it is.
[[ $(dirname "$ZOOCFG") != "$ZOOCFGDIR" ]] && ZOOCFG=${2:-}
echo "Using config: $ZOOCFG" >&2

for name in JMXPORT JMXHOSTNAME JMXAUTH JMXSSL; do
    [[ -n ${!name:-} ]] && echo "$name is not used: there is no JMX; mntr and the page of metrics tell the figures" >&2
done

ZOO_DATADIR=$(property "$ZOOCFG" dataDir | sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//')
ZOO_DATALOGDIR=$(property "$ZOOCFG" dataLogDir)

if [[ -n ${ZOO_DATADIR_AUTOCREATE_DISABLE:-} ]]; then
    if [[ ! -d $ZOO_DATADIR/version-2 ]]; then
        echo "ZooKeeper data directory is missing at $ZOO_DATADIR fix the path or run initialize"
        exit 1
    fi
    if [[ -n $ZOO_DATALOGDIR && ! -d $ZOO_DATALOGDIR/version-2 ]]; then
        echo "ZooKeeper txnlog directory is missing at $ZOO_DATALOGDIR fix the path or run initialize"
        exit 1
    fi
    SERVER_JVMFLAGS="-Dzookeeper.datadir.autocreate=false ${SERVER_JVMFLAGS:-}"
fi
export SERVER_JVMFLAGS=${SERVER_JVMFLAGS:-} JVMFLAGS=${JVMFLAGS:-}

if [[ -z ${ZOOPIDFILE:-} ]]; then
    [[ -n $ZOO_DATADIR && ! -d $ZOO_DATADIR ]] && mkdir -p "$ZOO_DATADIR"
    ZOOPIDFILE=$ZOO_DATADIR/zookeeper_server.pid
else
    mkdir -p "$(dirname "$ZOOPIDFILE")"
fi
[[ -w $ZOO_LOG_DIR ]] || mkdir -p "$ZOO_LOG_DIR"
OUTPUT=$ZOO_LOG_DIR/zookeeper-${USER:-}-server-$HOSTNAME.out

is_running() {
    [[ -f $ZOOPIDFILE ]] && kill -0 "$(cat "$ZOOPIDFILE")" 2>/dev/null
}

start() {
    echo -n "Starting zookeeper ... "
    if is_running; then
        echo "already running as process $(cat "$ZOOPIDFILE")."
        exit 1
    fi
    if [[ -n ${ZOO_LOG_FILE:-} ]]; then
        echo "ZOO_LOG_FILE is not used: the server's log is in $OUTPUT" >&2
    fi
    nohup "$RINGKEEPER" "$ZOOCFG" >"$OUTPUT" 2>&1 </dev/null &
    if ! echo -n $! >"$ZOOPIDFILE"; then
        echo FAILED TO WRITE PID
        exit 1
    fi
    sleep 1
    if ! is_running; then
        echo FAILED TO START
        exit 1
    fi
    echo STARTED
}

stop() {
    echo -n "Stopping zookeeper ... "
    if [[ ! -f $ZOOPIDFILE ]]; then
        echo "no zookeeper to stop (could not find file $ZOOPIDFILE)"
        return
    fi
    kill "$(cat "$ZOOPIDFILE")"
    rm "$ZOOPIDFILE"
    sleep 1
    echo STOPPED
}

# The port that clients use, into ADDRESS, PORT and IS_TLS; says where it was looked for.
find_port() {
    local own id
    IS_TLS=false
    ADDRESS=$(property "$ZOOCFG" 'clientPortAddress[^[:alpha:]]')
    ADDRESS=${ADDRESS:-localhost}
    PORT=$(property "$ZOOCFG" 'clientPort[^[:alpha:]]')
    if ! [[ $PORT =~ ^[0-9]+$ ]]; then
        id=$(cat "$(property "$ZOOCFG" dataDir)/myid" 2>/dev/null)
        if ! [[ $id =~ ^[0-9]+$ ]]; then
            echo "myid could not be determined, will not able to locate clientPort in the server configs."
        else
            own=$(property "$ZOOCFG" "server.$id=.*;.*" | sed -e 's/.*;//')
            if [[ -z $own ]]; then
                echo "Client port not found in static config file. Looking in dynamic config file."
                own=$(property "$(property "$ZOOCFG" dynamicConfigFile)" "server.$id=.*;.*" | sed -e 's/.*;//')
            fi
            if [[ -z $own ]]; then
                echo "Client port not found in the server configs"
            elif [[ $own =~ ^\[(.*)\]:([0-9]+) || $own =~ ^([^:]*):([0-9]+) ]]; then
                ADDRESS=${BASH_REMATCH[1]} PORT=${BASH_REMATCH[2]}
            else
                PORT=$own
            fi
        fi
    fi
    [[ -n $PORT ]] && return
    echo "Client port not found. Looking for secureClientPort in the static config."
    PORT=$(property "$ZOOCFG" 'secureClientPort[^[:alpha:]]')
    if [[ -z $PORT ]]; then
        echo "Unable to find either secure or unsecure client port in any configs. Terminating."
        exit 1
    fi
    IS_TLS=true
    ADDRESS=$(property "$ZOOCFG" 'secureClientPortAddress[^[:alpha:]]')
    ADDRESS=${ADDRESS:-localhost}
}

status() {
    local mode
    find_port
    echo "Client port found: $PORT. Client address: $ADDRESS. Client SSL: $IS_TLS."
    mode=$("$RK" word "$ADDRESS" "$PORT" srvr 2>/dev/null | grep Mode)
    if [[ -z $mode ]]; then
        [[ $IS_TLS == true ]] && echo "The port is one for TLS, which rk does not speak: give the server a clientPort to be asked at."
        echo "Error contacting service. It is probably not running."
        exit 1
    fi
    echo "$mode"
}

case ${1:-} in
    start) start ;;
    start-foreground)
        [[ -n ${ZOO_NOEXEC:-} ]] || exec "$RINGKEEPER" "$ZOOCFG"
        "$RINGKEEPER" "$ZOOCFG"
        ;;
    stop) stop ;;
    restart)
        stop
        sleep 3
        start
        ;;
    status) status ;;
    version) "$RINGKEEPER" --version | sed -e 's/^ringkeeper \(.*\), compatible with ZooKeeper \(.*\))$/Ringkeeper \1), in the place of Apache ZooKeeper, version \2/' ;;
    print-cmd) echo "\"$RINGKEEPER\" \"$ZOOCFG\" > \"$OUTPUT\" 2>&1 < /dev/null" ;;
    *) echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2 ;;
esac
