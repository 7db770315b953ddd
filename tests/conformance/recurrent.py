#!/usr/bin/env python3
"""Recurrent layers lose hidden units: those whose rows are masked in all gates, of all layers and directions.

For each net: export in float64, mask every odd hidden unit, run the program, and compare what it wrote with the net whose
parameters are multiplied by the unified masks. `left` is the number of hidden units that have to be left. What torch.jit.trace
gives is shrunk and compared likewise.

  recurrent.py --paring target/release/paring [--cache DIR]
"""

import argparse, os, subprocess, sys, tempfile, warnings

warnings.filterwarnings("ignore")
import torch
from safetensors.torch import load_file, save_file
from torch import nn

HIDDEN = 12
NETS = {}  # name → (what makes it, number of hidden units left)


class Net(nn.Module):
    """An embedding, a recurrent layer, and a layer that reads its output, last state, or both."""

    def __init__(self, kind, read="output", hidden=HIDDEN, **options):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.r = kind(16, hidden, **options)
        ways = 2 if options.get("bidirectional") else 1
        self.o = nn.Linear(hidden * ways if read == "output" else hidden, 5)
        self.read = read

    def forward(self, x):
        y, state = self.r(self.e(x))
        if self.read == "output":
            return self.o(y)
        if self.read == "cell":
            return self.o(state[1])
        return self.o(state[0] if isinstance(state, tuple) else state)


class Given(Net):
    """The state at the start is an input of the model, of which nothing is known."""

    def forward(self, x, h):
        return self.o(self.r(self.e(x), h)[0])


class Learned(Net):
    """The state at the start is a parameter."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h = nn.Parameter(torch.randn(1, 1, HIDDEN))

    def forward(self, x):
        return self.o(self.r(self.e(x), self.h.expand(1, x.shape[0], HIDDEN).contiguous())[0])


class Ones(Net):
    """The state at the start is not zero."""

    def forward(self, x):
        return self.o(self.r(self.e(x), torch.ones(1, x.shape[0], HIDDEN, dtype=self.o.weight.dtype))[0])


class Out(Net):
    """The hidden units are the model's output."""

    def forward(self, x):
        return self.r(self.e(x))[0]


class Projected(nn.Module):
    """What a layer with projections reads may go, and its hidden size stays."""

    sizes = {"r0.weight": (0, HIDDEN // 2)}

    def __init__(self, **options):
        super().__init__()
        self.e, self.r0 = nn.Embedding(50, 16), nn.Linear(16, HIDDEN)
        self.r = nn.LSTM(HIDDEN, HIDDEN, proj_size=5, batch_first=True, **options)

    def forward(self, x):
        return self.r(torch.relu(self.r0(self.e(x))))[0]


class Twice(nn.Module):
    """One recurrent layer after another."""

    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.r = nn.LSTM(16, HIDDEN, batch_first=True)
        self.r2 = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.o = nn.Linear(HIDDEN, 5)

    def forward(self, x):
        return self.o(self.r2(self.r(self.e(x))[0])[0])


class Cell(nn.Module):
    """Cells, step by step."""

    def __init__(self, kind):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.r = kind(16, HIDDEN)
        self.o = nn.Linear(HIDDEN, 5)

    def forward(self, x):
        x, state = self.e(x), None
        for k in range(3):
            state = self.r(x[:, k], state)
        return self.o(state[0] if isinstance(state, tuple) else state)


class Computed(nn.Module):
    """The weight from step to step is computed: zero in the columns of what is masked, not in its rows."""

    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 16)
        self.w = nn.Parameter(torch.randn(HIDDEN, 16))
        self.u = nn.Parameter(torch.randn(HIDDEN, HIDDEN))
        self.g = nn.Parameter(torch.randn(HIDDEN))
        self.b = nn.Parameter(torch.randn(HIDDEN))
        self.o = nn.Linear(HIDDEN, 5)

    def forward(self, x):
        e = self.e(x)
        u = torch.sigmoid(self.u) * self.g
        h = torch.zeros(1, x.shape[0], HIDDEN, dtype=e.dtype)
        return self.o(torch.rnn_tanh(e, h, [self.w, u, self.b, self.b], True, 1, 0.0, False, False, True)[0])


LEFT = HIDDEN // 2
for name, kind in [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)]:
    for suffix, options in [
        ("", {}), ("2", {"num_layers": 2}), ("_both", {"bidirectional": True}), ("2_both", {"num_layers": 2, "bidirectional": True}),
        ("_time_first", {"batch_first": False}), ("_no_bias", {"bias": False}), ("_state", {"read": "state"}),
    ]:
        NETS[name + suffix] = (lambda kind=kind, options=options: Net(kind, **{"batch_first": True, **options}), LEFT)
NETS["lstm_cell_state"] = (lambda: Net(nn.LSTM, read="cell", batch_first=True), LEFT)
NETS["rnn_relu"] = (lambda: Net(nn.RNN, nonlinearity="relu", batch_first=True), LEFT)
NETS["gru_learned"] = (lambda: Learned(nn.GRU, batch_first=True), LEFT)
NETS["twice"] = (Twice, LEFT)
NETS["lstm_step"] = (lambda: Cell(nn.LSTMCell), LEFT)
NETS["gru_step"] = (lambda: Cell(nn.GRUCell), LEFT)
NETS["rnn_step"] = (lambda: Cell(nn.RNNCell), LEFT)
for name, kind in [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)]:
    for suffix, options in [("3", {"num_layers": 3}), ("4_both", {"num_layers": 4, "bidirectional": True}), ("2_no_bias", {"num_layers": 2, "bias": False}),
                            ("2_both_no_bias", {"num_layers": 2, "bidirectional": True, "bias": False})]:
        NETS[name + suffix] = (lambda kind=kind, options=options: Net(kind, **{"batch_first": True, **options}), LEFT)
