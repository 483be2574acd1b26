# shellcheck shell=sh
# What the tests of the command line are written with.  A test runs in an empty folder under `set -e`: the first command that
# fails ends it.

# bigsc STATUS ARGUMENT...: runs the program; its output is in the files `out` and `err`.  Fails when it ends otherwise.
bigsc() {
  want=$1
  shift
  got=0
  "$BIGSC" "$@" >out 2>err || got=$?
  [ "$got" = "$want" ] && return
  echo "bigsc $*: status $got, not $want"
  echo "-- out"
  head -n 20 out
  echo "-- err"
  head -n 20 err
  return 1
}

# cc ARGUMENT...: a program that is linked with a library finds it beside itself, as docs/c-interface.md says.
cc() {
  # shellcheck disable=SC2016  # the loader's, not the shell's
  command cc "$@" -Wl,-rpath,'$ORIGIN'
}

fail() {
  echo "$*"
  return 1
}

skip() {
  echo "$*"
  exit 77
}

# in_out TEXT, in_err TEXT: the text stands in the output.
in_out() {
  grep -qF -e "$1" out || { echo "not in standard output: $1" && cat out && return 1; }
}

in_err() {
  grep -qF -e "$1" err || { echo "not in standard error: $1" && cat err && return 1; }
}

not_in_err() {
  if grep -qF -e "$1" err; then fail "in standard error: $1"; fi
}

silent() {
  [ ! -s "$1" ] || { echo "$1 is not empty:" && cat "$1" && return 1; }
}

# member NAME: of the line of JSON in `out`; nothing where it has none.  about NAME VALUE: it is that, to 6 digits.
member() {
  sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p" out
}

about() {
  awk -v a="$(member "$1")" -v b="$2" 'BEGIN { exit !(a != "" && a - b < 1e-6 && b - a < 1e-6) }' ||
    fail "$1 is not $2: $(cat out)"
}

exists() {
  for f; do [ -s "$f" ] || fail "no file $f, or an empty one" || return 1; done
}

# Nothing of this name, nor a temporary file that became none.
absent() {
  for f; do
    for g in "$f" "$f".* ".$f"*; do
      if [ -e "$g" ]; then fail "$g was left behind" || return 1; fi
    done
  done
}

# A small model, for tests that need one whatever it says.
write_model() {
  cat >"${1:-tiny.mdl}" <<'END'
dim V = 32, H = 16, Rows = 8
dim B, L <= Rows, M
init normal(0.1)
tokenizer wordpiece("vocab.txt", lower: true)
model Tiny(ids : i32[B, L], types : i32[B, L] = 0, mask : bool[B, L] = true) {
  word     : Embedding[V, H]
  position : Embedding[Rows, H]
  segment  : Embedding[Rows, H]
  norm     : LayerNorm[H]
  mix      : Linear[H -> H]
  head     : MlmHead[H -> V]
  entry hidden : [B, L, H] =
    word(ids) + position(iota[L]) + segment(types) |> norm |> mix |> gelu
  entry logits : [B, L, V] = head(hidden, word.weight)
  entry pooled : [B, H] = mean[L](hidden, where: mask)
}
train pretrain {
  data ids, mask, at : i32[M], labels : i32[M] = mlm_text("corpus.txt", rate: 0.15)
  loss      = mean(cross_entropy[V](head(gather[T](hidden[(B, L) as T], at), word.weight), labels))
  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-6)
  rate      = 1e-3 * (warmup(10%) then linear(to: 0))
  decay = 0.01; batch = 4; steps = 20
  group @bias, @gain { decay = 0 }
}
END
}

# le BYTES VALUE...: little-endian integers
le() {
  bytes=$1
  shift
  for v; do
    n=0
    while [ "$n" -lt "$bytes" ]; do
      # shellcheck disable=SC2059
      printf "\\$(printf %03o $((v & 255)))"
      v=$((v >> 8)) n=$((n + 1))
    done
  done
}

# safetensors FILE HEADER [I32]...: a file with this header and these numbers as data
safetensors() {
  file=$1 header=$2
  shift 2
  {
    le 8 ${#header}
    printf %s "$header"
    le 4 "$@"
  } >"$file"
}

# Two rows of four token ids, for the model of write_model.
write_ids() {
  safetensors "${1:-x.safetensors}" '{"ids":{"dtype":"I32","shape":[2,4],"data_offsets":[0,32]}}' 2 7 8 3 2 9 31 3
}

# A batch for its train block: ids, the rows of (B, L) that are masked, what stood there.
write_batch() {
  safetensors "${1:-b.safetensors}" '{"ids":{"dtype":"I32","shape":[2,4],"data_offsets":[0,32]},'\
'"at":{"dtype":"I32","shape":[2],"data_offsets":[32,40]},"labels":{"dtype":"I32","shape":[2],"data_offsets":[40,48]}}' \
    2 7 8 3 2 9 31 3 1 5 7 9
}

# A text of a few sentences over few words, and its vocabulary.
write_corpus() {
  awk 'BEGIN {
    split("the a red blue small big cat dog bird fish sees eats likes finds", w)
    for (i = 0; i < 1200; i++) {
      s = i * 7919 % 9973
      printf "%s %s %s %s %s %s %s.\n", w[1 + s % 2], w[3 + int(s / 2) % 4], w[7 + int(s / 8) % 4], w[11 + int(s / 32) % 4], \
        w[1 + int(s / 128) % 2], w[3 + int(s / 256) % 4], w[7 + int(s / 1024) % 4]
      if (i % 5 == 4) print ""
    }
  }' >corpus.txt
  printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the a red blue small big cat dog bird fish sees eats likes finds . >vocab.txt
}

# A task of two classes, which are words, and a model that learns it.
write_task() {
  cat >task.mdl <<'END'
dim V = 20, H = 8, Labels = 2, Types = 2
dim B, L <= 12
init normal(0.3)
tokenizer wordpiece("vocab.txt", lower: true)
model Task(ids : i32[B, L], types : i32[B, L] = 0, mask : bool[B, L] = true) {
  word       : Embedding[V, H]
  segment    : Embedding[Types, H]
  classifier : Linear[H -> Labels]
  entry scores : [B, Labels] = mean[L](word(ids) + segment(types), where: mask) |> classifier
}
train classify {
  data ids, types, mask, target : i32[B] = tsv("task.tsv")
  loss = mean(cross_entropy[Labels](scores, target))
  optimizer = adamw(beta: (0.9, 0.999), eps: 1e-6)
  rate = 5e-2; batch = 16; steps = 120
}
END
  {
    printf 'text\tlabel\n'
    for i in $(seq 50); do
      printf 'the big cat\tbig one\na small dog\tsmall\nbig fish sees a bird\tbig one\nthe small bird likes the fish\tsmall\n'
    done
  } >task.tsv
}

# A Python that has numpy.
with_numpy() {
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import numpy' 2>/dev/null; then echo "$python" && return; fi
  done
  return 1
}
