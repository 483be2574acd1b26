#!/usr/bin/env python3
"""Values of tests/unit/test_metrics.c: what seqeval says of random tags (1.2.2 was used), and the functions of SQuAD's
evaluate-v2.0.py, written down again below, of answers.

python3 tests/make_metrics.py
"""
import collections
import random
import re
import string

from seqeval.metrics import f1_score

NAMES = ["B-LOC", "B-PER", "E-PER", "I-LOC", "I-PER", "O", "S-LOC"]


def numbers(rows):
    return ", ".join(str(NAMES.index(tag)) for row in rows for tag in row)


def entities(seed, names):
    draw = random.Random(seed)
    lengths = [draw.randint(1, 9) for _ in range(12)]
    is_ = [[draw.choice(names) for _ in range(n)] for n in lengths]
    said = [[tag if draw.random() < 0.7 else draw.choice(names) for tag in row] for row in is_]
    parts = ", ".join(str(i) for i, n in enumerate(lengths) for _ in range(n))
    print(f"is {{{numbers(is_)}}}\nsaid {{{numbers(said)}}}\npart {{{parts}}}")
    print(sum(lengths), "words, f1", repr(float(f1_score(is_, said))))


entities(1, [name for name in NAMES if name[0] in "BIO"])
entities(2, NAMES)


# ---- answers
def words(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def compare(said, right):
    a, b = words(said), words(right)
    exact = " ".join(a) == " ".join(b)
    if not a or not b:
        return exact, float(a == b)
    same = sum((collections.Counter(a) & collections.Counter(b)).values())
    if not same:
        return exact, 0.0
    precision, recall = same / len(a), same / len(b)
    return exact, 2 * precision * recall / (precision + recall)


ANSWERS = [
    ("The Eiffel Tower!", "eiffel tower"),
    ("in the city of Oslo, in Norway", "the city of oslo in the north"),
    ("a", "the"),
    ("", "an answer"),
    ("", "..."),
    ("a theme, an anthem", "theme anthem"),
    ("it's 1,000 $", "its 1000"),
    ("the the cat the", "cat"),
    ("cat cat dog", "cat dog dog"),
    ("\u00c5rhus \u2013 the \u00c9t\u00c9", "\u00e5rhus \u2013 \u00e9t\u00e9"),
    ("an\u2013a x", "x"),
    ("co-operate\u00a0now", "cooperate now"),
    ("nothing", "something else"),
    ("th\u00e9", "the th\u00e9"),
]
for said, right in ANSWERS:
    exact, f1 = compare(said, right)
    print(f"{{{said!r}, {right!r}, {int(exact)}, {f1!r}}}")
