#!/usr/bin/env python3
"""An operator of one's own, and a small network that uses it (docs/writing-rules.md follows this example).

    python make.py            writes model.pt2 and masks.safetensors beside this file
    python make.py --check    compares small.pt2 with the original under unified.safetensors, both beside this file or in --dir

`shop::scaled_gate` multiplies each channel by a learned gate and a number. torch.export keeps the call as it is, so Paring
needs a rule to know what it does to the axes: rules/shop.yaml.
"""

import argparse
import os

import torch
from safetensors.torch import load_file, save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


@torch.library.custom_op("shop::scaled_gate", mutates_args=())
def scaled_gate(x: torch.Tensor, gate: torch.Tensor, scale: float) -> torch.Tensor:
    return x * (gate * scale).reshape(1, -1, 1, 1)


@scaled_gate.register_fake
def _(x, gate, scale):
    return torch.empty_like(x)


class Shop(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.gate1 = nn.Conv2d(3, 16, 3, padding=1), nn.Parameter(torch.rand(16) + 0.5)
        self.conv2, self.gate2 = nn.Conv2d(16, 24, 3, padding=1), nn.Parameter(torch.rand(24) + 0.5)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = torch.relu(scaled_gate(self.conv1(x), self.gate1, 2.0))
        x = torch.relu(scaled_gate(self.conv2(x), self.gate2, 0.5))
        return self.head(x.mean((2, 3)))


def model():
    torch.manual_seed(0)
    return Shop().eval()


def make():
    torch.export.save(torch.export.export(model(), (torch.randn(2, 3, 12, 12),)), f"{HERE}/model.pt2")
    masks = {}
    for name, n in [("conv1", 16), ("conv2", 24)]:  # every odd channel
        masks[f"{name}.weight"] = masks[f"{name}.bias"] = (torch.arange(n) % 2 == 0).to(torch.uint8)
    save_file({k: v.clone() for k, v in masks.items()}, f"{HERE}/masks.safetensors")


def check(folder):
    original = model()
    small = torch.export.load(f"{folder}/small.pt2").module()
    with torch.no_grad():
        for name, mask in load_file(f"{folder}/unified.safetensors").items():
            original.get_parameter(name).mul_(mask)
        x = torch.randn(2, 3, 12, 12)
        error = (original(x) - small(x)).abs().max().item()
    before, after = (sum(p.numel() for p in m.parameters()) for m in (original, small))
    print(f"{before} -> {after} parameters, largest difference {error:.1e}")
    if error > 1e-5:
        raise SystemExit("the small model differs")
    if after > 0.5 * before:
        raise SystemExit("the small model is not small")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--dir", default=HERE)
    args = parser.parse_args()
    check(args.dir) if args.check else make()
