#!/bin/sh
# Line and branch coverage of the unit tests and of the command line's: the worst files first, then the totals of all.  Needs gcc
# and its gcov, nothing else.  95 % of the lines and 85 % of the branches are wanted; nothing fails on it.
#   sh tools/coverage.sh
# BUILD: the folder to build in (build/coverage).  JOBS: parallel jobs.  WORST: how many files to show (20).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/coverage}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"

# gcov's blocks `File '...'`, `Lines executed:P% of N`, `Taken at least once:P% of N`.  Of a header, which
# many files include, the best share counts.
sums() {
  awk -v worst="${WORST:-20}" '
    /^File / { file = $2; gsub("\x27", "", file); sub(".*/\\.\\./", "", file); next }
    /^(Calls executed|No calls)/ { file = "" } # the last of a file: sums of all may follow
    file && /^Lines executed:/ { split($0, a, /[:% ]+/); n = $NF; hit = a[3] * n / 100
      if (!(file in lines) || hit > line_hit[file]) { lines[file] = n; line_hit[file] = hit } }
    file && /^Taken at least once:/ { split($0, a, /:|%/); n = $NF; hit = a[2] * n / 100
      if (!(file in branches) || hit > branch_hit[file]) { branches[file] = n; branch_hit[file] = hit } }
    END {
      for (f in lines) {
        if (f !~ /^(base|codegen|compiler|graph|runtime)\/.*\.[ch]$/) continue
        ln += lines[f]; lh += line_hit[f]; bn += branches[f]; bh += branch_hit[f]
        printf "%6.1f %6.1f %6d  %s\n", 100 * line_hit[f] / lines[f], branches[f] ? 100 * branch_hit[f] / branches[f] : 100, lines[f], f | ("sort -n | head -n " worst)
      }
      close("sort -n | head -n " worst)
      printf "lines %.1f %% of %d, branches %.1f %% of %d\n", 100 * lh / ln, ln, 100 * bh / bn, bn
    }'
}

mkdir -p "$build"
source_tree
autotools
# As the sanitizers' flags these leave libbigsrt.a alone, which compiled models are linked with.
build_in "$build" "all tests/runner SAN_CFLAGS=--coverage" CC=gcc CFLAGS="-O0 -g"
find "$build" -name '*.gcda' -exec rm -f {} +
(cd "$build" && srcdir=$src builddir=$build ./tests/runner) | tail -n 1
BIGSC=$build/bigsc sh "$src/tests/cli/run.sh" | tail -n 1
echo " lines branches  of  file"
(cd "$build" && find base codegen compiler graph runtime -name '*.gcda' -exec gcov -n -b {} +) 2>/dev/null | sums
