#!/usr/bin/env bash
# Fetches the console's pinned assets (hashes in deploy/console/package-lock.json) into a git-ignored folder.
set -euo pipefail
cd "$(dirname "$0")/.."
target=src/miyun/edge/console/static/vendor
if ! command -v npm >/dev/null; then
  echo "npm is missing: the console works without charts and live updates; install npm and run 'make install' again" >&2
  exit 0
fi
build=build/console
mkdir -p "$build" "$target"
cp deploy/console/package.json deploy/console/package-lock.json "$build/"
npm ci --prefix "$build" --ignore-scripts --no-audit --no-fund --silent
cp "$build/node_modules/htmx.org/dist/htmx.min.js" "$build/node_modules/echarts/dist/echarts.min.js" "$target/"
