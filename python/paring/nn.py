"""Layers that stand in for those of ``torch.nn`` whose statistics were over channels that are gone.

With ``k`` of ``total`` channels left, the others zero, and mean ``m`` and variance ``v`` of those that are left, the mean of all is
``m * k / total`` and their variance ``v * k / total + m * m * k * (total - k) / total**2``. Where it can be done, zeros are put back
instead: PyTorch's own norm at the old size is several times faster than the mean and the variance one by one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
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
        if len(self.normalized_shape) == 1:
            (kept,) = self.normalized_shape
            zeros = [0, self.total - kept]
            weight, bias = (None if t is None else F.pad(t, zeros) for t in (self.weight, self.bias))
            return F.layer_norm(F.pad(input, zeros), (self.total,), weight, bias, self.eps)[..., :kept].contiguous()
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
        kept = self.num_channels // self.num_groups
        x = input.unflatten(1, (self.num_groups, -1))
        around = [0, 0] if input.dim() > 2 else []
        x = F.pad(x.flatten(3) if around else x, [*around, 0, self.total - kept]).flatten(1, 2)
        weight, bias = (
            None if t is None else F.pad(t.unflatten(0, (self.num_groups, -1)), [0, self.total - kept]).flatten()
            for t in (self.weight, self.bias)
        )
        x = F.group_norm(x, self.num_groups, weight, bias, self.eps).unflatten(1, (self.num_groups, -1))
        out: Tensor = x[:, :, :kept].reshape_as(input).contiguous()
        return out

    def extra_repr(self) -> str:
        """As of ``nn.GroupNorm``, with the total."""
        return f"{super().extra_repr()}, total={self.total}"
