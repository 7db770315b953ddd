"""Writes the seeds that need PyTorch: python fuzz/make_seeds.py PARING, with the conformance suite's Python.

The others (symbols, index, masks) are by hand.
"""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

SEEDS = Path(__file__).parent / "seeds"


class Seq(nn.Module):
    """Layers that are coupled by an addition."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, padding=1)
        self.n = nn.BatchNorm2d(4)
        self.b = nn.Conv2d(4, 4, 1, groups=2)
        self.c = nn.Linear(4, 3)

    def forward(self, x):
        x = self.n(self.a(x)).relu()
        return self.c((x + self.b(x)).mean((2, 3)))


class Layout(nn.Module):
    """Positions that are moved about."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 12)
        self.b = nn.Linear(12, 6)

    def forward(self, x):
        x = self.a(x)
        q, k, v = x.view(-1, 3, 2, 2).transpose(1, 2).flatten(1).chunk(3, 1)
        x = torch.cat([q.roll(1, 1), k.flip(1), v[:, ::2], v[:, 1::2]], 1)
        p, r = self.b(x).split([2, 4], 1)
        return p.repeat(1, 2) + r.unbind(1)[0][:, None] + r[:, :4]


class Dyn(nn.Module):
    """A size that is a symbol."""

    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(8, 4)
        self.o = nn.Linear(8, 5)

    def forward(self, i):
        x = self.e(i)
        n = i.shape[1] // 2
        y = torch.cat([x[:, :n], x[:, n : 2 * n]], 2)
        return self.o(y).reshape(-1, 5), y.sum(1)


class Cond(nn.Module):
    """A condition, and a write in place."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.b = nn.Linear(4, 2)

    def forward(self, x):
        h = torch.cond(x.sum() > 0, lambda x: x.relu(), lambda x: x * 2, (self.a(x),))
        h[:, 0] = 0
        return self.b(h.softmax(1))


class Norm(nn.Module):
    """Norms, a recurrent layer, attention."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 4, 3))
        self.g = nn.GroupNorm(2, 4)
        self.l = nn.GRU(4, 3, batch_first=True)
        self.q = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        x = self.g(self.a(x)).transpose(1, 2)
        return self.l(self.q(x, x, x)[0])[0]


NETS = {
    "seq": (Seq(), (torch.randn(1, 2, 5, 5),), None),
    "layout": (Layout(), (torch.randn(2, 4),), None),
    "dyn": (Dyn(), (torch.randint(0, 8, (2, 6)),), ({1: torch.export.Dim.AUTO},)),
    "cond": (Cond(), (torch.randn(2, 3),), None),
    "norm": (Norm(), (torch.randn(1, 2, 6),), None),
}


def put(name, content):
    """Writes a seed."""
    path = SEEDS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def short(value):
    """JSON without stack traces."""
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items() if k != "stack_trace"}
    return [short(v) for v in value] if isinstance(value, list) else value


def main():
    """Writes all."""
    for name, (net, args, dynamic) in NETS.items():
        buffer = io.BytesIO()
        torch.export.save(torch.export.export(net.eval(), args, dynamic_shapes=dynamic), buffer)
        archive = zipfile.ZipFile(buffer)
        ends = {"model": "models/model.json", "weights": "model_weights_config.json", "constants": "model_constants_config.json"}
        parts = {k: next(archive.read(n) for n in archive.namelist() if n.endswith(end)) for k, end in ends.items()}
        parts = {k: short(json.loads(text)) for k, text in parts.items()}
        put(f"program/{name}.json", json.dumps(parts, separators=(",", ":")))
        if name == "seq":
            with tempfile.TemporaryDirectory() as folder:
                model, masks, plan = (f"{folder}/{n}" for n in ["seq.pt2", "masks.yaml", "plan.json"])
                Path(model).write_bytes(buffer.getvalue())
                Path(masks).write_text("a: {drop: [1]}\nb: {drop: [1]}\n")
                subprocess.run([sys.argv[1], "speedup", model, "--masks", masks, "--plan", plan, "-q"], check=True)
                put("plan/seq.json", Path(plan).read_bytes())
                save_file(net.state_dict(), f"{folder}/seq.safetensors")
                put("safetensors/seq.safetensors", Path(f"{folder}/seq.safetensors").read_bytes())
            put("masks/seq.yaml", "a: {drop: [1]}\nb*: {keep: [0]}\nc.weight: {drop: [0], dim: 1}\n")
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(*NETS["layout"][:2]), buffer)
    put("zip/layout.pt", buffer.getvalue())
    script = zipfile.ZipFile(buffer)
    code = "archive/code/__torch__"
    put("pickle/data.pkl", script.read("archive/data.pkl"))
    put("code/net.py", script.read(f"{code}.py"))
    put("base/traced_inputs.pkl", script.read("archive/traced_inputs.pkl"))
    for n in script.namelist():
        if "/linear/" in n and n.endswith(".py"):
            put(f"base/linear{n[-4]}.py", script.read(n))


main()
