#!/usr/bin/env bash
# Installs the Debian packages that the tests' engines need. As root it installs; otherwise it says what is left out.
set -euo pipefail
packages=(openssl openjdk-17-jdk-headless libbcprov-java libbcpkix-java libbcutil-java chromium postgresql fonts-noto-cjk
  chrony faketime gcc valgrind gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
  certbot nginx-light pebble xmlsec1 poppler-utils)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if [ "$(id -u)" -ne 0 ]; then
  echo "not root: these packages are missing, the tests that need them are left out: ${missing[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
