"""The comparison for bench/gpu: PyTorch on this card. Prints one JSON object a line; bench/gpu/torch.ts reads them.

Matrix products (f32 without TF32, TF32, f16, bf16) and whole steps of GPT-2 124M (forward, backward, clipping at 1,
fused AdamW) on random tokens: f32 eager, bf16 eager and bf16 compiled, with PyTorch's own flash attention. FLOPs of a
step are counted as our trainer counts them, so the rates compare.
"""

import argparse
import json
import math
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, WIDTH, CONTEXT, VOCABULARY = 12, 12, 768, 1024, 50304


def say(**fields):
    print(json.dumps(fields), flush=True)


def seconds(run, rounds):
    """Median of `rounds`, after two that are not counted."""
    taken = []
    for i in range(rounds + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if i > 1:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.projection = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        rows, length, _ = x.shape
        heads = self.qkv(self.norm1(x)).view(rows, length, 3, HEADS, WIDTH // HEADS)
        q, k, v = (heads[:, :, i].transpose(1, 2) for i in range(3))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(attended.transpose(1, 2).reshape(rows, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.wpe = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scale = 0.02 / math.sqrt(2 * LAYERS) if "projection" in name or "down" in name else 0.02
                nn.init.normal_(parameter, 0, scale)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, VOCABULARY), targets.view(-1))


def step_flops(tokens):
    matrices = LAYERS * 12 * WIDTH * WIDTH + VOCABULARY * WIDTH
    return tokens * (6 * matrices + 6 * LAYERS * CONTEXT * WIDTH)


def products(sizes):
    for name, dtype, tf32 in (
        ("f32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("f16", torch.float16, False),
        ("bf16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for size in sizes:
            a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
            taken = seconds(lambda: a @ b, 5)
            say(kind="matmul", dtype=name, size=size, teraflops=2 * size**3 / taken / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False


def step(mode, rows, half, compiled, rounds):
    torch.manual_seed(1)
    model = Model().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids, targets = (torch.randint(VOCABULARY, (rows, CONTEXT), device="cuda") for _ in range(2))
    forward = torch.compile(model) if compiled else model

    def run():
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            loss = forward(ids, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    taken = seconds(run, rounds)
    tokens = rows * CONTEXT
    say(
        kind="step",
        mode=mode,
        rows=rows,
        ms=1000 * taken,
        tokensPerSecond=tokens / taken,
        teraflops=step_flops(tokens) / taken / 1e12,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    say(kind="about", torch=torch.__version__, cuda=torch.version.cuda, device=torch.cuda.get_device_name())
    products([1024, 4096] if options.quick else [1024, 2048, 4096, 8192])
    for mode, half, compiled in (
        ("f32, eager", False, False),
        ("bf16, eager", True, False),
        ("bf16, compiled", True, True),
    ):
        rows = options.rows
        while rows >= 1:
            try:
                step(mode, rows, half, compiled, 3 if options.quick else 10)
                break
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                say(kind="skipped", what=f"{mode}, {rows} sequences", reason="out of memory")
                rows //= 2
            except Exception as error:  # what cannot be compiled here says why, and the rest goes on
                say(kind="skipped", what=mode, reason=str(error).strip().split("\n")[0][:200])
                break


main()
