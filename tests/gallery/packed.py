"""BERT (Devlin et al., 2018) on each document by itself, whatever stands beside it in its row."""

import numpy as np

from parts import attention, gelu, layer_norm, linear


def inputs(random, w, B, L):
    begins = random.random((B, L)) < 0.3
    begins[:, 0] = True
    places = np.arange(L)
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    ids = random.integers(0, len(w.word.weight), (B, L))
    return {"ids": ids, "doc": begins.cumsum(1) - 1, "place": places - first}


def block(w, x):
    """A layer whose norms come last."""
    q, k, v = (linear(p, x) for p in (w.attention.query, w.attention.key, w.attention.value))
    a = layer_norm(w.attn_norm, x + linear(w.attention.output, attention(q, k, v), 2))
    return layer_norm(w.out_norm, a + linear(w.down, gelu(linear(w.up, a))))


def alone(w, ids):
    x = layer_norm(w.norm, w.word.weight[ids] + w.position.weight[: len(ids)] + w.segment.weight[0])[None]
    for layer in w.layer:
        x = block(layer, x)
    return x[0]


def hidden(w, ids, doc, place):
    y = np.zeros((*ids.shape, w.word.weight.shape[1]))
    for b, of in enumerate(doc):
        for d in np.unique(of):
            here = of == d
            assert (place[b, here] == np.arange(here.sum())).all()
            y[b, here] = alone(w, ids[b, here])
    return y


def logits(w, ids, doc, place):
    x = gelu(linear(w.head.transform, hidden(w, ids, doc, place)))
    return layer_norm(w.head.norm, x) @ w.word.weight.T + w.head.bias
