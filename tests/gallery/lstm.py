"""Zaremba et al. (2014), without dropout: gates in the order of input, forget, output, candidate."""

import numpy as np

from parts import linear, sigmoid


def cell(w, x, h, c):
    a = np.einsum("bh,hgk->gbk", x, w.w) + np.einsum("bh,hgk->gbk", h, w.u) + w.b[:, None]
    c = sigmoid(a[1]) * c + sigmoid(a[0]) * np.tanh(a[3])
    return sigmoid(a[2]) * np.tanh(c), c


def run(w, ids, h0, c0):
    h, c, out = list(h0), list(c0), []
    for word in ids.T:
        x = w.word.weight[word]
        for i, layer in enumerate(w.layer):
            h[i], c[i] = cell(layer, x, h[i], c[i])
            x = h[i]
        out.append(x)
    return np.stack(out, 1), np.stack(h), np.stack(c)


def inputs(random, w, B, L):
    V, H = w.word.weight.shape
    h0, c0 = random.standard_normal((2, len(w.layer), B, H)).astype(np.float32)
    return {"ids": random.integers(0, V, (B, L)), "h0": h0, "c0": c0}


def logits(w, ids, h0, c0):
    return linear(w.head, run(w, ids, h0, c0)[0])


def h(w, ids, h0, c0):
    return run(w, ids, h0, c0)[1]


def c(w, ids, h0, c0):
    return run(w, ids, h0, c0)[2]
