#!/bin/sh
# embed.sh NAME FILE: prints C source with a function `const char *NAME(void)` that returns the text of FILE.
set -eu
cat <<EOF
// Generated from $2 by tools/embed.sh.
const char *$1(void);
static const unsigned char text[] = {
EOF
od -A n -v -t u1 "$2" | awk '{ line = ""; for (i = 1; i <= NF; i++) line = line $i ","; print line }'
cat <<EOF
0};
const char *$1(void) {
  return (const char *)text;
}
EOF
