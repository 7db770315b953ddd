"""Scores: how much each position of a group matters. A method gives a number for each position; the least go first.

Every method sums or averages over what is coupled. What they are, and where they come from, docs/pruning.md says.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import torch
from torch import Tensor, nn

from . import exported, files
from .errors import Error
from .grouping import Group, Program

Scores = dict[int, Tensor]
"""Number of a group → a number for each of its positions."""

By = Union[str, "os.PathLike[str]", Callable[[Group], Tensor], Mapping[str, Tensor]]

WEIGHTS = ("l1", "l2", "bn", "fpgm", "random", "lamp")
GRADIENTS = ("taylor", "taylor2", "fisher", "obd")
ACTIVATIONS = ("wanda", "apoz", "activation")
METHODS = (*WEIGHTS, *GRADIENTS, *ACTIVATIONS)

REDUCTIONS = ("sum", "mean", "max", "prod", "makes")
NORMALISATIONS = ("mean", "max", "sum", "standard")


def wrong(message: str, help: str) -> Error:
    """An error in how scores are asked for."""
    return Error(message, "paring::live::scores", help)


def rows(t: Tensor) -> Tensor:
    """A row for each position."""
    return t.flatten(1) if t.dim() > 1 else t[:, None]


def reduced(parts: Sequence[Tensor], reduce: str) -> Tensor:
    """One number a position of one for each member."""
    all = torch.stack(list(parts))
    if reduce == "mean":
        return all.mean(0)
    if reduce == "max":
        return all.amax(0)
    if reduce == "prod":
        return all.prod(0)
    return all.sum(0)


class Measuring:
    """Works out scores of a module's groups."""

    def __init__(
        self,
        program: Program,
        by: By,
        data: Optional[Iterable[Any]] = None,
        loss: Optional[Callable[[nn.Module, Any], Tensor]] = None,
        reduce: str = "sum",
        normalise: Optional[str] = "mean",
        seed: int = 0,
    ) -> None:
        if isinstance(by, str) and by not in METHODS and not os.path.exists(by):
            raise wrong(f"`{by}` is no score", f"by= is one of {', '.join(METHODS)}, a file, a dict of tensors or a function")
        if reduce not in REDUCTIONS:
            raise wrong(f"`{reduce}` is no reduction", f"reduce= is one of {', '.join(REDUCTIONS)}")
        if normalise is not None and normalise not in NORMALISATIONS:
            raise wrong(f"`{normalise}` is no normalisation", f"normalise= is None or one of {', '.join(NORMALISATIONS)}")
        if by in GRADIENTS and (data is None or loss is None):
            raise wrong(f"`{by}` needs data and a loss", "data= is batches, loss= a function of the model and a batch")
        if by in ACTIVATIONS and data is None:
            raise wrong(f"`{by}` needs data", "data= is batches that the model is called with: tuples of arguments")
        self.program, self.by, self.loss, self.reduce, self.normalise, self.seed = program, by, loss, reduce, normalise, seed
        self.data = list(data) if data is not None else []
        self.roles = ("makes",) if reduce == "makes" else ("makes", "follows", "reads")

    def scores(self) -> Scores:
        """Of all groups that can be pruned and that the method has numbers for."""
        groups, by = self.program.groups.prunable, self.by
        with torch.no_grad():
            if callable(by):
                found = {g.id: by(g) for g in groups}
            elif isinstance(by, Mapping):
                found = self._given(by, groups)
            elif by in GRADIENTS:
                with torch.enable_grad():
                    found = self._gradients(groups)
            elif by in ACTIVATIONS:
                found = self._activations(groups)
            elif by in WEIGHTS:
                found = {g.id: self._weights(g) for g in groups}
            else:
                found = self._given(read(os.fspath(by)), groups)
            for g in groups:
                if g.id in found and tuple(found[g.id].shape) != (g.positions,):
                    raise wrong(
                        f"the scores of {g.name} have the shape {list(found[g.id].shape)}",
                        f"a number for each of its {g.positions} positions: sum over the other dimensions of what group.select gives",
                    )
            return {k: self._normalised(v.detach().double().cpu()) for k, v in found.items()}

    # ---- by weights

    def _parts(self, group: Group, tensors: Optional[Mapping[str, Tensor]] = None) -> list[Tensor]:
        parts = [rows(t) for t in group.select(tensors, self.roles).values()]
        return parts or [torch.zeros(group.positions, 1)]

    def _weights(self, group: Group) -> Tensor:
        by, parts = self.by, self._parts(group)
        if by == "random":
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + group.id)
            return torch.rand(group.positions, generator=generator)
        if by == "bn":
            gains = {m.axis for m in group.members if m.gain}
            scales = [rows(t).abs().sum(1) for axis, t in group.select().items() if axis in gains]
            if scales:
                return reduced(scales, self.reduce)
        if by == "fpgm":
            makes = [rows(t) for t in group.select(roles=("makes",)).values()]
            return reduced([torch.cdist(t[None].float(), t[None].float())[0].sum(1) for t in makes], self.reduce)
        if by == "l2" or by == "lamp":
            squares = reduced([t.square().sum(1) for t in parts], self.reduce)
            return squares.sqrt() if by == "l2" else lamp(squares)
        return reduced([t.abs().sum(1) for t in parts], self.reduce)

    # ---- given

    def _given(self, given: Mapping[str, Tensor], groups: Sequence[Group]) -> Scores:
        known = {g.name: g for g in reversed(groups)} | {str(g.id): g for g in groups}
        known |= {m.axis: g for g in reversed(groups) for m in g.members if m.axis not in known}
        parameters = dict(self.program.model.named_parameters(remove_duplicate=False))
        own: Scores = {}
        by_parameter: dict[str, Tensor] = {}
        for name, scores in given.items():
            name = wrappers_name(str(name), parameters)
            if name in parameters:
                by_parameter[name] = scores
            elif name in known:
                own[known[name].id] = scores
            else:
                raise wrong(
                    f"the scores `{name}` mean no parameter and no group",
                    "names are those of named_parameters(), or axes of paring.groups",
                )
        found: Scores = {}
        for g in groups:
            parts: list[Tensor] = []
            for m in g.members:
                score = by_parameter.get(m.tensor)
                if score is None or not m.located or m.same_as is not None or m.role not in self.roles:
                    continue
                shape = parameters[m.tensor].shape
                if score.shape == shape:
                    parts.append(rows(m.gather(score)).sum(1))
                elif score.numel() == shape[0] and m.dim == 0:
                    parts.append(rows(m.gather(score.flatten().view(-1, *[1] * (len(shape) - 1)))).sum(1))
                elif score.numel() != shape[0]:
                    raise wrong(
                        f"the scores of `{m.tensor}` have the shape {list(score.shape)}", f"that of the parameter: {list(shape)}"
                    )
            if parts:
                found[g.id] = reduced(parts, self.reduce)
        return found | own

    # ---- by gradients

    def _gradients(self, groups: Sequence[Group]) -> Scores:
        model = self.program.model
        assert self.loss is not None
        named = dict(model.named_parameters())
        sums: Scores = {}
        before = {n: p.grad for n, p in named.items()}
        frozen = [p for p in named.values() if not p.requires_grad and p.is_floating_point()]
        try:
            for p in frozen:
                p.requires_grad_(True)
            with exported.evaluating(model):
                for batch in self.data:
                    for p in named.values():
                        p.grad = None
                    self.loss(model, batch).backward()
                    grads = {n: p.grad for n, p in named.items() if p.grad is not None}
                    products = {n: named[n].detach() * g for n, g in grads.items()}
                    for g in groups:
                        s = self._of_gradients(g, products)
                        sums[g.id] = sums.get(g.id, 0) + s
        finally:
            for n, p in named.items():
                p.grad = before[n]
            for p in frozen:
                p.requires_grad_(False)
        found = {k: s / max(len(self.data), 1) for k, s in sums.items()}
        return found if self.by in ("taylor", "taylor2") else {k: s / 2 for k, s in found.items()}

    def _of_gradients(self, group: Group, products: Mapping[str, Tensor]) -> Tensor:
        parts = self._parts(group, products)
        if self.by == "taylor":
            return reduced([t.sum(1).abs() for t in parts], self.reduce)
        if self.by in ("taylor2", "fisher"):
            return reduced([t.sum(1).square() for t in parts], self.reduce)
        return reduced([t.square().sum(1) for t in parts], self.reduce)

    # ---- by activations

    def _activations(self, groups: Sequence[Group]) -> Scores:
        role = "reads"
        wanted = {
            (m.activation["value"], m.activation["dim"])
            for g in groups
            for m in g.members
            if m.activation is not None and m.role == role and m.same_as is None
        }
        found = statistics(self.program, self.data, wanted)
        scores: Scores = {}
        for g in groups:
            parts = []
            for m in g.members:
                if m.activation is None or m.role != role or m.same_as is not None:
                    continue
                s = found.get((m.activation["value"], m.activation["dim"]))
                if s is None:
                    continue
                at = at_positions(m.activation["indices"], g.positions, s["square"].device)
                if self.by == "wanda":
                    w = g._own().get(m.tensor)
                    if w is not None:
                        # |W| · ‖x‖, of all weights that read the position.
                        norm = s["square"][at].mean(1).sqrt()
                        parts.append(rows(m.gather(w)).abs().sum(1) * norm.to(w.dtype).to(w.device))
                elif self.by == "apoz":
                    parts.append(1 - s["zero"][at].mean(1) / s["count"])
                else:
                    parts.append(s["size"][at].mean(1) / s["count"])
            if parts:
                scores[g.id] = reduced(parts, "mean" if self.by == "apoz" and self.reduce == "sum" else self.reduce)
        return scores

    def _normalised(self, s: Tensor) -> Tensor:
        if self.normalise == "standard":
            return (s - s.mean()) / s.std().clamp_min(1e-12)
        how = self.normalise or ""
        total = s.mean() if how == "mean" else s.amax() if how == "max" else s.sum() if how == "sum" else torch.ones(())
        return s / total if bool(total > 0) and bool(total.isfinite()) else s


