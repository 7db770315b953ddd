"""Small modules that the tests shrink."""

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """A stem and a residual block with batch norms."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.a, self.na, self.b, self.nb = (
            nn.Conv2d(16, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.BatchNorm2d(16),
        )
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        x = F.relu(x + self.nb(self.b(F.relu(self.na(self.a(x))))))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """Attention that keeps the number of heads as an attribute and takes sizes from its input."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.scale = self.head_dim**-0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        y = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, self.heads * self.head_dim))


class Vit(nn.Module):
    """Two blocks of attention and an MLP with layer norms, for tokens of six numbers."""

    def __init__(self, dim=16, heads=4):
        super().__init__()
        self.embed = nn.Linear(6, dim)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "n1": nn.LayerNorm(dim),
                    "att": Attention(dim, heads),
                    "n2": nn.LayerNorm(dim),
                    "up": nn.Linear(dim, 2 * dim),
                    "down": nn.Linear(2 * dim, dim),
                }
            )
            for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 5)

    def forward(self, x):
        x = self.embed(x)
        for b in self.blocks:
            x = x + b["att"](b["n1"](x))
            x = x + b["down"](F.gelu(b["up"](b["n2"](x))))
        return self.head(self.norm(x).mean(1))


class Stated(nn.Module):
    """An inner module whose code states a number, with a dropout of its own and children."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.n, self.b = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Conv2d(16, 8, 1)

        def forward(self, x, scale=None, *, more=1.0):
            y = self.n(self.a(x)).view(-1, 16, x.shape[2], x.shape[3]) * more
            y = F.dropout(F.relu(y), 0.5, self.training)
            return self.b(y)

    def __init__(self):
        super().__init__()
        self.inner, self.head = Stated.Inner(), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.inner(x, more=2.0).mean((2, 3)))


def image(n=2):
    return torch.randn(n, 3, 8, 8, dtype=torch.float64)


def tokens(n=2):
    return torch.randn(n, 5, 6, dtype=torch.float64)


def made(cls, *args):
    """A module in float64 with numbers everywhere, batch norms included, in evaluation mode."""
    torch.manual_seed(0)
    model = cls(*args).double()
    with torch.no_grad():
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.is_floating_point():
                t.copy_(
                    torch.rand_like(t) + 0.5
                    if name.endswith("running_var")
                    else torch.randn_like(t) * 0.3 + (0.2 if t.dim() == 1 else 0)
                )
    return model.eval()


def every_other(model, skip=("head",)):
    """Masks that drop every other output channel of each convolution and linear layer."""
    masks = {}
    for name, m in model.named_modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)) and name not in skip:
            keep = torch.arange(m.weight.shape[0]) % 2 == 0
            masks[f"{name}.weight"] = keep.view(-1, *[1] * (m.weight.dim() - 1)).expand_as(m.weight).clone()
            if m.bias is not None:
                masks[f"{name}.bias"] = keep
    return masks


def masked(model, masks):
    """A copy with its parameters multiplied by masks."""
    import copy

    other = copy.deepcopy(model)
    named = dict(other.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, mask in masks.items():
            named[name].mul_(mask.to(named[name].dtype))
    return other


def close(a, b):
    return torch.allclose(a, b, rtol=1e-9, atol=1e-9)
