#!/bin/sh
# The BiGS paper's questions at the size of two cores: four cells of equal parameters, BERT (a stack with attention), a stack with
# state-space models, gated layers with attention, BiGS (gated layers with state-space models), are pretrained on the same text for
# as many tokens, each with its own tuned rate, and fine-tuned on the tasks of tools/make_tasks.sh.
#   sh tools/study.sh [tiny|small|full] DIR
# tiny: a minute, it shows nothing.  small: two seeds, one budget, some tasks.  full: three seeds, three budgets, all tasks, long texts.
# DIR: made if it is not there.  Every measurement is one file of DIR/study with its numbers and commands; what is there is not made
# again, so a study that was stopped goes on, within a training run too.  At the end DIR/study.md is written from the logs.
# What is timed comes first and has the machine for itself.  Then the cells are made side by side: a model as small as these trains
# more tokens as four processes than as one of several threads.
# BIGSC: the bigsc to use (bigsc).  ONLY: a pattern of names of measurements, to make these alone ("pretrain-bigs-*").  CELL: one of
# the cells, to make its measurements alone, and no text about them.
set -eu
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
models=$(cd "$here/../models" && pwd)
bigsc=${BIGSC:-bigsc}
only=${ONLY:-*}
cells="bert stack gated bigs"
processors=$(nproc 2>/dev/null || echo 4)
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)

fail() {
  echo "study.sh: $2" >&2
  exit "$1"
}

[ $# = 1 ] || [ $# = 2 ] || fail 2 "usage: sh tools/study.sh [tiny|small|full] DIR"
size=small
[ $# = 1 ] || { size=$1 && shift; }
dir=$1

# steps: of budget 1.  rates, task_rates: tried; the latter on the task tried_on, where there are several.  tasks: NAME:classes:measure.  lengths: pretraining goes on at.  probe: lengths that are timed.
every="agreement:2:matthews classes:6:accuracy senses:2:f1 similarity:1:pearson definitions:2:f1 kinds:3:accuracy \
glosses:2:accuracy entailment:2:accuracy referents:2:accuracy"
case $size in
  tiny)
    width=16 heads=2 modes=4 depth=1 pieces=300 seeds=0 budgets=1 steps=10 rates="2e-3 4e-3" rows=50 task_steps=10
    tasks=glosses:2:accuracy task_rates="1e-3 2e-3" tried_on=glosses:2:accuracy lengths=128 long_steps=4 probe=128 probe_width=16 repeat=2 text_lines=4000 sources=wordnet sets=bible
    long_rows=5 long_bytes=2000 why_texts=3
    ;;
  small)
    width=128 heads=4 modes=32 depth=2 pieces=6000 seeds="0 1" budgets=1 steps=600 rates="4e-3" rows=1000 task_steps=150
    tasks="glosses:2:accuracy kinds:3:accuracy" task_rates="1e-3 4e-3" tried_on=kinds:3:accuracy lengths=512 long_steps=40 probe="128 512 2048" probe_width=768 repeat=9
    text_lines=99999999 sources="wordnet gcide bible" sets="bible linux"
    long_rows=200 long_bytes=99999999 why_texts=100
    ;;
  full)
    width=128 heads=4 modes=32 depth=2 pieces=6000 seeds="0 1 2" budgets="1 2.6 9" steps=1000 rates="1e-3 2e-3 4e-3 8e-3" rows=2000
    task_steps=250 tasks=$every task_rates="5e-4 1e-3 2e-3 4e-3" tried_on=kinds:3:accuracy lengths="512 4096" long_steps=120 probe="128 256 512 1024 2048 4096" probe_width=768 repeat=9
    text_lines=99999999 sources="wordnet gcide bible" sets="bible linux"
    long_rows=200 long_bytes=99999999 why_texts=100
    ;;
  *) fail 2 "$size: sizes are tiny, small and full" ;;
esac

case ${CELL-} in
  '' | bert | stack | gated | bigs) ;;
  *) fail 2 "$CELL: cells are $cells" ;;
