"""Graphs as forwards: data that a module runs step by step, in place of code that cannot follow a cut.

A graph is a list of steps, each a call of an operator of PyTorch, of one of the module's own modules, or a look into a structure. It is kept
with the module, copied and saved with it.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from .undo import Undo

Graph = dict[str, Any]
"""``inputs`` (names of arguments, or a tree), ``steps`` (name, what to do), ``result``, ``constants`` (name → type and sizes)."""

CONSTANTS: dict[str, Any] = {
    str(v): v for v in vars(torch).values() if isinstance(v, (torch.dtype, torch.layout, torch.memory_format))
}


class GraphForward:
    """What a class gets whose forward is a graph."""

    _paring_graph: Graph

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the graph; arguments are those that the module was traced with."""
        try:
            return run_graph(self, self._paring_graph, args, kwargs)  # type: ignore[arg-type]
        except OtherArguments as e:
            e.module = e.module or self
            raise

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _new, (plain_class(type(self)),), self.__dict__.copy()


@functools.lru_cache(maxsize=None)
def graph_class(base: Any) -> Any:
    """A class whose modules are those of ``base`` with a graph as their forward."""
    return type(base.__name__, (GraphForward, base), {"__module__": base.__module__, "__doc__": base.__doc__})


def plain_class(cls: Any) -> Any:
    """The user's class of one with a graph."""
    return cls.__mro__[2] if issubclass(cls, GraphForward) else cls


def _new(base: Any) -> nn.Module:
    cls = graph_class(base)
    return cls.__new__(cls)  # type: ignore[no-any-return]


def give(module: nn.Module, graph: Graph, undo: Undo) -> None:
    """Makes a graph the forward of a module."""
    check(graph)
    if not isinstance(module, GraphForward):
        undo.set_class(module, graph_class(type(module)))  # type: ignore[arg-type]
    undo.set(module, "_paring_graph", graph)
    for name, c in graph["constants"].items():
        *path, leaf = name.split(".")
        owner = module
        for part in path:
            owner = getattr(owner, part)
        if not isinstance(getattr(owner, leaf, None), Tensor):
            device = next((t.device for t in module.parameters()), torch.device("cpu"))
            data = torch.tensor(c["data"], dtype=CONSTANTS[c["dtype"]], device=device).view(c["shape"])
            undo.add(_forget(owner, leaf))
            owner.register_buffer(leaf, data, persistent=False)


def _forget(owner: nn.Module, name: str) -> Any:
    def back() -> None:
        owner._buffers.pop(name, None)
        owner._non_persistent_buffers_set.discard(name)

    return back


def check(graph: Any) -> None:
    """Looks at a graph that a file holds before anything is done with it.

    Raises:
        ValueError: something that is no graph.
    """
    for step in graph["steps"]:
        name, kind = step[0], step[1]
        if not isinstance(name, str) or kind not in ("call", "module", "attr", "item", "flatten"):
            raise ValueError(f"a step `{name}` of kind {kind}")
        if kind == "call":
            function(step[2])
        elif kind in ("module", "attr") and any(part.startswith("__") for part in step[2].split(".")):
            raise ValueError(f"`{step[2]}` is no part of a module")
    if any(c["dtype"] not in CONSTANTS for c in graph["constants"].values()):
        raise ValueError("a constant of an unknown type")


@functools.lru_cache(maxsize=None)
def function(target: str) -> Any:
    """The operator of a name, such as ``aten.linear.default``; ``operator:add`` is Python's, ``torch:sym_max`` one of sizes.

    Raises:
        ValueError: nothing that a program may call.
    """
    space, colon, name = target.partition(":")
    if colon:
        module = {"operator": operator, "torch": torch, "math": math}.get(space)
        allowed = name.startswith("sym_") if space == "torch" else name.isalpha() or name.replace("_", "").isalpha()
        found = getattr(module, name, None) if module is not None and allowed and not name.startswith("_") else None
    else:
        found = torch.ops
        for part in target.split("."):
            found = None if part.startswith("__") and part.strip("_") == "" else getattr(found, part, None)
            if found is None:
                break
        found = found if isinstance(found, torch._ops.OpOverload) else None
    if found is None:
        raise ValueError(f"`{target}` is no operator")
    return found


