#!/bin/sh
# The official ZooKeeper image's contract: a configuration and a myid are made of the environment where
# there are none, the data belongs to the user `zookeeper`, and the arguments are the command.
set -e

: "${ZOO_CONF_DIR:=/conf}" "${ZOO_DATA_DIR:=/data}" "${ZOO_DATA_LOG_DIR:=/datalog}"

# Started as root: once more as the user, who then owns what it writes.
if [ "$(id -u)" = 0 ] && [ "$1" != sh ] && [ "$1" != bash ]; then
    for folder in "$ZOO_DATA_DIR" "$ZOO_DATA_LOG_DIR" "${ZOO_LOG_DIR:-/logs}" "$ZOO_CONF_DIR"; do
        [ ! -d "$folder" ] || chown -R zookeeper:zookeeper "$folder"
    done
    exec setpriv --reuid=zookeeper --regid=zookeeper --init-groups "$0" "$@"
fi

mkdir -p "$ZOO_CONF_DIR" "$ZOO_DATA_DIR" "$ZOO_DATA_LOG_DIR"
config="$ZOO_CONF_DIR/zoo.cfg"
if [ ! -f "$config" ]; then
    {
        echo "dataDir=$ZOO_DATA_DIR"
        echo "dataLogDir=$ZOO_DATA_LOG_DIR"
        echo "tickTime=${ZOO_TICK_TIME:-2000}"
        echo "initLimit=${ZOO_INIT_LIMIT:-5}"
        echo "syncLimit=${ZOO_SYNC_LIMIT:-2}"
        echo "autopurge.snapRetainCount=${ZOO_AUTOPURGE_SNAPRETAINCOUNT:-3}"
        echo "autopurge.purgeInterval=${ZOO_AUTOPURGE_PURGEINTERVAL:-0}"
        echo "maxClientCnxns=${ZOO_MAX_CLIENT_CNXNS:-60}"
        echo "standaloneEnabled=${ZOO_STANDALONE_ENABLED:-true}"
        echo "admin.enableServer=${ZOO_ADMINSERVER_ENABLED:-true}"
        for server in ${ZOO_SERVERS:-server.1=localhost:2888:3888;2181}; do
            echo "$server"
        done
        if [ -n "$ZOO_4LW_COMMANDS_WHITELIST" ]; then
            echo "4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST"
        fi
        for line in $ZOO_CFG_EXTRA; do
            echo "$line"
        done
    } > "$config.new"
    mv "$config.new" "$config"
fi

if [ ! -f "$ZOO_DATA_DIR/myid" ]; then
    echo "${ZOO_MY_ID:-1}" > "$ZOO_DATA_DIR/myid"
fi

# The server with this configuration, by its name here or by the one of the official image.
case "$*" in
    "" | ringkeeper | "zkServer.sh start-foreground") exec ringkeeper "$config" ;;
esac
exec "$@"
