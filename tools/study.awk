# The text of a study: reads the logs of tools/study.sh, a line a measurement, and writes Markdown.  Means over seeds, with the
# standard deviation of the samples where there are several.  Beside it, in `folder`, what is drawn of it: tables of means.
BEGIN {
  ncell = split("bert stack gated bigs", cell)
  head["bert"] = "BERT: stack, attention"
  head["stack"] = "stack, state space"
  head["gated"] = "gated, attention"
  head["bigs"] = "BiGS: gated, state space"
}

# What stands behind a key, in the part of a line that begins behind `from` (none: the whole line).
function part(from,   at) {
  at = from == "" ? 1 : index($0, from)
  return at ? substr($0, at) : ""
}
function text(key,   s) {
  s = part("\"" key "\": \"")
  s = substr(s, length(key) + 6)
  return substr(s, 1, index(s, "\"") - 1)
}
# What of the processors the timed runs had.
function busy_text() {
  return least == "" ? "" : sprintf("They had %d to %d %% of the processors' time, as others use the machine. ", 100 * least, 100 * greatest)
}
function number(key, from,   s, at) {
  s = part(from)
  at = index(s, "\"" key "\": ")
  if (!at) return "none"
  s = substr(s, at + length(key) + 4)
  match(s, /^[-+.0-9e]+/)
  return RLENGTH > 0 ? substr(s, 1, RLENGTH) + 0 : "none"
}

function add(key, x) {
  if (x == "none") return
  n[key]++
  sum[key] += x
  square[key] += x * x
}
function mean(key) { return sum[key] / n[key] }
function spread(key,   v) {
  v = (square[key] - sum[key] * sum[key] / n[key]) / (n[key] - 1)
  return v > 0 ? sqrt(v) : 0
}
function shown(key, form) {
  if (!(key in n)) return ""
  return n[key] > 1 ? sprintf(form " ± " form, mean(key), spread(key)) : sprintf(form, mean(key))
}

# A row of a table, once, in the order of the lines.
function row(table, name) {
  if ((table, name) in seen) return
  seen[table, name] = 1
  rows[table, ++nrow[table]] = name
}
function put(table, name, x) {
  row(table, name)
  add(table SUBSEP name SUBSEP text("cell"), x)
}

{
  kind = text("kind")
  size = text("size")
  if (text("cpu") != "" && !(text("cpu") in cpus)) {
    cpus[text("cpu")] = 1
    machines = machines (machines == "" ? "" : ", ") text("cpu")
  }
  seconds[kind] += number("processor_seconds")
  if (kind == "time") {
    share = number("processors")
    if (least == "" || share < least) least = share
    if (share > greatest) greatest = share
  }
  seed = number("seed")
  if (kind == "pretrain" && !(seed in seeds)) {
    seeds[seed] = 1
    named = named (named == "" ? "" : ", ") seed
  }
  if (!(kind in command)) command[kind] = $0
}
kind == "cell" { put("cells", "parameters", number("parameters")) }
kind == "rate" { put("rates", sprintf("%g", number("rate")), number("loss", "\"held_out\": ")) }
kind == "task_rate" {
  tried = text("task")
  second = index($0, "\"mismatched\": ")
  put("task rates", sprintf("%g", number("rate")), number("accuracy", second ? "\"mismatched\": " : "\"dev\": "))
}
kind == "pretrain" {
  put("losses", number("budget"), number("loss", "\"held_out\": "))
  put("chosen", "rate", number("rate"))
  if (number("budget") == 1 && match($0, /--steps [0-9]+/)) one = substr($0, RSTART + 8, RLENGTH - 8)
}
kind == "task" {
  name = text("task") ", " text("measure")
  put("tasks", name, number(text("measure"), "\"dev\": "))
  by_seed[text("cell") SUBSEP number("seed")] += number(text("measure"), "\"dev\": ")
  done[text("cell") SUBSEP number("seed")]++
  if (text("task") == "kinds") put("tasks", "kinds, mismatched, accuracy", number("accuracy", "\"mismatched\": "))
  if (text("task") == "glosses") {
    put("adversarial", "dev", number("accuracy", "\"dev\": "))
    put("adversarial", "with another gloss before it", number("accuracy", "\"adversarial\": "))
  }
}
kind == "agree" {
  s = part("\"share\": [")
  budget = number("budget")
  for (nouns = 0; match(s, /"share": [.0-9]+/); nouns++) {
    if (budget > longest) longest = budget
    share = substr(s, RSTART + 9, RLENGTH - 9)
    s = substr(s, RSTART + RLENGTH)
    put("agree", budget ", " nouns, 100 * share)
  }
}
kind == "why" {
  s = part("\"change\": [")
  budget = number("budget")
  while (match(s, /"distance": -?[0-9]+, "nats": [.0-9]+/)) {
    pair = substr(s, RSTART + 12, RLENGTH - 12)
    s = substr(s, RSTART + RLENGTH)
    split(pair, at, /, "nats": /)
    if (budget >= most) most = budget
    found[budget SUBSEP at[1] SUBSEP text("cell")] = found[budget SUBSEP at[1] SUBSEP text("cell")] " " at[2]
  }
}
kind == "long" { put("long", number("length"), number("loss", "\"held_out\": ")) }
kind == "which" { put("which", text("set") ", " number("length") ", " number("classes") ", " number("rows", "\"dev\": "), 100 * number("accuracy", "\"dev\": ")) }
kind == "time" {
  put("flop", number("length"), number("gflop") / 4.096)
  put("time", number("length"), number("ms") * 1000 / 4096)
}

