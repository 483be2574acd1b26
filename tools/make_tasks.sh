#!/bin/sh
# Makes small tasks in the layouts of GLUE, CoNLL, SQuAD and SWAG from dictionaries: Debian's wordnet-base and dict-gcide.  The same files every time.
#   sh tools/make_tasks.sh DIR [ROWS]
# DIR: a folder, to be made.  ROWS: rows of a training file (2000); a dev file and a test file, without labels, have a fifth.
# WORDNET, GCIDE: where the dictionaries lie.  docs/tasks.md says what the tasks are.
set -eu
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
wordnet=${WORDNET:-/usr/share/wordnet}
gcide=${GCIDE:-/usr/share/dictd/gcide.dict.dz}

fail() {
  echo "make_tasks.sh: $2" >&2
  exit "$1"
}

[ $# = 1 ] || [ $# = 2 ] || fail 2 "usage: sh tools/make_tasks.sh DIR [ROWS]"
rows=${2:-2000}
case $rows in '' | *[!0-9]* | 0*) fail 2 "$rows: ROWS is a whole number from 1" ;; esac
for f in data.noun data.verb data.adj cntlist.rev; do
  [ -r "$wordnet/$f" ] || fail 3 "$wordnet/$f: cannot be read; Debian's package wordnet-base has it"
done
[ -r "$gcide" ] || fail 3 "$gcide: cannot be read; Debian's package dict-gcide has it"
[ ! -e "$1" ] || fail 2 "$1 is there already: choose another folder"

for task in agreement classes senses similarity definitions kinds glosses entailment referents genus answers partners fitting; do
  mkdir -p "$1/$task"
done
gzip -dc <"$gcide" >"$1/gcide.text"
awk -v out="$1" -v rows="$rows" -f "$here/make_tasks.awk" \
  "$wordnet/cntlist.rev" "$wordnet/data.noun" "$wordnet/data.verb" "$wordnet/data.adj" "$1/gcide.text"
rm "$1/gcide.text"
