"""Nets for `--lossless`: `oracle.py --lossless --zoo lossless.py @all`. A masked channel holds a number in each of them, which
a bias takes up or which keeps the channel. FOLDED: the number can be folded, and all masked channels go. KEPT: it cannot.
`chain/<seed>` are random chains of such operators, of which nothing is asked but the right result.
"""
import random

import torch
import torch.nn.functional as F
from torch import nn

import nets
import zoo

C1, C2, C3, L, BN = nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.BatchNorm2d
IMG = (2, 3, 8, 8)
MADE, FOLDED, KEPT, OTHER = {}, [], [], []


def case(kind, shape=IMG, dynamic=None, **layers):
    def add(f):
        kind.append(f"lossless/{f.__name__}")
        MADE[f.__name__] = (layers, f, shape, dynamic)
        return f

    return add


def chain(name, act, kind=FOLDED):
    """conv, batch norm, an operator, conv."""
    def forward(self, x):
        return self.out(act(self.n(self.a(x))))

    forward.__name__ = name
    case(kind, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 1))(forward)


for name, act in {
    "plain": lambda x: x, "relu": torch.relu, "relu6": F.relu6, "relu_": lambda x: F.relu(x, inplace=True), "silu": F.silu,
    "mish": F.mish, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid, "elu": lambda x: F.elu(x, 0.7), "celu": lambda x: F.celu(x, 0.7), "selu": F.selu,
    "leaky": lambda x: F.leaky_relu(x, 0.3), "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": lambda x: F.softplus(x, 2.0, 1.0),
    "logsigmoid": F.logsigmoid, "exp": torch.exp, "abs": torch.abs, "square": torch.square, "cube": lambda x: x ** 3, "neg": torch.neg,
    "clamp": lambda x: x.clamp(-0.1, 0.2), "clamp_min": lambda x: x.clamp(min=0.1), "clamp_max": lambda x: x.clamp(max=0.1),
    "hardtanh": lambda x: F.hardtanh(x, -0.2, 0.1), "affine": lambda x: 2 * x - 0.5, "rsub": lambda x: 1 - x, "divided": lambda x: x / 3,
    "sqrt": lambda x: (x.abs() + 1).sqrt(), "rsqrt": lambda x: (x.square() + 1).rsqrt(), "reciprocal": lambda x: 1 / (x.abs() + 1),
    "swish": lambda x: x * torch.sigmoid(x), "itself": lambda x: x + 2 * x, "maximum": lambda x: torch.maximum(x, -x),
    "minimum": lambda x: torch.minimum(x, 0.5 * x), "maxpool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "maxpool_ceil": lambda x: F.max_pool2d(x, 2, ceil_mode=True), "avgpool": lambda x: F.avg_pool2d(x, 2),
    "avgpool_ceil": lambda x: F.avg_pool2d(x, 4, ceil_mode=True),
    "avgpool_uncounted": lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), "adaptive": lambda x: F.adaptive_avg_pool2d(x, 2),
    "adaptive_max": lambda x: F.adaptive_max_pool2d(x, 2), "mean": lambda x: x.mean((2, 3), keepdim=True),
    "nearest": lambda x: F.interpolate(x, scale_factor=2.0), "bilinear": lambda x: F.interpolate(x, size=(5, 5), mode="bilinear"),
    "dropout": lambda x: F.dropout(x, training=False), "reflected": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "permuted": lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), "sliced": lambda x: x[:, :, 1:3],
    "cat_space": lambda x: torch.cat([x, x], 2), "amax": lambda x: x.amax((2, 3), keepdim=True),
}.items():
    chain(name, act)
for name, act in {
    "avgpool_padded": lambda x: F.avg_pool2d(x, 3, 1, 1), "zeropad": lambda x: F.pad(x, (1, 1, 1, 1)),
    "onepad": lambda x: F.pad(x, (1, 1, 1, 1), value=1.0), "input_scale": lambda x: x * x.mean(1, keepdim=True),
    "divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3), "position": lambda x: x * torch.linspace(0, 1, 6, dtype=x.dtype),
    "row": lambda x: torch.cat([x[:, :, :2] * 0.5, x[:, :, 2:]], 2), "softmax": lambda x: x.softmax(1),
    "written_part": lambda x: _part(x), "summed": lambda x: x.sum((2, 3), keepdim=True),
}.items():
    chain(name, act, KEPT)


def _part(x):
    x = x.clone()
    x[:, :, :2].mul_(0.5)
    return x


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 3, bias=False))
def no_bias(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 3, stride=2, dilation=2, padding="valid"))
def valid(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(KEPT, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 3, padding=1))
def padded(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(KEPT, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: nn.ConvTranspose2d(8, 4, 3))
def transposed(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), b=lambda: C2(8, 12, 1, bias=False), m=lambda: BN(12), out=lambda: C2(12, 4, 1))
def twice(self, x):
    return self.out(F.silu(self.m(self.b(F.silu(self.n(self.a(x)))))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), b=lambda: C2(8, 8, 3, padding=1, groups=8), m=lambda: BN(8), out=lambda: C2(8, 4, 1))
