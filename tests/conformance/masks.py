#!/usr/bin/env python3
"""Masks as people have them: each kind of file must give the same small model as safetensors masks of the same content, and
`paring prune` must hit its goals.

    masks.py --paring target/release/paring
"""

import argparse
import copy
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torchvision
import yaml
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

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


def same(a, b):
    """Equal tensors and outputs."""
    return a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0]) and torch.equal(a[1], b[1])


def files(paring, folder):
    torch.manual_seed(0)
    model, x = torchvision.models.resnet18(num_classes=10), torch.randn(2, 3, 64, 64)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.normal_(norm.bias)  # else they are zeros in the weights too
    plain = folder / "plain.pt2"
    export(model, x, plain)
    pruned = copy.deepcopy(model)
    layers = [n for n, m in pruned.named_modules() if isinstance(m, nn.Conv2d)]
    for name in layers:
        prune.ln_structured(pruned.get_submodule(name), "weight", amount=0.4, n=2, dim=0)
    masks = {f"{n}.weight": pruned.get_submodule(n).weight_mask for n in layers}
    save_file({k: v.contiguous() for k, v in masks.items()}, folder / "masks.safetensors")
    torch.save({n: {"weight": masks[f"{n}.weight"], "bias": None, "_output_": torch.ones(1)} for n in layers}, folder / "nni.pth")
    torch.save(pruned.state_dict(), folder / "state.pt")
    torch.save({"epoch": 1, "state_dict": pruned.state_dict()}, folder / "checkpoint.pt")
    drop = {n: {"drop": (masks[f"{n}.weight"].flatten(1).sum(1) == 0).nonzero().flatten().tolist()} for n in layers}
    (folder / "masks.yaml").write_text(yaml.safe_dump(drop, default_flow_style=None))
    # With all conv layers of a coupled group free to differ, one mask is enough: much goes.
    more = ["--on-conflict", "prune"]
    run(paring, "speedup", plain, "--masks", folder / "masks.safetensors", "-o", folder / "base.pt2", *more)
    base = small(folder / "base.pt2", x)
    check("safetensors shrinks", sum(t.numel() for t in base[0].values()) < sum(t.numel() for t in model.state_dict().values()))
    for name in ["nni.pth", "state.pt", "checkpoint.pt", "masks.yaml"]:
        run(paring, "speedup", plain, "--masks", folder / name, "-o", folder / "small.pt2", *more)
        check(name, same(base, small(folder / "small.pt2", x)))
    # Zeros in the weights: the masked original, and the same masks.
    zeroed = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            zeroed.get_parameter(name).mul_(mask)
    export(zeroed, x, folder / "zeroed.pt2")
    run(paring, "speedup", folder / "zeroed.pt2", "--masks", "zeros", "-o", folder / "small.pt2", *more)
    run(paring, "speedup", folder / "zeroed.pt2", "--masks", folder / "masks.safetensors", "-o", folder / "base.pt2", *more)
    check("zeros", same(small(folder / "base.pt2", x), small(folder / "small.pt2", x)))


def goals(paring, folder):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 64)
    model = torchvision.models.resnet18(num_classes=10)
    export(model, x, folder / "model.pt2")
    count = sum(p.numel() for p in model.parameters())
    for more in (["--ratio", 0.5], ["--ratio", 0.5, "--scope", "global", "--by", "l2"], ["--ratio", 0.5, "--by", "bn"]):
        out = run(paring, "prune", folder / "model.pt2", "-o", folder / "small.pt2", *more)
        share = float(out.strip().splitlines()[-1].split(":")[-1].strip(" %"))
        check(f"prune {more}", abs(share - 50) <= 2 and small(folder / "small.pt2", x)[1].isfinite().all(), share)
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
        files(paring, Path(folder))
        goals(paring, Path(folder))
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
