#!/usr/bin/env bash
# Installs OpenStack Swift from Debian and starts it with its S3 interface on 127.0.0.1:9080: one device, one replica,
# key "test:tester", secret "testing". Safe to run again; needs root and a file system with user attributes.
set -euo pipefail
port=9080
if ! command -v swift-proxy-server >/dev/null || ! command -v memcached >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends \
    swift-proxy swift-account swift-container swift-object memcached >/dev/null 2>&1
fi
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
if listening "$port"; then echo "swift is up"; exit 0; fi

conf=/etc/swift-one devices=/srv/swift-one
mkdir -p "$conf" "$devices/one" /var/run/swift /var/cache/swift
cat >/etc/swift/swift.conf <<EOF
[swift-hash]
swift_hash_path_prefix = one
swift_hash_path_suffix = one
[storage-policy:0]
name = one
default = yes
EOF
server() { # name port
  cat >"$conf/$1-server.conf" <<EOF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
user = root
swift_dir = /etc/swift
devices = $devices
mount_check = false
workers = 0
log_level = ERROR
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
EOF
  if [ ! -f "/etc/swift/$1.ring.gz" ]; then
    (
      cd /etc/swift
      swift-ring-builder "$1.builder" create 4 1 1
      swift-ring-builder "$1.builder" add "r1z1-127.0.0.1:$2/one" 1
      swift-ring-builder "$1.builder" rebalance
    ) >/dev/null
  fi
  setsid "swift-$1-server" "$conf/$1-server.conf" >"$conf/$1.log" 2>&1 </dev/null &
}
server account 6202
server container 6201
server object 6200
cat >"$conf/proxy-server.conf" <<EOF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
user = root
swift_dir = /etc/swift
workers = 0
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:11211
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
EOF
listening 11211 || memcached -d -u root -m 32 -l 127.0.0.1 -p 11211
setsid swift-proxy-server "$conf/proxy-server.conf" >"$conf/proxy.log" 2>&1 </dev/null &

for _ in $(seq 150); do
  if listening "$port" && listening 6200 && listening 6201 && listening 6202; then
    echo "swift $(dpkg-query -W -f '${Version}' swift) is up"
    exit 0
  fi
  sleep 0.2
done
echo "swift did not come up:" >&2
tail -n 20 "$conf"/*.log >&2 || true
exit 1
