"""Cutting the weights of a module that fits, those of its copies, and an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from . import record
from .cuts import TensorCut, norms
from .errors import Error

if TYPE_CHECKING:
    from .work import Work


def commit(run: Work, also: Sequence[nn.Module], optimizer: torch.optim.Optimizer | None) -> None:
    """Cuts the weights, those of further copies of the module, and an optimizer's state."""
    for name, found in run.classes.items():
        for leaf, factor in found["scale"].items():
            run.tensors[f"{name}.{leaf}" if name else leaf].scale = [factor]
    data(run, run.model, optimizer)
    for copy in also:
        repeat(run, copy)
        data(run, copy, None)


def data(run: Work, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
    """Cuts the tensors of a module."""
    modules = dict(model.named_modules(remove_duplicate=False))
    done: set[int] = set()
    finish = taken_up(run, modules)
    for name, cut in run.tensors.items():
        path, _, leaf = name.rpartition(".")
        owner = modules.get(path)
        t = getattr(owner, leaf, None)
        if not isinstance(t, Tensor) or not cut.changes or id(t) in done:
            continue
        done.add(id(t))
        if list(t.shape) != cut.shape:
            raise Error(
                f"`{name}` of the other module has sizes {list(t.shape)}, not {cut.shape}",
                "paring::live::also",
                "also= takes copies of the module",
            )
        if isinstance(t, nn.Parameter) or leaf in owner._buffers:  # type: ignore[union-attr]
            one(run, t, cut, optimizer, finish.get(name))
        else:
            run.undo.set_tensor(owner, leaf, cut.cut(t))  # type: ignore[arg-type]


def taken_up(run: Work, modules: dict[str, nn.Module]) -> dict[str, Callable[[Tensor], Tensor]]:
    """By parameter what becomes of it after the cut, where a weight is divided by the norm of what is left of it."""
    out: dict[str, Callable[[Tensor], Tensor]] = {}
    for name, cut in run.tensors.items():
        path, _, leaf = (cut.norm_of or "").rpartition(".")
        if cut.norm_of is None or path not in modules:
            continue
        t = getattr(modules[path], leaf)
        if t.is_meta:
            continue
        factor, dead = norms(cut, run.tensors[cut.norm_of], t)
        out[name] = lambda new, factor=factor: new.mul_(factor.to(new.dtype))  # type: ignore[misc]
        if bool(dead.any()):
            out[cut.norm_of] = lambda new, dead=dead: torch.where(dead, torch.ones_like(new), new)  # type: ignore[misc]
    return out


def one(
    run: Work,
    t: Tensor,
    cut: TensorCut,
    optimizer: torch.optim.Optimizer | None,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Cuts a parameter or buffer, its gradient, and what an optimizer keeps for it."""
    grad = t.grad
    old = t.data
    new = cut.weight(old) if isinstance(t, nn.Parameter) else cut.cut(old)
    if finish is not None:
        new = finish(new)
    if old.is_meta or old.numel() < 1 << 14 or finish is not None or not cut.loses_only_positions():
        before = lambda: old
    else:  # the elements that go are kept, not all of them
        rest = cut.rest(old)
        before = lambda: cut.back(new, rest).to(memory_format=form)
        form = (
            torch.preserve_format
            if old.is_contiguous() or old.dim() not in (4, 5)
            else (torch.channels_last if old.dim() == 4 else torch.channels_last_3d)
        )
    run.undo.set_data(t, new, before)
    if grad is not None:
        t.grad = cut.cut(grad)
    state = optimizer.state.get(t) if optimizer is not None else None
    if state:
        for key, value in list(state.items()):
            if isinstance(value, Tensor) and value.dim():
                run.undo.add(lambda key=key, value=value: state.__setitem__(key, value))  # type: ignore[misc]
                state[key] = cut.state(key, value)


def repeat(run: Work, copy: nn.Module) -> None:
    """Gives a copy of the module the same attributes, classes and forwards."""
    modules = dict(copy.named_modules(remove_duplicate=False))
    if modules.keys() != run.modules.keys():
        raise Error(
            "also= holds a module of other parts",
            "paring::live::also",
            "also= takes copies of the module, such as an average of its weights",
        )
    record.apply(modules, run.record(), run.undo)
