"""Parts of a module that only training uses, such as further heads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from . import _paring, exported
from .errors import translated

if TYPE_CHECKING:
    from .work import Work


def only(run: Work) -> None:
    """Parts that only training uses, such as further heads, lose what the rest loses."""
    used = {n.name for n in run.original.graph.nodes if n.op == "placeholder" and n.users}
    signature = run.original.graph_signature
    idle = {
        name
        for space in (signature.inputs_to_parameters, signature.inputs_to_buffers)
        for node, name in space.items()
        if node not in used
    }
    idle &= run.tensors.keys()
    if run.changes["nothing"] or not idle:
        return
    try:
        program = exported.in_training(run.model, run.args, run.kwargs, run.options["dynamic_shapes"], run.options["strict"])
    except exported.ExportFailed:  # nothing says what would still fit
        _whole(run, idle)
        names = ", ".join(sorted({n.rpartition(".")[0] for n in idle if run.tensors[n].shape})[:3])
        run.notes.append(f"{names}: the example does not use it, and there is no export in training mode: it stays as it is")
        return
    there = {**program.graph_signature.inputs_to_parameters, **program.graph_signature.inputs_to_buffers}
    users = {n.name for n in program.graph.nodes if n.op == "placeholder" and n.users}
    more = idle & {name for node, name in there.items() if node in users}
    _whole(run, more)
    if not any(run.tensors[name].shape for name in more):  # counters, as of batches
        return
    given = {name: (shape, keep) for name, shape, keep in run.masks if name in more}
    for name, cut in run.tensors.items():
        if name not in idle and run.changes["tensors"][name]["kind"] == "parameter" and (cut.smaller or cut.zeros):
            given[name] = (cut.shape, bytes(cut.mask().flatten().to(torch.uint8).tolist()))
    with translated():
        other = _paring.Program(exported.archive(program), run.options["rules"], run.options["freeze"])
    masks = [(name, shape, keep) for name, (shape, keep) in given.items()]
    how = {"on_conflict": "prune", "unmasked": "abstain", "on_unknown": "lock"}
    trained = run.decide(other, masks, **how, lossless=False, bias_maps=False, keep_branches=True)
    found = json.loads(trained.changes())["tensors"]
    # A branch that went as a whole goes on in training, where its statistics do.
    same = (found[n]["dims"] == c.dims or 0 in c.small for n, c in run.tensors.items() if n in found and n not in idle)
    alike = all(same)
    names = ", ".join(sorted({n.rpartition(".")[0] for n in more})[:3])
    if not alike:
        run.notes.append(f"{names}: only training uses it, and it reads positions that go; it stays as it is, and no longer fits")
        return
    for name in more:
        run.tensors[name].dims = found[name]["dims"]
    run.notes.append(f"{names}: only training uses it; it lost what the rest lost")


def _whole(run: Work, names: set[str]) -> None:
    for name in names:
        cut = run.tensors[name]
        cut.dims, cut.zeros = [None] * len(cut.shape), None
