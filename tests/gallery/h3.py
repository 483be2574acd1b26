"""Fu et al. (2022), algorithm 1; both state-space models as recurrences."""

import numpy as np

from parts import gelu, layer_norm, linear


def shift_ssm(w, u):
    """The state is the last words, the newest first."""
    s, y = np.zeros((len(u), *w.C.shape)), np.zeros(u.shape)
    for t in range(u.shape[1]):
        s = np.concatenate([u[:, t, :, None], s[..., :-1]], -1)
        y[:, t] = (s * w.C).sum(-1)
    return y + w.D * u


def diagonal_ssm(w, u):
    """Gu et al. (2022), by zero-order hold, u of [B, L, ..., H]."""
    C, A = w.C[..., 0] + 1j * w.C[..., 1], np.minimum(w.A_re, -1e-4) + 1j * w.A_im
    A_bar = np.exp(np.exp(w.log_step)[:, None] * A)
    s, y = np.zeros((*u[:, 0].shape, A.shape[1]), complex), np.zeros(u.shape)
    for t in range(u.shape[1]):
        s = A_bar * s + (A_bar - 1) / A * u[:, t, ..., None]
        y[:, t] = 2 * (C * s).sum(-1).real
    return y + w.D * u


def mixer(w, x, heads):
    B, L, H = x.shape
    q, k, v = linear(w.query, x), shift_ssm(w.shift, linear(w.key, x)), linear(w.value, x)
    q, k, v = (y.reshape(B, L, heads, -1) for y in (q, k, v))
    kv = np.einsum("blhd,blhe->bldhe", k, v).reshape(B, L, -1, H)
    kv = diagonal_ssm(w.diag, kv).reshape(B, L, -1, heads, H // heads)
    return linear(w.out, np.einsum("blhd,bldhe->blhe", q, kv).reshape(B, L, H))


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + mixer(layer.mixer, layer_norm(layer.norm1, x, 1e-5), heads=4)
        x = x + linear(layer.down, gelu(linear(layer.up, layer_norm(layer.norm2, x, 1e-5))))
    return layer_norm(w.norm, x, 1e-5) @ w.word.weight.T
