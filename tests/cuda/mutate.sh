#!/bin/sh
# Planted errors: does the comparison of suite cuda_models see them?  Every kernel of a small BERT is changed in one place at
# a time (mutate.awk), and each such model computes, has its gradients taken and is trained, in five orders of threads.
#   sh tests/cuda/mutate.sh [N]       every N-th mutant (1)
# RUNNER: the program of the unit tests (build/check/plain/tests/runner).  WORK: a folder (a new one).  JOBS: at once.
# A mutant may get past: a largest number that only keeps powers in range, say.  Nine in ten must not.
# Prints the mutants that nothing saw, those that are equal programs by their reason, `N of M found`, and a line of totals.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
runner=${RUNNER:-$root/build/check/plain/tests/runner}
work=${WORK:-$(mktemp -d)}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
each=${1:-1}
srcdir=$root
export srcdir

# Mutants FIRST to BEHIND of work/kernels.so: the numbers of those that are found, into a file.
range() {
  BIGSC_CUDA_MUTANTS=$work/kernels.so BIGSC_CUDA_MUTANTS_RANGE="$1 $2" "$runner" cuda_models >"$work/log.$1" 2>&1
  sed -n 's/.*:cuda_models:mutant:\([0-9]*\):.*/\1/p' "$work/log.$1"
}

give_up() {
  echo "mutate.sh: $1" >&2
  echo "0 passed, 1 failed"
  exit 1
}

command -v g++ >/dev/null || { echo "mutate.sh: skipped, g++ is not installed" && echo "0 passed, 0 failed" && exit; }
BIGSC_CUDA_MUTANTS_TEXT=$work/kernels.cu "$runner" cuda_models >"$work/log" 2>&1 || give_up "$(cat "$work/log")"
cp "$work/kernels.cu" "$work/mutants.cu"
awk -v list="$work/all" -v each="$each" -f "$root/tests/cuda/mutate.awk" "$work/kernels.cu" >>"$work/mutants.cu"
g++ -std=c++17 -O1 -ffp-contract=off -w -I"$root" -include "$root/tests/cuda/shim.h" -x c++ "$work/mutants.cu" -shared -fPIC \
  -o "$work/kernels.so" || give_up "the mutants do not compile"
range 0 1 >/dev/null
grep -q "^1 passed, 0 failed" "$work/log.0" || give_up "the kernels are wrong as they are: $(cat "$work/log.0")"
all=$(wc -l <"$work/all")
part=$((all / jobs + 1))
first=1
while [ "$first" -le "$all" ]; do
  behind=$((first + part))
  [ "$behind" -le $((all + 1)) ] || behind=$((all + 1))
  range "$first" "$behind" >"$work/found.$first" &
  first=$behind
done
wait
cat "$work"/found.* | sort -n | uniq >"$work/found"
awk -F '\t' '
  NR == FNR { found[$1] = 1; next }
  FNR in found { seen++; if ($2 != "") print "taken for an equal program, and found: " $0; next }
  $2 != "" { equal[$2]++; next }
  { missed++; print "not found: " $1 " of " $3 ": " $4 }
  END {
    for (why in equal) print equal[why] " " why
    print seen + 0 " of " seen + missed " found"
  }' "$work/found" "$work/all" | tee "$work/report"
awk '/ of .* found$/ { good = $1 >= 0.9 * $3 && $3 > 0 } END { print good + 0 " passed, " 1 - good " failed"; exit !good }' "$work/report"
