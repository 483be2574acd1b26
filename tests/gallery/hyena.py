"""Poli et al. (2023), definition 3.1 and equation 7; convolutions as sums."""

import math

import numpy as np

from parts import convolved, gelu, layer_norm, linear, short_conv

LONGEST = 160  # P of the row in gallery.test


def filters(w, L):
    """[L, Order, H]"""
    t = np.arange(L) / (LONGEST - 1)
    angle = 2 * math.pi * t[:, None] * (1 + np.arange(len(w.sines.weight)))
    h = linear(w.sines, np.sin(angle)) + linear(w.cosines, np.cos(angle)) + t[:, None] * w.line
    h = linear(w.last, np.sin(w.freq * linear(w.inner, np.sin(w.freq * h))))
    slow, fast, H = math.log(100) / 1.5, math.log(100) / 0.3, h.shape[2]
    return h * np.exp(-t[:, None] * (slow + (fast - slow) * np.arange(H) / H))[:, None]


def mixer(w, u):
    x = linear(w.gate, u)
    x = short_conv(w.conv_x, x.reshape(*u.shape[:2], -1)).reshape(x.shape)
    z, h = short_conv(w.conv, linear(w.value, u)), filters(w.filters, u.shape[1])
    for n, step in enumerate(w.round):
        z = x[:, :, n] * (convolved(z, h[:, n]) + step.direct * z)
    return linear(w.out, z)


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        x = x + mixer(layer.mixer, layer_norm(layer.norm1, x, 1e-5))
        x = x + linear(layer.down, gelu(linear(layer.up, layer_norm(layer.norm2, x, 1e-5))))
    return layer_norm(w.norm, x, 1e-5) @ w.word.weight.T
