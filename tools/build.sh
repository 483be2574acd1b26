# shellcheck shell=sh
# shellcheck disable=SC2154  # set by those
# Builds out of tree.  Sourced by check.sh and quickstart.sh, which set
#   root   the source tree        build   the folder for all that is made        jobs   parallel jobs
# Then: source_tree && autotools && build_in DIR TARGETS [CONFIGURE_OPTION...].  $src is the tree that is built.

# A tree that has been configured in place cannot be built out of tree: then a copy is built.
source_tree() {
  src=$root
  [ -e "$root/config.status" ] || return 0
  src=$build/source
  mkdir -p "$src" || return 1
  (cd "$root" && tar cf - --exclude=./.git --exclude=./build --exclude=./config.status \
    --exclude=./Makefile --exclude='*.o' --exclude='*.a' --exclude=.deps --exclude=.dirstamp .) | (cd "$src" && tar xf -)
}

# Is file $1 there, and none of the others newer?
current() {
  [ -e "$1" ] && [ -z "$(find "$@" -newer "$1")" ]
}

# Generated files that are newer than what they come from are kept.
autotools() {
  (cd "$src" && if ! current configure configure.ac || ! current Makefile.in configure.ac Makefile.am $(find . -name local.mk -not -path './build/*'); then autoreconf -fi; fi)
}

build_in() {
  dir=$1 targets=$2
  shift 2
  mkdir -p "$dir" || return 1
  (
    cd "$dir" && { current config.status "$src/configure" || "$src/configure" -q "$@"; } || exit 1
    # shellcheck disable=SC2086
    make -s -j"$jobs" $targets
  )
}
