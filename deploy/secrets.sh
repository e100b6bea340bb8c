#!/bin/sh
# Makes the secrets that compose.yaml mounts, each once: what is there already stays as it is.
# The folder is closed to others; the files in it are readable, because inside the containers other
# users read them.
set -eu
umask 022
folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() {
  if [ ! -s "$1" ]; then
    cat >"$1.new"
    mv "$1.new" "$1"
    echo "made $folder/$1"
  else
    cat >/dev/null
  fi
}

random 24 | keep postgres_password
random 24 | keep owner_password
random 24 | keep app_password
random 24 | keep lake_password
random 24 | keep lake_reader_password
random 12 | keep password
random 24 | keep paper_token
random 24 | keep mqtt_password
head -c 32 /dev/urandom | base64 | keep master_key
printf 'postgresql://aviary_app:%s@postgres:5432/aviary' "$(cat app_password)" | keep database_url
printf 'postgresql://aviary_owner:%s@postgres:5432/aviary' "$(cat owner_password)" | keep migrate_database_url
printf 'postgresql://aviary_lake:%s@postgres:5432/lake' "$(cat lake_password)" | keep lake_dsn
printf 'postgresql://aviary_lake_reader:%s@postgres:5432/lake' "$(cat lake_reader_password)" | keep lake_reader_dsn
echo "Log in as admin with the password in $folder/password. Back up $folder/master_key."
