#!/bin/sh
# Nine minutes on a machine with a GPU: is it right there, and how fast?
#
#   sh tests/gpu/run.sh [--small] [FOLDER]
#
# It needs this repository, or of it models/ and tests/, and a `bigsc` for this machine: BIGSC names it, else it is ./bigsc or
# build/*/bigsc of the repository.  A copied one needs the libraries that it was linked with
# (LLVM's) beside it or installed.  It needs NVIDIA's driver and libnvrtc.so.13 or .12, with libnvrtc-builtins beside it; cuBLASLt, compute-sanitizer and
# python3 with torch are used where they are there.  Nothing is changed outside of FOLDER (gpu-run) and of the cache in it.
#
# What it does is printed as it goes: each part has a time limit of its own, and a part that fails or takes too long is a row of the
# table that comes last, which is also FOLDER/table.txt.  The exit status is 1 when a value was wrong.
#
# --small: tiny sizes, to try the script itself, also with a driver that is a fake (BIGSC_LIBCUDA).
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
root=$(cd "$here/../.." && pwd) || exit 1
small=
[ "${1-}" != --small ] || { small=1 && shift; }
out=${1:-gpu-run}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1

for b in "${BIGSC-}" "$root/bigsc" "$root"/build/*/bigsc; do
  [ -x "$b" ] && BIGSC=$b && break
done
[ -x "${BIGSC-}" ] || { echo "run.sh: there is no bigsc: build it, or name it by BIGSC" >&2 && exit 1; }
case $BIGSC in /*) ;; *) BIGSC=$PWD/$BIGSC ;; esac
XDG_CACHE_HOME=$out/cache
export BIGSC XDG_CACHE_HOME
models=$root/models
# What the tests of the commands write with: safetensors, write_corpus.
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"
cd "$out" || exit 1

some="bert bigs"
[ -z "$small" ] || some=bert

# ---- time and the table

start=$(date +%s)
limit=540
wrong=0
: >table.txt

left() {
  echo $((limit - $(date +%s) + start))
}

say() {
  printf '%4d s  %s\n' $(($(date +%s) - start)) "$*"
}

# row PART WHAT RESULT
row() {
  printf '%-10s %-46s %s\n' "$1" "$2" "$3" >>table.txt
  say "$1: $2: $3"
}

bad() {
  wrong=$((wrong + 1))
  row "$1" "$2" "WRONG: $3"
}

# within SECONDS COMMAND...: at most so long, and no longer than is left of all; its output is in log.txt.
within() {
  most=$(left)
  [ "$most" -gt "$1" ] && most=$1
  shift
  [ "$most" -gt 2 ] || { echo "no time is left" >log.txt && return 124; }
  timeout "$most" "$@" >log.txt 2>&1
}

# Why the last command within its time failed, in a line.
why() {
  case $1 in
  124) echo "took too long" ;;
  *) echo "status $1: $(tail -n 1 log.txt | cut -c 1-150)" ;;
  esac
}

gpu() {
  seconds=$1
  shift
  within "$seconds" "$BIGSC" "$@" --target=cuda
}

# ---- values

# differ A B: the largest difference of float32 data, as a share of the largest number there.
differ() {
  a=$(od -An -tu4 -N4 "$1" | tr -d ' ')
  od -An -v -w4 -tf4 -j $((a + 8)) "$1" >a.txt
  od -An -v -w4 -tf4 -j $((a + 8)) "$2" >b.txt
  paste a.txt b.txt | awk '
    { d = $1 - $2; if (d < 0) d = -d; if (!(d <= most)) most = d; m = $1 < 0 ? -$1 : $1; if (m > size) size = m }
    NF != 2 { odd = 1 }
    END { if (odd || !NR) print "other sizes"; else printf "%.2g\n", most / (size > 1e-3 ? size : 1e-3) }'
}

# batch FILE B L M V: ids, masked places, what stood there
batch() {
  n=$(($2 * $3))
  # shellcheck disable=SC2046
  safetensors "$1" "{\"ids\":{\"dtype\":\"I32\",\"shape\":[$2,$3],\"data_offsets\":[0,$((4 * n))]},\
\"at\":{\"dtype\":\"I32\",\"shape\":[$4],\"data_offsets\":[$((4 * n)),$((4 * n + 4 * $4))]},\
\"labels\":{\"dtype\":\"I32\",\"shape\":[$4],\"data_offsets\":[$((4 * n + 4 * $4)),$((4 * n + 8 * $4))]}}" \
    $(awk -v n="$n" -v m="$4" -v v="$5" 'BEGIN {
      for (i = 0; i < n; i++) print (i * 7919 + 13) % v
      for (i = 0; i < m; i++) print int(i * n / m)
      for (i = 0; i < m; i++) print (i * 31 + 5) % v }')
}

# check NAME MOST FILE FILE: no more than MOST apart
check() {
  d=$(differ "$3" "$4")
  if awk -v d="$d" -v most="$2" 'BEGIN { exit !(d + 0 <= most && d ~ /^[0-9]/) }'; then
    row parity "$1" "$d of at most $2"
  else
    bad parity "$1" "$d, at most $2"
  fi
}

# parity MODEL PRECISION MOST B L M: loss and all gradients against the processors'
parity() {
  model=$1 precision=$2 most_apart=$3
  case $model in
  bigs) dims="-D V=97 -D H=48 -D I=72 -D N=6 -D Depth=2 -D P=256" ;;
  *) dims="-D V=97 -D H=48 -D F=72 -D Heads=3 -D Depth=2 -D P=256" ;;
  esac
  name="$model $precision, B=$4 L=$5 M=$6, gradients"
  batch b.safetensors "$4" "$5" "$6" 97
  # shellcheck disable=SC2086
  set -- grad "$models/$model.mdl" $dims --train pretrain --in b.safetensors --seed 3 --out
  within 60 "$BIGSC" "$@" cpu.safetensors || { row parity "$name" "$(why $?)" && return; }
  gpu 60 "$@" gpu.safetensors --precision="$precision" || { bad parity "$name" "$(why $?)" && return; }
  check "$name" "$most_apart" cpu.safetensors gpu.safetensors
  gpu 60 "$@" again.safetensors --precision="$precision" || { bad bits "$name" "$(why $?)" && return; }
  if cmp -s gpu.safetensors again.safetensors; then row bits "$name" same; else bad bits "$name" "two runs differ"; fi
}

part_parity() {
  sizes="1,1,1 2,7,3 1,129,19"
  [ -z "$small" ] || sizes="2,7,3"
  for size in $sizes; do
    for model in bert bigs; do
      # shellcheck disable=SC2046
      parity "$model" f32 1e-3 $(echo "$size" | tr , ' ')
      # shellcheck disable=SC2046
      [ -n "$small" ] || parity "$model" bf16 5e-2 $(echo "$size" | tr , ' ')
    done
  done
}

# losses FOLDER: a line a step
losses() {
  sed -n 's/.*"step": *\([0-9]*\).*"loss": *\([0-9.e+-]*\).*/\1 \2/p' "$1/log.jsonl"
}

