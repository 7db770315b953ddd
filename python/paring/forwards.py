"""Graph forwards: a module whose code cannot follow a cut computes what the small program does there, with its own parts.

The small program is taken apart at the module, and what stands there is written as data (see ``graphs``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from . import attributes, exported, sizes
from .errors import Error
from .exported import log
from .graphs import CONSTANTS, Graph

ALL = "*"
"""In the place of a module's name: all of the program."""

if TYPE_CHECKING:
    from .work import Work


def of(run: Work, names: Sequence[str]) -> tuple[dict[str, Graph], bool]:
    """The graphs of these modules in the small program; or, and then True, one graph of all of it, which calls no modules.

    Raises:
        Error: a module whose arguments cannot be recorded, or that the program cannot be taken apart at.
    """
    from . import _paring
    from .errors import translated

    children = called_by(run.original, run.names, run.modules, names)
    # What reads values of other modules is called by graphs alone, and PyTorch cannot keep its signature.
    inner = attributes.haunted(run)
    preserve = sorted({*names, *(c for cs in children.values() for c in cs)} - {"", *inner})
    program = run.export(preserve)
    with translated():
        again = _paring.Program(exported.archive(program, whole=run.whole), run.options["rules"], run.options["freeze"])
    run.program, run.cut = again, run.decide(again)
    run.read()
    small = exported.load(run.cut.archive())
    sizes.localise(small)
    training = in_training(run, program, names, preserve)
    here = next((t.device for t in run.model.parameters()), torch.device("cpu"))
    try:
        with exported.quiet():
            tree: nn.Module = torch.export.unflatten(small)
        apart = all(hasattr(tree.get_submodule(n), "graph") for n in names)
    except Exception as e:
        log.info("the small program cannot be taken apart: %s: %s", type(e).__name__, e)
        apart = False
    if run.in_one or not apart:
        return {"": Whole(small.graph_module, "", small, training.get(ALL, {}), here, False).graph()}, True
    # Where something of the call is gone, as a result that nobody used, there is no signature either.
    signed = {e.fqn for e in small.module_call_graph if e.signature is not None}
    inner |= {name for name in names if name not in signed}
    return {name: Writer(tree, name, small, training.get(name, {}), here, name in inner).graph() for name in names}, False


