"""
A GPT of nanoGPT's shape in PyTorch, written for speed, to train beside ours: fused layers of the library, weights tied,
AdamW with clipping, float32. Modes:
  python3 nanogpt.py speed LAYERS HEADS WIDTH CONTEXT ROWS VOCABULARY THREADS SECONDS
      steps on random tokens; prints JSON: the wall and CPU seconds of each step after the second
  python3 nanogpt.py text FILE STEPS THREADS
      tiny Shakespeare by nanoGPT's recipe for a CPU; prints JSON: validation loss, wall and CPU seconds of training
"""
import json, math, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, C, H, T):
        super().__init__()
        self.heads = H
        self.norm1, self.norm2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.projection = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.up, self.down = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        self.register_buffer("mask", ~torch.ones(T, T, dtype=torch.bool).tril())

    def attend(self, x):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, self.heads, -1).transpose(1, 2) for t in self.qkv(x).split(C, -1))
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
            y = torch.softmax(scores.masked_fill(self.mask[:T, :T], float("-inf")), -1) @ v
        return self.projection(y.transpose(1, 2).reshape(B, T, C))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, L, H, C, T, V):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(T, C)
        self.blocks = nn.ModuleList([Block(C, H, T) for _ in range(L)])
        self.norm = nn.LayerNorm(C)
        for name, tensor in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(tensor)
            elif tensor.dim() == 2:
                scale = 0.02 / math.sqrt(2 * L) if "projection" in name or "down" in name else 0.02
                nn.init.normal_(tensor, 0, scale)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def optimizer_of(model, betas):
    matrices = [t for t in model.parameters() if t.dim() >= 2]
    vectors = [t for t in model.parameters() if t.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=betas)


def step(model, optimizer, ids, targets):
    loss = model(ids, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def speed(L, H, C, T, B, V, threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = GPT(L, H, C, T, V)
    optimizer = optimizer_of(model, (0.9, 0.95))
    ids, targets = (torch.randint(V, (B, T)) for _ in range(2))
    wall, cpu, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(wall) < 4:
        began, used = time.perf_counter(), time.process_time()
        step(model, optimizer, ids, targets)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    return {"torch": torch.__version__, "wall": wall[2:], "cpu": cpu[2:]}


def text(path, steps, threads, T=64, B=12):
    torch.set_num_threads(threads)
    torch.manual_seed(1337)
    characters = open(path, encoding="utf8").read()
    letters = sorted(set(characters))
    ids = torch.tensor([letters.index(c) for c in characters])
    cut = int(0.9 * len(ids))
    train, held = ids[:cut], ids[cut:]
    model = GPT(4, 4, 128, T, len(letters))
    optimizer = optimizer_of(model, (0.9, 0.99))
    began, used = time.perf_counter(), time.process_time()
    for i in range(steps):
        share = (i - 100) / max(1, steps - 100)
        lr = 1e-3 * (i + 1) / 101 if i < 100 else 1e-4 + 0.5 * 9e-4 * (1 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = lr
        at = torch.randint(len(train) - T, (B,))
        rows = [train[a : a + T + 1] for a in at]
        batch = torch.stack(rows)
        step(model, optimizer, batch[:, :-1], batch[:, 1:].contiguous())
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    with torch.no_grad():
        count = (len(held) - 1) // T
        inputs, targets = held[: count * T].view(count, T), held[1 : count * T + 1].view(count, T)
        losses = [model(i, t).item() * len(i) for i, t in zip(inputs.split(64), targets.split(64))]
    return {"torch": torch.__version__, "loss": sum(losses) / count, "wall": wall, "cpu": cpu}


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "speed":
        print(json.dumps(speed(*map(int, rest[:7]), float(rest[7]))))
    else:
        print(json.dumps(text(rest[0], int(rest[1]), int(rest[2]))))
