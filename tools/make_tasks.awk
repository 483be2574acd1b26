# What make_tasks.sh writes.  Draws are those of a generator of its own (Park and Miller, 1988), so that every awk makes the same.

function below(n) {
  state = state * 16807 % 2147483647
  return state % n
}

# ---- reading

# Words of the tagged corpus, of which agreement is made: nouns of things and people whose plural is regular.
FILENAME ~ /cntlist/ {
  split($1, key, /[%:]/)
  if (key[2] == 1 && (key[3] == "06" || key[3] == "18") && $3 >= 5 && key[1] ~ /^[a-z]+[bdgklmnprtw]$/ && !(key[1] in common) &&
    key[1] !~ /man$|men$/) {
    common[key[1]]
    noun[nnoun++] = key[1]
  }
  next
}

# OFFSET CLASS TYPE COUNT WORD ID ... POINTERS SYMBOL OFFSET ... | GLOSS; "EXAMPLE"; ...
FILENAME ~ /data\./ && /^[0-9]/ {
  read_synset()
  next
}
FILENAME ~ /data\./ { next }

function plain(word) {
  return word ~ /^[a-z]+(_[a-z]+)?$/
}

function read_synset(    bar, text, n, i, w, q, part) {
  bar = index($0, " | ")
  text = substr($0, bar + 3)
  sub(/ +$/, "", text)
  n = 0
  for (i = 0; i < hex($4); i++) {
    w = $(5 + 2 * i)
    if (plain(w))
      words[n++] = w
  }
  q = split(text, part, /"/)
  for (i = 2; i <= q && n; i += 2)
    if (length(part[i]) > 15 && part[i] !~ /\t/)
      keep_example(words[0], $1, part[i])
  if (FILENAME !~ /noun/ || !n)
    return
  sub(/[;:] *"?.*/, "", text)
  gsub(/\t/, " ", text)
  keep_noun($1, $2, n, text)
}

function hex(s) {
  return 16 * (index("0123456789abcdef", substr(s, 1, 1)) - 1) + index("0123456789abcdef", substr(s, 2, 1)) - 1
}

function keep_example(word, id, text) {
  word_of[nexample] = word
  sense_of[nexample] = id
  example[nexample] = text
  by_word[word, word_examples[word]++] = nexample++
}

function keep_noun(id, class, n, text,    i) {
  if (length(text) < 10 || length(text) > 120 || text ~ /^\(/)
    return
  synset[nsynset] = id
  place[id] = nsynset++
  gloss[id] = text
  class_of[id] = class
  name[id] = words[0]
  synonym[id] = n > 1 ? words[1] : ""
  senses[words[0]]++
  gsub(/_/, " ", name[id])
  gsub(/_/, " ", synonym[id])
  for (i = 5; i < NF && $i != "|"; i++)
    if ($i == "@") {
      parent[id] = $(i + 1)
      break
    }
}

# Headword \pronunciation\, n. [where it comes from] What it is.
FILENAME ~ /gcide/ && /^[A-Z][a-z]+ \\.*\\, n\./ {
  flush_entry()
  headword = tolower($1)
  entry = $0
  next
}
FILENAME ~ /gcide/ && /^   / && headword != "" {
  entry = entry " " $0
  next
}
FILENAME ~ /gcide/ { flush_entry() }

function flush_entry(    text) {
  text = entry
  if (headword != "" && !(headword in definition)) {
    sub(/^.*\\, n\./, "", text)
    gsub(/\[[^]]*\]|\([^)]*\)|[{}]/, "", text)
    gsub(/ +/, " ", text)
    sub(/^[ ;]*(pl\.[^.]*\. *)?([0-9]+\. *)?/, "", text)
    sub(/[.;:].*/, "", text)
    if (length(text) > 20 && length(text) < 120 && text ~ /^[A-Z][ -~]*$/ && text !~ /[\\"]/)
      definition[headword] = tolower(text)
  }
  headword = entry = ""
}

# ---- writing

# An item belongs to one part for good: what is judged by was not trained on.
function part_of(item) {
  return item % 6 == 0 ? "dev" : item % 6 == 1 ? "test" : "train"
}

function room(task, part) {
  return count[task, part] < (part == "train" ? rows : int((rows + 4) / 5))
}

function serial(task, part) {
  return count[task, part] + 0
}

function full(task) {
  return !room(task, "train") && !room(task, "dev") && !room(task, "test")
}

# A row of a file, whose first line is `header`.
function put(path, header, row) {
  path = out "/" path ".tsv"
  if (!(path in begun) && header != "")
    print header >path
  begun[path]
  print row >path
}

# columns, values: of a row without its label.
function put_row(task, part, columns, values, label_name, label) {
  if (part == "test")
    put(task "/test", "index\t" columns, serial(task, part) "\t" values)
  else
    put(task "/" part, "index\t" columns "\t" label_name, serial(task, part) "\t" values "\t" label)
  count[task, part]++
}

# A random order of n places.
function shuffle(n,    i, k, x) {
  for (i = 0; i < n; i++)
    order[i] = i
  for (i = n - 1; i > 0; i--) {
    k = below(i + 1)
    x = order[i]
    order[i] = order[k]
    order[k] = x
  }
}

# Of SST-2: a gloss, and the lexicographers' class of its synset.
function make_classes(    i, id) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("classes"); i++) {
    id = synset[order[i]]
    if (class_of[id] in class_name && room("classes", part_of(order[i])))
      put_row("classes", part_of(order[i]), "sentence", gloss[id], "label", class_name[class_of[id]])
  }
}

# Of MRPC: two examples of a word, in one sense or in two.
function make_senses(    i, a, b, word, k, n, part, same) {
  shuffle(nexample)
  for (i = 0; i < nexample && !full("senses"); i++) {
    a = order[i]
    word = word_of[a]
    part = part_of(place_of_word(word))
    n = word_examples[word]
    if (n < 2 || !room("senses", part))
      continue
    for (k = 0; k < 8; k++) { # as many of one kind as of the other
      b = by_word[word, below(n)]
      same = sense_of[a] == sense_of[b]
      if (a != b && same == (balance["senses", part] % 2))
        break
    }
    if (k == 8)
      continue
    balance["senses", part]++
    if (part == "test")
      put("senses/test", "index\t#1 ID\t#2 ID\t#1 String\t#2 String", serial("senses", part) "\t" a "\t" b "\t" example[a] "\t" example[b])
    else
      put("senses/" part, "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", same "\t" a "\t" b "\t" example[a] "\t" example[b])
    count["senses", part]++
  }
}

function place_of_word(word) {
  if (!(word in number))
    number[word] = nnumber++
  return number[word]
}

function up(id, steps) {
  while (steps-- > 0 && parent[id] in gloss)
    id = parent[id]
  return id
}

function down(id, steps) {
  while (steps-- > 0 && children[id])
    id = child[id, below(children[id])]
  return id
}

# Edges between two synsets over their first hypernyms.
function distance(a, b,    depth, n) {
  split("", depth)
  for (n = 0; a in gloss; n++) {
    depth[a] = n
    a = parent[a]
  }
  for (n = 0; b in gloss; n++) {
    if (b in depth)
      return n + depth[b]
    b = parent[b]
  }
  return -1
}

# Of STS-B: two nouns with their glosses, and 5 / (1 + edges between them).
function make_similarity(    i, a, b, d, u, columns) {
  columns = "genre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("similarity"); i++) {
    a = synset[order[i]]
    if (!room("similarity", part_of(order[i])))
      continue
    u = below(4)
    b = down(up(a, u), u ? below(u + 1) : below(2))
    d = distance(a, b)
    if (d < 0 || (a == b && synonym[a] == ""))
      continue
    put_row("similarity", part_of(order[i]), columns, "nouns\twordnet\t3.0\t" order[i] "\tnone\tnone\t" name[a] ": " gloss[a] "\t" \
      (a == b ? synonym[b] : name[b]) ": " gloss[b], "score", sprintf("%.3f", 5 / (1 + d)))
  }
}

