"""Shazeer et al. (2017), and the loss of Fedus et al. (2021), equations 4 to 6: each word goes through its own experts alone."""

import numpy as np

from parts import attention, causal, gelu, layer_norm, linear, softmax

K = 2


def sent(w, x):
    """What the experts make of words, and the loss of balance."""
    share = softmax(x @ w.router)
    out, used = np.zeros_like(x), np.zeros(share.shape[-1])
    for at in np.ndindex(x.shape[:-1]):
        best = np.argsort(-share[at])[:K]
        used[best] += 1 / (K * x[..., 0].size)
        for e in best:
            out[at] += share[at][e] / share[at][best].sum() * (gelu(x[at] @ w.up[e]) @ w.down[e])
    return out, len(used) * (used * share.mean((0, 1))).sum()


def run(w, ids):
    x = w.word.weight[ids] + w.position.weight[: ids.shape[1]]
    balances = []
    for layer in w.layer:
        q, k, v = np.moveaxis(linear(layer.attention.qkv, layer_norm(layer.norm1, x, 1e-5)), 2, 0)
        x = x + linear(layer.attention.out, attention(q, k, v, causal(ids.shape[1])), 2)
        y, balance = sent(layer.experts, layer_norm(layer.norm2, x, 1e-5))
        x = x + y
        balances.append(balance)
    return layer_norm(w.norm, x, 1e-5), np.array(balances)


def logits(w, ids):
    return run(w, ids)[0] @ w.word.weight.T


def balance(w, ids):
    return run(w, ids)[1]
