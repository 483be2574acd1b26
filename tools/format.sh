#!/bin/sh
# Tells which C sources are not as .clang-format says, by file and line; with -i makes them so.
#   sh tools/format.sh [-i] [FILE...]
# Versions of clang-format differ: it is 19, which Debian 12 and 13 have (package clang-format-19).  The exit status is 0 when all
# is well, 1 when something differs, 77 when there is no such clang-format.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
format=clang-format-19
command -v $format >/dev/null || {
  echo "format.sh: no $format here (package $format)" >&2
  exit 77
}
how=--dry-run
if [ "${1-}" = -i ]; then
  how=-i
  shift
fi
if [ $# = 0 ]; then
  cd "$root"
  # Not the texts that the build turns into C.
  files=$(find base codegen compiler docs graph runtime tests tools -name '*.[ch]' ! -name prelude_text.c ! -name info_text.c ! -name options_text.c \
    ! -name cuda_text.c ! -name runtime_text.c ! -name 'start_*.c')
  # shellcheck disable=SC2086  # names hold no blanks
  set -- $files
fi
differs=$($format $how "$@" 2>&1 | sed -n 's/: warning: code should be clang-formatted.*//p')
[ -z "$differs" ] || {
  echo "$differs"
  echo "format.sh: not as .clang-format says; \`sh tools/format.sh -i\` formats" >&2
  exit 1
}