# Ten steps of training, dropout and all, beside the processors'.
part_training() {
  steps=10
  [ -z "$small" ] || steps=3
  write_corpus
  for model in $some; do
    case $model in
    bigs) dims="-D H=64 -D I=96 -D N=8 -D Depth=2" ;;
    *) dims="-D H=64 -D F=128 -D Heads=4 -D Depth=2" ;;
    esac
    rm -rf cpu gpu again
    # shellcheck disable=SC2086
    set -- train "$models/$model.mdl" $dims --train pretrain --data corpus.txt --vocab vocab.txt --steps $steps --batch 8 --length 32 \
      --set rate=1e-3 --seed 7 --out
    within 60 "$BIGSC" "$@" cpu || { row training "$model" "$(why $?)" && continue; }
    gpu 60 "$@" gpu --precision=f32 || { bad training "$model" "$(why $?)" && continue; }
    gpu 60 "$@" again --precision=f32 || { bad training "$model" "$(why $?)" && continue; }
    losses cpu >cpu.txt
    losses gpu >gpu.txt
    apart=$(paste cpu.txt gpu.txt | awk 'NF == 4 && $1 == $3 { d = ($2 - $4) / $2; if (d < 0) d = -d; if (d > most) most = d; n++ }
      END { if (n) printf "%.2g %d", most, n; else print "none" }')
    if echo "$apart" | awk '{ exit !(NF == 2 && $1 < 1e-3) }'; then
      row training "$model, losses against the processors'" "${apart#* } steps, at most ${apart% *} apart"
    else
      bad training "$model, losses against the processors'" "$apart"
    fi
    if cmp -s gpu/model.safetensors again/model.safetensors; then
      row bits "$model, $steps steps of training" same
    else
      bad bits "$model, $steps steps of training" "two runs differ"
    fi
  done
}

