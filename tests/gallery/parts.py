"""What the references of the gallery are made of: layers in float64, on parameters as attributes (w.layer[0].norm.weight)."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.log1p(np.exp(x))


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def gelu_tanh(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def linear(w, x, axes=1):
    """Over the last axes of x, which are the first ones of the weight."""
    return np.tensordot(x, w.weight, axes) + getattr(w, "bias", 0)


def layer_norm(w, x, eps=1e-12):
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + eps) * w.weight + w.bias


def rms_norm(x, weight=1.0, eps=1e-6):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def before(x, n=1):
    """x of [B, L, ...] moved n places along L, zeros in front."""
    y = np.zeros(x.shape)
    y[:, n:] = x[:, : max(x.shape[1] - n, 0)]
    return y


def short_conv(w, x):
    """The last tap is for the place itself."""
    return sum(before(x, n) * tap for n, tap in enumerate(w.weight[::-1])) + w.bias


def convolved(x, k):
    """y[l] = sum over j of k[j] x[l - j], x of [B, L, H] and k of [L, H], or [L]."""
    return sum(before(x, j) * k[j] for j in range(x.shape[1]))


def attention(q, k, v, bias=0.0):
    """Of [B, L, heads, D] each: softmax of q k / sqrt(D) + bias, whose last axes are [heads, L, S]."""
    w = softmax(np.einsum("blhd,bshd->bhls", q, k) / math.sqrt(q.shape[-1]) + bias)
    return np.einsum("bhls,bshd->blhd", w, v)


def causal(L):
    """0 where the second place is not after the first, else what softmax makes 0."""
    return np.where(np.tri(L, dtype=bool), 0.0, -np.inf)


def block(w, x, eps, act, bias=0.0):
    """A layer of a transformer whose norms come first."""
    h = layer_norm(w.norm1, x, eps)
    q, k, v = (linear(p, h) for p in (w.attention.query, w.attention.key, w.attention.value))
    x = x + linear(w.attention.output, attention(q, k, v, bias), 2)
    return x + linear(w.down, act(linear(w.up, layer_norm(w.norm2, x, eps))))
