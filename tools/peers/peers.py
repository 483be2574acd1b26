#!/usr/bin/env python3
"""What would be used instead of bigsc, timed on the same shapes: hidden states and training steps of BERT and BiGS.

  peers.py torch MODEL {hidden|step} {f32|bf16} [--compile] B,L...         needs torch
  peers.py export MODEL FILE.onnx                                          needs torch and onnx
  peers.py onnxruntime FILE.onnx {f32|int8} B,L...                         needs onnxruntime (int8: its dynamic quantization)
  peers.py openvino FILE.onnx {f32|bf16} B,L...                            needs openvino
  peers.py ddp MODEL RANKS B,L...                                          needs torch: DistributedDataParallel over gloo
Before these words: --threads N, --repeat N, --dims H=256,Depth=4, and --small, two layers of 64, which show that it works.

MODEL is bert (BERT-base) or bigs (12 layers of 768, 3072 inner).  For each shape a line: B, L and the median of milliseconds.  The first
call of each shape is not counted.  ddp: RANKS processes of this machine with B / RANKS rows and a share of the threads each (one at
least); a line has a fourth number, the bytes that a rank sends in a step: those of the loopback device, shared by the ranks, so nothing
else should use it.  A module that is missing is status 3.  torch uses OpenBLAS on some systems, which takes processors that it does not
know for old ones: OPENBLAS_CORETYPE=SkylakeX has it use AVX-512.
"""
import argparse
import math
import os
import statistics
import sys
import time


def dims(o):
    d = dict(V=30522, P=512, H=768, F=3072, Heads=12, N=64, Depth=12)
    if o.small:
        d.update(V=100, P=64, H=64, F=256, Heads=2, Depth=2)
    d.update(o.dims)
    return d


# ---- the models, as they were published


def bert_layer(nn, F, torch, d):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            H = d["H"]
            self.query, self.key, self.value, self.output = (nn.Linear(H, H) for _ in range(4))
            self.up, self.down = nn.Linear(H, d["F"]), nn.Linear(d["F"], H)
            self.norms = nn.ModuleList(nn.LayerNorm(H, eps=1e-12) for _ in range(2))

        def heads(self, x):
            return x.view(*x.shape[:2], d["Heads"], -1).transpose(1, 2)

        def attend(self, x):
            q, k, v = (self.heads(f(x)) for f in (self.query, self.key, self.value))
            if hasattr(F, "scaled_dot_product_attention"):
                y = F.scaled_dot_product_attention(q, k, v)
            else:
                y = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v
            return self.output(y.transpose(1, 2).flatten(2))

        def forward(self, x):
            x = self.norms[0](x + self.attend(x))
            return self.norms[1](x + self.down(F.gelu(self.up(x))))

    return Layer


def state_space(nn, torch, d):
    class StateSpace(nn.Module):  # S4D: a convolution by Fourier transforms
        def __init__(self):
            super().__init__()
            N = d["N"]
            self.a_re, self.a_im = nn.Parameter(torch.full((N,), -0.5)), nn.Parameter(math.pi * torch.arange(N).float())
            self.step, self.c = nn.Parameter(torch.tensor(-2.0)), nn.Parameter(torch.randn(N, 2) / 2)
            self.skip = nn.Parameter(torch.ones(()))

        def forward(self, u):
            L, step = u.shape[1], self.step.exp()
            a = torch.complex(self.a_re.clamp(max=-1e-4), self.a_im)
            c = torch.view_as_complex(self.c) * (torch.exp(step * a) - 1) / a
            kernel = (c[:, None] * torch.exp(step * a[:, None] * torch.arange(L))).sum(0).real
            fft = torch.fft.rfft
            x = u.float().transpose(1, 2)
            y = torch.fft.irfft(fft(x, n=2 * L) * fft(kernel, n=2 * L), n=2 * L)[..., :L]
            return (y.transpose(1, 2) + self.skip * u).to(u.dtype)

    return StateSpace


def state_space_as_matrix(nn, torch, d):
    class StateSpace(nn.Module):  # ONNX has no such convolution.  A constant triangle is the form that suits its runtimes best
        def __init__(self):
            super().__init__()
            at = torch.arange(d["P"])
            kernel = torch.exp(-at / 50.0) * torch.randn(d["P"])
            self.register_buffer("triangle", torch.tril(kernel[(at[:, None] - at).clamp(min=0)]))

        def forward(self, u):
            L = u.shape[1]
            return torch.matmul(self.triangle[:L, :L], u)

    return StateSpace