# Of QQP: the definitions that two dictionaries give, of one word or of two.
function make_definitions(    i, id, word, part, same, theirs, nwords, list) {
  for (i = 0; i < nsynset; i++) {
    word = name[synset[i]]
    if (senses[word] == 1 && word in definition)
      list[nwords++] = synset[i]
  }
  shuffle(nwords)
  for (i = 0; i < nwords && !full("definitions"); i++) {
    id = list[order[i]]
    part = part_of(order[i])
    if (!room("definitions", part))
      continue
    same = below(2)
    theirs = same ? name[id] : name[list[below(nwords)]]
    if (!same && theirs == name[id])
      continue
    put_question(part, order[i], "what is " gloss[id] " ?", "what is " definition[theirs] " ?", same)
  }
}

function put_question(part, id, one, two, same) {
  if (part == "test")
    put("definitions/test", "id\tquestion1\tquestion2", serial("definitions", part) "\t" one "\t" two)
  else
    put("definitions/" part, "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", serial("definitions", part) "\t" 2 * id "\t" 2 * id + 1 "\t" one "\t" two "\t" same)
  count["definitions", part]++
}

function some(word) {
  return "it is " (word ~ /^[aeiou]/ ? "an " : "a ") word
}

# The premise is a noun with its gloss; what it is a kind of follows, a kind of it may be, another kind of the same is not.
function hypothesis(id, relation,    x) {
  if (relation == "entailment")
    x = up(id, 1 + below(2))
  else if (relation == "neutral")
    x = down(id, 1)
  else
    x = down(up(id, 1), 1)
  return x == id || name[x] == name[id] || (relation == "contradiction" && up(id, 1) == id) ? "" : some(name[x])
}

