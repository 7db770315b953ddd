#!/usr/bin/env python3
"""Paring and Torch-Pruning on the same trained models, at equal MACs, with the same scores and the same training afterwards.

    pip install --no-deps --target /tmp/torch-pruning torch-pruning==1.6.1
    PYTHONPATH=python:/tmp/torch-pruning python benches/compare/compare.py > table.md

Each model is trained on the digits of scikit-learn (the U-Net on shapes that are drawn here), then pruned to half of its MACs by the L2 norms of coupled
channels, and trained on for as many steps. Both count MACs with Torch-Pruning's counter. What raises, or takes longer than --limit seconds, has failed.
"""

import argparse
import copy
import json
import signal
import statistics
import sys
import time
import warnings

import torch
import torch.nn.functional as F
from torch import nn

import paring

warnings.filterwarnings("ignore")


def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8 - 1
    x, y = F.interpolate(x, 32, mode="bilinear").repeat(1, 3, 1, 1), torch.tensor(data.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def shapes(n, seed):
    """Noisy pictures of discs and boxes; each pixel is background, disc or box."""
    g = torch.Generator().manual_seed(seed)
    rows, cols = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    x, y = torch.randn(n, 3, 32, 32, generator=g) * 0.4, torch.zeros(n, 32, 32, dtype=torch.long)
    for k in range(n):
        for kind in (1, 2):
            r, c = (torch.rand(2, generator=g) * 20 + 6).tolist()
            size = 3 + 4 * torch.rand(1, generator=g).item()
            dr, dc = rows - r, cols - c
            inside = dr.square() + dc.square() < size**2 if kind == 1 else (dr.abs() < size) & (dc.abs() < size)
            y[k][inside] = kind
            x[k, :, inside] += torch.tensor([1.0, 0.5, 0.0])[:, None] if kind == 1 else torch.tensor([0.5, 1.0, 0.3])[:, None]
    return x, y


class Block(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(
            nn.Conv2d(i, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(),
            nn.Conv2d(o, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        w = width
        self.d1, self.d2, self.d3 = Block(3, w), Block(w, 2 * w), Block(2 * w, 4 * w)
        self.u2, self.u1 = nn.ConvTranspose2d(4 * w, 2 * w, 2, 2), nn.ConvTranspose2d(2 * w, w, 2, 2)
        self.c2, self.c1, self.out = Block(4 * w, 2 * w), Block(2 * w, w), nn.Conv2d(w, 3, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.d3(F.max_pool2d(b, 2))
        b = self.c2(torch.cat([self.u2(c), b], 1))
        return self.out(self.c1(torch.cat([self.u1(b), a], 1)))


def vit():
    import timm

    return timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, img_size=32, patch_size=4, embed_dim=96, depth=4, num_heads=4, num_classes=10
    )


def models():
    import torchvision.models as tv

    return {
        "resnet18": lambda: tv.resnet18(num_classes=10),
        "mobilenet_v2": lambda: tv.mobilenet_v2(num_classes=10, width_mult=0.5),
        "vit": vit,
        "unet": UNet,
    }


def train(model, data, steps, rate, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = data
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for _ in range(steps):
        batch = torch.randint(len(x), (64,), generator=g)
        loss = F.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def accuracy(model, data):
    x, y = data
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(part).argmax(1) for part in x.split(128)])
    return (found == y).float().mean().item()


def count(model, example):
    import torch_pruning as tp

    return tp.utils.count_ops_and_params(copy.deepcopy(model), example)


class TooLong(Exception):
    pass


def limited(seconds, run):
    """Runs, and fails when it takes too long."""

    def stop(*_):
        raise TooLong(f"no end in {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        return run()
    finally:
        signal.alarm(0)


def by_paring(model, example, macs):
    """The budget is in Paring's count, which has the products in attention too: the one that leaves what is asked for in the other count is looked
    for on copies. Gives the seconds of the last call besides, which is what a user waits for."""
    whole, budget = count(model, example)[0], macs
    for _ in range(4):
        cut = copy.deepcopy(model)
        start = time.perf_counter()
        paring.prune(cut, (example,), by="l2", scope="global", macs=budget, max_ratio=0.8, progress=False)
        seconds = time.perf_counter() - start
        left = count(cut, example)[0] / whole
        if abs(left - macs) < 0.005:
            break
        budget *= macs / left
    return cut, seconds


def by_torch_pruning(model, example, macs, name):
    """Global, in steps until the MACs are met, as its documentation has it; heads as it wants to be told them."""
    import torch_pruning as tp

    last = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))][-1]
    more = {}
    if name == "vit":
        for m in model.modules():
            if hasattr(m, "fused_attn"):
                m.fused_attn = False
        more["num_heads"] = {m.qkv: m.num_heads for m in model.modules() if hasattr(m, "qkv")}
    pruner = tp.pruner.BasePruner(
        model, example, importance=tp.importance.GroupMagnitudeImportance(p=2), global_pruning=True, pruning_ratio=0.8, max_pruning_ratio=0.8,
        iterative_steps=200, ignored_layers=[last], **more,
    )  # fmt: skip
    goal = count(model, example)[0] * macs
    for _ in range(200):
        pruner.step()
        if name == "vit":
            for m in model.modules():
                if hasattr(m, "qkv"):
                    m.num_heads = pruner.num_heads[m.qkv]
                    m.head_dim = m.qkv.out_features // (3 * m.num_heads)
                    m.attn_dim = m.qkv.out_features // 3
        if count(model, example)[0] <= goal:
            break
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--macs", type=float, default=0.5)
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--json", help="write every run to this file")
    args = parser.parse_args()
    (train_digits, test_digits), drawn = digits(), (shapes(600, 1), shapes(200, 2))
    runs = []
    for name, make in models().items():
        if args.models and name not in args.models:
            continue
        data, test = drawn if name == "unet" else (train_digits, test_digits)
        for seed in range(args.seeds):
            torch.manual_seed(seed)
            rate = 1e-3 if name in ("vit", "unet") else 2e-3
            whole = train(make(), data, args.steps * (3 if name == "vit" else 1), rate, seed)
            example = data[0][:1]
            macs, parameters = count(whole, example)
            base = accuracy(whole, test)
            for tool in ("paring", "torch-pruning"):
                run = {"model": name, "seed": seed, "tool": tool, "base": base}
                model = copy.deepcopy(whole)
                try:
                    start = time.perf_counter()
                    cut = by_paring if tool == "paring" else lambda m, x, s: by_torch_pruning(m, x, s, name)
                    model = limited(args.limit, lambda: cut(model, example, args.macs))
                    run["seconds"] = time.perf_counter() - start
                    if tool == "paring":
                        model, run["seconds"] = model
                    run["before"] = accuracy(model, test)
                    left = count(model, example)
                    run["macs"], run["parameters"] = left[0] / macs, left[1] / parameters
                    train(model, data, args.steps, rate / 2, seed + 100)
                    run["after"] = accuracy(model, test)
                except Exception as e:  # that is what is counted
                    run["failed"] = f"{type(e).__name__}: {str(e).splitlines()[0][:90] if str(e) else ''}"
                runs.append(run)
                print(json.dumps(run), file=sys.stderr, flush=True)
                if args.json:
                    with open(args.json, "w") as file:
                        json.dump(runs, file, indent=1)
    print(table(runs))


def table(runs):
    """Means over the seeds, and the spread of what counts."""
    lines = [
        "| model | tool | accuracy before | pruned | trained on | MACs left | parameters left | seconds | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(r["model"] for r in runs):
        for tool in ("paring", "torch-pruning"):
            own = [r for r in runs if r["model"] == name and r["tool"] == tool]
            good = [r for r in own if "failed" not in r]
            mean = lambda key, of: f"{100 * statistics.mean(r[key] for r in of):.1f} %" if of else ""  # noqa: E731, B023
            spread = f" ± {100 * statistics.pstdev(r['after'] for r in good):.1f}" if good else ""
            failed = f"{len(own) - len(good)} of {len(own)}" + (f": `{own[0]['failed']}`" if "failed" in own[0] else "")
            seconds = f"{statistics.mean(r['seconds'] for r in good):.1f}" if good else ""
            cells = [
                name,
                tool,
                mean("base", own),
                mean("before", good),
                mean("after", good) + spread,
                mean("macs", good),
                mean("parameters", good),
            ]
            lines.append("| " + " | ".join([*cells, seconds, failed if len(good) < len(own) else "none"]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
