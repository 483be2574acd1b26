"""rows.py MODEL FILE: what a model is trained on that reads no text, as its reference's `rows(random)` makes it."""

import importlib
import sys

import numpy as np

from files import write

write(sys.argv[2], importlib.import_module(sys.argv[1]).rows(np.random.default_rng(5)))
