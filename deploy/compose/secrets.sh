#!/bin/sh
# Make the secrets of compose.yaml, in secrets/ beside this file. What is there already stays.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
cd "$folder"

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Containers read them as users of their own; whoever is not root comes no further than the folder.
write() {
    cat >"$1"
    chmod 0444 "$1"
}

if [ ! -e store-url ] || [ ! -e redis-acl ]; then
    password="$(random)"
    # The least rights that noclobber needs (docs/redis.md); without a password, a health check.
    write redis-acl <<ACL
user default on nopass resetkeys resetchannels -@all +ping
user noclobber on >$password resetkeys ~noclobber:* resetchannels -@all +evalsha +eval +info +time +hmget +hset +pexpire +set +get +xadd +xrange +xrevrange +client|setname
ACL
    printf 'redis://noclobber:%s@redis:6379/0\n' "$password" | write store-url
fi
for name in admin-token grafana-password; do
    [ -e "$name" ] || random | write "$name"
done
