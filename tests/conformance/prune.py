#!/usr/bin/env python3
"""`paring prune` must hit its goals, and what it writes must equal the original under the unified masks.

    prune.py --paring target/release/paring
"""

import argparse
import copy
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file

FAILED = []


def check(name, good, more=""):
    print(f"{'ok' if good else 'FAILED'}  {name} {more}", flush=True)
    if not good:
        FAILED.append(name)


def run(paring, *args):
    done = subprocess.run([paring, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{args}: {done.stderr}")
    return done.stdout


def export(model, x, path):
    torch.export.save(torch.export.export(model.eval(), (x,)), path)


def small(path, x):
    program = torch.export.load(path)
    with torch.no_grad():
        return dict(program.state_dict), program.module()(x)


def kept(model, x, folder):
    """Whether the small model equals the original under the unified masks."""
    masked = copy.deepcopy(model)
    named = dict(masked.named_parameters())
    with torch.no_grad():
        for name, mask in load_file(folder / "unified").items():
            named[name].mul_(mask)
        want = masked.eval()(x)
    got = small(folder / "small.pt2", x)[1]
    return ((got - want).abs().max() / want.abs().max()).item() < 1e-9


def goals(paring, folder):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    x = torch.randn(2, 3, 64, 64)
    model = torchvision.models.resnet18(num_classes=10)
    export(model, x, folder / "model.pt2")
    count = sum(p.numel() for p in model.parameters())
    for more in (["--ratio", 0.5], ["--ratio", 0.5, "--scope", "global", "--by", "l2"], ["--ratio", 0.5, "--by", "bn"]):
        out = run(paring, "prune", folder / "model.pt2", "-o", folder / "small.pt2", "--unified-masks", folder / "unified", *more)
        share = float(out.strip().splitlines()[-1].split(":")[-1].strip(" %"))
        check(f"prune {more}", abs(share - 50) <= 2 and kept(model, x, folder), share)
    run(paring, "prune", folder / "model.pt2", "-o", folder / "small.pt2", "--params", 0.5)
    state, y = small(folder / "small.pt2", x)
    left = sum(state[n].numel() for n, _ in model.named_parameters()) / count
    check("prune --params 0.5", abs(left - 0.5) <= 0.01 and y.isfinite().all(), left)
    run(paring, "prune", folder / "model.pt2", "-o", folder / "small.pt2", "--ratio", 0.3, "--round-to", 8)
    state, _ = small(folder / "small.pt2", x)
    cut = [state[n].shape[0] for n, p in model.named_parameters() if state[n].shape[0] != p.shape[0]]
    check("prune --round-to 8", cut and all(n % 8 == 0 for n in cut))
    for seed in (1, 1, 2):
        run(paring, "masks", folder / "model.pt2", "-o", folder / f"m{seed}", "--ratio", 0.5, "--by", "random", "--seed", seed)
        if seed == 1 and (folder / "m1.before").exists():
            check("the same seed", (folder / "m1.before").read_bytes() == (folder / "m1").read_bytes())
        elif seed == 1:
            (folder / "m1.before").write_bytes((folder / "m1").read_bytes())
    check("another seed", (folder / "m1").read_bytes() != (folder / "m2").read_bytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--paring", required=True)
    paring = parser.parse_args().paring
    with tempfile.TemporaryDirectory() as folder:
        goals(paring, Path(folder))
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
