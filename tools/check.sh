#!/bin/sh
# Sets up what is missing, builds out of tree, runs every test.  The last line is `N passed, N failed`; the exit status is 0
# only when nothing failed.
#   sh tools/check.sh [quick]      quick: without the build under sanitizers
# BUILD: the folder to build in (build/check).  JOBS: parallel jobs (as many as there are processors).
# shellcheck disable=SC2317  # functions are called through `step` and `tests`
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
build=${BUILD:-$root/build/check}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"
passed=0 failed=0

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}

# step NAME COMMAND...: something that the tests need; without it there is nothing more to do.
step() {
  name=$1
  shift
  echo "== $name"
  "$@" && return
  echo "check.sh: $name failed" >&2
  failed=$((failed + 1))
  finish
}

# tests NAME COMMAND...: adds the totals that the command prints last.  No totals, or a failure that they do not show, is one
# failure more.
tests() {
  name=$1
  shift
  echo "== $name"
  { "$@" 2>&1; echo $? >"$build/status"; } | tee "$build/totals.log"
  status=$(cat "$build/status")
  totals=$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$build/totals.log" | tail -n 1)
  good=${totals% *} bad=${totals#* }
  if [ -z "$totals" ]; then
    echo "check.sh: $name ended without totals" >&2
    good=0 bad=1
  elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
    echo "check.sh: $name ended with status $status" >&2
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad))
}

runner() {
  dir=$1
  shift
  (cd "$dir" && srcdir=$src builddir=$dir ./tests/runner "$@")
}

# What runs much slower under sanitizers and is arithmetic above all is left to the plain build.
quick_suites() {
  (cd "$build/sanitized" && ./tests/runner -l) | grep -v -e '^vecmath$' -e '^conv$'
}

step "set-up" sh "$root/tools/setup.sh"
step "folder" mkdir -p "$build"
step "source" source_tree
step "autoreconf" autotools
step "build" build_in "$build/plain" "all tests/runner" --enable-werror
tests "unit tests" runner "$build/plain"
tests "command line" env BIGSC="$build/plain/bigsc" sh "$src/tests/cli/run.sh"
if [ "${1-}" != quick ]; then
  step "build under sanitizers" build_in "$build/sanitized" tests/runner --enable-sanitizers CFLAGS="-O1 -g"
  # shellcheck disable=SC2046
  tests "unit tests under sanitizers" runner "$build/sanitized" $(quick_suites)
fi
finish
