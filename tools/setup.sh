#!/bin/sh
# Installs what the build and the tests need, where it is missing.  Debian and its kin, as root or with sudo; elsewhere it says
# what to install, and `configure` tells what is missing.
#   sh tools/setup.sh [text] [study] [tests] [browser] [fuzz] [cross]
#     text       also the English text that the quick start trains on (package dict-gcide)
#     study      also the texts of tools/study.sh
#     tests      also what only tests use: valgrind, a C++ compiler, a C compiler for aarch64 and qemu, clang-format, Open MPI, iproute2, numpy, small texts
#     browser    also chromium, in which a test opens a page of `bigsc report`
#     fuzz       also clang with libFuzzer and ThreadSanitizer
#     cross      also a C compiler for aarch64, for which models can then be compiled
set -eu

packages="gcc make autoconf automake pkg-config libc6-dev llvm-19-dev libopenblas-dev libfftw3-dev check libutf8proc-dev
libedit-dev zlib1g-dev"
for extra in "$@"; do
  case $extra in
    text) packages="$packages dict-gcide" ;;
    study) packages="$packages dict-gcide wordnet-base bible-kjv linux-doc" ;;
    tests) packages="$packages valgrind g++ gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user clang-format-19 libopenmpi-dev openmpi-bin iproute2 python3-numpy dict-gcide wordnet-base bible-kjv" ;;
    browser) packages="$packages chromium" ;;
    cross) packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    fuzz) packages="$packages clang-19 libclang-rt-19-dev" ;;
    *)
      echo "usage: sh tools/setup.sh [text] [study] [tests] [browser] [fuzz] [cross]" >&2
      exit 2
      ;;
  esac
done

# Any LLVM from 15 to 20 will do.
have_llvm() {
  for v in 19 20 18 17 16 15; do
    command -v llvm-config-$v >/dev/null 2>&1 && [ -e /usr/lib/llvm-$v/include/llvm-c/Core.h ] && return
  done
  return 1
}

installed() {
  { [ "$1" = llvm-19-dev ] && have_llvm; } || dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^.i'
}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
  # shellcheck disable=SC2086
  echo "setup.sh: this is no Debian system, and nothing is installed; what is needed are the equivalents of:" $packages >&2
  exit 0
fi
missing=
for p in $packages; do
  installed "$p" || missing="$missing $p"
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
echo "installing:$missing"
# On a machine that has just started, its first upgrade may hold the lock.
apt_get() {
  $root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@"
}
apt_get update
# Where no version that formats as ours is packaged, the test of formatting is left out.
case $missing in
  *" clang-format-19"*) [ -n "$(apt-cache madison clang-format-19)" ] || missing=$(echo "$missing" | sed "s, clang-format-19,,") ;;
esac
# shellcheck disable=SC2086
apt_get install -y --no-install-recommends $missing >/dev/null
