# Planted errors: each of the printed kernels again and again, every time with one thing left out or changed.
#   awk -v list=FILE -f mutate.awk kernels.cu >>kernels.cu
# kernels.cu: what tests/unit/cuda_bed.c collects.  list gets a line a mutant: KIND, `equal: ` and why when it is the same
# program, kernel, line.  The table cuda_mutants names the copies.
function keep(kind, at, text, why,   i) {
  if (++seen % each)
    return
  n++
  print kind "\t" why "\t" name "\t" line[at] >list
  printf "extern \"C\" __global__ void __launch_bounds__(256) m%d(const %s_frame f) {\n", n, name
  for (i = 1; i <= lines; i++)
    print i == at ? text : line[i]
  of[n] = name
}

# Variables that are lanes, and what names stand for, of this kernel.
function know(   i, t, v) {
  split("", lane); split("", stands); split("", base)
  for (i = 1; i <= lines; i++) {
    if (match(line[i], /long long i[0-9]+ = ([^;]* \+ )?lane;/)) {
      t = substr(line[i], RSTART + 10)
      sub(/ .*/, "", t)
      lane[t] = 1
    }
    if (match(line[i], /\*const p[0-9]+ = /)) {
      v = substr(line[i], RSTART + 7, RLENGTH - 10)
      t = substr(line[i], RSTART + RLENGTH)
      sub(/;$/, "", t)
      sub(/ .*/, "[L" plain(substr(t, index(t, " "))), t)
      base[v] = t
    }
    if (match(line[i], /const long long n[0-9]+ = /)) {
      v = substr(line[i], RSTART + 16, RLENGTH - 19)
      t = substr(line[i], RSTART + RLENGTH)
      sub(/;$/, "", t)
      stands[v] = plain(t)
    }
  }
}
# An index with lanes called L and names written out.
function plain(s,   out, t) {
  while (match(s, /[in][0-9]+/)) {
    t = substr(s, RSTART, RLENGTH)
    out = out substr(s, 1, RSTART - 1) (t in lane ? "L" : t in stands ? stands[t] : t)
    s = substr(s, RSTART + RLENGTH)
  }
  return out s
}
# What a line stores to and reads, by the name of the memory: into wrote and read.  An index of which a lane has its own
# comes with the name, as each such place is touched by one lane.
function touch(s, wrote, read,   to, i, deep, at, name_, c) {
  if (s ~ /\*const p[0-9]+ = /)
    return
  if (match(s, /bg_(take|give)<.*p[0-9]+,/)) {
    match(s, /p[0-9]+,/)
    if (s ~ /bg_give/)
      wrote[base[substr(s, RSTART, RLENGTH - 1)]] = 1
    else
      read[base[substr(s, RSTART, RLENGTH - 1)]] = 1
    return
  }
  gsub(/(^|[^A-Za-z_0-9])v[0-9]+\[[se +]*\]/, " ", s)
  while (match(s, /[A-Za-z_0-9]+(\[| \+ [(0-9])/)) {
    name_ = substr(s, RSTART, RLENGTH)
    s = substr(s, RSTART + RLENGTH)
    if (name_ !~ /\[$/) {
      sub(/ .*/, "", name_)
      if (name_ !~ /^(i|n|r)?[0-9]+$/)
        read[name_] = 1
      continue
    }
    for (i = deep = 1; deep; i++) {
      c = substr(s, i, 1)
      deep += c == "[" ? 1 : c == "]" ? -1 : 0
    }
    at = plain(substr(s, 1, i - 2))
    name_ = substr(name_, 1, length(name_) - 1) (at ~ /L/ ? "[" at : "")
    if (substr(s, i) ~ /^ = /)
      wrote[name_] = 1
    else
      read[name_] = 1
    s = substr(s, 1, i - 2) " " substr(s, i)
  }
}
# Do two lanes meet in a memory of both?  Places that a lane has alone count when they are called in two ways.
function clash(w, r,   k, m, a, b) {
  for (k in w)
    for (m in r) {
      a = k; b = m
      sub(/\[.*/, "", a); sub(/\[.*/, "", b)
      if (a == b && (k != m || k !~ /\[/))
        return 1
    }
  return 0
}
function touch_transpose(s, wrote,   to) {
  if (match(s, /bg_transpose\([A-Za-z_0-9]+/)) {
    to = substr(s, RSTART + 13, RLENGTH - 13)
    wrote[to] = 1
  }
}
function meets(s) {
  return s ~ /__syncwarp|bg_warp_/
}
function indent(s) {
  match(s, /^ */)
  return RLENGTH
}
# Lines from `at` in direction `by` until the lanes meet, through the backs of the loops that are left on the way.
function span(at, by, wrote, read, deep,   i, k) {
  for (i = at; i >= 1 && i <= lines; i += by) {
    if (meets(line[i]))
      return
    touch(line[i], wrote, read)
    touch_transpose(line[i], wrote)
    if (deep && by > 0 && line[i] ~ /^ +}$/) {
      for (k = i - 1; k > 1 && !(line[k] ~ /^ +for/ && indent(line[k]) == indent(line[i])); k--)
        ;
      span(k, by, wrote, read, 0)
    }
    if (deep && by < 0 && line[i] ~ /^ +for .*{$/) {
      for (k = i + 1; k < lines && !(line[k] ~ /^ +}$/ && indent(line[k]) == indent(line[i])); k++)
        ;
      span(k, by, wrote, read, 0)
    }
  }
}
function useless(at,   w1, r1, w2, r2, k) {
  split("", w1); split("", r1); split("", w2); split("", r2)
  span(at - 1, -1, w1, r1, 1)
  span(at + 1, 1, w2, r2, 1)
  if (clash(w1, w2) || clash(w1, r2) || clash(w2, r1))
    return ""
  return "equal: up to the barriers around it no lane touches what another one stores"
}

# A store that does not read what it changes.
function same_by_all(s,   w, r) {
  split("", w); split("", r)
  touch(s, w, r)
  return clash(w, r) ? "" : "equal: all lanes store the same"
}
# First values: memory of parameters is zero when it is new.
function only_zeros(   i, was_const) {
  for (i = 1; i <= lines; i++)
    was_const = was_const || line[i] ~ /float r0 = const_[0-9]+\[/
  for (i = 1; i <= lines; i++)
    if (line[i] ~ /\] = / && line[i] !~ /\] = 0.0f;$/ && !(was_const && line[i] ~ /\] = r0;$/))
      return ""
  return "equal: memory of parameters begins as zero"
}

# A loop of lanes over 32 at most takes one step.
function few(s,   t) {
  if (s ~ /(n[0-9]+) \+ lane;.*bg_least\(n[0-9]+ \+ (32|[12]?[0-9]),/)
    return "equal: a lane takes one step at most"
  if (!match(s, /= lane; i[0-9]+ < [0-9]+;/))
    return ""
  t = substr(s, RSTART, RLENGTH - 1)
  sub(/.* /, "", t)
  return t + 0 <= 32 ? "equal: a lane takes one step at most" : ""
}
# A loop of lanes with several elements each, over no more than one step takes.
function one_step(s,   t, step) {
  if (!match(s, /j[0-9]+ < [0-9]+;/))
    return ""
  t = substr(s, RSTART, RLENGTH - 1)
  sub(/.* /, "", t)
  match(s, /\+= [0-9]+/)
  step = substr(s, RSTART + 3, RLENGTH - 3)
  return t + 0 <= step + 0 ? "equal: a lane takes one step at most" : ""
}
# Is the factor that of a block's number, where there is one block?
function alone(before,   v, i, t, most) {
  if (!match(before, /i[0-9]+ $/))
    return ""
  v = substr(before, RSTART, RLENGTH - 1)
  for (i = 1; i <= lines; i++)
    if (match(line[i], "bg_least\\([0-9]+, [0-9]+ - \\(" v " \\* ")) {
      t = substr(line[i], RSTART + 9)
      most = t + 0
      sub(/^[0-9]+, /, "", t)
      if (t + 0 <= most)
        return "equal: there is one block only, number 0"
    }
  return ""
}

function mutate(   i, s, number) {
  for (i = 1; i <= lines; i++) {
    s = line[i]
    if (s ~ /^ *__syncwarp\(\);$/)
      keep("barrier", i, "", useless(i))
    if (sub(/if \(lane == 0\) /, "", s))
      keep("guard", i, s, same_by_all(s))
    s = line[i]
    if (match(s, /; i[0-9]+ < /))
      keep("bound", i, substr(s, 1, RSTART + 1) "1 + " substr(s, RSTART + 2), only_zeros())
    if (sub(/\+= 32\)/, "+= 33)", s))
      keep("stride", i, s, few(line[i]) ? few(line[i]) : only_zeros())
    s = line[i]
    if (match(s, /j[0-9]+ \+= [0-9]+\)/))
      keep("steps", i, substr(s, 1, RSTART + RLENGTH - 2) " * 2" substr(s, RSTART + RLENGTH - 1), one_step(s))
    s = line[i]
    if (s ~ /bg_(take|give)</ && sub(/\);$/, " - 1);", s))
      keep("count", i, s, only_zeros())
    s = line[i]
    if (sub(/\+= 4\)/, "+= 5)", s))
      keep("rows", i, s, "")
    s = line[i]
    if (sub(/__syncthreads\(\);/, ";", s))
      keep("barrier of the block", i, s, "")
    s = line[i]
    if (sub(/bg_warp_(sum|max|min)\(/, "bg_mutant_half(", s))
      keep("mask", i, s, "")
    s = line[i]
    if (s ~ /\[|bg_product/ && match(s, /\* [0-9]+\)/)) {
      number = substr(s, RSTART + 2, RLENGTH - 3)
      keep("factor", i, substr(s, 1, RSTART + 1) (number + 1) substr(s, RSTART + RLENGTH - 1), alone(substr(s, 1, RSTART - 1)))
    }
  }
}

# Without any barrier: must be seen where a lane reads what another one has stored.
function no_barriers(   i, w, r, k, why) {
  split("", w); split("", r)
  why = "equal: no lane touches what another one stores"
  for (i = 1; i <= lines; i++) {
    touch(line[i], w, r)
    touch_transpose(line[i], w)
  }
  if (clash(w, r))
    why = ""
  for (i = 1; i <= lines; i++)
    was[i] = line[i]
  for (i = 1; i <= lines; i++)
    sub(/__syncwarp\(\);/, ";", line[i])
  keep("barriers", 1, line[1], why)
  for (i = 1; i <= lines; i++)
    line[i] = was[i]
}

BEGIN {
  print "template <class T> static __device__ T bg_mutant_half(T x) {"
  print "  return x + __shfl_xor_sync(0xffffu, x, 1);"
  print "}"
}
/^extern "C" __global__/ {
  match($0, /[A-Za-z_0-9]+\(const /)
  name = substr($0, RSTART, RLENGTH - 7)
  lines = 0
  inside = 1
  next
}
inside {
  line[++lines] = $0
  if ($0 == "}") {
    inside = 0
    know()
    mutate()
    no_barriers()
  }
}
END {
  print "extern \"C\" {\nstruct CudaMutant { CudaInfo *info; void (*kernel)(); };"
  print "CudaMutant cuda_mutants[] = {"
  for (i = 1; i <= n; i++)
    printf "{&%s_info, (void (*)())m%d},\n", of[i], i
  printf "};\nint cuda_mutant_count = %d;\n}\n", n
}