def bigs_layer(nn, F, torch, d, space):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            H, I = d["H"], d["F"]
            self.norm = nn.LayerNorm(H, eps=1e-12)
            self.before, self.after = (nn.ModuleList(nn.Linear(H, H) for _ in range(2)) for _ in range(2))
            self.spaces = nn.ModuleList(space() for _ in range(2))
            self.gate, self.mixed, self.down = nn.Linear(H, I), nn.Linear(H, I), nn.Linear(I, H)

        def forward(self, x):
            def act(y):
                return F.gelu(y, approximate="tanh")

            def route(i, y):
                return self.after[i](self.spaces[i](act(self.before[i](y))))

            h = self.norm(x)
            both = route(0, h) * route(1, h.flip(1)).flip(1)
            return x + self.down(act(self.mixed(both)) * act(self.gate(h)))

    return Layer


def make(model, d, as_matrix=False):
    import torch
    from torch import nn
    from torch.nn import functional as F

    space = (state_space_as_matrix if as_matrix else state_space)(nn, torch, d)
    layer = bert_layer(nn, F, torch, d) if model == "bert" else bigs_layer(nn, F, torch, d, space)

    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            H = d["H"]
            self.word, self.position, self.norm = nn.Embedding(d["V"], H), nn.Embedding(d["P"], H), nn.LayerNorm(H)
            self.layers = nn.Sequential(*(layer() for _ in range(d["Depth"])))
            self.head, self.head_norm = nn.Linear(H, H), nn.LayerNorm(H)
            self.bias = nn.Parameter(torch.zeros(d["V"]))

        def forward(self, ids):
            return self.layers(self.norm(self.word(ids) + self.position.weight[: ids.shape[1]]))

        def loss(self, ids, at, labels):  # of the masked places alone
            x = self.forward(ids).flatten(0, 1)[at]
            logits = self.head_norm(F.gelu(self.head(x))) @ self.word.weight.T + self.bias
            return F.cross_entropy(logits.float(), labels)

    return Hidden()


# ---- timing


def median(call, repeat):
    call()
    spent = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - start))
    return statistics.median(spent)


def print_row(B, L, ms):
    print(B, L, f"{ms:.2f}", flush=True)


def time_torch(o):
    import torch

    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    d = dims(o)
    model = make(o.model, d)
    run = torch.compile(model) if o.compile else model
    loss = torch.compile(model.loss) if o.compile else model.loss
    update = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step(ids, at, labels):
        with torch.autocast("cpu", torch.bfloat16, enabled=o.dtype == "bf16"):
            value = loss(ids, at, labels)
        update.zero_grad()
        value.backward()
        update.step()

    def hidden(ids):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=o.dtype == "bf16"):
            run(ids)

    for B, L in o.shapes:
        ids, at, labels = draw(torch, d, B, L)
        call = (lambda: hidden(ids)) if o.what == "hidden" else (lambda: step(ids, at, labels))
        print_row(B, L, median(call, o.repeat))


