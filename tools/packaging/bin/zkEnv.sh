#!/usr/bin/env bash
# What the other scripts share: where the configuration, the log and the programs are. It is read by them
# and not run. ZooKeeper's variables have their meaning; those of a JVM have none here.
#
#   --config DIR, ZOOCFGDIR    the folder of the configuration
#   ZOOCFG                     its file in there (zoo.cfg)
#   ZOO_LOG_DIR                where the server's output goes
#   RINGKEEPER, RK             the programs, if they are neither beside these scripts nor in PATH

ZOOBINDIR="${ZOOBINDIR:-/usr/bin}"
ZOOKEEPER_PREFIX="$ZOOBINDIR/.."

if [[ $# -gt 1 && $1 == --config ]]; then
    ZOOCFGDIR=$2
    shift 2
fi
if [[ -z ${ZOOCFGDIR:-} ]]; then
    ZOOCFGDIR=$ZOOKEEPER_PREFIX/conf
    [[ -e $ZOOCFGDIR ]] || ZOOCFGDIR=$ZOOKEEPER_PREFIX/etc/zookeeper
fi

# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/zookeeper-env.sh ]] && . "$ZOOCFGDIR/zookeeper-env.sh"
ZOOCFG=$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}
# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/java.env ]] && . "$ZOOCFGDIR/java.env"
ZOO_LOG_DIR=${ZOO_LOG_DIR:-$ZOOKEEPER_PREFIX/logs}

# program NAME OVERRIDE: its path
program() {
    if [[ -n $2 ]]; then
        echo "$2"
    elif [[ -x $ZOOBINDIR/$1 ]]; then
        echo "$ZOOBINDIR/$1"
    elif ! type -P "$1"; then
        echo "Error: $1 is neither in $ZOOBINDIR nor in PATH." >&2
        return 1
    fi
}
RINGKEEPER=$(program ringkeeper "${RINGKEEPER:-}") || exit 1
RK=$(program rk "${RK:-}") || exit 1

# property FILE KEY: the values of all lines that begin so, as ZooKeeper's scripts find them
property() {
    grep "^[[:space:]]*$2" "$1" | sed -e 's/.*=//'
}

# unheard PROGRAM FLAG...: says which of a JVM's flags would have meant something to ZooKeeper's program
unheard() {
    local name=$1 flag
    shift
    for flag in "$@"; do
        case $flag in
            -Dzookeeper.log.* | -Dzookeeper.root.logger=* | -Dzookeeper.console.threshold=*) ;;
            -Djava.security.auth.login.config=* | -Dzookeeper.sasl.clientconfig=*) ;;
            # SASL is spoken where a file says who one is; DIGEST-MD5 needs no leave of FIPS mode.
            -Dzookeeper.sasl.client=true | -Dzookeeper.fips-mode=false) ;;
            -Dzookeeper.* | -Djava.security.*) echo "$name does not take $flag" >&2 ;;
        esac
    done
}

# jaas_file FLAG...: options of rk for the last JAAS file and section of a client, into the array JAAS
jaas_file() {
    local flag file=
    JAAS=()
    for flag in "$@"; do
        case $flag in
            -Djava.security.auth.login.config=*) file=${flag#*=} ;;
            -Dzookeeper.sasl.clientconfig=*) JAAS+=(--jaas-section "${flag#*=}") ;;
        esac
    done
    # As for a JVM: a second = and a URL of a file mean the file.
    file=${file#=}
    file=${file#file:}
    [[ -z $file ]] || JAAS+=(--jaas "$file")
}

# max_buffer FLAG...: options of rk for the last -Djute.maxbuffer, into the array BUFFER
max_buffer() {
    local flag
    BUFFER=()
    for flag in "$@"; do
        case $flag in
            -Djute.maxbuffer=*) BUFFER=(--max-buffer "$((${flag#*=}))") ;;
        esac
    done
}
