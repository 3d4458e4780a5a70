#!/usr/bin/env bash
# One request signed with AK/SK by openssl and sent by curl: what docs/api.md explains, as a program.
#   MIYUN_ACCESS_KEY=ak_… MIYUN_SECRET_KEY=… bash examples/sign-with-openssl.sh
# It shows the steps. The keys of the MAC stand in openssl's arguments, which others on the same machine can see: use
# the SDK, or a single-purpose credential in a curl configuration file, for anything but a try.
set -euo pipefail
url=${MIYUN_URL:-https://127.0.0.1:8600}
authority=${MIYUN_AUTHORITY:-var/data/listener-ca.pem}
path=/v1/timestamp/tokens
body='{"digest":"ZsfwoNMkBSqqkrmJ5M6r1+BkvCT6L1vjqeXoJAy9xqg=","hash_algorithm":"SM3"}'

date=${SIGN_DATE:-$(date -u +%Y%m%dT%H%M%SZ)}
nonce=${SIGN_NONCE:-$(openssl rand -hex 16)}
content=$(printf '%s' "$body" | openssl dgst -sm3 -r | cut -d' ' -f1)
text=$(printf '%s\n' MIYUN1-HMAC-SM3 "$date" "$nonce" POST "$path" '' application/json '' "$content")
day_key=$(printf '%s' "${date%%T*}" | openssl dgst -sm3 -hmac "$MIYUN_SECRET_KEY" -r | cut -d' ' -f1)
signature=$(printf '%s' "$text" | openssl dgst -sm3 -mac HMAC -macopt "hexkey:$day_key" -r | cut -d' ' -f1)
if [ "${1:-}" = --show ]; then printf '%s\n' "$signature"; exit; fi

curl --silent --show-error --fail-with-body --cacert "$authority" \
  --header "Authorization: MIYUN1-HMAC-SM3 Credential=$MIYUN_ACCESS_KEY, Signature=$signature" \
  --header "X-Miyun-Date: $date" --header "X-Miyun-Nonce: $nonce" --header "X-Miyun-Content-SM3: $content" \
  --header 'Content-Type: application/json' --data "$body" "$url$path"
