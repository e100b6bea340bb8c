#!/bin/sh
# Makes the broker's password file once, whole or not at all, then becomes the broker.
set -eu
data=${1:-/mosquitto/data}
secret=${2:-/run/secrets/mqtt_password}
config=${3:-/mosquitto/config/mosquitto.conf}
if [ ! -s "$data/passwords" ]; then
  umask 077
  printf 'aviary:%s\n' "$(cat "$secret")" >"$data/passwords.new"
  mosquitto_passwd -U "$data/passwords.new"  # In place: what was readable is hashed.
  chown mosquitto: "$data/passwords.new"
  mv "$data/passwords.new" "$data/passwords"
fi
exec mosquitto -c "$config"
