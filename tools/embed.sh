#!/bin/sh
# embed.sh NAME FILE...: prints C source with a function `const char *NAME(void)` that returns the text of the files, one after the other.
set -eu
name=$1
shift
cat <<EOF
// Generated from $* by tools/embed.sh.
const char *$name(void);
static const unsigned char text[] = {
EOF
cat "$@" | od -A n -v -t u1 | awk '{ line = ""; for (i = 1; i <= NF; i++) line = line $i ","; print line }'
cat <<EOF
0};
const char *$name(void) {
  return (const char *)text;
}
EOF
