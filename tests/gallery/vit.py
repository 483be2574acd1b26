"""Dosovitskiy et al. (2020), equations 1 to 4: patches are cut out one by one."""

import numpy as np

from parts import block, gelu, layer_norm, linear

ROWS, COLS = 8, 12


def inputs(random, w, B, L):
    return {"pixels": random.standard_normal((B, ROWS, COLS, 3)).astype(np.float32)}


def rows(random):
    """To be learnt: the colour of the image."""
    target = random.integers(0, 3, 64)
    pixels = 0.1 * random.standard_normal((64, ROWS, COLS, 3))
    pixels[np.arange(64), ..., target] += 1
    return {"pixels": pixels.astype(np.float32), "target": target.astype(np.int32)}


def encoded(w, pixels):
    n = w.patch.weight.shape[0]
    cut = [pixels[:, r : r + n, c : c + n] for r in range(0, ROWS, n) for c in range(0, COLS, n)]
    first = np.broadcast_to(w.first, (len(pixels), 1, w.position.shape[-1]))
    x = np.concatenate([first, np.stack([linear(w.patch, patch, 3) for patch in cut], 1)], 1) + w.position
    for layer in w.layer:
        x = block(layer, x, 1e-6, gelu)
    return layer_norm(w.norm, x, 1e-6)


def hidden(w, pixels):
    return encoded(w.encoder, pixels)


def scores(w, pixels):
    return linear(w.classifier, hidden(w, pixels)[:, 0])
