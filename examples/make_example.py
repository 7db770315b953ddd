#!/usr/bin/env python3
"""Writes a small network and pruning masks for it, the files that the README's commands run on:

  examples/pocketnet.pt2                 the network, traced by torch.export
  examples/pocketnet.masks.safetensors   uint8 masks: 1 keeps an entry of a parameter, 0 drops it

The network has what makes cutting channels out hard: residual sums, a depthwise convolution, gates (one of them two 1-D
parameters of 9 concatenated and viewed as [1, 18, 1, 1]), and attention with q, k and v in one matrix.
Needs torch and safetensors.
"""

import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


def conv(inputs, outputs, size=3, **more):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False, **more), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = conv(width, 2 * width), conv(2 * width, width)

    def forward(self, x):
        return F.relu(x + self.b(F.relu(self.a(x))))


class Depthwise(nn.Module):
    """Wider, every channel by itself, a gate for each channel, narrower."""

    def __init__(self, width):
        super().__init__()
        self.wide, self.depth, self.narrow = conv(width, 3 * width, 1), conv(3 * width, 3 * width, groups=3 * width), conv(3 * width, width, 1)
        self.squeeze, self.excite = nn.Conv2d(3 * width, 16, 1), nn.Conv2d(16, 3 * width, 1)

    def forward(self, x):
        y = F.silu(self.depth(F.silu(self.wide(x))))
        gate = F.adaptive_avg_pool2d(y, 1)
        y = y * torch.sigmoid(self.excite(F.silu(self.squeeze(gate))))
        return x + self.narrow(y)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(y.transpose(1, 2).reshape(b, n, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class PocketNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 24)
        self.block1, self.block2 = Residual(24), Depthwise(24)
        self.thin = conv(24, 18)
        self.gain_a, self.gain_b = nn.Parameter(1 + torch.rand(9)), nn.Parameter(1 + torch.rand(9))
        self.patch = nn.Conv2d(18, 96, 4, stride=4)
        self.attention = Attention(96, 4)
        self.norm, self.head = nn.LayerNorm(96), nn.Linear(96, 10)

    def forward(self, x):
        x = self.block2(self.block1(F.relu(self.stem(x))))
        x = F.relu(self.thin(x)) * torch.cat([self.gain_a, self.gain_b]).view(1, 18, 1, 1)
        x = self.attention(self.patch(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


# Layers whose output channels a sum, a product or a depthwise convolution ties to each other: they are scored together.
TIED = [
    ["stem.0", "block1.b.0", "block2.narrow.0"],
    ["block2.wide.0", "block2.depth.0", "block2.excite"],
    ["patch", "attention.proj", "attention.down"],
]


def masks(model):
    """Drops half of the output channels of each layer but the last: those whose weights have the smallest L1 norm."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    layers.popitem()
    size = {name: m.weight.detach().abs().flatten(1).sum(1) / m.weight[0].numel() for name, m in layers.items()}
    size = {name: s / s.mean() for name, s in size.items()}
    for group in TIED:
        together = sum(size[name] for name in group)
        for name in group:  # a layer's own norms count a little more, so that tied layers do not agree in all channels
            size[name] = together + 0.1 * size[name]
    heads = size["attention.qkv"].reshape(3 * model.attention.heads, -1)
    size["attention.qkv"] = heads.sum(0).expand(heads.shape)  # the same channels in each head of q, k and v
    out = {}
    for name, m in layers.items():
        s = size[name]
        keep = torch.zeros(s.shape, dtype=torch.bool).scatter_(-1, s.topk(s.shape[-1] // 2).indices, True).flatten()
        shape = (-1,) + (1,) * (m.weight.dim() - 1)
        out[f"{name}.weight"] = keep.reshape(shape).expand(m.weight.shape).to(torch.uint8).contiguous()
        if m.bias is not None:
            out[f"{name}.bias"] = keep.to(torch.uint8)
    return out


def main():
    torch.manual_seed(7)
    model = PocketNet()
    with torch.no_grad():
        for name, p in model.named_parameters():  # as after some training: no parameter is all ones or zeros
            p.mul_(1 + 0.3 * torch.randn(p.shape[0]).reshape((-1,) + (1,) * (p.dim() - 1))).add_(0.02 * torch.randn(p.shape))
        for _ in range(5):
            model(torch.randn(16, 3, 32, 32))  # statistics for the batch norms
    model.eval()
    x = torch.randn(1, 3, 32, 32)
    torch.export.save(torch.export.export(model, (x,)), os.path.join(HERE, "pocketnet.pt2"))
    save_file(masks(model), os.path.join(HERE, "pocketnet.masks.safetensors"))


if __name__ == "__main__":
    main()