esac

# ---- text and tasks

wordnet_text() { # a gloss a document
  cat /usr/share/wordnet/data.noun /usr/share/wordnet/data.verb /usr/share/wordnet/data.adj /usr/share/wordnet/data.adv |
    awk '/^[0-9]/ { i = index($0, " | "); if (i) print substr($0, i + 3) "\n" }'
}
gcide_text() { # ASCII but for some bytes that are not UTF-8
  gzip -dc </usr/share/dictd/gcide.dict.dz | tr -d '\200-\377'
}
bible_text() { # a chapter a document
  bible -f -l1000000 gen1:1-rev22:21 </dev/null | awk '{ split($1, at, ":"); if (at[1] != last && last) print ""; last = at[1]
    sub(/^[^ ]* /, ""); print }'
}
linux_files() { # a fourth of those of the kernel's documentation, with the subsystem's folder before each
  find -L /usr/share/doc/linux-doc*/Documentation -type f \( -name '*.rst' -o -name '*.rst.gz' \) |
    awk '{ path = $0; sub(/.*\/Documentation\//, ""); if (split($0, part, "/") > 1) print part[1] "\t" path }' | sort | awk 'NR % 4 == 1'
}

# The text of each whole document in one line, its class before it.
long_documents() { # bible|linux
  if [ "$1" = bible ]; then
    bible -f -l1000000 gen1:1-rev22:21 </dev/null |
      awk '{ book = $1; sub(/[0-9]+:[0-9]+$/, "", book); sub(/^[^ ]* /, ""); if (book != last) printf "%s%s\t", last ? "\n" : "", book
        last = book; printf "%s ", $0 } END { print "" }'
    return
  fi
  linux_files | while IFS="$(printf '\t')" read -r folder path; do
    printf '%s\t' "$folder"
    case $path in *.gz) gzip -dc <"$path" ;; *) cat "$path" ;; esac | tr -cd '\12\40-\176' | tr '\n' ' '
    echo
  done
}

# Rows of WORDS words of one class, of the CLASSES classes with the most; every fifth row of a class is for the dev file.
long_task() { # FOLDER bible|linux WORDS CLASSES
  mkdir -p "$1"
  long_documents "$2" | awk -F '\t' -v words="$3" -v rows=$long_rows '{ n = split($2, w, " ")
    for (i = 1; i <= n; i++) { text[$1] = text[$1] w[i] " "
      if (++count[$1] == words) { if (made[$1]++ < rows) print $1 "\t" text[$1]; text[$1] = ""; count[$1] = 0 } } }' >"$1/all"
  cut -f1 "$1/all" | sort | uniq -c | sort -k1,1nr -k2 | head -n "$4" | awk '{ print $2 }' >"$1/classes"
  awk -F '\t' -v folder="$1" 'NR == FNR { class[$1]; next }
    FNR == 1 { print "text\tlabel" >folder "/train.tsv"; print "text\tlabel" >folder "/dev.tsv" }
    $1 in class { print $2 "\t" $1 >folder (seen[$1]++ % 5 == 4 ? "/dev.tsv" : "/train.tsv") }' "$1/classes" "$1/all"
  rm "$1/all"
}

make_text() {
  for source in $sources; do "${source}_text" | head -n "$text_lines"; echo; done >"$dir/text.new"
  "$bigsc" vocab "$dir/text.new" -o "$dir/vocab.txt" --size "$pieces" -q
  for set in $sets; do long_documents "$set" | cut -f2 | cut -c "1-$long_bytes" | sed 'G' | head -n "$text_lines"; done >"$dir/long.txt"
  mv "$dir/text.new" "$dir/text.txt"
}
make_long_tasks() {
  for length in $lengths; do
    for set in $sets; do
      # Tokens of a word: of the bible's English, and of the kernel's.
      case $set in bible) words=$((length * 3 / 4)) classes=20 ;; linux) words=$((length / 3)) classes=12 ;; esac
      long_task "$dir/long.new/$set-$length" "$set" "$words" "$classes"
    done
  done
  mv "$dir/long.new" "$dir/long"
}

