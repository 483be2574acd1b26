#!/bin/sh
# Line and branch coverage of the unit tests and of the command line's: the worst files first, then the totals of all.  Needs gcc
# and its gcov, nothing else.  95 % of the lines and 85 % of the branches are wanted; nothing fails on it.
#   sh tools/coverage.sh
# BUILD: the folder to build in (build/coverage).  JOBS: parallel jobs.  WORST: how many files to show (20).  LIST=codegen/loop
# shows each line of the files whose names begin so that was never run, or that has branches never taken.  AGAIN=no runs nothing:
# the figures of the last run.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/coverage}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"

# From gcov's annotated sources.  A line that several units compile (a header's, or one of a file built per instruction set)
# counts once, with the best that any of them reached.  Left out, by this one rule, is what only a mistake of our own reaches: a
# line that calls BUG( or CHECK(, and the branches of the `if` or the `for` right above a line that begins with BUG(.
sums() {
  awk -v worst="${WORST:-20}" -v list="${LIST:-}" -v root="$src" '
    function ours(f) { return f ~ /^(base|codegen|compiler|graph|runtime)\/.*\.[ch]$/ }
    function shown(f, at, what, text) { printf "%s:%05d: %s: %s\n", f, at, what, text | "sort" }
    function best(t, key, n) { if (!(key in t) || n > t[key]) t[key] = n }
    /^ +-: +0:Source:/ { file = $0; sub(/^[^S]*Source:/, "", file); sub(root "/", "", file); keep = ours(file); next }
    !keep { next }
    /^branch/ { best(branch, place SUBSEP nth++, / taken [1-9]/ ? 1 : 0); next }
    /^ *[-#=0-9*]+: *[0-9]+:/ {
      count = $0; sub(/:.*/, "", count)
      at = $0; sub(/^[^:]*: */, "", at); text = at; sub(/:.*/, "", at); sub(/^[0-9]*:/, "", text)
      place = file SUBSEP at; nth = 0
      if (text ~ /(BUG|CHECK)\(/) bug[place]
      if (text ~ /^ *BUG\(/ && above_text ~ /^ *([}] else )?(if|for) \(/) guard[above]
      above = place; above_text = text
      if (count !~ /-/) { best(line, place, count ~ /[1-9]/ ? 1 : 0); source[place] = text }
    }
    END {
      for (p in line) {
        split(p, a, SUBSEP)
        if (p in bug) continue
        lines[a[1]]++; lh[a[1]] += line[p]
        if (list && index(a[1], list) == 1 && !line[p]) shown(a[1], a[2], "never", source[p])
      }
      for (p in branch) {
        split(p, a, SUBSEP); at = a[1] SUBSEP a[2]
        if ((at in bug) || (at in guard)) continue
        branches[a[1]]++; bh[a[1]] += branch[p]; missed[at] += !branch[p]
      }
      if (list) for (p in missed) {
        split(p, a, SUBSEP)
        if (missed[p] && line[p] && index(a[1], list) == 1) shown(a[1], a[2], missed[p] " branches not", source[p])
      }
      if (list) close("sort")
      for (f in lines) {
        L += lines[f]; LH += lh[f]; B += branches[f]; BH += bh[f]
        printf "%6.1f %6.1f %6d %6d  %s\n", 100 * lh[f] / lines[f], branches[f] ? 100 * bh[f] / branches[f] : 100,
          lines[f] - lh[f], branches[f] - bh[f], f | ("sort -k3,3nr -k4,4nr | head -n " worst)
      }
      close("sort -k3,3nr -k4,4nr | head -n " worst)
      printf "lines %.1f %% of %d, branches %.1f %% of %d\n", 100 * LH / L, L, 100 * BH / B, B
    }'
}

figures() {
  (cd "$build" && find base codegen compiler graph runtime -name '*.gcno' -exec gcov -t -b -c {} + 2>/dev/null) | sums
}

# All but those of the sources' looks and of an installation, which make no program that is measured.
tests_of_cli() {
  set --
  for file in "$src"/tests/cli/*.test; do
    case $file in */source.test | */install.test) ;; *) set -- "$@" "$file" ;; esac
  done
  BIGSC=$build/bigsc sh "$src/tests/cli/run.sh" "$@"
}

# As the sanitizers' flags these leave libbigsrt.a alone, which compiled models are linked with.  Tests are fast: not measured.
build_all() {
  autotools
  build_in "$build" "all SAN_CFLAGS=--coverage" CC=gcc CFLAGS="-O0 -g" CPPFLAGS=-DBIGSC_COVERAGE
  build_in "$build" "tests/runner CFLAGS=-O2 SAN_CFLAGS= LDFLAGS=--coverage"
}

# gcov's files are locked while a process adds its counts: both may run at once.
run_all() {
  find "$build" -name '*.gcda' -exec rm -f {} +
  tests_of_cli >"$build/cli.log" 2>&1 &
  cli=$!
  (cd "$build" && srcdir=$src builddir=$build ./tests/runner) >"$build/unit.log" 2>&1 ||
    echo "unit tests failed: see $build/unit.log"
  wait $cli || echo "tests of the command line failed: see $build/cli.log"
  tail -qn 1 "$build/unit.log" "$build/cli.log"
}

mkdir -p "$build"
source_tree
if [ "${AGAIN:-yes}" = yes ]; then
  build_all
  run_all
fi
echo " lines branch  lines  branches"
echo "     %      %  missed   missed file"
figures
