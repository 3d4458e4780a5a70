#!/usr/bin/env bash
# Runs a Python program on aarch64 under emulation, with the cryptographic core cross-built for it:
#   bash deploy/aarch64.sh tests/interop/aarch64/report.py [arguments]
# The arm64 Python lies in build/aarch64, apart from the system; nothing is installed. Needs Debian's gcc-aarch64-linux-gnu,
# libc6-dev-arm64-cross and qemu-user-static (deploy/engines.sh), apt for the arm64 packages, and .tools/bin/uv.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$PWD/build/aarch64
root=$base/root
python=3.11
mkdir -p "$base"
exec 9>"$base/lock"
flock 9 # held until the program has ended

if [ ! -e "$base/.root" ]; then
  # apt with a state of its own and another architecture; the host's package lists and database are not touched.
  mkdir -p "$base/apt/lists/partial" "$base/apt/cache/archives/partial" "$base/debs" "$root"
  : >"$base/apt/status"
  mirror=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 || true)
  echo "deb ${mirror:-http://deb.debian.org/debian} bookworm main" >"$base/apt/sources.list"
  cat >"$base/apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$base/apt";
Dir::State::status "$base/apt/status";
Dir::Cache "$base/apt/cache";
Dir::Etc::sourcelist "$base/apt/sources.list";
Dir::Etc::sourceparts "-";
CONF
  export APT_CONFIG=$base/apt/apt.conf
  apt-get update -qq
  (cd "$base/debs" && apt-get download -qq "python$python-minimal" "libpython$python-minimal" "libpython$python-stdlib" \
    "libpython$python-dev" libc6 libgcc-s1 libssl3 libffi8 libexpat1 zlib1g)
  unset APT_CONFIG
  for package in "$base"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
  rm -r "$base/debs" "$base/apt"
  touch "$base/.root"
fi

if [ ! -e "$base/.site" ] || [ uv.lock -nt "$base/.site" ]; then
  .tools/bin/uv export --quiet --frozen --no-dev --no-emit-project --no-hashes --output-file "$base/locked.txt"
  .tools/bin/uv pip install --quiet --target "$base/site" --python-platform aarch64-manylinux_2_36 --python-version "$python" \
    --only-binary :all: --constraints "$base/locked.txt" cryptography
  touch "$base/.site"
fi

# The tree beside the sources, so that the extension of the one machine is not mixed with that of the other.
tree=$base/tree/miyun
extension=$base/_native.cpython-311-aarch64-linux-gnu.so
if [ ! -e "$extension" ] || [ -n "$(find native -newer "$extension" -print -quit)" ]; then
  mkdir -p "$base/objects"
  options=(-std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -fstack-protector-strong -D_GNU_SOURCE -Inative
    "-I$root/usr/include/python$python" "-I$root/usr/include")
  find native -maxdepth 1 -name '*.c' ! -name 'ipp*' -printf '%f\n' |
    xargs -P "$(nproc)" -I{} aarch64-linux-gnu-gcc "${options[@]}" -c native/{} -o "$base/objects/{}.o"
  find native -maxdepth 1 -name '*.c' ! -name 'ipp*' -printf "$base/objects/%f.o\n" |
    xargs aarch64-linux-gnu-gcc -shared -pthread -o "$extension.partial"
  mv "$extension.partial" "$extension"
fi
rm -rf "$tree"
mkdir -p "$tree/edge"
cp src/miyun/__init__.py "$tree/"
cp src/miyun/edge/__init__.py src/miyun/edge/vectors.py "$tree/edge/"
cp -r src/miyun/gm src/miyun/wire "$tree/"
rm -f "$tree"/gm/_native.*.so
cp "$extension" "$tree/gm/"

exec env PYTHONPATH="$base/tree:$base/site" PYTHONDONTWRITEBYTECODE=1 \
  qemu-aarch64-static -L "$root" "$root/usr/bin/python$python" "$@"