function table(name, first, form,   i, j, line) {
  if (!nrow[name]) return
  line = "| " first
  for (i = 1; i <= ncell; i++) line = line " | " head[cell[i]]
  print "\n" line " |\n|---|---|---|---|---|"
  for (j = 1; j <= nrow[name]; j++) {
    line = "| " rows[name, j]
    for (i = 1; i <= ncell; i++) line = line " | " shown(name SUBSEP rows[name, j] SUBSEP cell[i], form)
    print line " |"
  }
}
# The rows of a table whose names begin with `lead`, for a drawing.
function draw(t, lead, name, first, title,   i, j, line, file, key) {
  if (!nrow[t]) return
  file = folder "/" name ".tsv"
  line = first
  for (i = 1; i <= ncell; i++) line = line "\t" head[cell[i]]
  print line >file
  for (j = 1; j <= nrow[t]; j++) {
    if (index(rows[t, j], lead) != 1) continue
    line = substr(rows[t, j], length(lead) + 1)
    for (i = 1; i <= ncell; i++) {
      key = t SUBSEP rows[t, j] SUBSEP cell[i]
      line = line "\t" (key in n ? sprintf("%.6g", mean(key)) : "")
    }
    print line >file
  }
  close(file)
  picture(name, title)
}
function picture(name, title) { print "\n![" title "](study/" name ".svg)" }
function picture_there(name, title,   first) {
  if ((getline first <(folder "/" name ".svg")) > 0) picture(name, title)
}
# What a place takes from others in a layer, as trained: the state space read as a convolution.
function kernels(cell,   i) {
  for (i = 1; (getline line <(folder "/kernels-" cell "-" i ".svg")) > 0; i++) {
    if (i == 1) print "\nThe kernels of " head[cell] ", longest run of the first seed, a layer a picture:"
    picture("kernels-" cell "-" i, "Kernels of layer " i)
  }
}
function section(kind, title, about) {
  if (!(kind in command)) return
  print "\n## " title "\n\n" about
}
function commands_of(kind,   s, list, i, k) {
  if (!(kind in command)) return
  s = command[kind]
  s = substr(s, index(s, "\"commands\": [") + 13)
  s = substr(s, 1, index(s, "\"]") - 1)
  k = split(s, list, "\",\"")
  for (i = 1; i <= k; i++) {
    gsub(/"/, "", list[i])
    print list[i]
  }
}
# The mean over tasks, of each seed.
function averages(   key, at) {
  for (key in by_seed) {
    split(key, at, SUBSEP)
    row("average", "all")
    add("average" SUBSEP "all" SUBSEP at[1], by_seed[key] / done[key])
  }
}
# Of the largest budget alone.
function distances(   d, i, k, list, key) {
  for (d = -8; d <= 8; d++)
    for (i = 1; i <= ncell; i++) {
      key = most SUBSEP d SUBSEP cell[i]
      if (!(key in found)) continue
      row("why", d)
      for (k = split(found[key], list, " "); k; k--) add("why" SUBSEP d SUBSEP cell[i], list[k])
    }
}
END {
  averages()
  distances()
  print "# A study: BERT's questions to BiGS on two cores\n"
  print "Written by `sh tools/study.sh " size " DIR` from its logs: a file of JSON a measurement, each with the commands that made it."
  print "Numbers are means over seeds, ± the standard deviation of the samples. All cells see the same text for as many tokens, by one recipe;"
  print "the rate is each cell's own. Tasks see the mean of the hidden states, each of equal length, in all. Seeds: " named ". Processors: " machines "."
  section("cell", "The cells", "Of equal layers: the widths inside them differ.")
  table("cells", "", "%.0f")
  section("rate", "Rates", "Held-out loss in nats after budget 1, of a seed that is used nowhere else. The least one gives the cell its rate.")
  table("rates", "rate", "%.3f")
  section("pretrain", "Pretraining", "Loss of masked words on held-out text, in nats, by budget; budget 1 is " one " steps.")
  table("losses", "budget", "%.3f")
  picture_there("losses", "Losses of the longest runs of the first seed, by tokens")
  section("agree", "Agreement", "How often, in percent, the verb that agrees with its subject is likelier than the other one, by the number of nouns of random\nnumber between them. Nothing is fine-tuned. A model that always prefers one form has the share of the rows where that is right, which is not\n50 as the rows are few; where the spread is 0.0, all seeds are such models.")
  table("agree", "budget, nouns", "%.1f")
  draw("agree", longest ", ", "agreement", "nouns between subject and verb", "Agreement by nouns between, of the largest budget")
  section("why", "What a masked word depends on", "By how many nats, up or down, the likeliest word changes when the word at that distance is masked, too; glosses, budget " most ".")
  table("why", "distance", "%.3f")
  draw("why", "", "dependence", "distance", "What a masked word depends on, by distance")
  kernels("stack")
  kernels("bigs")
  section("task_rate", "Rates of tasks", "Accuracy after fine-tuning on `" tried "` from budget 1, of that seed" (second ? ", on its second dev file (mismatched), as the first one\nchooses the step of a run" : "") ". The best one gives the cell its rate for all tasks.")
  table("task rates", "rate", "%.3f")
  section("task", "Tasks", "The best of the run, on the dev file that chose it. An accuracy that no seed changes is that of a model which always gives the same answer.")
  table("tasks", "task, measure", "%.3f")
  table("average", "mean of the measures", "%.3f")
  if (nrow["adversarial"]) print "\nDoes a gloss belong to its word, when the gloss of another word stands before it? Accuracy of the same models:"
  table("adversarial", "glosses", "%.3f")
  section("long", "Longer texts", "Pretraining goes on at more tokens a row, on documents as long as that, so on another text than before; held-out loss in nats.")
  table("long", "length", "%.3f")
  if (nrow["which"]) print "\nWhich book a piece of it is of, which subsystem: accuracy in percent."
  table("which", "text, length, classes, rows", "%.1f")
  section("time", "Arithmetic and time by length", "Two layers, 4,096 tokens in rows of that length: MFLOP a token as a model counts them, and measured\nmicroseconds a token. " busy_text() "Long convolutions count 0 there: by Fourier transforms, 10 log2(2 L) + 6 operations a channel, they are\n0.3 MFLOP of the two layers at 128 and 0.4 at 4,096.")
  table("flop", "MFLOP at length", "%.2f")
  table("time", "µs at length", "%.1f")
  draw("time", "", "times", "length", "Microseconds a token, by length")
  print "\n## Commands\n\nOf the first measurement of each kind; `study/` has those of all. Where the file of a measurement is not there,\n`ONLY=NAME sh tools/study.sh " size " DIR` makes it again, and what it is made of.\n\n```sh"
  for (i = split("rate pretrain agree why task_rate task long which time", kinds); i; i--) commands_of(kinds[10 - i])
  print "```\n\n## Time it took\n\nOf a measurement that was stopped and went on, what came last counts; where its log has `processor_seconds_of_last_steps`, the steps before those\ncount as long as a step of the other seeds.\n\n| measurements | hours of a processor |\n|---|---|"
  for (i = 1; i <= 9; i++) if (kinds[i] in seconds) printf "| %s | %.2f |\n", kinds[i], seconds[kinds[i]] / 3600
}
