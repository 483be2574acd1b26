"""Yang et al. (2024): S = S - beta (S k - v) k^T, here with rows of keys and columns of values."""

import numpy as np

from parts import linear, rms_norm, short_conv, sigmoid, silu


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def delta_rule(w, x):
    heads = w.write.weight.shape[1]
    q, k, v = (
        silu(short_conv(conv, linear(to, x))).reshape(*x.shape[:2], heads, -1)
        for conv, to in ((w.conv_q, w.query), (w.conv_k, w.key), (w.conv_v, w.value))
    )
    q, k, beta = unit(q), unit(k), sigmoid(linear(w.write, x))
    s, y = np.zeros((len(x), heads, q.shape[3], v.shape[3])), np.zeros(v.shape)
    for t in range(x.shape[1]):
        wrong = np.einsum("bhde,bhd->bhe", s, k[:, t]) - v[:, t]
        s = s - beta[:, t, :, None, None] * k[:, t, :, :, None] * wrong[:, :, None]
        y[:, t] = np.einsum("bhde,bhd->bhe", s, q[:, t])
    return linear(w.out, rms_norm(y, w.norm.weight, 1e-5), 2)


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + delta_rule(layer.delta, rms_norm(x, layer.norm1.weight, 1e-5))
        h = rms_norm(x, layer.norm2.weight, 1e-5)
        x = x + linear(layer.down, silu(linear(layer.gate, h)) * linear(layer.up, h))
    return rms_norm(x, w.norm.weight, 1e-5) @ w.word.weight.T