# Of MNLI: matched classes are those that are trained on.
function make_kinds(    i, id, part, matched, relation, h, row, columns, label) {
  columns = "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2"
  shuffle(nsynset)
  for (i = 0; i < nsynset; i++) {
    id = synset[order[i]]
    matched = class_of[id] in class_name
    part = matched ? part_of(order[i]) : "dev_mismatched"
    if ((!matched && class_of[id] != "18" && class_of[id] != "13") || !room("kinds", part))
      continue
    if (!(part in wanted)) # until one fits
      wanted[part] = relations[below(3)]
    relation = wanted[part]
    h = hypothesis(id, relation)
    if (h == "")
      continue
    delete wanted[part]
    row = serial("kinds", part) "\t" order[i] "\t" order[i] substr(relation, 1, 1) "\t" class_of[id] "\t-\t-\t-\t-\t" \
      some(name[id]) ", " gloss[id] "\t" h
    label = part == "test" ? "" : part == "train" ? "\t" relation : "\t" relation "\t" relation
    put("kinds/" (part == "dev" || part == "test" ? part "_matched" : part), columns (part == "test" ? "" : part == "train" ? "\tgold_label" : "\tlabel1\tgold_label"), row label)
    count["kinds", part]++
  }
}

# Of RTE: does the second follow?
function make_entailment(    i, id, part, relation, h) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("entailment"); i++) {
    id = synset[order[i]]
    part = part_of(order[i])
    if (!(part in looked_for))
      looked_for[part] = below(2) ? "entailment" : relations[1 + below(2)]
    relation = looked_for[part]
    h = room("entailment", part) ? hypothesis(id, relation) : ""
    if (h == "")
      continue
    delete looked_for[part]
    put_row("entailment", part, "sentence1\tsentence2", some(name[id]) ", " gloss[id] "\t" h, "label",
      relation == "entailment" ? relation : "not_entailment")
  }
}

# Of QNLI: does the gloss answer?  The adversarial form of the dev file puts another gloss before it.
function make_glosses(    i, id, part, x, label, row) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("glosses"); i++) {
    id = synset[order[i]]
    part = part_of(order[i])
    if (!room("glosses", part))
      continue
    x = below(2) ? id : below(2) ? down(up(id, 1), 1) : synset[below(nsynset)]
    label = x == id ? "entailment" : "not_entailment"
    row = "what is " (name[id] ~ /^[aeiou]/ ? "an " : "a ") name[id] " ?\t"
    if (part == "dev")
      put("glosses/adversarial", "index\tquestion\tsentence\tlabel", serial("glosses", part) "\t" row gloss[synset[below(nsynset)]] "; " gloss[x] "\t" label)
    put_row("glosses", part, "question\tsentence", row gloss[x], "label", label)
  }
}