def draw(torch, d, B, L):  # a batch of B rows, of whose places 15 % are masked
    masked = max(1, B * L * 15 // 100)
    return torch.randint(0, d["V"], (B, L)), torch.randperm(B * L)[:masked], torch.randint(0, d["V"], (masked,))


def loopback():  # bytes that went over it since the machine started
    with open("/proc/net/dev") as file:
        return next(int(line.split()[9]) for line in file if line.strip().startswith("lo:"))


def sent_by_all(torch):  # as no rank is sending
    torch.distributed.barrier()
    bytes = loopback()
    torch.distributed.barrier()
    return bytes


def ddp_rank(rank, o):
    import torch

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(o.port), GLOO_SOCKET_IFNAME="lo")
    torch.distributed.init_process_group("gloo", rank=rank, world_size=o.ranks)
    torch.set_num_threads(max(1, o.threads // o.ranks))
    torch.manual_seed(0)
    d = dims(o)
    model = make(o.model, d)

    class Loss(torch.nn.Module):  # what DDP wraps has to be called by forward
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *batch):
            return self.model.loss(*batch)

    run = torch.nn.parallel.DistributedDataParallel(Loss())
    update = torch.optim.AdamW(run.parameters(), lr=1e-4)
    for B, L in o.shapes:
        batch = draw(torch, d, B // o.ranks, L)

        def step():
            update.zero_grad()
            run(*batch).backward()
            update.step()

        for _ in range(2):  # in the second one its buckets are cut anew
            step()
        before = sent_by_all(torch)
        ms = median(step, o.repeat)
        sent = (sent_by_all(torch) - before) // (o.repeat + 1) // o.ranks
        if rank == 0:
            print(B, L, f"{ms:.2f}", sent, flush=True)
    torch.distributed.destroy_process_group()


def time_ddp(o):
    import socket

    import torch

    if any(B % o.ranks for B, _ in o.shapes):
        sys.exit("peers.py: the rows of a batch are shared by the ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        o.port = free.getsockname()[1]
    torch.multiprocessing.spawn(ddp_rank, args=(o,), nprocs=o.ranks)


def export(o):
    import torch

    model = make(o.model, dims(o), as_matrix=True).eval()
    old = {} if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 5) else {"dynamo": False}
    axes = {0: "B", 1: "L"}
    torch.onnx.export(model, (torch.zeros(2, 16, dtype=torch.long),), o.file, opset_version=17, input_names=["ids"],
                      output_names=["hidden"], dynamic_axes={"ids": axes, "hidden": axes}, **old)


def time_onnxruntime(o):
    import numpy
    import onnxruntime

    file = o.file
    if o.dtype == "int8":
        from onnxruntime.quantization import quantize_dynamic

        file = o.file + ".int8.onnx"
        if not os.path.exists(file):
            quantize_dynamic(o.file, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for B, L in o.shapes:
        ids = numpy.random.randint(0, 99, (B, L))
        print_row(B, L, median(lambda: session.run(None, {"ids": ids}), o.repeat))


def time_openvino(o):
    import numpy
    import openvino

    how = {"INFERENCE_PRECISION_HINT": o.dtype, "INFERENCE_NUM_THREADS": o.threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(o.file, "CPU", how).create_infer_request()
    for B, L in o.shapes:
        ids = numpy.random.randint(0, 99, (B, L))
        print_row(B, L, median(lambda: request.infer({0: ids}), o.repeat))


def shape(text):
    B, L = text.split(",")
    return int(B), int(L)


def sizes(text):
    return {name: int(value) for name, value in (one.split("=") for one in text.split(","))}


def main():
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--threads", type=int, default=os.cpu_count())
    top.add_argument("--repeat", type=int, default=7)
    top.add_argument("--small", action="store_true")
    top.add_argument("--dims", type=sizes, default={})
    peer = top.add_subparsers(dest="peer", required=True)
    p = peer.add_parser("torch")
    p.add_argument("model", choices=["bert", "bigs"])
    p.add_argument("what", choices=["hidden", "step"])
    p.add_argument("dtype", choices=["f32", "bf16"])
    p.add_argument("--compile", action="store_true")
    p.add_argument("shapes", nargs="+", type=shape)
    p.set_defaults(run=time_torch)
    p = peer.add_parser("ddp")
    p.add_argument("model", choices=["bert", "bigs"])
    p.add_argument("ranks", type=int)
    p.add_argument("shapes", nargs="+", type=shape)
    p.set_defaults(run=time_ddp)
    p = peer.add_parser("export")
    p.add_argument("model", choices=["bert", "bigs"])
    p.add_argument("file")
    p.set_defaults(run=export)
    for name, run, dtypes in (("onnxruntime", time_onnxruntime, ["f32", "int8"]), ("openvino", time_openvino, ["f32", "bf16"])):
        p = peer.add_parser(name)
        p.add_argument("file")
        p.add_argument("dtype", choices=dtypes)
        p.add_argument("shapes", nargs="+", type=shape)
        p.set_defaults(run=run)
    o = top.parse_args()
    try:
        o.run(o)
    except ImportError as missing:
        print(f"peers.py: {missing}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":  # processes that are spawned read this file again
    main()
