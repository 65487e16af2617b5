"""
A second implementation of the two faces of the model, in PyTorch, to compare the first with. It reads a Hugging Face
folder (config.json, model.safetensors) as the transformers library would, and knows nothing of ours. Layout after
nanoGPT: pre-norm blocks, decoupled weight decay on matrices only, clipping by global norm.

  python3 gpt.py generate FOLDER N ID...     N greedy tokens after the prompt, space separated
  python3 gpt.py curve FOLDER PLAN           trains on the batches of PLAN (JSON) and prints JSON: losses, gradient norms
"""
import json, math, struct, sys, time
import torch
import torch.nn.functional as F


def read_safetensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", entry
        begin, end = (8 + length + at for at in entry["data_offsets"])
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32)
        tensors[name] = values.reshape(entry["shape"]).clone()
    return tensors


def read_folder(folder):
    config = json.load(open(f"{folder}/config.json"))
    return config, read_safetensors(f"{folder}/model.safetensors")


def causal(q, k, v):
    """(B, heads, T, D) each."""
    T = q.shape[-2]
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    mask = torch.ones(T, T, dtype=torch.bool).tril()
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), -1) @ v


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gpt2_forward(c, w, ids):
    B, T = ids.shape
    C, H, eps = c["n_embd"], c["n_head"], c["layer_norm_epsilon"]
    p = lambda name: w["transformer." + name]
    norm = lambda x, name: F.layer_norm(x, (C,), p(name + ".weight"), p(name + ".bias"), eps)
    conv = lambda x, name: x @ p(name + ".weight") + p(name + ".bias")
    x = p("wte.weight")[ids] + p("wpe.weight")[:T]
    for i in range(c["n_layer"]):
        h = f"h.{i}."
        q, k, v = conv(norm(x, h + "ln_1"), h + "attn.c_attn").split(C, -1)
        heads = [t.view(B, T, H, C // H).transpose(1, 2) for t in (q, k, v)]
        x = x + conv(causal(*heads).transpose(1, 2).reshape(B, T, C), h + "attn.c_proj")
        x = x + conv(gelu(conv(norm(x, h + "ln_2"), h + "mlp.c_fc")), h + "mlp.c_proj")
    head = w.get("lm_head.weight", p("wte.weight"))
    return norm(x, "ln_f") @ head.T


def llama_forward(c, w, ids):
    B, T = ids.shape
    C, H, KV = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
    D = C // H
    p = lambda name: w["model." + name]
    norm = lambda x, name: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]) * p(name + ".weight")
    rates = c["rope_theta"] ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    scaling = c.get("rope_scaling")
    if scaling:
        rates = torch.tensor([scaled_rate(r, scaling) for r in rates.tolist()], dtype=torch.float64)
    angles = torch.outer(torch.arange(T, dtype=torch.float64), rates)
    cos, sin = (torch.cat([f, f], -1).float() for f in (angles.cos(), angles.sin()))
    def turned(x):
        half = torch.cat([-x[..., D // 2 :], x[..., : D // 2]], -1)
        return x * cos + half * sin
    x = p("embed_tokens.weight")[ids]
    for i in range(c["num_hidden_layers"]):
        h = f"layers.{i}."
        a = norm(x, h + "input_layernorm")
        part = lambda name, n: (a @ p(h + f"self_attn.{name}_proj.weight").T).view(B, T, n, D).transpose(1, 2)
        q, k, v = turned(part("q", H)), turned(part("k", KV)), part("v", KV)
        k, v = (t.repeat_interleave(H // KV, 1) for t in (k, v))
        y = causal(q, k, v).transpose(1, 2).reshape(B, T, C)
        x = x + y @ p(h + "self_attn.o_proj.weight").T
        a = norm(x, h + "post_attention_layernorm")
        gate, up = (a @ p(h + f"mlp.{name}_proj.weight").T for name in ("gate", "up"))
        x = x + (F.silu(gate) * up) @ p(h + "mlp.down_proj.weight").T
    head = w.get("lm_head.weight", p("embed_tokens.weight"))
    return norm(x, "norm") @ head.T


def scaled_rate(rate, s):
    """Llama 3's stretching of long wavelengths."""
    turns = s["original_max_position_embeddings"] * rate / (2 * math.pi)
    low, high = s["low_freq_factor"], s["high_freq_factor"]
    share = min(1, max(0, (turns - low) / (high - low)))
    return rate * (share + (1 - share) / s["factor"])


forwards = {"gpt2": gpt2_forward, "llama": llama_forward}


def generate(folder, count, ids):
    config, weights = read_folder(folder)
    forward = forwards[config["model_type"]]
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(forward(config, weights, torch.tensor([ids]))[0, -1].argmax()))
    return ids[-count:]


def optimizer_of(weights, plan):
    matrices = [t for t in weights.values() if t.dim() >= 2]
    vectors = [t for t in weights.values() if t.dim() < 2]
    groups = [{"params": matrices, "weight_decay": plan["weightDecay"]}, {"params": vectors, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=0, betas=(plan["beta1"], plan["beta2"]), eps=1e-8)


def step(config, weights, optimizer, inputs, targets, lr, clip):
    optimizer.zero_grad()
    logits = forwards[config["model_type"]](config, weights, inputs)
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(weights.values()), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    return loss.item(), float(norm)


def curve(folder, plan):
    config, weights = read_folder(folder)
    plan = json.load(open(plan))
    for tensor in weights.values():
        tensor.requires_grad_()
    optimizer = optimizer_of(weights, plan)
    losses, norms = [], []
    for lr, inputs, targets in zip(plan["lr"], plan["inputs"], plan["targets"]):
        rows = lambda ids: torch.tensor(ids).view(plan["rows"], -1)
        loss, norm = step(config, weights, optimizer, rows(inputs), rows(targets), lr, plan["clip"])
        losses.append(loss)
        norms.append(norm)
    return {"torch": torch.__version__, "losses": losses, "gradNorms": norms}


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "generate":
        print(*generate(rest[0], int(rest[1]), [int(i) for i in rest[2:]]))
    elif mode == "curve":
        print(json.dumps(curve(*rest)))
    elif mode == "version":
        print(torch.__version__)
