"""Layers that stand in for those of ``torch.nn`` whose statistics were over channels that are gone.

With ``k`` of ``total`` channels left, the others zero, and mean ``m`` and variance ``v`` of those that are left, the mean of all is
``m * k / total`` and their variance ``v * k / total + m * m * k * (total - k) / total**2``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _normalised(x: Tensor, dims: list[int], kept: int, total: int, eps: float) -> Tensor:
    mean = x.mean(dims, keepdim=True)
    part = x.var(dims, correction=0, keepdim=True) * (kept / total)
    var = torch.addcmul(part, mean, mean, value=kept * (total - kept) / total**2)
    return torch.sub(x, mean, alpha=kept / total) * torch.rsqrt(var + eps)


class LayerNorm(nn.LayerNorm):
    """``nn.LayerNorm`` over what is left of ``total`` elements, the others of which were zero.

    Shapes: as those of ``nn.LayerNorm`` with the smaller ``normalized_shape``.
    """

    total: int

    def forward(self, input: Tensor) -> Tensor:
        """Normalises as over all of ``total``."""
        dims = list(range(-len(self.normalized_shape), 0))
        kept = 1
        for n in self.normalized_shape:
            kept *= n
        out = _normalised(input, dims, kept, self.total, self.eps)
        if self.weight is not None:
            out = out * self.weight
        if self.bias is not None:
            out = out + self.bias
        return out.contiguous()

    def extra_repr(self) -> str:
        """As of ``nn.LayerNorm``, with the total."""
        return f"{super().extra_repr()}, total={self.total}"


class LayerNorm2d(LayerNorm):
    """The same over the channels of images: ``[n, channels, height, width]``, as in ConvNeXt."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalises as over all of ``total``."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GroupNorm(nn.GroupNorm):
    """``nn.GroupNorm`` over what is left of ``total`` channels in each group, the others of which were zero.

    Shapes: as those of ``nn.GroupNorm`` with fewer channels.
    """

    total: int

    def forward(self, input: Tensor) -> Tensor:
        """Normalises as over all of ``total`` channels of each group."""
        x = input.unflatten(1, (self.num_groups, -1)).flatten(2)
        space = input.shape[2:].numel()
        kept, total = self.num_channels // self.num_groups * space, self.total * space
        out = _normalised(x, [2], kept, total, self.eps).reshape_as(input).transpose(1, -1)
        if self.weight is not None:
            out = out * self.weight
        if self.bias is not None:
            out = out + self.bias
        return out.transpose(1, -1).contiguous()

    def extra_repr(self) -> str:
        """As of ``nn.GroupNorm``, with the total."""
        return f"{super().extra_repr()}, total={self.total}"
