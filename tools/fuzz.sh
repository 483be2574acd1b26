#!/bin/sh
# Builds the libFuzzer targets with clang and the sanitizers, and runs each for a while from the inputs in the tree.  The last line is
# `N passed, N failed`: targets that found nothing, and those that did; what they found is left in BUILD/found.
#   sh tools/fuzz.sh [SECONDS]          60 for each target
# BUILD: the folder to build in (build/fuzz).  CC: a clang (the best found).  JOBS: parallel jobs.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
build=${BUILD:-$root/build/fuzz}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
seconds=${1:-60}
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"

clang() {
  for c in ${CC-} clang-19 clang-18 clang-17 clang-16 clang; do
    command -v "$c" >/dev/null 2>&1 && echo "$c" && return
  done
  echo "fuzz.sh: clang is missing: install clang-19 and libclang-rt-19-dev" >&2
  return 1
}

# Folders of inputs to start from.
seeds() {
  case $1 in
  fuzz_safetensors) find "$src/tests/fixtures" -type d ;;
  fuzz_data | fuzz_flax | fuzz_folder | fuzz_json | fuzz_tokenizer | fuzz_tokenizer_file | fuzz_torch) echo "$src/tests/fuzz/${1#fuzz_}" ;;
  *) echo "$src/tests/fuzz/plan $src/tests/cases $src/tests/errors $src/tests/zoo $src/models" ;;
  esac
}

cc=$(clang) && mkdir -p "$build/found" && source_tree && autotools &&
  build_in "$build" fuzz CC="$cc" --enable-sanitizers CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" || {
  echo "0 passed, 1 failed"
  exit 1
}
passed=0 failed=0
for target in "$build"/tests/fuzz/fuzz_*; do
  [ -x "$target" ] || continue
  name=$(basename "$target")
  mkdir -p "$build/corpus/$name"
  # shellcheck disable=SC2046
  if "$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$build/found/$name-" \
    "$build/corpus/$name" $(seeds "$name") >"$build/$name.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 40 "$build/$name.log"
  fi
  echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") inputs"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
