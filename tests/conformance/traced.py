"""Small nets whose traces hold what their exports do not: sizes that are computed, fused layers, constants for numbers. Each
keeps the same parameters as its export.

  torchscript.py --paring target/release/paring --zoo traced.py @all
"""

import torch
from torch import nn

IMAGE, TOKENS = (2, 3, 6, 6), (2, 5, 6)


class Pixels(nn.Module):
    """The number of pixels, multiplied in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x):
        y = self.conv(x)
        n = y.shape[2]
        n *= y.shape[3]
        return self.out(y.reshape(y.shape[0], y.shape[1], n).transpose(1, 2))


class Grid(nn.Module):
    """Coordinates over a size."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        y = self.conv(x)
        return self.out(y * torch.linspace(-1, 1, y.shape[3], dtype=y.dtype))


class Deformed(nn.Module):
    """Convolutions whose windows are computed, with and without a mask of their own."""

    def __init__(self):
        super().__init__()
        from torchvision.ops import DeformConv2d

        self.conv, self.offset, self.mask = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 18, 3, padding=1), nn.Conv2d(8, 9, 3, padding=1)
        self.first, self.second, self.out = DeformConv2d(8, 8, 3, padding=1), DeformConv2d(8, 6, 3, padding=1), nn.Conv2d(6, 4, 1)

    def forward(self, x):
        y = self.conv(x).relu()
        y = self.first(y, self.offset(y), self.mask(y).sigmoid()).relu()
        return self.out(self.second(y, self.offset(y)).relu())


class Frozen(nn.Module):
    """A frozen batch norm: its epsilon is a constant tensor of the trace."""

    def __init__(self):
        super().__init__()
        from torchvision.ops import FrozenBatchNorm2d

        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), FrozenBatchNorm2d(8)
        self.next, self.out = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.out(self.next(self.norm(self.conv(x)).relu()))


class Attention(nn.Module):
    """PyTorch's own attention: of tokens to others (`cross`), with a mask for padding (`pad`), with its weights (`weights`)."""

    def __init__(self, cross=False, pad=False, weights=False):
        super().__init__()
        self.embed, self.attention, self.out = nn.Linear(6, 16), nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 4)
        self.cross, self.pad, self.weights = cross, pad, weights

    def forward(self, x):
        y = self.embed(x)
        others = y.flip(1)[:, :3] if self.cross else y
        y, weights = self.attention(y, others, others, key_padding_mask=x[:, :, 0] > 9 if self.pad else None, need_weights=self.weights)
        return (self.out(y), weights) if self.weights else self.out(y)


class Encoder(nn.Module):
    """Layers of a transformer: with a mask for padding (`pad`), a causal one (`causal`), norms first (`first`)."""

    def __init__(self, pad=False, causal=False, first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=first)
        self.embed, self.layers, self.out = nn.Linear(6, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 4)
        self.pad = pad
        self.register_buffer("mask", torch.triu(torch.full((5, 5), float("-inf")), 1) if causal else None)

    def forward(self, x):
        padding = torch.zeros_like(x[:, :, 0]).masked_fill(x[:, :, 0] > 9, float("-inf")) if self.pad else None
        return self.out(self.layers(self.embed(x), self.mask, padding, is_causal=False))


NETS = {
    "pixels": (Pixels, IMAGE),
    "grid": (Grid, IMAGE),
    "deformed": (Deformed, IMAGE),
    "frozen": (Frozen, IMAGE),
    "attention": (Attention, TOKENS),
    "attention_cross": (lambda: Attention(cross=True), TOKENS),
    "attention_pad": (lambda: Attention(pad=True), TOKENS),
    "attention_weights": (lambda: Attention(weights=True), TOKENS),
    "attention_both": (lambda: Attention(pad=True, weights=True), TOKENS),
    "encoder": (Encoder, TOKENS),
    "encoder_pad": (lambda: Encoder(pad=True), TOKENS),
    "encoder_causal": (lambda: Encoder(causal=True), TOKENS),
    "encoder_both": (lambda: Encoder(pad=True, causal=True, first=True), TOKENS),
}
LISTS = {"all": [f"traced/{n}" for n in NETS]}


def build(name):
    torch.manual_seed(0)
    make, shape = NETS[name.partition("/")[2]]
    return make().eval(), (torch.randn(*shape),), {}
