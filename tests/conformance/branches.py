"""Nets of which a mask drops all that a branch adds: the branch goes as a whole."""

import torch
from torch import nn

NETS = {}
MASKS = {}  # by net, prefixes of the parameters that are masked as a whole


def net(*masked, goes=()):
    def add(cls):
        name = cls.__name__.lower()
        NETS[name], MASKS[name], cls.must_go = cls, masked, goes
        return cls

    return add


class Base(nn.Module):
    def ragged(self, generator):
        drops = MASKS[type(self).__name__.lower()]
        return {k: torch.zeros_like(p) if k.startswith(drops) else torch.ones_like(p) for k, p in self.named_parameters()}

    def example(self):
        return torch.randn(2, 3, 9, 8)


class Block(nn.Module):
    def __init__(self, width, inplace):
        super().__init__()
        self.a, self.b = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.n, self.m, self.relu = nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.ReLU(inplace=inplace)

    def forward(self, x):
        out = self.m(self.b(self.relu(self.n(self.a(x)))))
        if self.relu.inplace:
            out += x
        else:
            out = out + x
        return self.relu(out)


@net("two.m.weight", "two.m.bias", "two.b.", goes=("two.a.", "two.b.", "two.n.", "two.m."))
class Residual(Base):
    """A ResNet's block; two others stay."""

    inplace = False

    def __init__(self):
        super().__init__()
        self.stem, self.out = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)
        self.one, self.two, self.three = (Block(8, self.inplace) for _ in range(3))

    def forward(self, x):
        return self.out(self.three(self.two(self.one(self.stem(x)))).mean((2, 3)))


@net("two.m.weight", "two.m.bias", goes=("two.a.", "two.b.", "two.n.", "two.m."))
class InPlace(Residual):
    """The sum is written over the branch's result, and the activation over the sum."""

    inplace = True


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.n, self.m = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        h = self.n(x)
        heads = lambda t: t.unflatten(-1, (2, -1)).transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(heads(self.q(h)), heads(self.k(h)), heads(self.v(h)))
        x = x + self.o(y.transpose(1, 2).flatten(2))
        return x + self.down(nn.functional.gelu(self.up(self.m(x))))


class Tokens(Base):
    def __init__(self):
        super().__init__()
        self.emb, self.norm, self.out = nn.Linear(6, 16), nn.LayerNorm(16), nn.Linear(16, 5)
        self.layers = nn.ModuleList(Layer(16) for _ in range(3))

    def example(self):
        return torch.randn(2, 7, 6)

    def forward(self, x):
        x = self.emb(x)
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))


@net("layers.1.o.", goes=tuple(f"layers.1.{n}." for n in "nqkvo"))
class Attention(Tokens):
    """All of one layer's attention, with its norm."""


@net("layers.0.down.", "layers.1.o.", "layers.1.down.", goes=("layers.0.m.", "layers.0.up.", "layers.0.down.", "layers.1."))
class Layers(Tokens):
    """A feed-forward part, and a whole layer."""


@net("gamma", goes=("gamma", "a.", "b."))
class Scaled(Base):
    """The scale of a branch is masked, and its layers are not."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 4, 1)
        self.gamma = nn.Parameter(torch.randn(8, 1, 1))

    def forward(self, x):
        x = self.stem(x)
        return self.out(x - self.gamma * self.b(torch.relu(self.a(x))))


@net("b.", goes=("b.",))
class Shared(Base):
    """What the branch computes on the way is read elsewhere too, and stays."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        y = torch.relu(self.a(x))
        return self.out(torch.cat([x + self.b(y), y], 1))


@net("b.", goes=("b.",))
class Written(Base):
    """The sum is written to, and what it was made from is read after that."""

    def __init__(self):
        super().__init__()
        self.stem, self.b, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        y = x + self.b(x)
        y.mul_(3)
        return self.out(torch.cat([x, y], 1))


@net("b.")
class Looked(Base):
    """A view of the branch's result sees what is written over it, so it stays."""

    def __init__(self):
        super().__init__()
        self.stem, self.b, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        y = self.b(x)
        seen = y[:, :, 1:]
        y += x
        return self.out(y[:, :, 1:] + seen)


LISTS = {"all": [f"branch/{n}" for n in NETS]}


def build(name):
    torch.manual_seed(0)
    model = NETS[name.partition("/")[2]]().eval()
    with torch.no_grad():
        for key, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.ndim == 1 and t.is_floating_point():
                t.copy_(0.5 + torch.rand_like(t) if key.endswith(("weight", "var")) else torch.randn_like(t) * 0.3)
    return model, (model.example(),), {}
