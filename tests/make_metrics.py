#!/usr/bin/env python3
"""Values of tests/unit/test_metrics.c: what seqeval says of random tags.  Needs seqeval (1.2.2 was used).

python3 tests/make_metrics.py
"""
import random

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
