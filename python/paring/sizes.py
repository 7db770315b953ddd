"""Open sizes in a program: each call reads them from what it is given, so that a part of the program needs nothing from elsewhere."""

from __future__ import annotations

import copy
from typing import Any, Optional

import torch
from torch import Tensor

SIZE = torch.ops.aten.sym_size.int


def localise(program: torch.export.ExportedProgram) -> None:
    """Takes sizes of the program's inputs, which an export reads once for all, from the tensors of the call that uses them."""
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is SIZE:
            continue
        tensors = [n for n in node.all_input_nodes if isinstance(n.meta.get("val"), Tensor)]
        found: dict[tuple[torch.fx.Node, int], torch.fx.Node] = {}
        for size in node.all_input_nodes:
            place = _place(size.meta.get("val"), tensors)
            if place is None or size.target is SIZE and tuple(size.args) == place:
                continue
            if place not in found:
                with graph.inserting_before(node):
                    found[place] = graph.call_function(SIZE, place)
                found[place].meta = copy.copy(node.meta)
                found[place].meta["val"] = size.meta["val"]
            node.replace_input_with(size, found[place])
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def _place(size: Any, tensors: list[torch.fx.Node]) -> Optional[tuple[torch.fx.Node, int]]:
    """The first dimension of one of these tensors that has this size."""
    if not isinstance(size, torch.SymInt):
        return None
    expression = str(size)
    for tensor in tensors:
        for d, n in enumerate(tensor.meta["val"].shape):
            if isinstance(n, torch.SymInt) and str(n) == expression:
                return tensor, d
    return None
