"""Gu and Dao (2023), algorithm 2, one step after another."""

import numpy as np

from parts import linear, rms_norm, short_conv, silu, softplus


def ssm(w, x):
    step = softplus(linear(w.delta_proj, linear(w.s_delta, x)) + w.delta_bias)
    b, c, A = linear(w.s_B, x), linear(w.s_C, x), -np.exp(w.A_log)
    h, y = np.zeros((len(x), *A.shape)), np.zeros(x.shape)
    for t in range(x.shape[1]):
        h = np.exp(step[:, t, :, None] * A) * h + (step * x)[:, t, :, None] * b[:, t, None]
        y[:, t] = np.einsum("bin,bn->bi", h, c[:, t])
    return y + w.D * x


def mixer(w, u):
    y = ssm(w.ssm, silu(short_conv(w.conv, linear(w.into, u))))
    return linear(w.out, y * silu(linear(w.gate, u)))


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + mixer(layer.mixer, rms_norm(x, layer.norm.weight, 1e-5))
    return rms_norm(x, w.norm.weight, 1e-5) @ w.word.weight.T