# Nothing may go.
NETS["lstm_projected2"] = (lambda: Out(nn.LSTM, proj_size=6, num_layers=2, bidirectional=True, bias=False), HIDDEN)
NETS["lstm_projected"] = (lambda: Out(nn.LSTM, proj_size=6, batch_first=True), HIDDEN)
for name, options in {"": {}, "_both": {"bidirectional": True}, "2_no_bias": {"num_layers": 2, "bias": False}, "_both_no_bias": {"bidirectional": True, "bias": False}}.items():
    NETS["lstm_projected_input" + name] = (lambda options=options: Projected(**options), HIDDEN)
NETS["gru_given"] = (lambda: Given(nn.GRU, batch_first=True), HIDDEN)
NETS["rnn_ones"] = (lambda: Ones(nn.RNN, batch_first=True), HIDDEN)
NETS["gru_out"] = (lambda: Out(nn.GRU, batch_first=True), HIDDEN)
NETS["rnn_computed"] = (Computed, HIDDEN)


def masks_of(model, kind):
    """Every odd hidden unit; of `one` gate alone; or what the layer after it reads."""
    keep, masks = torch.arange(HIDDEN) % 2 == 0, {}
    for name, p in model.named_parameters():
        part = name.split(".")[-1]
        if kind == "reads":
            if name == "o.weight" and p.shape[1] % HIDDEN == 0:
                masks[name] = keep.repeat(p.shape[1] // HIDDEN).expand(p.shape).contiguous()
        elif name.startswith("r") and part.startswith(("weight", "bias")) and "hr" not in part or name in ("w", "b", "g"):
            rows = keep.repeat(p.shape[0] // HIDDEN)
            if kind == "one":
                rows[HIDDEN:] = True
            masks[name] = rows.reshape([-1] + [1] * (p.dim() - 1)).expand(p.shape).contiguous()
    return masks


def check(name, kind, traced, paring, folder, cache):
    make, left = NETS[name]
    torch.manual_seed(0)
    model = make().double().eval()
    x = (torch.arange(14).reshape(2, 7),)
    if isinstance(model, Given):
        x += (torch.randn(1, 2, HIDDEN).double(),)
    suffix = "pt" if traced else "pt2"
    path, result = os.path.join(cache or folder, f"rec_{name}.{suffix}"), f"small.{suffix}"
    if not os.path.exists(path):
        if traced:
            torch.jit.save(torch.jit.trace(model, x, check_trace=False), path)
        else:
            torch.export.save(torch.export.export(model, x, strict=False), path)
    f = {k: os.path.join(folder, k) for k in ("masks.safetensors", result, "unified.safetensors")}
    given = masks_of(model, kind)
    save_file({k: v.to(torch.uint8) for k, v in given.items()}, f["masks.safetensors"])
    run = subprocess.run(
        [paring, "speedup", path, "--masks", f["masks.safetensors"], "-o", f[result], "--unified-masks", f["unified.safetensors"]],
        capture_output=True, text=True)
    if run.returncode:
        return f"exit {run.returncode}: {run.stderr.strip()[-400:]}"
    small = torch.jit.load(f[result]) if traced else torch.export.load(f[result])
    run = small if traced else small.module()
    # What no mask drops may not go: with masks of one gate, or of the reader alone, the small model is held to those masks.
    masks = load_file(f["unified.safetensors"]) if kind == "all" else given
    for k, p in model.named_parameters():
        if k in masks:
            p.data.mul_(masks[k].to(p.dtype))
    want, got = model(*x), run(*x)
    if want.shape != got.shape:
        return f"shape {tuple(got.shape)}, not {tuple(want.shape)}"
    error = ((want - got).abs().max() / want.abs().max().clamp_min(1e-9)).item()
    if not error <= 1e-9:
        return f"error {error:.3g}"
    after, before = dict(small.named_parameters()), dict(model.named_parameters())
    for k, (d, n) in getattr(model, "sizes", {}).items():
        if kind == "all" and after[k].shape[d] != n:
            return f"{k} has {after[k].shape[d]} positions, not {n}"
    k = next(k for k in ("u", "r.weight_hh_l0", "r.weight_hh") if k in before)
    found, wanted = after[k].shape[0] * HIDDEN // before[k].shape[0], left if kind == "all" else HIDDEN
    return None if found == wanted else f"{found} hidden units left, not {wanted}"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("nets", nargs="*")
    ap.add_argument("--paring", required=True)
    ap.add_argument("--cache", help="keep exported models here and use them again")
    a = ap.parse_args()
    torch.set_num_threads(1)
    if a.cache:
        os.makedirs(a.cache, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name in a.nets or NETS:
            gates = "rnn" not in name  # else the only one is all of them
            kinds = [("all", False), ("one", False), ("reads", False), ("all", True)]
            for kind, traced in kinds if gates else [k for k in kinds if k[0] != "one"]:
                try:
                    wrong = check(name, kind, traced, a.paring, folder, a.cache)
                except Exception as e:
                    wrong = f"{type(e).__name__}: {e}"[:600]
                failed += wrong is not None
                print("FAIL" if wrong else "ok  ", name, kind, "traced" if traced else "", wrong or "", flush=True)
    print(f"{failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
