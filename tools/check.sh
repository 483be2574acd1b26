#!/bin/sh
# Sets up what is missing, builds out of tree, runs every test: the plain build's suites, beside them the tests of the command
# line and, of the suites, those that gain by it under AddressSanitizer and UndefinedBehaviorSanitizer.  The last line is
# `N passed, N failed`; the exit status is 0 only when nothing failed.
#   sh tools/check.sh [quick|full]      quick: nothing under sanitizers; full: every suite under sanitizers, each fault in
#                                       turn, more of CUDA and planted errors in it, a build by clang, the suites with threads under
#                                       ThreadSanitizer, a minute of each libFuzzer target
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

# tests NAME COMMAND...: starts the command with its output in a file.
tests() {
  name=$1
  shift
  { "$@"; echo $? >"$build/$name.status"; } >"$build/$name.log" 2>&1 </dev/null &
}

# totals NAME: waits for `tests NAME`, shows what it printed, and adds the totals of its last line.  No totals, or a failure
# that they do not show, is one failure more.
totals() {
  name=$1
  echo "== $name"
  until [ -s "$build/$name.status" ]; do sleep 1; done
  cat "$build/$name.log"
  status=$(cat "$build/$name.status")
  totals=$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$build/$name.log" | tail -n 1)
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

# Under sanitizers these take minutes and show little: their time goes into code that is made at run time and is not
# instrumented (CUDA kernels on fibers, too), and smaller tests go through the same passes.
slow="pieces vecmath conv code llvm pairs quads scans sights tile shim cuda cuda_scatter cuda_attention cuda_conv cuda_mma cuda_models plan plan_gpu
precision_models models oracle lengths
zoo fuzz_graph"

sanitized_suites() {
  (cd "$build/sanitized" && ./tests/runner -l) | grep -v -x -F "$(echo "$slow" | tr ' ' '\n')"
}

# Suites in two rows that run beside each other and take about as long: of kernels, most of which run on the shim, and the others.
suites_of() { # kernels|other
  (cd "$build/plain" && ./tests/runner -l) |
    awk -v row="$1" '(/^(shim|cuda|precision|code|tile)/ ? "kernels" : "other") == row'
}

# Each in a process of its own: behind every test the search for leaks goes through all that its process ever had, and with all suites
# in one that took three times as long as the tests.
sanitized() { # SUITES...
  for suite; do runner "$build/sanitized" "$suite" || true; done |
    awk -v suites=$# '/^[0-9]+ passed, [0-9]+ failed$/ { good += $1; bad += $3; ended++; next } { print }
      END { bad += suites - ended; print good + 0 " passed, " bad + 0 " failed"; exit bad > 0 }'
}

# Tests of the command line in two rows that run beside each other and take about as long: those of compiled code, and the others.
code="compile cross cuda gallery nvrtc team"
command_line() { # code|other
  for file in "$src"/tests/cli/*.test; do
    case " $code " in *" $(basename "$file" .test) "*) row=code ;; *) row=other ;; esac
    [ "$row" != "$1" ] || echo "$file"
  done >"$build/$1.files"
  xargs env BIGSC="$build/plain/bigsc" sh "$src/tests/cli/run.sh" <"$build/$1.files"
}

# Suites in which threads meet.
threaded="pool exec handles builtin scatter conv train resume"
# Suites that show what another compiler makes of the sources, in seconds.
quick="base data json pool rng safetensors tokenizer vocab lex parse diag sema graph ops rules loop exec handles cases"

# The two with clang, which warns of other things, and whose order of evaluation and padding differ.
clang_builds() {
  step "set-up of clang" sh "$root/tools/setup.sh" fuzz
  step "build by clang" build_in "$build/clang" "all tests/runner" CC=clang-19 --enable-werror --without-cross
  step "build under ThreadSanitizer" build_in "$build/threads" tests/runner --without-cross CC=clang-19 \
    CFLAGS="-O1 -g -fsanitize=thread" LDFLAGS=-fsanitize=thread
}

all_faults() {
  BIGSC_FAULTS=all
  export BIGSC_FAULTS
  runner "$build/plain" faults
}

# What there is too much of for every day: dtypes, sizes, forms of CUDA's kernels, and what nvcc says of all.
all_of_many() {
  BIGSC_FULL=1
  export BIGSC_FULL
  {
    runner "$build/plain" code cuda cuda_attention cuda_mma cuda_models precision_models
    BIGSC="$build/plain/bigsc" sh "$src/tests/cli/run.sh" "$src/tests/cli/cuda.test" \
      "$src/tests/cli/nvrtc.test" "$src/tests/cli/gpu.test" "$src/tests/cli/cross.test"
  } |
    awk '{ print } /^[0-9]+ passed, [0-9]+ failed$/ { good += $1; bad += $3 } END { print good " passed, " bad " failed"; exit bad > 0 }'
}

# From configure on.
without_llvm() {
  BIGSC_WITHOUT_LLVM=1 BIGSC="$build/plain/bigsc" sh "$src/tests/cli/run.sh" "$src/tests/cli/without.test"
}

# One after the other, beside the many processes in which each fault has its turn.
full_suites() {
  tests faults all_faults
  # shellcheck disable=SC2086
  tests clang runner "$build/clang" $quick
  totals clang
  # shellcheck disable=SC2086
  tests threads runner "$build/threads" $threaded
  totals threads
  tests many all_of_many
  totals many
  tests without without_llvm
  totals without
  tests real env BIGSC="$build/plain/bigsc" sh "$src/tests/cli/run.sh" "$src/tests/real/minilm.test"
  totals real
  tests mutants env RUNNER="$build/plain/tests/runner" sh "$src/tests/cuda/mutate.sh" 4
  totals mutants
  tests fuzz env BUILD="$build/fuzz" sh "$root/tools/fuzz.sh"
  totals fuzz
  totals faults
}

step "set-up" sh "$root/tools/setup.sh" tests
step "folder" mkdir -p "$build"
rm -f "$build"/*.status
step "source" source_tree
step "autoreconf" autotools
step "build" build_in "$build/plain" "all tests/runner fuzz-objects" --enable-werror
case "${1-}" in
quick) suites=none ;;
full) suites= ;;
*) suites=some ;;
esac
[ "${1-}" != full ] || clang_builds
if [ "$suites" != none ]; then
  step "build under sanitizers" build_in "$build/sanitized" "all tests/runner" --enable-sanitizers --without-cross CFLAGS="-O1 -g"
  [ -n "$suites" ] || slow=
  # shellcheck disable=SC2046
  tests sanitized sanitized $(sanitized_suites)
fi
# shellcheck disable=SC2046
tests plain runner "$build/plain" $(suites_of other)
# shellcheck disable=SC2046
tests kernels runner "$build/plain" $(suites_of kernels)
tests cli command_line other
tests code command_line code
totals plain
totals kernels
totals cli
totals code
[ "$suites" = none ] || totals sanitized
[ "${1-}" != full ] || full_suites
finish