part_sanitizer() {
  # shellcheck disable=SC2012
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
  if [ -z "$tool" ] || [ -n "${BIGSC_LIBCUDA-}" ]; then
    row sanitizer - "not here"
    return
  fi
  batch b.safetensors 2 7 3 97
  for model in bert bigs; do
    case $model in
    bigs) dims="-D V=97 -D H=48 -D I=72 -D N=6 -D Depth=1 -D P=16" ;;
    *) dims="-D V=97 -D H=48 -D F=72 -D Heads=3 -D Depth=1 -D P=16" ;;
    esac
    for check in memcheck racecheck; do
      # shellcheck disable=SC2086
      if within 30 "$tool" --tool $check --error-exitcode 9 "$BIGSC" grad "$models/$model.mdl" $dims --train pretrain --in b.safetensors \
        --out no.safetensors --target=cuda; then
        row sanitizer "$model $check" "no errors"
      else
        status=$?
        case $status in 9) bad sanitizer "$model $check" "$(grep -m 1 '=========' log.txt)" ;; *) row sanitizer "$model $check" "$(why $status)" ;; esac
      fi
    done
  done
}

# ---- times

# value NAME: a member of the line that bench --json printed
value() {
  sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p" log.txt | head -n 1
}

first_value() {
  grep -o "\"$1\": [^,}]*" log.txt | sed 's/.*: //; q' | awk '{ if ($1 == "null") print "?"; else printf "%.4g\n", $1 }'
}

# What a kernel that only copies, and one large product, reach: the ceilings of what comes after.
part_ceilings() {
  n=268435456 side=8192
  [ -z "$small" ] || n=4096 side=64
  cat >copy.mdl <<END
dim N
model Copy(x : [N]) {
  entry y : [N] = x + 1
}
END
  cat >product.mdl <<END
dim M, K = $side, N = $side
model Product(x : [M, K]) {
  w : [K, N] ~ normal(0.02)
  entry y : [M, N] = x @[K] w
}
END
  if gpu 60 bench copy.mdl --entry y -D N=$n --repeat 5 --profile --json -q; then
    row ceiling "a copy of $n numbers" "$(first_value gb_s) GB/s of $(first_value roof_gb_s)"
  else
    row ceiling "a copy" "$(why $?)"
  fi
  for precision in bf16 f32; do
    if gpu 60 bench product.mdl --entry y -D M=$side --repeat 5 --profile --json -q --precision=$precision; then
      row ceiling "a product of $side x $side x $side, $precision" "$(first_value tflop_s) TFLOP/s of $(first_value roof_tflop_s), bf16 $(first_value roof_bf16_tflop_s)"
    else
      row ceiling "a product, $precision" "$(why $?)"
    fi
  done
  part_ways
}

# What ways of our own to do a product of bf16 reach: the figures of codegen/cuda/cuda_costs.def.
part_ways() {
  side=4096
  [ -z "$small" ] || side=128
  cat >own.mdl <<END
dim M = $side, K = M, N = M
model Own(x : bf16[M, K]) {
  w : bf16[K, N] ~ normal(0.02)
  entry y : [M, N] = f32(x) @[K] f32(w)
}
END
  for way in mma wgmma tma; do
    if (
      export BIGSC_CUDA_PRODUCTS=$way BIGSC_LIBCUBLASLT=none
      gpu 30 bench own.mdl --entry y --repeat 5 --profile --json -q
    ); then
      row ceiling "our own product of $side x $side x $side by $way" "$(first_value tflop_s) TFLOP/s of $(first_value roof_bf16_tflop_s)"
    else
      row ceiling "our own product by $way" "$(why $?)"
    fi
  done
}

