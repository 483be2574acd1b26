#!/bin/sh
# Runs the tests of the command line: every function test_* of every tests/cli/*.test, each in an empty folder of its own.
#   BIGSC=path/to/bigsc sh tests/cli/run.sh [FILE.test]...
# The last line is `N passed, N failed`; the exit status is 0 when nothing failed.
set -u
# What nohup, or a shell that starts something in the background, ignores, the tested programs would ignore, too.
if [ -z "${SIGNALS_AS_USUAL-}" ] && env --default-signal=HUP true 2>/dev/null; then
  SIGNALS_AS_USUAL=1 exec env --default-signal=HUP,INT,QUIT sh "$0" "$@"
fi
unset SIGNALS_AS_USUAL
here=$(cd "$(dirname "$0")" && pwd) || exit 1
root=$(cd "$here/../.." && pwd) || exit 1
BIGSC=${BIGSC:-${builddir:-$root}/bigsc}
case $BIGSC in /*) ;; *) BIGSC=$PWD/$BIGSC ;; esac
MODELS=$root/models
ROOT=$root
BIGSC_MODELS_DIR=$MODELS # of a program that lies in a folder of a build
export BIGSC MODELS ROOT BIGSC_MODELS_DIR
unset BIGSC_FLAGS 2>/dev/null
passed=0 failed=0

if [ ! -x "$BIGSC" ]; then
  echo "run.sh: no program $BIGSC" >&2
  echo "0 passed, 1 failed"
  exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/bigsc-cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME
trap 'exit 130' INT TERM

run_test() {
  mkdir "$work/$2" || return 1
  (
    cd "$work/$2" || exit 1
    set -e
    # shellcheck source=tests/cli/lib.sh
    . "$here/lib.sh"
    # shellcheck source=/dev/null
    . "$1"
    "$2"
  ) >"$work/log" 2>&1
}

[ $# != 0 ] || set -- "$here"/*.test
for file; do
  case $file in /*) ;; *) file=$PWD/$file ;; esac
  began=$(date +%s) before=$passed
  # shellcheck disable=SC2013  # names hold no blanks
  for name in $(sed -n 's/^\(test_[a-z0-9_]*\)() .*/\1/p' "$file"); do
    run_test "$file" "$name"
    status=$?
    if [ $status = 0 ]; then
      passed=$((passed + 1))
    elif [ $status = 77 ]; then
      echo "skipped: $(basename "$file" .test) $name: $(tail -n 1 "$work/log")"
    else
      failed=$((failed + 1))
      echo "FAILED: $(basename "$file" .test) $name"
      sed 's/^/    /' "$work/log"
    fi
    chmod -R u+w "$work/$name" 2>/dev/null
    rm -rf "${work:?}/$name"
  done
  printf '%-12s %s passed, %s s\n' "$(basename "$file" .test)" $((passed - before)) $(($(date +%s) - began))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
