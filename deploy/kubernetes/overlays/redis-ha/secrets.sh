#!/bin/sh
# Make the two Secrets as folders of files: secrets.sh FOLDER. What is there already stays.
set -eu
umask 077
mkdir -p "$1/redis" "$1/noclobber"
cd "$1"

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

[ -e noclobber/admin-token ] || random >noclobber/admin-token
[ ! -e redis/redis-acl ] || exit 0
random >redis/replica-password
random >redis/sentinel-password
password="$(random)"
# noclobber has the least rights that it needs (docs/redis.md), replicas and sentinels theirs; whoever has no password gets a PONG.
cat >redis/redis-acl <<ACL
user default on nopass resetkeys resetchannels -@all +ping
user noclobber on >$password resetkeys ~noclobber:* resetchannels -@all +evalsha +eval +info +time +hmget +hset +pexpire +set +get +xadd +xrange +xrevrange +client|setname
user replica on >$(cat redis/replica-password) resetchannels -@all +psync +replconf +ping
user sentinel on >$(cat redis/sentinel-password) allchannels -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill
ACL
printf 'redis+sentinel://noclobber:%s@redis-0.redis:26379,redis-1.redis:26379,redis-2.redis:26379/noclobber\n' "$password" >noclobber/store-url
