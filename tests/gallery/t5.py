"""Raffel et al. (2020), section 2.1: relative positions by a table of buckets, which is looked up distance by distance."""

import math

import numpy as np

from parts import rms_norm, softmax

FURTHEST = 128


def inputs(random, w, B, L):
    V = len(w.word.weight)
    mask = np.arange(L) < random.integers(1, L + 1, (B, 1))
    return {"ids": random.integers(0, V, (B, L)), "mask": mask, "words": random.integers(0, V, (B, 2 * L // 3 + 1))}


def rows(random):
    """To be learnt: the text again, without what fills it."""
    ids = random.integers(1, 20, (64, 12)).astype(np.int32)
    ids[np.arange(12) >= random.integers(4, 13, (64, 1))] = 0
    return {"ids": ids, "mask": ids > 0, "words": ids[:, :6].copy()}


def bucket(far, count):
    exact = count // 2
    if far < exact:
        return far
    # in exact arithmetic: the greatest k with exact (FURTHEST / exact)^(k / exact) <= far
    k = 0
    while k < count - 1 - exact and exact**exact * FURTHEST ** (k + 1) <= far**exact * exact ** (k + 1):
        k += 1
    return exact + k


def biases(table, rows, both):
    count = len(table)
    out = np.full((table.shape[1], rows, rows), -np.inf)
    for i in range(rows):
        for j in range(rows):
            if both:
                out[:, i, j] = table[bucket(abs(i - j), count // 2) + (count // 2 if j > i else 0)]
            elif j <= i:
                out[:, i, j] = table[bucket(i - j, count)]
    return out


def attention(w, x, seen, bias):
    q, k, v = (np.einsum("blh,hnd->bnld", of, p) for of, p in ((x, w.q), (seen, w.k), (seen, w.v)))
    o = softmax(q @ k.transpose(0, 1, 3, 2) + bias) @ v
    return np.einsum("bnld,ndh->blh", o, w.o)


def ffn(w, x):
    return np.maximum(x @ w.up, 0) @ w.down


def hidden(w, ids, mask):
    x = w.word.weight[ids]
    padding = np.where(mask, 0, -np.inf)[:, None, None, :]
    bias = biases(w.reading, ids.shape[1], True) + padding
    for layer in w.encoder:
        h = rms_norm(x, layer.norm1.weight)
        x = x + attention(layer.attention, h, h, bias)
        x = x + ffn(layer.ffn, rms_norm(x, layer.norm2.weight))
    return rms_norm(x, w.norm1.weight)


def logits(w, ids, mask, words):
    memory = hidden(w, ids, mask)
    padding = np.where(mask, 0, -np.inf)[:, None, None, :]
    x = w.word.weight[np.pad(words, ((0, 0), (1, 0)))[:, :-1]]
    bias = biases(w.writing, words.shape[1], False)
    for layer in w.decoder:
        h = rms_norm(x, layer.norm1.weight)
        x = x + attention(layer.attention, h, h, bias)
        x = x + attention(layer.cross, rms_norm(x, layer.norm2.weight), memory, padding)
        x = x + ffn(layer.ffn, rms_norm(x, layer.norm3.weight))
    return rms_norm(x, w.norm2.weight) @ w.word.weight.T / math.sqrt(x.shape[-1])
