"""Cutting tensors: which positions of each stay, applied to weights, gradients and an optimizer's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from torch import Tensor

Dim = Optional[dict[str, Any]]
"""What stays of one dimension: None (all), ``{"keep": positions}``, or ``{"keep": lists, "by": {"dim", "div", "outer"}}``, where
another dimension tells which of the lists."""


@dataclass
class TensorCut:
    """What becomes of one tensor.

    Attributes:
        shape: sizes before.
        dims: for each dimension what stays.
        zeros: what a given mask makes zero besides: a dimension (None: every element) and its bytes, 0 = zero.
        add: for a bias, what removed positions added, by position before the cut.
        scale: a factor, or pairs of a factor and how many rows, after the cut, have it.
        masked: false if the unified mask leaves alone what goes, for the tensor is divided by its norm.
        norm_of: a tensor that is divided by its norm; this one is multiplied by the norm of what stays of it over that of all.
    """

    shape: list[int]
    dims: list[Dim]
    zeros: Optional[tuple[Optional[int], bytes]] = None
    add: Optional[list[float]] = None
    scale: list[Any] = field(default_factory=list)
    norm_of: Optional[str] = None
    masked: bool = True

    @property
    def changes(self) -> bool:
        """Whether anything of the tensor does."""
        return self.smaller or self.zeros is not None or self.add is not None or bool(self.scale) or self.norm_of is not None

    @property
    def smaller(self) -> bool:
        """Whether positions go."""
        return any(d is not None for d in self.dims)

    @property
    def small(self) -> list[int]:
        """Sizes after."""
        return [n if d is None else _length(d) for n, d in zip(self.shape, self.dims)]

    def cut(self, t: Tensor) -> Tensor:
        """The positions of ``t``, of sizes ``shape``, that stay: a new tensor of the same strides' order."""
        if not self.smaller:
            return t.clone(memory_format=torch.preserve_format)
        out = t
        for d, dim in enumerate(self.dims):
            if dim is not None and "by" not in dim:
                out = out.index_select(d, torch.tensor(dim["keep"], dtype=torch.long, device=t.device))
        for d, dim in enumerate(self.dims):
            if dim is not None and "by" in dim:
                out = torch.gather(out, d, self._index(d, dim, out))
        if t.dim() in (4, 5) and not t.is_contiguous():
            form = torch.channels_last if t.dim() == 4 else torch.channels_last_3d
            if t.is_contiguous(memory_format=form):
                return out.contiguous(memory_format=form)
        return out.contiguous()

    def _index(self, d: int, dim: dict[str, Any], like: Tensor) -> Tensor:
        """For a dimension whose positions another tells: the index to gather by."""
        at, div, outer = dim["by"]["dim"], dim["by"]["div"], dim["by"]["outer"]
        other = self.dims[at]
        coordinates = range(self.shape[at]) if other is None else other["keep"]
        rows = torch.tensor([dim["keep"][c // div % outer] for c in coordinates], dtype=torch.long, device=like.device)
        sizes = [1] * like.dim()
        sizes[at], sizes[d] = rows.shape
        sizes_out = list(like.shape)
        sizes_out[d] = rows.shape[1]
        if at > d:
            rows = rows.t()
        return rows.reshape(sizes).expand(sizes_out)

    def weight(self, t: Tensor) -> Tensor:
        """What a parameter of this tensor becomes: cut, with zeros, factors and additions."""
        out = self.cut(t)
        with torch.no_grad():
            if self.zeros is not None:
                out.mul_(self._cut_mask().to(out.device, out.dtype))
            if self.add is not None:
                more = torch.tensor(self.add, dtype=torch.float64, device="cpu" if t.is_meta else t.device)
                out = (out.double() + self.cut(more.to(t.device))).to(t.dtype) if not t.is_meta else out
            for factor in self.scale:
                scaled(out, factor)
        return out

    def _cut_mask(self) -> Tensor:
        """The given mask of what stays, as it broadcasts over the cut tensor."""
        assert self.zeros is not None
        dim, data = self.zeros
        given = _bytes(data)
        if dim is None:
            return self.cut(given.view(self.shape))
        keep = self.dims[dim]
        if keep is not None and "by" in keep:
            sizes = [1] * len(self.shape)
            sizes[dim] = -1
            return self.cut(given.view(sizes).expand(self.shape))
        if keep is not None:
            given = given[torch.tensor(keep["keep"], dtype=torch.long)]
        sizes = [1] * len(self.shape)
        sizes[dim] = -1
        return given.view(sizes)

    def mask(self, removed: bool = True) -> Tensor:
        """The unified mask: a bool for each element before the cut. ``removed=False`` leaves out what goes as a whole."""
        out = torch.ones(self.shape, dtype=torch.bool)
        for d, dim in enumerate(self.dims if removed and self.masked else []):
            if dim is None:
                continue
            sizes = [1] * len(self.shape)
            if "by" not in dim:
                kept = torch.zeros(self.shape[d], dtype=torch.bool)
                kept[torch.tensor(dim["keep"], dtype=torch.long)] = True
                sizes[d] = -1
                out &= kept.view(sizes)
                continue
            at, div, outer = dim["by"]["dim"], dim["by"]["div"], dim["by"]["outer"]
            pairs = torch.zeros(self.shape[at], self.shape[d], dtype=torch.bool)
            for c in range(self.shape[at]):
                pairs[c, torch.tensor(dim["keep"][c // div % outer], dtype=torch.long)] = True
            sizes[at], sizes[d] = pairs.shape
            out &= (pairs if at < d else pairs.t()).reshape(sizes)
        if self.zeros is not None:
            dim_, data = self.zeros
            given = _bytes(data) != 0
            if dim_ is None:
                out &= given.view(self.shape)
            else:
                sizes = [1] * len(self.shape)
                sizes[dim_] = -1
                out &= given.view(sizes)
        return out

    def loses_only_positions(self) -> bool:
        """Whether what stays is what it was, so that :meth:`rest` and what stays are all of the tensor."""
        if self.add is not None or self.scale or self.norm_of is not None or any(d is not None and "by" in d for d in self.dims):
            return False
        return self.zeros is None or bool(self._cut_mask().all())

    def rest(self, t: Tensor) -> list[Tensor]:
        """What goes, dimension by dimension, each without what went before it."""
        out = []
        for d, dim in enumerate(self.dims):
            if dim is not None:
                out.append(t.index_select(d, self._gone(d, t.device)))
                t = t.index_select(d, torch.tensor(dim["keep"], dtype=torch.long, device=t.device))
        return out

    def back(self, small: Tensor, rest: list[Tensor]) -> Tensor:
        """The tensor before the cut, from what it became and what went."""
        for d in reversed(range(len(self.dims))):
            dim = self.dims[d]
            if dim is not None:
                sizes = [*small.shape[:d], self.shape[d], *small.shape[d + 1 :]]
                full = torch.empty(sizes, dtype=small.dtype, device=small.device)
                full.index_copy_(d, torch.tensor(dim["keep"], dtype=torch.long, device=small.device), small)
                full.index_copy_(d, self._gone(d, small.device), rest[sum(k is not None for k in self.dims[:d])])
                small = full
        return small

    def _gone(self, d: int, device: torch.device) -> Tensor:
        dim = self.dims[d]
        assert dim is not None
        kept = set(dim["keep"])
        return torch.tensor([p for p in range(self.shape[d]) if p not in kept], dtype=torch.long, device=device)

    def state(self, name: str, state: Tensor) -> Tensor:
        """What a tensor that an optimizer keeps for the parameter becomes: one of its sizes, or one of its rows or columns."""
        if list(state.shape) == self.shape:
            return self.cut(state)
        if state.dim() == len(self.shape):  # sums over a dimension that is kept as one
            dims = [None if n == 1 else d for n, d in zip(state.shape, self.dims)]
            if all(n in (1, m) for n, m in zip(state.shape, self.shape)):
                return TensorCut(list(state.shape), dims).cut(state)
        if state.dim() == len(self.shape) - 1:
            last = len(self.shape) - 1
            for gone in (last, last - 1) if "col" not in name else (last - 1, last):
                shape = self.shape[:gone] + self.shape[gone + 1 :]
                dims = self.dims[:gone] + self.dims[gone + 1 :]
                if list(state.shape) == shape and not any(d is not None and "by" in d for d in dims):
                    return TensorCut(shape, dims).cut(state)
        return state


def scaled(t: Tensor, factor: Any) -> Tensor:
    """Multiplies a tensor in place by a factor, or its rows by theirs: pairs of a factor and how many rows have it."""
    if not isinstance(factor, list):
        return t.mul_(factor)
    rows = [f for f, n in factor for _ in range(int(n))]
    return t.mul_(torch.tensor(rows, dtype=torch.float64).to(t.device, t.dtype).view(-1, *[1] * (t.dim() - 1)))


def norms(small: TensorCut, rest: TensorCut, t: Tensor) -> tuple[Tensor, Tensor]:
    """Of ``t``, whose rows are divided by their norms: the factors of the scale beside it, and which rows of what stays have no norm."""
    masked = t.detach().double()
    if rest.zeros is not None:
        masked = masked * rest.mask(removed=False).to(t.device)
    over = [d for d in range(t.dim()) if d >= len(small.shape) or small.shape[d] != rest.shape[d]]
    before, kept = masked.square(), rest.cut(masked).square()
    if over:
        before, kept = before.sum(over, keepdim=True), kept.sum(over, keepdim=True)
    for d, dim in enumerate(rest.dims):
        if dim is not None and d not in over:
            before = before.index_select(d, torch.tensor(dim["keep"], dtype=torch.long, device=t.device))
    factor = torch.where(before > 0, (kept / before.clamp_min(torch.finfo(torch.float64).tiny)).sqrt(), torch.ones_like(before))
    return factor.reshape(small.small), (kept == 0) & (before > 0)


def _length(dim: dict[str, Any]) -> int:
    keep = dim["keep"]
    return max((len(k) for k in keep), default=0) if "by" in dim else len(keep)


def _bytes(data: bytes) -> Tensor:
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


class UnifiedMasks(Mapping[str, Tensor]):
    """Name → bool tensor of the original's shape; made when it is asked for, so that many take no memory."""

    def __init__(self, cuts: Mapping[str, TensorCut], lossless: bool) -> None:
        self._cuts, self._lossless = dict(cuts), lossless

    def __getitem__(self, name: str) -> Tensor:
        return self._cuts[name].mask(removed=not self._lossless)

    def __iter__(self) -> Iterator[str]:
        return iter(self._cuts)

    def __len__(self) -> int:
        return len(self._cuts)

    def __repr__(self) -> str:
        return f"UnifiedMasks of {len(self)} parameters: {', '.join(list(self)[:4])}{', …' if len(self) > 4 else ''}"
