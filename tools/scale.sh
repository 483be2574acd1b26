#!/bin/sh
# Training on one, two and four ranks of this machine, by bigsc and, in the same sitting, by PyTorch's DistributedDataParallel over gloo
# (tools/peers/peers.py): milliseconds and bytes of a step, as a table in Markdown.
#   sh tools/scale.sh [-o FILE] [path/to/bigsc]
# -o: the table goes to the place in FILE between the lines `<!-- measured -->` and `<!-- /measured -->`, and to standard output.
# THREADS: threads in all, shared by the ranks (as many as there are processors).  MPIRUN: what starts ranks.  TORCH_PYTHON: a python3 that
# has torch.  PEERS=none: bigsc alone.  SMALL=1: a model of two narrow layers, which shows that all of it works.
set -eu
LC_ALL=C OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export LC_ALL OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
root=$(cd "$(dirname "$0")/.." && pwd)
into=
[ "${1-}" != -o ] || { into=$2 && shift 2; }
bigsc=${1:-$root/bigsc}
threads=${THREADS:-$(nproc 2>/dev/null || echo 2)}
mpirun=${MPIRUN:-mpirun --oversubscribe --bind-to none}
torch=${TORCH_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A run ends with a checkpoint, to which rank 0 sends nothing.
sizes="V=8000,P=512,H=256,F=1024,Heads=4,Depth=4" rows=32 length=128 steps=24
[ -z "${SMALL-}" ] || sizes="V=200,P=64,H=64,F=256,Heads=2,Depth=2" rows=8 length=32 steps=4

say() { echo "scale.sh: $*" >&2; }

train() { # RANKS STEPS
  # shellcheck disable=SC2046,SC2086  # words
  $mpirun -n "$1" "$bigsc" train "$root/models/bert.mdl" $(echo "$sizes" | sed 's/[^,]*/-D &/g; s/,/ /g') --train pretrain \
    --data "$work/text.txt" --vocab "$work/vocab.txt" --batch $rows --length $length --pieces 4 --steps "$2" --eval-every "$2" \
    --log-every 1 --threads "$(of_each "$1")" --out "$work/run-$1-$2" -q >"$work/said" 2>&1 || { cat "$work/said" >&2 && exit 1; }
}
of_each() { # RANKS: threads of one
  echo $((threads > $1 ? threads / $1 : 1))
}

# The median of milliseconds a step, the first one apart.
milliseconds() { # LOG
  sed -n 's/.*"loss": .*"seconds": \([0-9.e+-]*\).*/\1/p' "$1" | awk 'NR > 1 { print 1000 * ($1 - before) } { before = $1 }' | sort -n |
    awk '{ ms[NR] = $1 } END { if (NR < 2) exit 1; printf "%.1f\n", (ms[int((NR + 1) / 2)] + ms[int(NR / 2) + 1]) / 2 }' ||
    { say "$1 has less than two steps" && exit 1; }
}
sent() { # LOG: bytes that rank 0 has sent
  awk '/"event": *"end"/ { ended = 1; if (match($0, /"sent": *[0-9]+/)) n = substr($0, RSTART + 7, RLENGTH - 7) } END { print n + 0; exit !ended }' "$1"
}
# Milliseconds a step, and bytes of the steps after the first one: what the start sends is not theirs.
ours() { # RANKS
  train "$1" 1 && train "$1" $steps
  ms=$(milliseconds "$work/run-$1-$steps/log.jsonl")
  first=$(sent "$work/run-$1-1/log.jsonl")
  all=$(sent "$work/run-$1-$steps/log.jsonl")
  echo "$ms $(((all - first) / (steps - 1)))"
}
theirs() { # RANKS
  [ "${PEERS-}" != none ] || return 0
  "$torch" "$root/tools/peers/peers.py" --threads "$threads" --dims "$sizes" --repeat $steps ddp bert "$1" $rows,$length >"$work/rows" 2>"$work/said" ||
    { say "no PyTorch: $(tail -n 1 "$work/said")" && return 0; }
  cut -d ' ' -f 3- "$work/rows"
}
has_place() { # FILE
  grep -q '^<!-- measured -->$' "$1" && grep -q '^<!-- /measured -->$' "$1"
}
insert() { # FILE
  awk -v tables="$work/report" '/^<!-- \/measured -->$/ { inside = 0 } !inside { print }
    /^<!-- measured -->$/ { inside = 1; while ((getline line <tables) > 0) print line }' "$1" >"$work/file"
  cat "$work/file" >"$1"
}
report() {
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
  versions=$("$bigsc" --version | head -n 1)
  [ "${PEERS-}" = none ] || versions=$versions$("$torch" -c 'import torch; print(", torch", torch.__version__)' 2>/dev/null || :)
  echo "Measured by \`make scale\` on one machine of $(nproc) processors: ${cpu:-an unknown one}. BERT with $(echo "$sizes" | sed 's/,/, /g'), \
$rows rows of $length tokens a step, in 4 pieces. Medians of $((steps - 1)) steps, in milliseconds. $versions."
  echo
  echo "| ranks x threads | ms | tokens/s | MB that rank 0 sends a step | DistributedDataParallel, ms | tokens/s | MB that a rank sends a step |"
  echo "|---|---|---|---|---|---|---|"
  awk -v tokens=$((rows * length)) 'function cell(v) { return v == "" ? " |" : " " v " |" }
    function speed(ms) { return ms == "" ? "" : sprintf("%.0f", 1000 * tokens / ms) }
    { print "| " $1 " x " $2 " |" cell($3) cell(speed($3)) cell(sprintf("%.3f", $4 / 1e6)) cell($5) cell(speed($5)) cell($6 == "" ? "" : sprintf("%.3f", $6 / 1e6)) }' \
    "$work/cells"
}

[ -z "$into" ] || has_place "$into" || { say "$into has no place for the table" && exit 1; }
cat "$root"/*.md "$root"/docs/*.md >"$work/text.txt"
"$bigsc" vocab "$work/text.txt" -o "$work/vocab.txt" --size "$(echo "$sizes" | sed 's/V=\([0-9]*\).*/\1/')" -q
for ranks in 1 2 4; do
  mine=$(ours $ranks)
  others=$(theirs $ranks)
  echo "$ranks $(of_each $ranks) $mine $others"
done >"$work/cells"
report >"$work/report"
cat "$work/report"
[ -z "$into" ] || insert "$into"
