#!/bin/sh
# The standard measurements, as tables in Markdown: hidden states and training steps of BERT and BiGS, by bigsc and, in the same
# sitting, by what would be used instead (tools/peers/peers.py), as far as that is installed.
#   sh tools/bench.sh [-o FILE] [path/to/bigsc]
# -o: the tables go to the place in FILE between the lines `<!-- measured -->` and `<!-- /measured -->`, and to standard output.
# THREADS: threads (as many as there are processors).  PYTHON: a python3 that has onnxruntime and openvino; TORCH_PYTHON: one that has torch
# and onnx (the same).  PEERS=none: bigsc alone.  SMALL=1: models of two narrow layers, which show that all of it works.
set -eu
LC_ALL=C
export LC_ALL
root=$(cd "$(dirname "$0")/.." && pwd)
into=
[ "${1-}" != -o ] || { into=$2 && shift 2; }
bigsc=${1:-$root/bigsc}
threads=${THREADS:-$(nproc 2>/dev/null || echo 2)}
python=${PYTHON:-python3}
torch=${TORCH_PYTHON:-$python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bert="" bigs="-D H=768 -D I=3072 -D Depth=12 -D P=512" hidden="8,128 2,512 1,128 1,16" steps="8,128 2,512" small= repeat=
sizes_are="BERT is BERT-base, BiGS has 12 layers of 768, 3,072 inside."
if [ -n "${SMALL-}" ]; then
  bert="-D V=100 -D P=64 -D H=64 -D F=256 -D Heads=2 -D Depth=2" bigs="-D V=100 -D P=64 -D H=64 -D I=256 -D Depth=2"
  hidden=2,32 steps=2,32 small=--small repeat="--repeat 1"
  sizes_are="Both models have two layers of 64."
fi

# ---- measurements: lines of table, model, batch, length, column, value

say() { echo "bench.sh: $*" >&2; }
field() { # NAME LINE: of a line of JSON
  printf '%s\n' "$2" | sed -n "s/.*\"$1\": \\([0-9.eE+-]*\\).*/\\1/p"
}

ours() { # TABLE MODEL WHAT PRECISION SHAPE...
  table=$1 model=$2 what=$3 precision=$4
  shift 4
  eval "sizes=\$$model"
  for shape; do
    # shellcheck disable=SC2086  # words
    line=$("$bigsc" bench "$root/models/$model.mdl" $sizes $what $repeat -D "B=${shape%,*}" -D "L=${shape#*,}" --precision="$precision" \
      --threads "$threads" --json 2>>"$work/notes")
    at="$table $model ${shape%,*} ${shape#*,}"
    echo "$at bigsc-$precision $(field ms "$line")"
    [ "$precision" != f32 ] || echo "$at share $(awk "BEGIN { printf \"%.0f%%\", 100 * $(field share "$line") }")"
    echo "$at MiB-$precision $(field peak_mib "$line")"
  done >>"$work/cells"
}

# What a peer lacks is said once, and its column stays empty.
peer() { # TABLE MODEL COLUMN PYTHON ARGUMENTS...
  at="$1 $2" column=$3 with=$4
  shift 4
  if "$with" "$root/tools/peers/peers.py" --threads "$threads" $repeat $small "$@" >"$work/rows" 2>"$work/said"; then
    awk -v at="$at" -v column="$column" '{ print at, $1, $2, column, $3 }' "$work/rows" >>"$work/cells"
  else
    say "no $column: $(tail -n 1 "$work/said")"
  fi
}

measure() { # MODEL
  # shellcheck disable=SC2086
  {
    ours hidden "$1" "--entry hidden" f32 $hidden
    ours hidden "$1" "--entry hidden" bf16 $hidden
    ours hidden "$1" "--entry hidden" int8 $hidden
    ours step "$1" "--train pretrain" f32 $steps
    ours step "$1" "--train pretrain" bf16 $steps
    [ "${PEERS-}" != none ] || return 0
    peer hidden "$1" torch "$torch" torch "$1" hidden f32 $hidden
    peer hidden "$1" torch-compiled "$torch" torch "$1" hidden f32 --compile $hidden
    peer step "$1" torch "$torch" torch "$1" step f32 $steps
    peer step "$1" torch-compiled "$torch" torch "$1" step f32 --compile $steps
    peer step "$1" torch-bf16 "$torch" torch "$1" step bf16 $steps
    "$torch" "$root/tools/peers/peers.py" $small export "$1" "$work/$1.onnx" >"$work/rows" 2>"$work/said" ||
      { say "no ONNX file of $1: $(tail -n 1 "$work/said")" && return 0; }
    for dtype in f32 int8; do peer hidden "$1" "onnxruntime-$dtype" "$python" onnxruntime "$work/$1.onnx" $dtype $hidden; done
    for dtype in f32 bf16; do peer hidden "$1" "openvino-$dtype" "$python" openvino "$work/$1.onnx" $dtype $hidden; done
  }
}

# ---- tables

table() { # NAME TITLE COLUMNS...
  name=$1 title=$2
  shift 2
  awk -v name="$name" -v title="$title" -v columns="$*" 'BEGIN { n = split(columns, column, " "); label["bert"] = "BERT"
      label["bigs"] = "BiGS" }
    $1 == name { row = $2 " " $3 " " $4; if (!(row in seen)) { seen[row]; order[++rows] = row } value[row, $5] = $6; has[$5] }
    END { printf "| %s |", title; for (i = 1; i <= n; i++) if (column[i] in has) printf " %s |", heading(column[i]); printf "\n|---|"
      for (i = 1; i <= n; i++) if (column[i] in has) printf "---|"; print ""
      for (r = 1; r <= rows; r++) { split(order[r], w, " "); printf "| %s, %d x %d |", label[w[1]], w[2], w[3]
        for (i = 1; i <= n; i++) if (column[i] in has) printf " %s |", shown(value[order[r], column[i]])
        print "" } }
    function heading(s) { gsub(/-/, " ", s); return s }
    function shown(v) { return v == "" ? "" : v !~ /^[0-9.eE+]*$/ ? v : v < 100 ? sprintf("%.1f", v) : sprintf("%.0f", v) }' \
    "$work/cells"
}
version() { # PYTHON MODULE
  "$1" -c "import $2; print('$2', $2.__version__)" 2>/dev/null || :
}
report() {
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
  echo "Measured by \`make bench\`, $threads threads of: ${cpu:-an unknown processor}. Medians, in milliseconds. $sizes_are"
  versions=$("$bigsc" --version | head -n 1)
  [ "${PEERS-}" = none ] || for module in torch onnxruntime openvino; do
    with=$python && [ $module != torch ] || with=$torch
    versions="$versions$(version "$with" $module | sed 's/^/, /')"
  done
  echo "Versions: $versions."
  echo
  table hidden "hidden states, batch x length" bigsc-f32 share bigsc-bf16 bigsc-int8 torch torch-compiled onnxruntime-f32 onnxruntime-int8 openvino-f32 \
    openvino-bf16
  echo
  table step "a training step" bigsc-f32 share bigsc-bf16 torch torch-compiled torch-bf16 MiB-f32 MiB-bf16
  echo
  echo "\`share\`: of the peak of this machine's multiply-adds in float32 that \`bigsc\` measures in the same run. \`MiB\`: the most memory of the process."
  if grep -q 'other programs were running' "$work/notes"; then
    echo "**Other programs were running: these times mean little.**"
  fi
}
has_place() { # FILE
  grep -q '^<!-- measured -->$' "$1" && grep -q '^<!-- /measured -->$' "$1"
}
insert() { # FILE
  awk -v tables="$work/report" '/^<!-- \/measured -->$/ { inside = 0 } !inside { print }
    /^<!-- measured -->$/ { inside = 1; while ((getline line <tables) > 0) print line }' "$1" >"$work/file"
  cat "$work/file" >"$1"
}

[ -z "$into" ] || has_place "$into" || { say "$into has no place for the tables" && exit 1; }
: >"$work/cells"
: >"$work/notes"
for model in bert bigs; do measure $model; done
report >"$work/report"
cat "$work/report"
[ -z "$into" ] || insert "$into"