# ---- models

# Widths that make the four cells equal: a layer has 12 H^2 parameters, of which what mixes words has 4 H^2 in three cells and
# 5 H^2 in the gated one with attention.
cell_dims() {
  case $1 in
    bert) echo "stack false F = $((4 * width))" ;;
    stack) echo "stack true F = $((4 * width))" ;;
    gated) echo "gated false I = $((7 * width / 3 / 8 * 8))" ;;
    bigs) echo "gated true I = $((8 * width / 3 / 8 * 8))" ;;
  esac
}
write_tuning() { # NAME TARGET LOSS: the block that fine-tunes
  cat <<END

train $1 {
  data ids, types, mask, target : $2 = tsv("train.tsv")
  loss      = $3
  optimizer = adamw(beta: (0.9, 0.98), eps: 1e-6)
  rate      = 1e-3 * (warmup(10%) then linear(to: 0))
  decay = 0.01; clip = 1; batch = 32; steps = 600
  group @bias, @gain { decay = 0 }
  group @ssm { rate *= 0.1; decay = 0 }
}
END
}
# A gated stack has no norm at its end, as it was published: what comes out may be as large as it will, and a tanh of it learns nothing.
# So tasks see hidden states of length sqrt(H) in all cells; those of a stack with norms are about as long anyway.
write_model() { # FILE: stack|gated
  base=Stack
  [ "$1" = stack ] || base=Gated
  cat <<END

model Cell from $base {
  entry pooled : [B, H] = mean[L](hidden / sqrt(mean[H](hidden^2) + 1e-6), where: mask) |> pooler |> tanh
}
END
}
write_cell() { # one recipe for all: what differs are the layers, and the rate
  # shellcheck disable=SC2046  # words
  set -- "$1" $(cell_dims "$1")
  cat >"$dir/$1.mdl" <<END
use "$models/$2.mdl"
dim V = $pieces, P = 64, Labels = 2
dim H = $width, Heads = $heads, N = $modes, Depth = $depth, $4 = $6
let ssm = $3, std = 1 / sqrt($width)
tokenizer wordpiece("vocab.txt", lower: true, pad_to: P)
$(write_model "$2")

train study {
  data ids, mask, at : i32[M], labels : i32[M] = mlm_text("text.txt", rate: 0.15)
  loss      = mean(cross_entropy[V](head(gather[T](hidden[(B, L) as T], at), word.weight), labels))
  optimizer = adamw(beta: (0.9, 0.98), eps: 1e-6)
  rate      = 2e-3 * (warmup(10%) then linear(to: 0))
  decay = 0.01; clip = 1; batch = 32; steps = 1500
  group @bias, @gain { decay = 0 }
  group @ssm { rate *= 0.1; decay = 0 }
}
END
  write_tuning task "i32[B]" "mean(cross_entropy[Labels](scores, target))" >>"$dir/$1.mdl"
  write_tuning number "f32[B]" "mean((scores[Labels = 0] - target)^2)" >>"$dir/$1.mdl"
}

# ---- measurements

# Runs a command of bigsc's, and keeps it for the log.  What goes on gives the bits of the whole command, which is what is kept.
going_on=
run() {
  printf '"bigsc %s",\n' "$*" | sed "s,$dir/,,g; s,$models/,models/,g" >>"$work/commands"
  "$bigsc" "$@" $going_on --threads "$threads" 2>"$work/errors" || { status=$? && cat "$work/errors" >&2 && exit $status; }
}
# A training run in FOLDER, which goes on where it was stopped.
train() { # FOLDER ARGUMENTS...
  folder=$1 && shift
  if [ -e "$folder/state.json" ]; then going_on=--resume; else rm -rf "$folder"; fi
  run train "$@" --out "$folder" -q >/dev/null
  going_on=
}

