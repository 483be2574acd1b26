"""Peng et al. (2023), by the sum of equation 16 over all words before, as it is written there."""

import numpy as np

from parts import before, layer_norm, linear, sigmoid


def mixed(w, x):
    return w.mu * x + (1 - w.mu) * before(x)


def wkv(k, v, decay, bonus):
    y = np.zeros(k.shape)
    for t in range(k.shape[1]):
        age = t - 1 - np.arange(t)[:, None]
        weight = np.concatenate([np.exp(k[:, :t] - age * decay), np.exp(k[:, t:] + bonus)[:, :1]], 1)
        y[:, t] = (weight * v[:, : t + 1]).sum(1) / weight.sum(1)
    return y


def time_mixing(w, x):
    r, k, v = (linear(to, mixed(mix, x)) for mix, to in ((w.mix_r, w.receptance), (w.mix_k, w.key), (w.mix_v, w.value)))
    return linear(w.out, sigmoid(r) * wkv(k, v, np.exp(w.decay), w.bonus))


def channel_mixing(w, x):
    k = np.maximum(linear(w.key, mixed(w.mix_k, x)), 0)
    return sigmoid(linear(w.receptance, mixed(w.mix_r, x))) * linear(w.value, k**2)


def logits(w, ids):
    x = layer_norm(w.first, w.word.weight[ids], 1e-5)
    for layer in w.layer:
        x = x + time_mixing(layer.time, layer_norm(layer.norm1, x, 1e-5))
        x = x + channel_mixing(layer.channel, layer_norm(layer.norm2, x, 1e-5))
    return linear(w.head, layer_norm(w.norm, x, 1e-5))
