"""Running a module that was cut, and the small program, on the example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from . import exported
from .cuts import scaled
from .errors import Error

if TYPE_CHECKING:
    from .work import Work


LIMITS = {torch.float64: 1e-6, torch.float32: 2e-3}
"""Relative to the largest number of an output, by how much rounding may change it; other types are rounded more coarsely."""

LARGEST_COPY = 1 << 28
"""Up to so many bytes of parameters, the module is also compared with the masked original, for which these are copied."""


def masked(run: Work) -> list[Tensor] | None:
    """What the original gives for the example with its parameters multiplied by the unified masks (the given ones, where these alone count);
    None where that is too much to copy, or only nearly what the smaller module gives."""
    parameters = list(run.model.parameters())
    size = sum(t.numel() * t.element_size() for t in parameters)
    inexact = run.options["statistics"] == "approximate" or any(t.dtype not in LIMITS or t.is_meta for t in parameters)
    if inexact or size > LARGEST_COPY or run.changes["nothing"]:
        return None
    lossless = bool(run.options["lossless"])
    copies: dict[int, Tensor] = {}
    replaced: dict[str, Tensor] = {}
    with exported.evaluating(run.model), torch.no_grad():
        for name, t in run.model.named_parameters(remove_duplicate=False):
            cut = run.tensors.get(name)
            if cut is not None and cut.changes:
                replaced[name] = copies.setdefault(id(t), t * cut.mask(removed=not lossless).to(t.device))
        try:
            with _same_start(run.model):
                return _flat(torch.func.functional_call(run.model, replaced, run.args, run.kwargs, tie_weights=False))
        except Exception:  # code that takes nothing but parameters
            return None


def check(run: Work, original: list[Tensor] | None) -> None:
    """Runs the module and the small program on the example; they must agree, and with the masked ``original``, where that is known."""
    tensors = [*run.model.parameters(), *run.model.buffers()]
    if any(t.is_meta for t in tensors) or run.changes["nothing"]:
        return
    program = exported.load(run.cut.archive())
    named: dict[str, Tensor] = dict(run.model.named_parameters(remove_duplicate=False))
    named.update(run.model.named_buffers(remove_duplicate=False))
    for space in (program.state_dict, program.constants):
        for name in list(space):
            if name in named:
                space[name] = named[name]
    factors = {n for n, c in run.tensors.items() if c.scale}
    for name in factors:  # what the module has in its weights, the program has in its operators
        program.state_dict[name] = nn.Parameter(unscaled(run, name, named[name]), False)
    with exported.evaluating(run.model), torch.no_grad():
        with _same_start(run.model):
            want = _flat(program.module()(*run.args, **run.kwargs))
        with _same_start(run.model):
            got = _flat(run.model(*run.args, **run.kwargs))
    compare(want, got, "what the small program does")
    with exported.evaluating(run.model, fused=True), torch.no_grad(), _same_start(run.model):
        compare(want, _flat(run.model(*run.args, **run.kwargs)), "in inference what it does while it is traced")
    if original is not None:
        compare(original, got, "what the original with the unified masks does")


def compare(want: list[Tensor], got: list[Tensor], what: str) -> None:
    """Compares outputs.

    Raises:
        Error: they differ by more than rounding.
    """
    if [t.shape for t in want] != [t.shape for t in got]:
        raise unequal(what, "its outputs have other sizes")
    for a, b in zip(want, got):
        if not a.is_floating_point() or not a.numel():
            continue
        far = (a - b).abs().nan_to_num(0.0).max().item()
        if far > LIMITS.get(a.dtype, 0.1) * max(a.abs().nan_to_num(0.0).max().item(), 1e-6):
            raise unequal(what, f"an output differs by {far:.3g}")


@contextmanager
def _same_start(model: nn.Module) -> Iterator[None]:
    """Random numbers and buffers are the same in each run, and afterwards what they were."""
    with torch.random.fork_rng([t.device for t in model.parameters() if t.is_cuda][:1]), exported.buffers_kept(model):
        torch.manual_seed(0)
        yield


def unscaled(run: Work, name: str, t: Tensor) -> Tensor:
    """A parameter without the factors that were put into it."""
    out = t.detach().clone()
    for factor in run.tensors[name].scale:
        scaled(out, [[1 / f, n] for f, n in factor] if isinstance(factor, list) else 1 / factor)
    return out


def unequal(what: str, how: str) -> Error:
    """The error for a module that is not the small program after all."""
    return Error(
        f"the smaller module does not compute {what}: {how}; the module is as it was",
        "paring::live::unequal",
        'its forward may depend on what torch.export does not see (global state, caches); graph_forward="always" takes the program itself. '
        "Please report it",
    )


def _flat(out: Any) -> list[Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, Tensor)]
