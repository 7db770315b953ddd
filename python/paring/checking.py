"""Running a module that was cut, and the small program, on the example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from . import exported
from .cuts import scaled
from .errors import Error

if TYPE_CHECKING:
    from .live import Shrinking


def check(run: Shrinking) -> None:
    """Runs the module and the small program on the example; they must agree."""
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
        devices = [t.device for t in tensors if t.is_cuda][:1]
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            want = _flat(program.module()(*run.args, **run.kwargs))
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            got = _flat(run.model(*run.args, **run.kwargs))
    if [t.shape for t in want] != [t.shape for t in got]:
        raise unequal("its outputs have other sizes")
    for a, b in zip(want, got):
        if not a.is_floating_point() or not a.numel():
            continue
        limit = {torch.float64: 1e-6, torch.float32: 2e-3}.get(a.dtype, 0.1)
        far = (a - b).abs().nan_to_num(0.0).max().item()
        if far > limit * max(a.abs().nan_to_num(0.0).max().item(), 1e-6):
            raise unequal(f"an output differs by {far:.3g}")


def unscaled(run: Shrinking, name: str, t: Tensor) -> Tensor:
    """A parameter without the factors that were put into it."""
    out = t.detach().clone()
    for factor in run.tensors[name].scale:
        scaled(out, [[1 / f, n] for f, n in factor] if isinstance(factor, list) else 1 / factor)
    return out


def unequal(what: str) -> Error:
    """The error for a module that is not the small program after all."""
    return Error(
        f"the smaller module does not compute what the small program does: {what}; the module is as it was",
        "paring::live::unequal",
        'its forward may depend on what torch.export does not see (global state, caches); graph_forward="always" takes the program itrun. '
        "Please report it",
    )


def _flat(out: Any) -> list[Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, Tensor)]
