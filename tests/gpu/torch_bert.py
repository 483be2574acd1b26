# A training step of BERT-large in torch with its own attention, for scale: python3 torch_bert.py B L eager|compiled
# Prints milliseconds and tokens a second; bf16 by autocast, AdamW fused, dropout 0.1, 15 % of the places predicted.
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

B, L, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
V, H, FF, HEADS, DEPTH, P = 30522, 1024, 4096, 16, 24, 0.1


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.o = nn.Linear(H, 3 * H), nn.Linear(H, H)
        self.up, self.down = nn.Linear(H, FF), nn.Linear(FF, H)
        self.n1, self.n2 = nn.LayerNorm(H), nn.LayerNorm(H)

    def forward(self, x):
        q, k, v = (t.view(B, L, HEADS, H // HEADS).transpose(1, 2) for t in self.qkv(x).split(H, 2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=P)
        x = self.n1(x + F.dropout(self.o(y.transpose(1, 2).reshape(B, L, H)), P))
        return self.n2(x + F.dropout(self.down(F.gelu(self.up(x))), P))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.position = nn.Embedding(V, H), nn.Embedding(L, H)
        self.norm, self.layers = nn.LayerNorm(H), nn.ModuleList(Layer() for _ in range(DEPTH))
        self.transform, self.last, self.bias = nn.Linear(H, H), nn.LayerNorm(H), nn.Parameter(torch.zeros(V))

    def forward(self, ids, at, labels):
        x = F.dropout(self.norm(self.word(ids) + self.position.weight), P)
        for layer in self.layers:
            x = layer(x)
        x = self.last(F.gelu(self.transform(x.view(B * L, H)[at])))
        return F.cross_entropy(F.linear(x, self.word.weight, self.bias).float(), labels)


torch.manual_seed(0)
model = Bert().cuda()
run = torch.compile(model) if how == "compiled" else model
adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
M = B * L * 15 // 100
ids = torch.randint(V, (B, L), device="cuda")
at = torch.arange(M, device="cuda") * (B * L) // M
labels = torch.randint(V, (M,), device="cuda")


def step():
    adamw.zero_grad(set_to_none=True)
    with torch.autocast("cuda", torch.bfloat16):
        loss = run(ids, at, labels)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()


for _ in range(3):
    step()
times = []
for _ in range(7):
    torch.cuda.synchronize()
    begin = time.perf_counter()
    step()
    torch.cuda.synchronize()
    times.append((time.perf_counter() - begin) * 1e3)
ms = sorted(times)[len(times) // 2]
print(f"{ms:.2f} ms, {B * L / ms * 1e3:.0f} tokens/s")