def called_by(
    program: torch.export.ExportedProgram, ids: dict[int, str], modules: dict[str, nn.Module], names: Sequence[str]
) -> dict[str, list[str]]:
    """For each of these modules those that its own code calls."""
    out: dict[str, list[str]] = {n: [] for n in names}
    for node in program.graph.nodes:
        stack = [path.split("@")[0] for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        stack = [ids.get(id(modules[p]), p) if p in modules else p for p in stack]
        for outer, inner in zip(stack, stack[1:]):
            if outer in out and inner != outer and inner not in out[outer]:
                out[outer].append(inner)
    return out


def in_training(
    run: Work, program: torch.export.ExportedProgram, names: Sequence[str], preserve: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Arguments that have other values while the module trains: module → node → argument → value. Empty where an export cannot tell."""
    try:
        other = exported.in_training(run.model, *run.shown, run.options["dynamic_shapes"], run.options["strict"], preserve)
    except exported.ExportFailed:
        return {}
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for name in (*names, ALL):
        ours, theirs = own_nodes(program, name), own_nodes(other, name)
        if [n.target for n in ours] != [n.target for n in theirs]:
            continue
        found: dict[str, dict[str, Any]] = {}
        for a, b in zip(ours, theirs):
            schema = getattr(a.target, "_schema", None)
            for k, argument in enumerate(schema.arguments if schema else []):
                x, y = _argument(a, argument, k), _argument(b, argument, k)
                if isinstance(x, (bool, int, float)) and isinstance(y, (bool, int, float)) and x != y:
                    found.setdefault(a.name, {})[argument.name] = y
        out[name] = found
    return out


def _argument(node: torch.fx.Node, argument: Any, k: int) -> Any:
    if k < len(node.args):
        return node.args[k]
    return node.kwargs.get(argument.name, argument.default_value if argument.has_default_value() else None)


def own_nodes(program: torch.export.ExportedProgram, name: str) -> list[torch.fx.Node]:
    """The calls that a module's own code makes, or all."""
    out = []
    for node in program.graph.nodes:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        here = name == ALL or bool(stack) and stack[-1][0].split("@")[0] == name
        if node.op == "call_function" and here:
            out.append(node)
    return out


class Writer:
    """Writes the graph of one module of an unflattened program as data."""

    def __init__(
        self, tree: nn.Module, name: str, program: Any, training: dict[str, dict[str, Any]], here: torch.device, inner: bool
    ) -> None:
        self.name, self.program, self.training, self.here = name, program, training, here
        self.inner = inner and name != ""
        self.module = tree.get_submodule(name) if name else tree
        self.steps: list[list[Any]] = []
        self.inputs: list[str] = []
        self.known: dict[str, Any] = {}  # what stands for a node: a reference, or a structure of them
        self.constants: dict[str, Tensor] = {}
        self.names = {n.name for n in program.graph.nodes}
        self.lifted = {k: v for k, v in program.graph_signature.inputs_to_lifted_tensor_constants.items() if "." not in v}

    def graph(self) -> Graph:
        """All of it."""
        result: Any = None
        for node in self.module.graph.nodes:  # type: ignore[union-attr]
            if node.op == "output":
                result = self.results(node.args[0])
            else:
                self.known[node.name] = self.node(node)
        out: Graph = {"inputs": self.inputs, "steps": self.steps, "constants": {}, **self.arguments()}
        out["result"] = self.encode(result)
        if self.inner:
            out["inner"] = True
        if not self.name:
            signature = self.program.module_call_graph[0].signature
            out["tree"] = pytree.treespec_dumps(signature.in_spec)
            flat = list(result) if isinstance(result, (tuple, list)) else [result]
            out["result"] = {"tree": [pytree.treespec_dumps(signature.out_spec), [self.encode(r) for r in flat]]}
        for name, t in self.constants.items():
            out["constants"][name] = {"dtype": str(t.dtype), "shape": list(t.shape), "data": t.tolist()}
        return out

    def results(self, result: Any) -> Any:
        """What a graph gives, of the arguments of its output."""
        return result

    def arguments(self) -> dict[str, Any]:
        """What the module was called with: by leaf whether it was a tensor, or which constant; and the order of named arguments."""
        found = [e.signature for e in self.program.module_call_graph if e.fqn == self.name and e.signature is not None]
        if not found or not self.name:
            return {"leaves": None, "names": []}
        leaves: list[Any] = []
        for argument in found[0].inputs:
            value = getattr(argument, "value", None)
            constant = type(argument).__name__ == "ConstantArgument" and (
                value is None or isinstance(value, (bool, int, float, str))
            )
            leaves.append(["constant", value] if constant else "tensor" if type(argument).__name__ == "TensorArgument" else "any")
        spec = found[0].in_spec
        children = spec.children() if callable(getattr(spec, "children", None)) else spec.children_specs
        return {"leaves": leaves, "names": list(children[1].context or [])}

    def step(self, name: str, *what: Any) -> Any:
        self.steps.append([name, *what])
        return Ref(name)

    def node(self, node: torch.fx.Node) -> Any:
        if node.op == "placeholder":
            constant = self.lifted.get(str(node.target))
            if constant is not None:  # one of the whole program, which the plan added
                self.constants[constant] = self.program.constants[constant]
                return self.step(node.name, "attr", constant)
            self.inputs.append(str(node.target))
            return Ref(node.name)
        if node.op == "get_attr":
            return self.attribute(node)
        if node.op == "call_module":
            path = ".".join(part.split("@")[0] for part in str(node.target).split("."))
            return self.step(node.name, "module", path, self.encode(list(node.args)), self.encode(dict(node.kwargs)))
        target: Any = node.target
        name = getattr(target, "__name__", "")
        if name == "tree_unflatten":
            leaves, spec = (self.resolve(a) for a in node.args)
            return pytree.tree_unflatten(list(leaves), spec)
        if name == "tree_flatten_spec":
            return self.flattened(node)
        if target is operator.getitem:
            held, key = self.resolve(node.args[0]), node.args[1]
            if not isinstance(held, Ref):
                return held[key]
            return self.step(node.name, "item", held.name, key)
        return self.call(node, target)

    def flattened(self, node: torch.fx.Node) -> Any:
        held, spec = self.resolve(node.args[0]), self.resolve(node.args[1])
        return self.leaves(held, spec, node.name)

    def leaves(self, held: Any, spec: Any, name: str) -> list[Any]:
        """The leaves of a value that has this structure."""
        if spec.is_leaf() if callable(getattr(spec, "is_leaf", None)) else isinstance(spec, pytree.LeafSpec):
            return [held]
        if isinstance(held, Ref):
            whole = f"{name}_leaves_{len(self.steps)}"
            self.step(whole, "flatten", held.name, pytree.treespec_dumps(spec))
            return [self.step(f"{whole}_{k}", "item", whole, k) for k in range(spec.num_leaves)]
        children = spec.children() if callable(getattr(spec, "children", None)) else spec.children_specs
        items = [held[k] for k in spec.context] if isinstance(held, dict) else list(held)
        return [leaf for item, child in zip(items, children) for leaf in self.leaves(item, child, name)]

    def attribute(self, node: torch.fx.Node) -> Any:
        target = str(node.target)
        owner: Any = self.module
        for part in target.split("."):
            owner = getattr(owner, part, None)
        if owner is None or isinstance(owner, pytree.TreeSpec):
            return owner if owner is not None else self.refuse(f"`{target}` is not in it")
        if isinstance(owner, nn.Module):
            return self.refuse("it has a condition, a loop or another graph inside")
        full = f"{self.name}.{target}" if self.name else target
        known = full in self.program.state_dict or full in self.program.constants
        if isinstance(owner, Tensor) and not isinstance(owner, nn.Parameter) and not (known and full in self.program.state_dict):
            self.constants[target] = owner
        return self.step(node.name, "attr", target)

    def call(self, node: torch.fx.Node, target: Any) -> Any:
        if isinstance(target, torch._ops.OpOverload):
            if not node.users and not target._schema.is_mutable and not target._schema.returns:
                return None  # an assertion
            if not node.users and node.name not in self.names:
                return None  # a result written back to an argument that shares its memory: the program's own nodes write, if any
            args = [self.encode(a) for a in node.args]
            kwargs = {k: self.encode(v) for k, v in node.kwargs.items()}
            for name, value in self.training.get(node.name, {}).items():
                at = next(k for k, a in enumerate(target._schema.arguments) if a.name == name)
                if at < len(args):
                    args[at] = {"training": [value, args[at]]}
                elif name in kwargs:
                    kwargs[name] = {"training": [value, kwargs[name]]}
                else:
                    kwargs[name] = {"training": [value, target._schema.arguments[at].default_value]}
            return self.step(node.name, "call", str(target), {"list": args}, {"dict": [[k, v] for k, v in kwargs.items()]})
        for space, module in (("operator", operator), ("torch", torch), ("math", math)):
            name = getattr(target, "__name__", "")
            if getattr(module, name, None) is target and (space != "torch" or name.startswith("sym_")):
                return self.step(
                    node.name, "call", f"{space}:{name}", self.encode(list(node.args)), self.encode(dict(node.kwargs))
                )
        return self.refuse(f"it calls {target}")

    def refuse(self, why: str) -> Any:
        raise Error(
            f"`{self.name or 'the root'}` cannot get the small program's graph as its forward: {why}",
            "paring::live::graph",
            "`paring speedup` on the exported program works all the same",
        )

    def resolve(self, a: Any) -> Any:
        """A node's argument as a reference, or a structure of references and numbers."""
        if isinstance(a, torch.fx.Node):
            return self.known[a.name]
        if isinstance(a, (list, tuple)):
            return type(a)(self.resolve(x) for x in a) if type(a) in (list, tuple) else [self.resolve(x) for x in a]
        if isinstance(a, dict):
            return {k: self.resolve(v) for k, v in a.items()}
        return a

    def encode(self, a: Any) -> Any:
        """An argument as data."""
        a = self.resolve(a)
        if isinstance(a, Ref):
            return {"ref": a.name}
        if a is None or isinstance(a, (bool, int, str)):
            return a
        if isinstance(a, float):
            return a if a == a and abs(a) != float("inf") else {"float": str(a)}
        if isinstance(a, (list, tuple)):
            return {"tuple" if isinstance(a, tuple) else "list": [self.encode(x) for x in a]}
        if isinstance(a, dict):
            return {"dict": [[k, self.encode(v)] for k, v in a.items()]}
        if isinstance(a, torch.device):
            return {"device": None if a == self.here else str(a)}
        if str(a) in CONSTANTS:
            return {"torch": str(a)}
        leaves, spec = pytree.tree_flatten(a)
        if len(leaves) != 1 or leaves[0] is not a:
            return {"tree": [pytree.treespec_dumps(spec), [self.encode(x) for x in leaves]]}
        return self.refuse(f"it has an argument {type(a).__name__}")


class Whole(Writer):
    """Writes a program as one graph that calls no modules."""

    def node(self, node: torch.fx.Node) -> Any:
        """Parameters and buffers are the root's."""
        signature = self.program.graph_signature
        stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        if node.op == "placeholder" and node.name in stored:
            return self.step(node.name, "attr", stored[node.name])
        constants = signature.inputs_to_lifted_tensor_constants
        if node.op == "placeholder" and node.name in constants:
            self.constants[constants[node.name]] = self.program.constants[constants[node.name]]
            return self.step(node.name, "attr", constants[node.name])
        return super().node(node)

    def results(self, result: Any) -> Any:
        """Without what is written back to buffers, which the program's own nodes do."""
        kinds = [spec.kind.name for spec in self.program.graph_signature.output_specs]
        return [r for r, kind in zip(result, kinds) if kind == "USER_OUTPUT"]


class Ref:
    """A value of a step."""

    def __init__(self, name: str) -> None:
        self.name = name
