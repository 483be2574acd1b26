#!/bin/sh
# The standard measurements, as a table: share of the multiply-add peak that each run measures for itself.
#   sh tools/bench.sh [path/to/bigsc]
# THREADS: threads (all that the process may use).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
bigsc=${1:-$root/bigsc}
threads=${THREADS:-0}

# One field of a line of JSON.
field() {
  printf '%s\n' "$2" | sed -n "s/.*\"$1\": \\([0-9.eE+-]*\\).*/\\1/p"
}

# row NAME ARGUMENT...
row() {
  name=$1
  shift
  line=$("$bigsc" bench "$@" --threads "$threads" --json)
  printf '%-22s %10s %10s %9s %9s %6.1f %% %9s\n' "$name" "$(field ms "$line")" "$(field ms_min "$line")" "$(field gflop_s "$line")" \
    "$(field peak_gflop_s "$line")" "$(awk "BEGIN { print 100 * $(field share "$line") }")" "$(field peak_mib "$line")"
}

printf '%-22s %10s %10s %9s %9s %8s %9s\n' "" "ms" "least ms" "GFLOP/s" "peak" "share" "MiB"
for length in 128 512; do
  batch=$((1024 / length))
  row "BERT hidden L=$length" "$root/models/bert.mdl" --entry hidden -D B=$batch -D L=$length
  row "BERT step   L=$length" "$root/models/bert.mdl" --train pretrain -D B=$batch -D L=$length
  row "BiGS hidden L=$length" "$root/models/bigs.mdl" -D H=768 -D I=3072 -D Depth=12 -D P=512 --entry hidden -D B=$batch -D L=$length
  row "BiGS step   L=$length" "$root/models/bigs.mdl" -D H=768 -D I=3072 -D Depth=12 -D P=512 --train pretrain -D B=$batch -D L=$length
done
