#!/bin/sh
# From nothing to a trained model: sets up, builds, compiles a model, learns a vocabulary from a dictionary's text, trains a
# small model on it, reports its held-out loss, fills in masks.  Some minutes on two cores.
#   sh tools/quickstart.sh [bigs|bert]
# BUILD: the folder to work in (build/quickstart).  JOBS: parallel jobs.  STEPS: length of the training (2000).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/quickstart}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
steps=${STEPS:-2000}
model=${1:-bigs}
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"

# The dims of a small model; a narrow one starts at 1 / sqrt(H) or hardly learns.
small="-D V=8000 -D H=128 -D Depth=2 -D P=64 -D std=1/sqrt(128) -D warm=10%"
case $model in
  bigs) dims="$small -D I=384 -D N=32" ;;
  bert) dims="$small -D F=512 -D Heads=4" ;;
  *)
    echo "usage: sh tools/quickstart.sh [bigs|bert]" >&2
    exit 2
    ;;
esac

say() {
  echo
  echo "== $*"
}

# The text: GNU's edition of Webster's dictionary, ASCII but for three bytes that are not UTF-8 either.
text_of_dictionary() {
  for f in $(dpkg -L dict-gcide) /usr/share/dictd/gcide.dict.dz; do
    case $f in
      *.dict.dz) zcat <"$f" && return ;;
      *.dict) cat "$f" && return ;;
    esac
  done
  echo "quickstart.sh: the package dict-gcide holds no dictionary" >&2
  return 1
}

say "what is missing is installed"
sh "$root/tools/setup.sh" text
say "bigsc is built in $build"
mkdir -p "$build"
source_tree
autotools
build_in "$build/bigsc" all --without-check
PATH=$build/bigsc:$PATH
cd "$build"

say "models/$model.mdl becomes model.so"
bigsc "$root/models/$model.mdl" -o model.so
ls -l model.so model.h

[ -s text.txt ] || { text_of_dictionary >text.tmp && LC_ALL=C tr -d '\200-\377' <text.tmp >text.new && mv text.new text.txt; }
rm -f text.tmp
say "a vocabulary is learned from $(wc -c <text.txt) bytes of text"
[ -s vocab.txt ] || bigsc vocab text.txt -o vocab.txt --size 8000

say "a small model is trained for $steps steps: $dims"
rm -rf "$model"
# shellcheck disable=SC2086  # several options
bigsc train "$root/models/$model.mdl" $dims --train pretrain --data text.txt --vocab vocab.txt --out "$model" \
  --steps "$steps" --batch 24 --length 64 --set rate=3e-3

say "held-out text"
bigsc eval "$model" --data text.txt

say "the likeliest words"
bigsc fill "$model" \
  "The quality or [MASK] of being round." \
  "Of or [MASK] to the king." \
  "[MASK] or pertaining to music." \
  "A [MASK] tree with red flowers." \
  "The goal of life is [MASK]."
