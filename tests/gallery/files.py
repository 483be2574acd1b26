"""Tensors by name, in safetensors files."""

import json

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "BOOL": np.bool_}


def read(path):
    raw = open(path, "rb").read()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__", None)
    for name, t in header.items():
        first, behind = t["data_offsets"]
        yield name, np.frombuffer(raw[start + first : start + behind], DTYPES[t["dtype"]]).reshape(t["shape"])


def write(path, tensors):
    header, at, dtypes = {}, 0, {np.dtype(t): name for name, t in DTYPES.items()}
    for name, x in tensors.items():
        header[name] = {"dtype": dtypes[x.dtype], "shape": x.shape, "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(x.tobytes() for x in tensors.values()))
