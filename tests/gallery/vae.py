"""Kingma and Welling (2013), equation 10 with one draw: the draws are those of the entry `latent`."""

import numpy as np

from parts import linear, sigmoid


def inputs(random, w, B, L):
    X, Z = w.decoder.pixel.weight.shape[1], w.encoder.mean.weight.shape[1]
    return {"x": random.random((B * L, X)).astype(np.float32), "z": random.standard_normal((B * L, Z)).astype(np.float32)}


def rows(random):
    """To be learnt: images of two stripes."""
    wide = np.arange(20) // 5 == random.integers(0, 4, (64, 1))
    return {"x": wide.astype(np.float32)}


def mean(w, x):
    return encoded(w.encoder, x)[0]


def encoded(w, x):
    h = np.tanh(linear(w.hidden, x))
    return linear(w.mean, h), linear(w.log_var, h)


def decoded(w, z):
    return sigmoid(linear(w.pixel, np.tanh(linear(w.hidden, z))))


def pixels(w, z):
    return decoded(w.decoder, z)


def bound(w, x, latent):
    mu, log_var = encoded(w.encoder, x)
    noise = (latent - mu) / np.exp(log_var / 2)
    assert abs(noise.mean()) < 0.7 and 0.5 < noise.std() < 1.5, "draws of the normal distribution"
    p = decoded(w.decoder, latent)
    likelihood = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)
    return likelihood + 0.5 * (1 + log_var - mu**2 - np.exp(log_var)).sum(-1)