# Seconds that processors have spent on this shell's commands, however long those waited.
processor_seconds() {
  times >"$work/times"
  awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, at, "m"); sum += 60 * at[1] + at[2] } printf "%.1f\n", sum }' "$work/times"
}

# Makes DIR/study/NAME.json: FIELDS, and what FUNCTION prints, pairs of JSON.
measure() { # NAME FIELDS FUNCTION ARGUMENTS...
  job=$1 fields=$2 && shift 2
  # shellcheck disable=SC2254  # a pattern
  case $job in $only) ;; *) return 0 ;; esac
  [ ! -s "$dir/study/$job.json" ] || return 0
  [ -z "${asking-}" ] || { echo "$job" && return; }
  processor_seconds >"$work/began"
  : >"$work/commands"
  echo "$job"
  "$@" >"$work/result"
  processor_seconds >"$work/ended"
  spent=$(paste "$work/began" "$work/ended" | awk '{ printf "%.1f", $2 - $1 }')
  {
    printf '{"name": "%s", "size": "%s", %s, "processor_seconds": %s, "cpu": "%s", ' "$job" "$size" "$fields" "$spent" "$cpu"
    printf '"commands": [%s], ' "$(tr -d '\n' <"$work/commands" | sed 's/,$//')"
    printf '%s}\n' "$(tr -d '\n' <"$work/result")"
  } >"$work/log"
  mv "$work/log" "$dir/study/$job.json"
}
number() { # FILE KEY: the number behind the key, the last of them: of a task with two dev files, of the second one
  sed -n "s/.*\"$2\": \([-+.0-9e]*\).*/\1/p" "$1" | head -n 1
}

pretrained() { # NAME CELL STEPS RATE SEED
  train "$dir/runs/$1" "$dir/$2.mdl" --train study --data "$dir/text.txt" --vocab "$dir/vocab.txt" --length 64 --steps "$3" \
    --set "rate=$4" --seed "$5" --eval-every "$3"
  printf '"held_out": '
  run eval "$dir/runs/$1" --data "$dir/text.txt" --json
}
best_rate() { # CELL
  for rate in $rates; do
    echo "$(number "$dir/study/rate-$1-$rate.json" loss) $rate"
  done | sort -g | awk 'NR == 1 { print $2 }'
}

tune() { # CELL: at budget 1, with a seed that no other run has
  for rate in $rates; do
    measure "rate-$1-$rate" "\"kind\": \"rate\", \"cell\": \"$1\", \"rate\": $rate" pretrained "rate-$1-$rate" "$1" "$steps" "$rate" 100
  done
}
# The rate at which a cell learns tasks, from the best of those runs; where there is a second dev file, by that, as the first chooses steps.
tune_tasks() { # CELL
  from=rate-$1-$(best_rate "$1")
  for rate in $task_rates; do
    measure "task-rate-$1-$rate" "\"kind\": \"task_rate\", \"cell\": \"$1\", \"task\": \"${tried_on%%:*}\", \"rate\": $rate" \
      tried "$from" "$1" "$rate"
  done
}
tried() { # FROM CELL RATE: what it goes on from may be gone
  [ -e "$dir/runs/$1/state.json" ] || pretrained "$1" "$2" "$steps" "${1#rate-*-}" 100 >/dev/null
  : >"$work/commands"
  of=${tried_on#*:}
  tuned "$dir/runs/$1" "$2" 100 "${tried_on%%:*}" "${of%%:*}" "${of#*:}" "$3"
}
has_task_rates() { # CELL
  for rate in $task_rates; do [ -s "$dir/study/task-rate-$1-$rate.json" ] || return 1; done
}
best_task_rate() { # CELL
  for rate in $task_rates; do
    echo "$(number "$dir/study/task-rate-$1-$rate.json" "${tried_on##*:}") $rate"
  done | sort -k1,1gr -k2,2g | awk 'NR == 1 { print $2 }'
}
parameters() { # CELL
  run inspect "$dir/$1.mdl" --json >"$work/inspected"
  printf '"parameters": %s' "$(number "$work/inspected" parameter_count)"
}
describe() { # CELL
  measure "cell-$1" "\"kind\": \"cell\", \"cell\": \"$1\"" parameters "$1"
}
pretrain() { # CELL SEED
  for rate in $rates; do [ -s "$dir/study/rate-$1-$rate.json" ] || return 0; done
  rate=$(best_rate "$1")
  for budget in $budgets; do
    name=$1-$budget-$2 about="\"cell\": \"$1\", \"budget\": $budget, \"seed\": $2"
    measure "pretrain-$name" "\"kind\": \"pretrain\", $about, \"rate\": $rate" \
      pretrained "pretrain-$name" "$1" "$(awk "BEGIN { print int($steps * $budget) }")" "$rate" "$2"
    measure "agree-$name" "\"kind\": \"agree\", $about" agreement "$dir/runs/pretrain-$name"
    measure "why-$name" "\"kind\": \"why\", $about" dependence "$dir/runs/pretrain-$name"
  done
}

# The verb that agrees, against the one that does not, by the number of nouns between subject and verb.
agreement() { # RUN
  printf '"share": ['
  comma=
  for nouns in 0 1 2 3; do
    awk -F '\t' -v n=$nouns 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "attractors") at = i } NR == 1 || $at == n' \
      "$dir/tasks/agreement/pairs.tsv" >"$work/pairs-$nouns.tsv"
    printf '%s' "$comma"
    comma=", "
    run score "$1" "$work/pairs-$nouns.tsv" --json
  done
  printf ']'
}