# sized MODEL L: dims of BERT-large and BiGS
sized() {
  if [ -n "$small" ]; then
    case $1 in
    bigs) echo "-D V=97 -D H=32 -D I=48 -D N=4 -D Depth=1 -D P=$2" ;;
    *) echo "-D V=97 -D H=32 -D F=48 -D Heads=2 -D Depth=1 -D P=$2" ;;
    esac
  else
    case $1 in
    bigs) echo "-D P=$2" ;;
    *) echo "-D H=1024 -D F=4096 -D Heads=16 -D Depth=24 -D P=$2" ;;
    esac
  fi
}

# Every kernel of a training step, the slowest printed here and all kept.
part_kernels() {
  tokens=16384 length=128
  [ -z "$small" ] || tokens=32 length=8
  for model in $some; do
    # shellcheck disable=SC2046
    if gpu 60 bench "$models/$model.mdl" $(sized "$model" $length) --train pretrain -D B=$((tokens / length)) -D L="$length" --repeat 3 \
      --precision=bf16 --profile -q -v; then
      cp log.txt "kernels-$model.txt"
      sed -n '/GB\/s/p; /of roof/,$p' log.txt | head -n 26
      grep ' all [a-z]*: [0-9]* steps$' log.txt >kinds.txt
      cat kinds.txt
      while read -r line; do
        row kernels "$model, ${line##* all }" "${line%% all *}"
      done <kinds.txt
    else
      row kernels "$model" "$(why $?)"
    fi
  done
}

# whole MODEL WHAT B L PRECISION
whole() {
  case $2 in step) of="--train pretrain" ;; *) of="--entry hidden" ;; esac
  name="$1 $2, B=$3 L=$4 $5"
  # shellcheck disable=SC2046,SC2086
  if gpu 50 bench "$models/$1.mdl" $(sized "$1" "$4") $of -D B="$3" -D L="$4" --repeat 7 --precision="$5" --json -q; then
    ms=$(value ms)
    row whole "$name" "$(awk -v ms="$ms" -v n=$(($3 * $4)) -v f="$(value gflop)" -v mib="$(value planned_mib)" \
      'BEGIN { printf "%.2f ms, %.0f tokens/s, %.1f TFLOP/s, %.0f MiB", ms, n / ms * 1e3, f / ms, mib }')"
  else
    row whole "$name" "$(why $?)"
  fi
}

part_whole() {
  tokens=16384 lengths="128 512 4096"
  [ -z "$small" ] || tokens=32 lengths=8
  for length in $lengths; do
    for model in $some; do
      whole "$model" step $((tokens / length)) "$length" bf16
    done
  done
  # shellcheck disable=SC2086
  set -- $lengths
  for model in $some; do
    [ -n "$small" ] || whole "$model" step $((tokens / $1)) "$1" f32
    whole "$model" inference $((tokens / $1)) "$1" bf16
    whole "$model" inference 1 "$1" bf16
  done
}

part_torch() {
  if ! within 30 python3 -c 'import torch; assert torch.cuda.is_available()'; then
    row torch - "not here"
    return
  fi
  for compiled in eager compiled; do
    for length in 128 512 4096; do
      if within 60 python3 "$here/torch_bert.py" $((16384 / length)) $length $compiled; then
        row torch "BERT-large step, B=$((16384 / length)) L=$length bf16, $compiled" "$(tail -n 1 log.txt)"
      else
        row torch "BERT-large step, L=$length, $compiled" "$(why $?)"
      fi
    done
  done
}

# ---- all

say "$("$BIGSC" --version | head -n 1), $(uname -m)"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || say "no nvidia-smi here"
for part in parity training ceilings whole kernels sanitizer torch; do
  say "-- $part"
  "part_$part"
done
echo
cat table.txt
echo
say "$wrong wrong"
[ "$wrong" = 0 ]