def depthwise(self, x):
    return self.out(F.relu6(self.m(self.b(F.relu6(self.n(self.a(x)))))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: L(8, 5))
def pooled(self, x):
    return self.out(torch.relu(self.n(self.a(x))).mean((2, 3)))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: L(8 * 36, 5))
def flat(self, x):
    return self.out(torch.relu(self.n(self.a(x))).flatten(1))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: L(8, 5, bias=False))
def last(self, x):
    return self.out(torch.relu(self.n(self.a(x))).permute(0, 2, 3, 1))


@case(FOLDED, a=lambda: C2(3, 8, 3), b=lambda: C2(3, 8, 3), n=lambda: BN(8), m=lambda: BN(8), out=lambda: C2(8, 4, 1))
def added(self, x):
    return self.out(torch.relu(self.n(self.a(x)) + self.m(self.b(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), b=lambda: C2(3, 8, 3), n=lambda: BN(8), m=lambda: BN(8), out=lambda: C2(8, 4, 1))
def gated(self, x):
    return self.out(self.n(self.a(x)) * torch.sigmoid(self.m(self.b(x))))


@case(FOLDED, a=lambda: C2(3, 16, 3), n=lambda: BN(16), out=lambda: C2(8, 4, 1))
def gated_halves(self, x):
    return self.out(F.glu(self.n(self.a(x)), 1))


@case(FOLDED, shape=(4, 6), a=lambda: L(6, 20), out=lambda: L(10, 4))
def gated_features(self, x):
    return self.out(F.glu(self.a(x) + 0.5))


@case(FOLDED, a=lambda: C2(3, 8, 3), b=lambda: C2(3, 6, 3), n=lambda: BN(8), m=lambda: BN(6), out=lambda: C2(14, 4, 1))
def joined(self, x):
    return self.out(torch.cat([F.gelu(self.n(self.a(x))), torch.sigmoid(self.m(self.b(x)))], 1))


@case(FOLDED, a=lambda: C2(3, 12, 3), n=lambda: BN(12), b=lambda: C2(6, 5, 1), out=lambda: C2(6, 5, 1))
def parted(self, x):
    one, two = torch.relu(self.n(self.a(x))).chunk(2, 1)
    return self.b(one).mean() + self.out(two)


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 8, 3, groups=2))
def groups(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 1))
def reused(self, x):  # the bias serves twice: once with a number, once with none
    y = torch.relu(self.n(self.a(x)))
    return self.out(y) + self.out(self.n(self.a(0.5 * x))) * self.out.bias[:, None, None]


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), s=nets.P(8, 1, 1), out=lambda: C2(8, 4, 1))
def scaled(self, x):
    return self.out(torch.relu(self.n(self.a(x))) * self.s)


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), p=lambda: nn.PReLU(8), out=lambda: C2(8, 4, 1))
def prelu(self, x):
    return self.out(self.p(self.n(self.a(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 1))
def two_heads(self, x):
    y = torch.relu(self.n(self.a(x)))
    return self.out(y), self.out(y * 2)


@case(FOLDED, shape=(2, 3, 12), a=lambda: C1(3, 8, 3), n=lambda: nn.BatchNorm1d(8), out=lambda: C1(8, 4, 3))
def conv1(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, shape=(2, 3, 5, 6, 6), a=lambda: C3(3, 8, 3), n=lambda: nn.BatchNorm3d(8), out=lambda: C3(8, 4, 3))
def conv3(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, shape=(4, 6), a=lambda: L(6, 10), n=lambda: nn.BatchNorm1d(10), out=lambda: L(10, 4))
def features(self, x):
    return self.out(torch.sigmoid(self.n(self.a(x))))


@case(FOLDED, shape=(4, 6), a=lambda: L(6, 10), out=lambda: L(10, 4))
def zero_to_half(self, x):
    return self.out(torch.sigmoid(self.a(x)))


@case(OTHER, shape=(4, 6), a=lambda: L(6, 10), w=nets.P(10, 4), b=nets.P(4), out=lambda: L(4, 4))
def addmm(self, x):
    return self.out(torch.addmm(self.b, torch.sigmoid(self.a(x)), self.w))


@case(FOLDED, a=lambda: C2(3, 8, 3, groups=1), n=lambda: BN(8), b=lambda: C2(8, 8, 3, groups=4), m=lambda: BN(8), out=lambda: C2(8, 6, 1, groups=2))
def more_groups(self, x):
    return self.out(torch.relu(self.m(self.b(torch.sigmoid(self.n(self.a(x)))))))


@case(KEPT, shape=(4, 6), a=lambda: L(6, 10), w=nets.P(10, 4), out=lambda: L(4, 4))
def product(self, x):
    return self.out(torch.sigmoid(self.a(x)) @ self.w)


@case(KEPT, shape=(4, 6), a=lambda: L(6, 10), b=lambda: L(6, 10), out=lambda: L(10, 4))
def normed(self, x):
    return self.out(F.layer_norm(torch.sigmoid(self.a(x)) + self.b(x), (10,)))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8), out=lambda: C2(8, 4, 3), dynamic={"x": {0: torch.export.Dim("b", min=1)}})
