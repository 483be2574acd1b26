"""Sun et al. (2023), equation 6: the recurrence, and complex numbers where the model turns pairs."""

import numpy as np

from parts import gelu, layer_norm, linear, silu


def turned(x):
    """Features 2k and 2k + 1 are the parts of a number that turns with the place, x of [B, L, Heads, D]."""
    L, half = x.shape[1], x.shape[3] // 2
    angle = np.arange(L)[:, None] * 10_000.0 ** (-np.arange(half) / half)
    z = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)[:, None]
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def retention(w, x):
    q, k, v = turned(linear(w.query, x)), turned(linear(w.key, x)), linear(w.value, x)
    B, L, heads, D = q.shape
    gamma = 1 - 2.0 ** (-5 - np.arange(heads))
    s, y = np.zeros((B, heads, D, v.shape[3])), np.zeros(v.shape)
    for n in range(L):
        s = gamma[:, None, None] * s + k[:, n, :, :, None] / np.sqrt(D) * v[:, n, :, None]
        y[:, n] = np.einsum("bhd,bhde->bhe", q[:, n], s)
    return linear(w.out, silu(linear(w.gate, x)) * layer_norm(w.norm, y, 1e-6), 2)


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + retention(layer.retention, layer_norm(layer.norm1, x, 1e-5))
        x = x + linear(layer.down, gelu(linear(layer.up, layer_norm(layer.norm2, x, 1e-5))))
    return layer_norm(w.norm, x, 1e-5) @ w.word.weight.T