tuned() { # RUN CELL SEED TASK CLASSES MEASURE RATE
  block=task dev=dev
  [ "$6" != pearson ] || block=number
  [ "$4" != kinds ] || dev=dev_matched
  out=$dir/tuned/$2-$3-$4
  train "$out" "$dir/$2.mdl" --train $block -D "Labels=$5" --weights "$1" --fresh-head --data "$dir/tasks/$4/train.tsv" --length 64 \
    --dev "$dir/tasks/$4/$dev.tsv" --best "$6" --eval-every $((task_steps / 5)) --steps "$task_steps" --seed "$3" --set "rate=$7"
  printf '"dev": '
  run eval "$out/best" --data "$dir/tasks/$4/$dev.tsv" --json
  case $4 in
    kinds) printf ', "mismatched": ' && run eval "$out/best" --data "$dir/tasks/kinds/dev_mismatched.tsv" --json ;;
    glosses) printf ', "adversarial": ' && run eval "$out/best" --data "$dir/tasks/glosses/adversarial.tsv" --json ;;
  esac
  rm -rf "$out"
}
fine_tune() { # CELL SEED: what was pretrained longest
  has_task_rates "$1" || return 0
  rate=$(best_task_rate "$1")
  for task in $tasks; do
    measure_of=${task##*:} rest=${task%:*}
    measure "task-${task%%:*}-$1-$2" \
      "\"kind\": \"task\", \"cell\": \"$1\", \"task\": \"${task%%:*}\", \"seed\": $2, \"measure\": \"$measure_of\", \"rate\": $rate" \
      tuned "$dir/runs/pretrain-$1-${budgets##* }-$2" "$1" "$2" "${task%%:*}" "${rest#*:}" "$measure_of" "$rate"
  done
}

# How much the likeliest word for a mask in the middle of a gloss loses without each word around it, by distance.
dependence() { # RUN
  awk -F '\t' -v n="$why_texts" 'NR > 1 && (k = split($3, w, " ")) >= 12 && k <= 40 && done++ < n { w[int(k / 2)] = "[MASK]"
    for (i = 1; i <= k; i++) printf "%s%s", w[i], i < k ? " " : "\n" }' "$dir/tasks/glosses/train.tsv" >"$work/masked.txt"
  run fill "$1" - --why --json <"$work/masked.txt" >"$work/why.json"
  printf '"change": ['
  sed 's/{"token"/\n&/g' "$work/why.json" | sed -n 's/.*"change": \([-+.0-9e]*\), "distance": \(-*[0-9]*\).*/\1 \2/p' |
    awk '{ by[$2] += $1 < 0 ? -$1 : $1; n[$2]++ } END { for (d = -8; d <= 8; d++) if (n[d])
      printf "%s{\"distance\": %d, \"nats\": %.6f}", comma, d, by[d] / n[d], comma = ", " }'
  printf ']'
}

