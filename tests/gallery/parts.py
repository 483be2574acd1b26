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


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def linear(w, x):
    """Over the last axes of x that meet the first ones of the weight."""
    kept = w.weight.ndim - getattr(w, "bias", w.weight[0]).ndim
    y = np.tensordot(x, w.weight, kept)
    return y + w.bias if hasattr(w, "bias") else y


def layer_norm(w, x, eps=1e-12):
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + eps) * w.weight + w.bias


def rms_norm(x, weight=1.0, eps=1e-6):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight
