#!/bin/sh
# Start what this container is: redis.sh server | sentinel. Both follow the primary that the sentinels name; where none of them answers, at
# the very first start, it is the first of SERVERS. A server that is wrong about that takes no writes: it has no replica.
#
# SERVERS and SENTINELS: all of them, as HOST:PORT. SELF: this one among them. STATE: a folder that can be written. SECRETS: what
# secrets.sh has made.
set -eu
umask 077

primary() {
    for sentinel in $SENTINELS; do
        named="$(timeout 2 redis-cli -h "${sentinel%:*}" -p "${sentinel##*:}" sentinel get-master-addr-by-name noclobber 2>/dev/null | tr '\n' ' ')" || continue
        # shellcheck disable=SC2086 # two words: a host and a port
        set -- $named
        if [ $# -eq 2 ]; then
            echo "$1:$2"
            return
        fi
    done
    echo "${SERVERS%% *}"
}

host="${SELF%:*}" port="${SELF##*:}"
primary="$(primary)"

case "$1" in
server)
    {
        cat "$(dirname "$0")/redis.conf"
        echo "port $port"
        echo "dir $STATE"
        echo "replica-announce-ip $host"
        echo "aclfile $SECRETS/redis-acl"
        echo "masteruser replica"
        echo "masterauth $(cat "$SECRETS/replica-password")"
        [ "$primary" = "$SELF" ] || echo "replicaof ${primary%:*} ${primary##*:}"
    } >"$STATE/redis.conf"
    exec redis-server "$STATE/redis.conf"
    ;;
sentinel)
    cat >"$STATE/sentinel.conf" <<CONF
port $port
dir $STATE
protected-mode no
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $host
sentinel monitor noclobber ${primary%:*} ${primary##*:} 2
sentinel auth-user noclobber sentinel
sentinel auth-pass noclobber $(cat "$SECRETS/sentinel-password")
sentinel down-after-milliseconds noclobber ${DOWN_MILLISECONDS:-3000}
sentinel failover-timeout noclobber 10000
CONF
    exec redis-server "$STATE/sentinel.conf" --sentinel
    ;;
*)
    echo "redis.sh: server or sentinel? read: $1" >&2
    exit 2
    ;;
esac
