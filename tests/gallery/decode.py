"""GPT-2 on a whole text: of a text whose first words are in the cache, what the model says of the rest."""

import numpy as np

from parts import attention, causal, gelu_tanh, layer_norm, linear

AT, CACHE = 6, 9  # words before, and rows of the cache: the others hold what nobody may see


def run(w, ids):
    """The last hidden states, and keys and values of all layers as [L, Depth, B, heads, D]."""
    L = ids.shape[1]
    x, cache = w.word.weight[ids] + w.position.weight[:L], []
    for layer in w.layer:
        q, k, v = np.moveaxis(linear(layer.attn.qkv, layer_norm(layer.ln1, x, 1e-5)), 2, 0)
        x = x + linear(layer.attn.out, attention(q, k, v, causal(L)), 2)
        x = x + linear(layer.down, gelu_tanh(linear(layer.up, layer_norm(layer.ln2, x, 1e-5))))
        cache.append((k, v))
    keys, values = (np.stack(c).transpose(2, 0, 1, 3, 4) for c in zip(*cache))
    return layer_norm(w.norm, x, 1e-5), keys, values


def inputs(random, w, B, L):
    text = random.integers(0, len(w.word.weight), (B, AT + L))
    keys, values = (np.concatenate([c[:AT], 9 + random.standard_normal(c[: CACHE - AT].shape)]) for c in run(w, text)[1:])
    given = {"ids": text[:, AT:], "at": np.int32(AT), "keys": keys.astype(np.float32), "values": values.astype(np.float32)}
    return given | {"_text": text}


def logits(w, _text, ids, at, keys, values):
    return run(w, _text)[0][:, AT:] @ w.word.weight.T


def new_keys(w, _text, ids, at, keys, values):
    return run(w, _text)[1][AT:]


def new_values(w, _text, ids, at, keys, values):
    return run(w, _text)[2][AT:]