# ---- long texts: pretraining goes on at a greater length, then which book, which subsystem

longer() { # NAME CELL FROM LENGTH SEED
  train "$dir/runs/$1" "$dir/$2.mdl" --train study -D "P=$4" --weights "$dir/runs/$3" --extend position=tile --data "$dir/long.txt" \
    --vocab "$dir/vocab.txt" --length "$4" --batch $((8192 / $4)) --steps "$long_steps" --seed "$5" --eval-every "$long_steps" \
    --set "rate=5e-4"
  printf '"held_out": '
  run eval "$dir/runs/$1" --data "$dir/long.txt" --json
}
located() { # RUN CELL LENGTH SET CLASSES SEED RATE
  out=$dir/tuned/$2-$4-$3-$6
  train "$out" "$dir/$2.mdl" --train task -D "P=$3" -D "Labels=$5" --weights "$1" --fresh-head --data "$dir/long/$4-$3/train.tsv" \
    --length "$3" --batch $((8192 / $3)) --dev "$dir/long/$4-$3/dev.tsv" --best accuracy --eval-every "$long_steps" --steps "$long_steps" \
    --seed "$6" --set "rate=$7"
  printf '"dev": '
  run eval "$out/best" --data "$dir/long/$4-$3/dev.tsv" --json
  rm -rf "$out"
}
lengthen() { # CELL SEED
  from=pretrain-$1-${budgets##* }-$2
  for length in $lengths; do
    about="\"cell\": \"$1\", \"length\": $length, \"seed\": $2"
    measure "long-$length-$1-$2" "\"kind\": \"long\", $about" longer "long-$length-$1-$2" "$1" "$from" "$length" "$2"
    from=long-$length-$1-$2
    has_task_rates "$1" || continue
    for set in $sets; do
      classes=$(wc -l <"$dir/long/$set-$length/classes")
      measure "which-$set-$length-$1-$2" "\"kind\": \"which\", \"set\": \"$set\", \"classes\": $classes, $about" \
        located "$dir/runs/$from" "$1" "$length" "$set" "$classes" "$2" "$(best_task_rate "$1")"
    done
  done
}

# ---- arithmetic and time by length, of the paper's layers at the width of BERT-base, two of them

timed() { # CELL LENGTH
  # shellcheck disable=SC2046  # words
  set -- "$1" "$2" $(w=$width && width=$probe_width && cell_dims "$1" && width=$w)
  printf '"bench": '
  run bench "$models/$3.mdl" -D "ssm=$4" -D "H=$probe_width" -D "$5=$7" -D "Heads=$((probe_width / 64 + (probe_width < 64)))" -D N=64 \
    -D Depth=2 -D "V=$pieces" -D "P=$2" --entry hidden -D "L=$2" -D "B=$((4096 / $2))" --repeat "$repeat" --json
}
time_lengths() { # CELL
  for length in $probe; do
    measure "time-$length-$1" "\"kind\": \"time\", \"cell\": \"$1\", \"length\": $length" timed "$1" "$length"
  done
}

# ---- pictures: losses of the longest runs of the first seed, their SSM kernels, and tables that study.awk wrote

longest_run() { echo "$dir/runs/pretrain-$1-${budgets##* }-${seeds%% *}"; } # CELL
draw_losses() {
  set --
  for cell in $cells; do
    run=$(longest_run "$cell")
    [ ! -e "$run/state.json" ] || set -- "$@" "$run"
  done
  [ $# = 0 ] || "$bigsc" plot "$@" --x tokens -o "$dir/study/losses.svg" -q
}
draw_kernels() { # of a page about the run the drawings, as files of their own
  for cell in stack bigs; do
    run=$(longest_run "$cell")
    [ -e "$run/state.json" ] || continue
    "$bigsc" report "$run" -o "$dir/page.html" -q
    awk -v name="$dir/study/kernels-$cell" '/<figure class="kernels">/ { n++ } !n { next }
      sub(/<svg /, "<svg xmlns=\"http://www.w3.org/2000/svg\" ") { inside = 1 } inside { print >(name "-" n ".svg") } /<\/svg>/ { inside = 0 }' "$dir/page.html"
    rm "$dir/page.html"
  done
}
draw_table() { # NAME Y ARGUMENTS...
  name=$1 y=$2 && shift 2
  [ ! -s "$dir/study/$name.tsv" ] || "$bigsc" plot "$dir/study/$name.tsv" --y "$y" "$@" -o "$dir/study/$name.svg" -q
}

# ---- the order of things

working_folder() { # NAME
  work=$dir/work-$1
  rm -rf "$work"
  mkdir "$work"
}
of_seed() { # CELL SEED
  pretrain "$1" "$2"
  fine_tune "$1" "$2"
  lengthen "$1" "$2"
}
# Logs may be all that is left of an earlier study: where something is missing, the runs that it may go on from are made again.
without_runs() { # CELL SEED
  for log in "$dir/study/pretrain-$1-"*"-$2.json" "$dir/study/long-"*"-$1-$2.json"; do
    [ -e "$dir/runs/$(basename "$log" .json)/state.json" ] || rm -f "$log"
  done
}
# Seeds one after the other, so that a study that is not finished says something of every question.
make_cell() { # CELL
  working_folder "$1"
  write_cell "$1"
  threads=$(((processors + 3) / 4))
  tune "$1"
  tune_tasks "$1"
  for seed in $seeds; do
    [ -n "$(asking=yes && of_seed "$1" "$seed")" ] || continue
    without_runs "$1" "$seed"
    of_seed "$1" "$seed"
  done
  rm -r "$work"
}
make_alone() { # what has the machine for itself
  working_folder alone
  threads=$processors
  for cell in $cells; do
    write_cell "$cell"
    describe "$cell"
    time_lengths "$cell"
  done
  rm -r "$work"
}
write_study() {
  draw_losses
  draw_kernels
  find "$dir/study" -name '*.json' | sort -V | xargs cat | awk -v folder="$dir/study" -f "$here/study.awk" >"$dir/study.new"
  draw_table agreement "percent right"
  draw_table dependence "nats"
  draw_table times "microseconds a token" --log x
  mv "$dir/study.new" "$dir/study.md"
  echo "$dir/study.md"
}

for package in wordnet-base:/usr/share/wordnet/data.noun dict-gcide:/usr/share/dictd/gcide.dict.dz bible-kjv:/usr/bin/bible; do
  [ -r "${package#*:}" ] || fail 3 "${package#*:} is missing; Debian's package ${package%%:*} has it"
done
case $sets in *linux*) [ -n "$(linux_files)" ] || fail 3 "the kernel's documentation is missing; Debian's package linux-doc has it" ;; esac
"$bigsc" --version >/dev/null || fail 3 "$bigsc does not run: BIGSC names the bigsc to use"
mkdir -p "$dir/study" "$dir/runs" "$dir/tuned"
dir=$(cd "$dir" && pwd)
[ -s "$dir/text.txt" ] || make_text
[ -d "$dir/tasks" ] || sh "$here/make_tasks.sh" "$dir/tasks" "$rows"
[ -d "$dir/long" ] || { rm -rf "$dir/long.new" && make_long_tasks; }
if [ -n "${CELL-}" ]; then
  make_cell "$CELL"
  exit
fi
make_alone
echo "$cells" | tr ' ' '\n' | xargs -I '{}' -P 4 env BIGSC="$bigsc" ONLY="$only" CELL='{}' sh "$here/study.sh" "$size" "$dir" ||
  fail 1 "what was measured is kept, and the same command goes on"
write_study