def batches(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


@case(FOLDED, a=lambda: C2(3, 8, 3), n=lambda: BN(8, affine=False), out=lambda: C2(8, 4, 3))
def bare_norm(self, x):
    return self.out(torch.relu(self.n(self.a(x))))


class Random(nn.Module):
    """A chain of blocks, each a convolution, a norm, and operators that keep a channel to itself."""

    def __init__(self, seed):
        super().__init__()
        r = random.Random(seed)
        self.layers, self.steps, width = nn.ModuleList(), [], 3
        layer = lambda m: (self.layers.append(m), len(self.layers) - 1)[1]
        acts = [name for name in ACTS]
        for _ in range(r.randint(2, 5)):
            out, k = r.choice([4, 6, 8]), r.choice([1, 1, 3])
            groups = 2 if width % 2 == 0 and out % 2 == 0 and r.random() < 0.3 else 1
            pad = r.choice([0, 0, 1]) if k == 3 else 0
            self.steps.append(("layer", layer(C2(width, out, k, padding=pad, groups=groups, bias=r.random() < 0.5))))
            if r.random() < 0.8:
                self.steps.append(("layer", layer(BN(out, affine=r.random() < 0.8))))
            for _ in range(r.randint(0, 3)):
                self.steps.append(("act", r.choice(acts)))
            if r.random() < 0.3:
                self.steps.append(("layer", layer(C2(out, out, 3, padding=1, groups=out, bias=r.random() < 0.5))))
            if r.random() < 0.4:
                self.steps.append(("branch", layer(C2(out, out, 1)), layer(BN(out)), r.choice(["add", "mul", "cat", "where"])))
                out *= 2 if self.steps[-1][3] == "cat" else 1
            width = out
        self.flat = r.random() < 0.5
        self.head = L(width * (16 if self.flat else 1), 5)

    def forward(self, x):
        for kind, *what in self.steps:
            if kind == "layer":
                x = self.layers[what[0]](x)
            elif kind == "act":
                x = ACTS[what[0]](x)
            else:
                y = self.layers[what[1]](self.layers[what[0]](x))
                x = {"add": lambda: x + y, "mul": lambda: x * y.sigmoid(), "cat": lambda: torch.cat([x, y], 1),
                     "where": lambda: torch.where(y > 0, x, y)}[what[2]]()
        x = F.adaptive_avg_pool2d(x, 4)
        return self.head(x.flatten(1) if self.flat else x.mean((2, 3)))


ACTS = {
    "relu": torch.relu, "relu_": lambda x: F.relu_(x), "silu": F.silu, "sigmoid": torch.sigmoid, "gelu": F.gelu, "hardswish": F.hardswish,
    "shift": lambda x: x + 0.3, "shift_": lambda x: x.clone().add_(0.3), "scale": lambda x: -1.5 * x, "half": lambda x: torch.cat([x[:, :1], x[:, 1:] * 0.5], 1),
    "part": lambda x: _part(x), "max": lambda x: F.max_pool2d(x, 3, 1, 1), "avg": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "pad": lambda x: F.pad(x, (1, 0, 0, 1)), "one": lambda x: F.pad(x, (1, 0, 0, 1), value=1.0), "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 1), "self": lambda x: x * x.mean(1, keepdim=True), "centred": lambda x: x - x.mean(1, keepdim=True),
    "shuffle": lambda x: x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2), "clamp": lambda x: x.clamp(-0.2, 0.4),
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), "where": lambda x: torch.where(x > 0, x, x * 0.1),
    "softmax": lambda x: x.softmax(1), "up": lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest"),
}


def build(name):
    torch.manual_seed(0)
    kind, _, key = name.partition("/")
    if kind == "chain":
        model, args = Random(int(key)), (torch.randn(2, 3, 9, 9),)
        kwargs = {}
    else:
        layers, forward, shape, _ = MADE[key]
        nets.NETS[key] = (layers, forward, shape)
        model, args, kwargs = nets.make(key)
    zoo.randomise(model, args, kwargs)
    return model.eval(), args, kwargs


LISTS = {"folded": FOLDED, "kept": KEPT, "chains": [f"chain/{k}" for k in range(60)]}
LISTS["all"] = FOLDED + KEPT + OTHER
DYNAMIC = {f"lossless/{n}": made[3] for n, made in MADE.items() if made[3]}
