#!/bin/sh
# Installs what the build, the tests and the quick start need, where it is missing.  Debian and its kin, as root or with sudo.
#   sh tools/setup.sh [text]      `text`: also the English text that the quick start trains on (package dict-gcide)
set -eu

packages="gcc make autoconf automake pkg-config libc6-dev llvm-19-dev libopenblas-dev libfftw3-dev check libutf8proc-dev
libedit-dev zlib1g-dev"
case "${1-}" in text) packages="$packages dict-gcide" ;; esac

missing=
for p in $packages; do
  # Any LLVM from 15 to 20 will do.
  if [ "$p" = llvm-19-dev ]; then
    for v in 19 20 18 17 16 15; do
      command -v llvm-config-$v >/dev/null 2>&1 && [ -e /usr/lib/llvm-$v/include/llvm-c/Core.h ] && continue 2
    done
  fi
  dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^.i' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  root=
elif command -v sudo >/dev/null 2>&1; then
  root=sudo
else
  echo "setup.sh: run this as root, or install by hand:$missing" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup.sh: this is no Debian system; install the equivalents of:$missing" >&2
  exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
