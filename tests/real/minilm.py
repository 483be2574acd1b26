"""What all-MiniLM-L6-v2 gives for lines of text, computed by itself: BERT in float64 (Devlin et al., 2018), the mean over the
tokens, length 1 (Reimers and Gurevych, 2019); tokens by the `tokenizers` library.

    python minilm.py FOLDER < lines > vectors.npy        a reference
    python minilm.py --compare A.npy B.npy               status 1 above 1e-5; the largest difference is printed
"""

import json
import math
import sys

import numpy as np


def tensors(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    kinds = {"F32": np.float32, "I64": np.int64}
    return {
        name: np.frombuffer(raw[8 + n + t["data_offsets"][0] : 8 + n + t["data_offsets"][1]], kinds[t["dtype"]])
        .reshape(t["shape"])
        .astype(np.float64)
        for name, t in json.loads(raw[8 : 8 + n]).items()
        if name != "__metadata__"
    }


class Bert:
    def __init__(self, folder):
        self.w = tensors(f"{folder}/model.safetensors")
        self.c = json.load(open(f"{folder}/config.json"))
        self.grid = np.linspace(-6, 6, 120001)  # linear between them: wrong by 1e-9
        self.erf = np.array([math.erf(x) for x in self.grid])

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        d = x - x.mean(-1, keepdims=True)
        return d / np.sqrt((d * d).mean(-1, keepdims=True) + self.c["layer_norm_eps"]) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def attention(self, x, parts, name):
        """parts: where each text lies in x."""
        heads = self.c["num_attention_heads"]
        q, k, v = (self.linear(x, f"{name}.self.{p}").reshape(len(x), heads, -1).transpose(1, 0, 2) for p in ("query", "key", "value"))
        y = np.empty_like(q)
        for p in parts:
            s = q[:, p] @ k[:, p].transpose(0, 2, 1) / math.sqrt(q.shape[-1])
            s = np.exp(s - s.max(-1, keepdims=True))
            y[:, p] = (s / s.sum(-1, keepdims=True)) @ v[:, p]
        return self.linear(y.transpose(1, 0, 2).reshape(len(x), -1), f"{name}.output.dense")

    def vectors(self, texts):
        """Of lists of ids."""
        ends = np.cumsum([len(t) for t in texts])
        parts = [slice(e - len(t), e) for t, e in zip(texts, ends)]
        at = np.concatenate([np.arange(len(t)) for t in texts])
        e = "embeddings."
        x = self.w[e + "word_embeddings.weight"][np.concatenate(texts)] + self.w[e + "position_embeddings.weight"][at]
        x = self.norm(x + self.w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
        for i in range(self.c["num_hidden_layers"]):
            name = f"encoder.layer.{i}."
            x = self.norm(x + self.attention(x, parts, name + "attention"), name + "attention.output.LayerNorm")
            y = self.linear(x, name + "intermediate.dense")
            y = y * 0.5 * (1 + np.interp(y / math.sqrt(2), self.grid, self.erf))
            x = self.norm(x + self.linear(y, name + "output.dense"), name + "output.LayerNorm")
        v = np.array([x[p].mean(0) for p in parts])
        return v / np.sqrt((v * v).sum(-1, keepdims=True))


def reference(folder):
    from tokenizers import Tokenizer

    cut = Tokenizer.from_file(f"{folder}/tokenizer.json")
    cut.no_padding()
    cut.enable_truncation(json.load(open(f"{folder}/sentence_bert_config.json"))["max_seq_length"])
    bert = Bert(folder)
    ids = [cut.encode(line).ids for line in sys.stdin.buffer.read().decode().split("\n")[:-1]]
    np.save(sys.stdout.buffer, np.concatenate([bert.vectors(ids[i : i + 50]) for i in range(0, len(ids), 50)]))


def compare(a, b):
    x, y = np.load(a), np.load(b)
    assert x.shape == y.shape, (x.shape, y.shape)
    far = float(np.abs(x - y).max())
    print(f"{len(x)} vectors, largest difference {far:.2e}")
    return far > 1e-5


if sys.argv[1] == "--compare":
    sys.exit(compare(*sys.argv[2:]))
reference(sys.argv[1])
