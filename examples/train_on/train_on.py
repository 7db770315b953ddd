"""Trains two small nets on handwritten digits, and prunes each to 30 % of its multiply-accumulates in three rounds, with training between.

    python -m pip install . scikit-learn
    python examples/train_on/train_on.py

It ends with exit status 1 where a net is larger than its budget or has lost a point of accuracy.
"""

import sys
import time

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

import paring

BUDGET, LOSS, ROUNDS = 0.30, 0.01, 3


def digits():
    """1297 images to train on and 500 to test on, with their digits."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8 - 1
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], torch.tensor(data.target)[order]
    return (images[:-500], labels[:-500]), (images[-500:], labels[-500:])


# ---- a convolutional net: `groups` are layers whose channels are the same ones, because a sum ties them


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.na = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.b, self.nb = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(x + self.nb(self.b(F.relu(self.na(self.a(x))))))


class ConvNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.block1, self.block2 = Block(width), Block(2 * width)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = self.block1(F.relu(self.norm(self.stem(x))))
        x = self.block2(self.down(x))
        return self.head(F.dropout(x.mean((2, 3)), 0.1, self.training))

    def groups(self):
        yield 1, [self.stem.weight, self.block1.b.weight]
        yield 1, [self.block1.a.weight]
        yield 1, [self.down.weight, self.down.bias, self.block2.b.weight]
        yield 1, [self.block2.a.weight]


# ---- a ViT: all that is added to the residual stream has its channels; a head is `head_dim` rows of each of q, k and v


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.q, self.k, self.v, self.proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.n1, self.att, self.n2 = nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim)
        self.up, self.down, self.drop = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim), nn.Dropout(0.1)

    def forward(self, x):
        x = x + self.drop(self.att(self.n1(x)))
        return x + self.drop(self.down(F.gelu(self.up(self.n2(x)))))


class Vit(nn.Module):
    def __init__(self, dim=64, heads=8, depth=3):
        super().__init__()
        self.patch, self.position = nn.Conv2d(1, dim, 2, stride=2), nn.Parameter(torch.randn(1, 16, dim) * 0.02)
        self.layers, self.norm, self.head = nn.ModuleList(Layer(dim, heads) for _ in range(depth)), nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).mean(1))

    def groups(self):
        stream = [p for m in (self.patch, *(l.att.proj for l in self.layers), *(l.down for l in self.layers)) for p in (m.weight, m.bias)]
        yield 1, [*stream, self.position]
        for layer in self.layers:
            yield layer.att.head_dim, [p for m in (layer.att.q, layer.att.k, layer.att.v) for p in (m.weight, m.bias)]
            yield 1, [layer.up.weight, layer.up.bias]


# ---- training and pruning


def train(model, optimizer, data, epochs, lr):
    model.train()
    steps = epochs * (len(data[0]) // 64)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / steps)
        batch = torch.randint(len(data[0]), (64,))
        loss = F.cross_entropy(model(data[0][batch]), data[1][batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model, data):
    model.eval()
    return (model(data[0]).argmax(1) == data[1]).float().mean().item()


def masks(model, sizes, share):
    """Drops the channels (or heads) with the smallest weights, until ``share`` of the first ``sizes`` is left, and the same ones in all of a
    group."""
    names, out = {id(p): name for name, p in model.named_parameters()}, {}
    for (unit, group), size in zip(model.groups(), sizes):
        rows = [p.detach().movedim(-1, 0) if p.shape[0] == 1 else p.detach() for p in group]  # a position's channels are its last axis
        score = sum(r.flatten(1).abs().mean(1) / r.abs().mean() for r in rows if r.dim() > 1).view(-1, unit).sum(1)
        keep = torch.zeros(len(score), dtype=torch.bool)
        keep[score.topk(max(1, round(size * share))).indices] = True
        keep = keep.repeat_interleave(unit)
        for p in group:
            out[names[id(p)]] = keep.expand_as(p) if p.shape[0] == 1 else keep
    return out


def run(name, model, share, epochs, lr):
    start = time.time()
    training, test = digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    train(model, optimizer, training, epochs, lr)
    first, macs = accuracy(model, test), None
    print(f"{name}: accuracy {first:.1%}, {sum(p.numel() for p in model.parameters()):,} parameters, {time.time() - start:.0f} s")
    sizes = [group[0].shape[0] // unit for unit, group in model.groups()]
    for k in range(1, ROUNDS + 1):
        report = paring.speedup(model, (training[0][:2],), masks=masks(model, sizes, share ** (k / ROUNDS)), optimizer=optimizer)
        macs = macs or report.macs.before
        pruned = accuracy(model, test)
        train(model, optimizer, training, epochs // 2, lr)
        last = accuracy(model, test)
        print(
            f"  round {k}: {report.macs.after / macs:.1%} of the multiply-accumulates, {report.parameters.after:,} parameters, "
            f"accuracy {pruned:.1%}, after training {last:.1%}, {time.time() - start:.0f} s"
        )
    if report.graph_forwards:
        yield f"{name}: graph forwards of {report.graph_forwards}"
    if report.macs.after > BUDGET * macs:
        yield f"{name}: {report.macs.after / macs:.1%} of the multiply-accumulates are left, more than {BUDGET:.0%}"
    if first - last >= LOSS:
        yield f"{name}: accuracy went from {first:.1%} to {last:.1%}"


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the nets are too small for more
    faults = [*run("convolutional net", ConvNet(), 0.54, 24, 3e-3), *run("ViT", Vit(), 0.53, 36, 2e-3)]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))
