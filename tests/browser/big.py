#!/usr/bin/env python3
"""Writes a network of 1,000 layers and masks for half of the channels of its inner layers: big.py FOLDER"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(16, 8), nn.Linear(8, 16)

    def forward(self, x):
        return x + self.b(torch.relu(self.a(x)))


class Stage(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[Block() for _ in range(25)])

    def forward(self, x):
        return self.blocks(x)


def main():
    torch.manual_seed(0)
    model = nn.Sequential(*[Stage() for _ in range(20)])
    program = torch.export.export(model, (torch.randn(2, 16),), strict=False)
    torch.export.save(program, f"{sys.argv[1]}/big.pt2")
    half = torch.arange(8) % 2
    save_file({name: half.to(torch.uint8) for name, _ in model.named_parameters() if ".a." in name}, f"{sys.argv[1]}/big.masks.safetensors")


main()
