"""Radford et al. (2021), figure 3, with images by ViT and the last word's state of a causal encoder for a text."""

import numpy as np

import vit
from parts import attention, causal, layer_norm, linear, sigmoid


def inputs(random, w, B, L):
    return vit.inputs(random, w, B, L) | {"ids": random.integers(0, len(w.texts.word.weight), (B + 1, L))}


def rows(random):
    """To be learnt: the word that names the colour of an image."""
    of = vit.rows(random)
    text = np.stack([np.full(64, 1), 2 + of["target"], np.full(64, 9)], 1)
    return {"pixels": of["pixels"], "text": text.astype(np.int32)}


def unit(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def image(w, pixels):
    return unit(vit.encoded(w.images.encoder, pixels)[:, 0] @ w.images.map)


def embed(w, ids):
    w, L = w.texts, ids.shape[1]
    x = w.word.weight[ids] + w.position.weight[:L]
    for layer in w.layer:
        q, k, v = (linear(p, layer_norm(layer.norm1, x, 1e-5)) for p in (layer.query, layer.key, layer.value))
        x = x + linear(layer.output, attention(q, k, v, causal(L)), 2)
        y = linear(layer.up, layer_norm(layer.norm2, x, 1e-5))
        x = x + linear(layer.down, y * sigmoid(1.702 * y))
    return unit(layer_norm(w.norm, x, 1e-5)[np.arange(len(ids)), ids.argmax(1)] @ w.map)


def likeness(w, pixels, ids):
    return min(np.exp(w.temperature), 100) * image(w, pixels) @ embed(w, ids).T
