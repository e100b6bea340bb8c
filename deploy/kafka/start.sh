#!/bin/sh
# Gives a new volume a cluster id of its own, then becomes the broker. The image's own default is the
# same everywhere, so that the relay would take a new volume for the one that it has filled already.
set -eu
data=${1:-/var/lib/kafka/data}
broker=${2:-/etc/kafka/docker/run}
CLUSTER_ID=
if [ -e "$data/meta.properties" ]; then
  CLUSTER_ID=$(sed -n 's/^cluster\.id=//p' "$data/meta.properties")
fi
if [ -z "$CLUSTER_ID" ]; then
  # 16 bytes in base64; none of the characters that base64 for URLs has not.
  CLUSTER_ID=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
fi
export CLUSTER_ID
exec "$broker"