def run_graph(module: nn.Module, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs a graph on a module."""
    values: dict[str, Any] = {}
    if "tree" in graph:
        given, spec = pytree.tree_flatten((args, kwargs))
        if len(given) != len(graph["inputs"]):
            raise TypeError(
                f"this graph takes {len(graph['inputs'])} tensors, as in the example that it was traced with, not {len(given)}"
            )
        values.update(zip(graph["inputs"], given))
    else:
        check_arguments(graph, args, kwargs)
        if graph.get("inner"):
            values.update(zip(graph["inputs"], args))
        for name in () if graph.get("inner") else graph["inputs"]:
            if name.startswith("_positional_arg_"):
                at = int(name.rpartition("_")[2])
                if at >= len(args):
                    raise TypeError("this graph takes the arguments of the example that it was traced with, in the same form")
                values[name] = args[at]
            elif name in kwargs:
                values[name] = kwargs[name]
            else:
                raise TypeError(f"this graph takes `{name}` by its name, as in the example that it was traced with")
    scope = Scope(module, values)
    for step in graph["steps"]:
        values[step[0]] = scope.step(step)
    return scope.value(graph["result"])


class OtherArguments(TypeError):
    """A graph is called otherwise than in the example that it was traced with. ``module`` is the one."""

    module: Any = None


def check_arguments(graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Looks whether a graph is called as it was when it was traced: what is not a tensor is part of it.

    Raises:
        OtherArguments: where not.
    """
    if graph.get("inner") and (kwargs or len(args) != len(graph["inputs"])):
        raise OtherArguments("this graph takes what only the graph of the module around it can give")
    if graph.get("leaves") is None:
        return
    if sorted(kwargs) != sorted(graph["names"]):
        raise OtherArguments(f"this graph takes the named arguments {graph['names']}, not {sorted(kwargs)}")
    given = pytree.tree_leaves((args, {name: kwargs[name] for name in graph["names"]}))
    if len(given) != len(graph["leaves"]):
        raise OtherArguments(
            f"this graph takes {len(graph['leaves'])} arguments, as in the example that it was traced with, not {len(given)}"
        )
    for value, leaf in zip(given, graph["leaves"]):
        if leaf == "tensor" and not isinstance(value, Tensor):
            raise OtherArguments(f"this graph was traced with a tensor where it is given {value!r}")
        if isinstance(leaf, list) and not (isinstance(value, (bool, int, float, str, type(None))) and value == leaf[1]):
            raise OtherArguments(f"this graph was traced with {leaf[1]!r} where it is given {value!r}")


class Scope:
    """Values of a run."""

    def __init__(self, module: nn.Module, values: dict[str, Any]) -> None:
        self.module, self.values = module, values

    def step(self, step: list[Any]) -> Any:
        """What a step gives."""
        kind = step[1]
        if kind == "call":
            args, kwargs = self.value(step[3]), self.value(step[4])
            return function(step[2])(*args, **kwargs)
        if kind == "module":
            args, kwargs = self.value(step[3]), self.value(step[4])
            return self.reach(step[2])(*args, **kwargs)
        if kind == "attr":
            return self.reach(step[2])
        if kind == "item":
            return self.values[step[2]][step[3]]
        return pytree.tree_leaves(self.values[step[2]])

    def reach(self, path: str) -> Any:
        """A part of the module."""
        found: Any = self.module
        for part in path.split("."):
            found = getattr(found, part)
        return found

    def value(self, a: Any) -> Any:
        """What an argument stands for."""
        if not isinstance(a, dict):
            return a
        ((kind, held),) = a.items()
        if kind == "ref":
            return self.values[held]
        if kind == "list":
            return [self.value(x) for x in held]
        if kind == "tuple":
            return tuple(self.value(x) for x in held)
        if kind == "dict":
            return {k: self.value(v) for k, v in held}
        if kind == "training":
            return self.value(held[0] if self.module.training else held[1])
        if kind == "torch":
            return CONSTANTS[held]
        if kind == "float":
            return float(held)
        if kind == "device":
            return torch.device(held) if held else self.here()
        if kind == "tree":
            return pytree.tree_unflatten([self.value(x) for x in held[1]], pytree.treespec_loads(held[0]))
        raise ValueError(f"an argument of kind {kind}")

    def here(self) -> torch.device:
        """Where the module is."""
        tensors = [*self.module.parameters(), *self.module.buffers(), *(v for v in self.values.values() if isinstance(v, Tensor))]
        return tensors[0].device if tensors else torch.device("cpu")