def wrappers_name(name: str, known: Mapping[str, Any]) -> str:
    """The parameter that a name means, which wrappers may have put prefixes into."""
    from .wrappers import parameter_name

    return parameter_name(name, known)


def lamp(squares: Tensor) -> Tensor:
    """Squared magnitudes as shares of all that are not smaller (Lee et al. 2021)."""
    order = squares.argsort(descending=True)
    out = torch.empty_like(squares)
    out[order] = squares[order] / squares[order].cumsum(0).clamp_min(1e-30)
    return out


def at_positions(even: Mapping[str, int], positions: int, device: torch.device) -> Tensor:
    """``[positions, indices]`` of places in equal steps."""
    j = torch.arange(positions, device=device)[:, None, None]
    t = torch.arange(even["times"], device=device)[None, :, None]
    k = torch.arange(even["run"], device=device)[None, None, :]
    return (even["start"] + j * even["step"] + k + t * even["every"]).flatten(1)


class _Watching(torch.fx.Interpreter):
    """Runs a program and looks at some values."""

    def __init__(self, module: torch.fx.GraphModule, dims: Mapping[str, set[int]], found: dict[Any, dict[str, Tensor]]) -> None:
        super().__init__(module)
        self.dims, self.found = dims, found

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        for dim in self.dims.get(n.name, ()):
            if not isinstance(value, Tensor):
                continue
            flat = value.detach().movedim(dim, 0).flatten(1) if value.dim() > 1 else value.detach()[:, None]
            flat = flat.double()
            new = {"square": flat.square().sum(1), "size": flat.abs().sum(1), "zero": (flat == 0).double().sum(1)}
            new["count"] = torch.tensor(flat.shape[1], dtype=torch.float64, device=flat.device)
            old = self.found.get((n.name, dim))
            self.found[(n.name, dim)] = new if old is None else {k: old[k] + v for k, v in new.items()}
        return value


