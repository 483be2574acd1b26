"""Ma et al. (2022), sections 3.1 to 3.5: the moving average step by step, then one head of attention between gates."""

import math

import numpy as np

from parts import causal, layer_norm, linear, sigmoid, silu, softmax


def average(w, x):
    alpha, delta = sigmoid(w.alpha), sigmoid(w.delta)
    h, out = 0.0, []
    for x_t in x.transpose(1, 0, 2):
        h = alpha * w.beta * x_t[..., None] + (1 - alpha * delta) * h
        out.append((w.eta * h).sum(-1))
    return np.stack(out, 1)


def gated(w, x):
    B, L, _ = x.shape
    a = average(w.ema, x)
    z = silu(linear(w.z, a))
    q, k, v = z * w.k_q + w.mu_q, z * w.k_k + w.mu_k, silu(linear(w.v, x))
    bias = np.array([[w.relative[max(i - j, 0)] for j in range(L)] for i in range(L)])
    o = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]) + bias + causal(L)) @ v
    new = silu(linear(w.h, a) + (silu(linear(w.gamma, a)) * o) @ w.u)
    gate = sigmoid(linear(w.phi, a))
    return gate * new + (1 - gate) * x


def logits(w, ids):
    x = w.word.weight[ids]
    for layer in w.layer:
        y = layer_norm(layer.norm1, gated(layer.mega, x), 1e-5)
        x = layer_norm(layer.norm2, linear(layer.down, silu(linear(layer.up, y))) + y, 1e-5)
    return x @ w.word.weight.T
