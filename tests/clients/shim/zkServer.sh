#!/usr/bin/env bash
# `zkServer.sh start-foreground zoo.cfg` for suites that start ZooKeeper by its script.
set -euo pipefail
[ "${1:-}" = start-foreground ] || { echo "only start-foreground is known here" >&2; exit 2; }
# shellcheck disable=SC2086
exec "$(dirname "$0")/java" ${SERVER_JVMFLAGS:-} org.apache.zookeeper.server.quorum.QuorumPeerMain "$2"