def statistics(program: Program, data: Sequence[Any], wanted: set[tuple[str, int]]) -> dict[Any, dict[str, Tensor]]:
    """Of the positions of some values, over batches: sums of squares, of sizes, of zeros, and the number of elements."""
    dims: dict[str, set[int]] = {}
    for name, dim in wanted:
        dims.setdefault(name, set()).add(dim)
    found: dict[Any, dict[str, Tensor]] = {}
    with exported.quiet():
        module = program.exported.module(check_guards=False)
    watching = _Watching(module, dims, found)
    with torch.no_grad():
        for batch in data:
            args, kwargs = called_with(batch)
            watching.run(*torch.utils._pytree.tree_leaves((args, kwargs)), enable_io_processing=False)
    return found


def called_with(batch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that a batch of data is."""
    if isinstance(batch, Mapping):
        return (), dict(batch)
    return (tuple(batch), {}) if isinstance(batch, (tuple, list)) else ((batch,), {})


def read(path: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    with files.Stored(path) as stored:
        out = {name: stored.tensor(name) for name in stored.header if name != "__metadata__"}
        stored.unchanged()
    return out


def for_library(scores: Scores) -> list[tuple[str, list[int], bytes]]:
    """Scores as the library takes them."""
    out = []
    for k, s in scores.items():
        s = s.double().contiguous()
        out.append((str(k), [s.numel()], ctypes.string_at(s.data_ptr(), 8 * s.numel()) if s.numel() else b""))
    return out
