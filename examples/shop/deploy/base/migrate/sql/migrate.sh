#!/bin/sh
# Brings the database to the schema of this release: every file in order, all or nothing, one migration at a time.
set -eu
until pg_isready --quiet --timeout=3; do
  echo "waiting for $PGHOST"
  sleep 1
done
cd /migrations
export PGOPTIONS="--client-min-messages=warning" # what is there already is no news
{
  echo "SELECT pg_advisory_xact_lock(727);"
  cat [0-9]*.sql
} | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --output /dev/null
echo "migrated"
