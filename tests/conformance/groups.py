"""Small nets in which groups of channels straddle or hold each other. Names groups/<name>; only the numbers of channels in each group must agree."""

import torch
import torch.nn.functional as F
from torch import nn

import zoo


class Skip(nn.Module):
    """Group norm on a skip connection that is normed again after a cat: groups straddle the seam (diffusion U-Nets)."""

    says = {"a.weight[0]": "another view", "b.weight[0]": "equally many"}

    def __init__(self, na, nb, groups):
        super().__init__()
        self.a, self.b, self.mid = nn.Conv2d(3, na, 1), nn.Conv2d(3, nb, 1), nn.Conv2d(na, nb, 1)
        self.n1, self.n2, self.out = nn.GroupNorm(groups, na), nn.GroupNorm(groups, na + nb), nn.Conv2d(na + nb, 4, 1)

    def ragged(self, g):
        """Of the inner norm's groups, and of those that straddle the seam, equally many must stay: each has a reason of its own."""
        gone = {"a": [1, 3, 6, 7, 9, 12], "b": [4, 5, 11, 18, 22, 24], "mid": [4, 5, 11, 18, 22, 24]}
        masks = {}
        for name, drop in gone.items():
            w = getattr(self, name).weight
            keep = torch.ones(w.shape[0], dtype=torch.bool)
            keep[drop] = False
            masks[f"{name}.weight"], masks[f"{name}.bias"] = keep[:, None, None, None].expand(w.shape).contiguous(), keep
        return masks

    def forward(self, x):
        a = self.a(x)
        b = self.b(x) + self.mid(F.silu(self.n1(a)))
        return self.out(F.silu(self.n2(torch.cat([b, a], 1))))


class Nested(nn.Module):
    """Groups of a norm or a convolution, then of a convolution that has other groups: each may lose other channels."""

    def __init__(self, first, second, norm):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 1) if norm else nn.Conv2d(4, 16, 1, groups=first)
        self.n, self.b = nn.GroupNorm(first, 16) if norm else nn.Identity(), nn.Conv2d(16, 12, 1, groups=second)
        self.pre = nn.Identity() if norm else nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.b(F.silu(self.n(self.a(self.pre(x)))))

    def ragged(self, g):
        keep = torch.ones(16, dtype=torch.bool)
        keep[[0, 5, 6, 9, 10, 11, 15]] = False
        return {"a.weight": keep[:, None, None, None].expand(self.a.weight.shape).contiguous(), "a.bias": keep}


SKIPS = ((32, 64, 8), (16, 32, 4), (16, 8, 4), (4, 4, 2), (32, 32, 8))
NESTED = ((4, 2, True), (2, 4, True), (4, 2, False), (2, 4, False))
NETS = {f"skip_{a}_{b}_{g}": lambda a=a, b=b, g=g: Skip(a, b, g) for a, b, g in SKIPS}
NETS |= {f"nested_{a}_{b}_{'norm' if n else 'conv'}": lambda a=a, b=b, n=n: Nested(a, b, n) for a, b, n in NESTED}
ALL = [f"groups/{n}" for n in NETS]
LISTS = {"all": ALL, "skips": [n for n in ALL if "skip" in n], "ragged": [n for n in ALL if "nested" in n] + ["groups/skip_16_32_4"]}
LEFT = {"ragged": {"groups/nested_4_2_norm": 0.77, "groups/nested_2_4_norm": 0.77}}


def build(name):
    torch.manual_seed(0)
    model = NETS[name.split("/")[1]]()
    zoo.randomise(model, (torch.randn(2, 3, 8, 8),), {})
    return model.eval(), (torch.randn(2, 3, 8, 8),), {}