# ---- agreement, of nouns that are common
function noun_phrase(many,    w) {
  do
    w = noun[below(nnoun)]
  while (part_of(place_of_word(w)) != phrase_part)
  return "the " w (many ? "s" : "")
}

# Of CoLA: the verb goes with the first noun, whatever stands between, whose numbers are random.  The same as pairs for `score`.
function make_agreement(part,    k, n, many, text, verb, right, start, i) {
  phrase_part = part
  while (room("agreement", part)) {
    n = below(4)
    many = below(2)
    start = noun_phrase(many)
    for (i = 0; i < n; i++)
      start = start " " between[below(nbetween)] " " noun_phrase(below(2))
    k = below(2)
    verb = "is are was were"
    split(verb, form, " ")
    right = below(2)
    text = start " " form[2 * k + 1 + (right ? many : !many)] " " quality[below(nquality)]
    if (part == "test")
      put("agreement/test", "index\tsentence", serial("agreement", part) "\t" text)
    else
      put("agreement/" part, "", "a" n "\t" right "\t" (right ? "" : "*") "\t" text)
    if (part == "dev")
      put("agreement/pairs", "text\tright\twrong\tattractors", start " [MASK] " quality[below(nquality)] "\t" form[2 * k + 1 + many] "\t" form[2 * k + 2 - many] "\t" n)
    count["agreement", part]++
  }
}

# Of WNLI: which of the two a pronoun means, its number says.
function make_referents(part,    many, they, subject, object, what, asked) {
  phrase_part = part
  while (room("referents", part)) {
    many = below(2)
    they = below(2)
    asked = below(2)
    subject = noun_phrase(many)
    object = noun_phrase(!many)
    what = quality[below(nquality)]
    put_row("referents", part, "sentence1\tsentence2", subject " " (many ? "stand" : "stands") " " between[below(nbetween)] " " object ", as " \
      (they ? "they are " : "it is ") what "\t" (asked ? subject : object) " " ((asked ? many : !many) ? "are " : "is ") what, "label",
      (asked ? many : !many) == they ? 1 : 0)
  }
}

# ---- rows of other kinds
# A file that is no table.
function put_line(path, line) {
  path = out "/" path
  print line >path
}

# Of CoNLL: the words of a gloss, of which those of what its synset is a kind of are tagged with the class.
function make_genus(    i, k, n, id, part, text, kind, word, tag) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("genus"); i++) {
    id = synset[order[i]]
    part = part_of(order[i])
    if (!(class_of[id] in class_name) || !room("genus", part))
      continue
    text = gloss[id]
    gsub(/[^a-zA-Z0-9 -]/, " & ", text)
    text = " " text " "
    gsub(/ +/, " ", text)
    kind = name[up(id, 1)]
    if (!index(text, " " kind " "))
      kind = name[up(id, 2)]
    k = index(text, " " kind " ")
    if (!k || kind == name[id])
      continue
    tag = "\tB-" class_name[class_of[id]]
    n = split(substr(text, 2, length(text) - 2), word, " ")
    for (k = split(substr(text, 1, k), list_of, " ") + 1; kind != ""; k++) {
      word[k] = word[k] tag
      tag = "\tI-" class_name[class_of[id]]
      if (!sub(/^[^ ]* /, "", kind))
        kind = ""
    }
    for (k = 1; k <= n; k++)
      put_line("genus/" part ".conll", part == "test" ? bare(word[k]) : word[k] (word[k] ~ /\t/ ? "" : "\tO"))
    put_line("genus/" part ".conll", "")
    count["genus", part]++
  }
}

function bare(text) {
  sub(/\t.*/, "", text)
  return text
}

function statement(id) {
  return some_noun(name[id]) " is " gloss[id] "."
}

function some_noun(word) {
  return (word ~ /^[aeiou]/ ? "an " : "a ") word
}

