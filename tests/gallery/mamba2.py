"""Dao and Gu (2024): the recurrence of each head, one step after another."""

import numpy as np

from parts import linear, rms_norm, short_conv, silu, softplus


def ssd(w, x, b, c, step):
    decay = np.exp(-step * np.exp(w.A_log))
    h, y = np.zeros((*x[:, 0].shape, b.shape[-1])), np.zeros(x.shape)
    for t in range(x.shape[1]):
        h = decay[:, t, :, None, None] * h + (step[..., None] * x)[:, t, :, :, None] * b[:, t, None, None]
        y[:, t] = np.einsum("bhpn,bn->bhp", h, c[:, t])
    return y + w.D[:, None] * x


def mixer(w, u):
    x = linear(w.into, u)
    shape, flat = x.shape, (*u.shape[:2], -1)
    x = silu(short_conv(w.conv, x.reshape(flat))).reshape(shape)
    b, c = silu(short_conv(w.conv_b, linear(w.b, u))), silu(short_conv(w.conv_c, linear(w.c, u)))
    y = ssd(w.ssd, x, b, c, softplus(linear(w.delta, u) + w.delta_bias)) * silu(linear(w.gate, u))
    return linear(w.out, rms_norm(y.reshape(flat), w.norm.weight, 1e-5))


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + mixer(layer.mixer, rms_norm(x, layer.norm.weight, 1e-5))
    return rms_norm(x, w.norm.weight, 1e-5) @ w.word.weight.T
