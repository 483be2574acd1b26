"""compare.py MODEL LIBRARY WEIGHTS LENGTH...: a model of models/ as bigsc compiled it, against the file of its name beside this one.

Such a file has a function for each entry that is compared, `logits(w, ids)`, which takes the parameters in float64 and the inputs by
name, and follows the paper's formulas one step after another.  Where inputs are more than ids, its `inputs(random, w, B, L)`
makes them.  What it calls _NAME is for references alone, and a reference that takes an entry's name is given what the model says that is:
of draws, which follow no formula.  The parameters are those of a run, moved at random: biases and gains that start as 0 and 1 would
hide what they do.
"""

import importlib
import inspect
import sys
from types import SimpleNamespace

import numpy as np

import bigsc
from files import read, write

TOLERANCE = 2e-5  # of float32, as a share of the largest value


def moved(random, x):
    return (x + 0.2 * random.standard_normal(x.shape)).astype(x.dtype)


def tree(tensors):
    """layer.0.norm.weight as .layer[0].norm.weight"""
    below = {}
    for name, x in tensors.items():
        head, _, rest = name.partition(".")
        below.setdefault(head, {})[rest] = x
    values = {k: v[""].astype(np.float64) if "" in v else tree(v) for k, v in below.items()}
    return [values[str(i)] for i in range(len(values))] if "0" in values else SimpleNamespace(**values)


def ids_alone(random, w, B, L):
    return {"ids": random.integers(0, len(w.word.weight), (B, L))}


def compare(name, entry, got, want):
    if got.shape != want.shape:
        sys.exit(f"{name}: {entry} is of {got.shape}, not {want.shape}")
    error = np.abs(got - want).max() / np.abs(want).max()
    if not error <= TOLERANCE:
        sys.exit(f"{name}: {entry} differs by {error:.1e} of its largest value")


def asked(model, reference, entry, given):
    """What the model says an entry is, and the arguments of its reference."""

    def said(entry, names):
        return getattr(model, entry)(**{n: given[n] for n in names if n in given and n[0] != "_"})

    names = list(inspect.signature(getattr(reference, entry)).parameters)[1:]
    known = {n: given[n] if n in given else said(n, names) for n in names}
    return said(entry, names), known


def main(name, library, weights, *lengths):
    random = np.random.default_rng(7)
    reference = importlib.import_module(name)
    tensors = {k: moved(random, x) for k, x in read(weights)}
    write("moved.safetensors", tensors)
    w = tree(tensors)
    model = bigsc.Model(library, "moved.safetensors")
    entries = [e for e in model.entries if hasattr(reference, e)]
    if not entries:
        sys.exit(f"{name}: none of its entries {model.entries} has a reference")
    for B, L in enumerate(map(int, lengths), 2):
        given = getattr(reference, "inputs", ids_alone)(random, w, B, L)
        for entry in entries:
            got, known = asked(model, reference, entry, given)
            compare(name, f"{entry} at B = {B}, L = {L}", got, getattr(reference, entry)(w, **known))


main(*sys.argv[1:])