function is_short(id) {
  return length(gloss[id]) <= 60 && gloss[id] !~ /["\\]/
}

function another_short(id,    x, n) {
  for (n = 0; n < 1000; n++) {
    x = synset[below(nsynset)]
    if (is_short(x) && name[x] != name[id])
      break
  }
  return x
}

# Of SQuAD's second version: what is said of a thing, among what is said of others; of every fifth one nothing is.
function make_answers(    i, k, id, part, n, at, start, context, asked, other, row) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("answers"); i++) {
    id = synset[order[i]]
    part = part_of(order[i])
    if (!is_short(id) || !room("answers", part))
      continue
    asked = below(5) > 0
    n = 2 + below(2)
    at = asked ? below(n) : -1 # the place of what is asked for; start: the first character of its answer
    context = ""
    for (k = 0; k < n; k++) {
      if (k)
        context = context " "
      if (k == at) {
        other = id
        start = length(context some_noun(name[id]) " is ")
      } else
        other = another_short(id)
      context = context statement(other)
    }
    row = "{\"id\": \"" part serial("answers", part) "\", \"question\": \"what is " some_noun(name[id]) " ?\""
    if (part != "test")
      row = row ", \"is_impossible\": " (asked ? "false" : "true") ", \"answers\": [" \
        (asked ? "{\"text\": \"" gloss[id] "\", \"answer_start\": " start "}" : "") "]"
    else
      row = row ", \"is_impossible\": null"
    put_line("answers/" part ".json", (count["answers", part] ? "," : "{\"version\": \"v2.0\", \"data\": [{\"title\": \"nouns\", \"paragraphs\": [") \
      "{\"context\": \"" context "\", \"qas\": [" row "}]}")
    count["answers", part]++
  }
  for (i = 1; i <= split("train dev test", list_of, " "); i++)
    if (count["answers", list_of[i]])
      put_line("answers/" list_of[i] ".json", "]}]}")
}

# The definitions that two dictionaries give of a word: which of the second go with which of the first?
function make_partners(    i, id, part, nwords, list) {
  for (i = 0; i < nsynset; i++)
    if (senses[name[synset[i]]] == 1 && name[synset[i]] in definition)
      list[nwords++] = synset[i]
  shuffle(nwords)
  for (i = 0; i < nwords && !full("partners"); i++) {
    id = list[order[i]]
    part = part_of(order[i])
    if (room("partners", part)) {
      put("partners/" part, "anchor\tpositive", gloss[id] "\t" definition[name[id]])
      count["partners", part]++
    }
  }
}

function of_another_class(id,    x, n) {
  for (n = 0; n < 1000; n++) {
    x = synset[below(nsynset)]
    if (class_of[x] != class_of[id])
      break
  }
  return x
}

# Of SWAG: which of four glosses is that of a kind of something?  The others are of other classes.
function make_fitting(    i, k, id, part, right, row) {
  shuffle(nsynset)
  for (i = 0; i < nsynset && !full("fitting"); i++) {
    id = synset[order[i]]
    part = part_of(order[i])
    if (!(parent[id] in gloss) || !room("fitting", part))
      continue
    right = below(4)
    row = some_noun(name[id]) " is a kind of " name[parent[id]]
    for (k = 0; k < 4; k++)
      row = row "\t" gloss[k == right ? id : of_another_class(id)]
    put_row("fitting", part, "context\tending0\tending1\tending2\tending3", row, "label", right)
  }
}

END {
  flush_entry()
  state = 20240229
  split("05 animal 06 artifact 08 body 20 plant 27 substance 15 location", pairs_of, " ")
  for (i = 1; i in pairs_of; i += 2)
    class_name[pairs_of[i]] = pairs_of[i + 1]
  split("entailment neutral contradiction", list_of, " ")
  for (i = 1; i in list_of; i++)
    relations[i - 1] = list_of[i]
  nbetween = split("near behind beside under above", list_of, " ")
  for (i = 1; i <= nbetween; i++)
    between[i - 1] = list_of[i]
  nquality = split("old new small big good famous strange white black heavy", list_of, " ")
  for (i = 1; i <= nquality; i++)
    quality[i - 1] = list_of[i]
  for (i = 0; i < nsynset; i++)
    if (parent[synset[i]] in gloss)
      child[parent[synset[i]], children[parent[synset[i]]]++] = synset[i]
  make_classes()
  make_senses()
  make_similarity()
  make_definitions()
  make_kinds()
  make_entailment()
  make_glosses()
  for (i = 1; i <= split("train dev test", list_of, " "); i++) {
    make_agreement(list_of[i])
    make_referents(list_of[i])
  }
  make_genus()
  make_answers()
  make_partners()
  make_fitting()
}
