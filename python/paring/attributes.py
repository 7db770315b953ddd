"""What the classes of modules call their sizes: the entries of ``rules/modules.yaml``, applied to live modules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from . import nn as layers
from .errors import Error, translated

if TYPE_CHECKING:
    from .work import Work


def known(run: Work, covered: Sequence[str]) -> list[str]:
    """Sets what the classes of modules call their sizes, and gives the modules whose statistics no entry can repair."""
    rewritten: dict[str, dict[str, Any]] = {}
    for r in run.changes["rewritten"]:
        rewritten.setdefault(run.owner(r["module"]), r)
    args: dict[str, dict[str, Any]] = {}
    for s in run.changes["sets"]:
        args.setdefault(run.owner(s["module"]), {}).setdefault(s["arg"], s["new"])
    holders = (
        n.partition("parametrizations.")[0].rstrip(".") if "parametrizations." in n else n.rpartition(".")[0]
        for n, c in run.tensors.items()
        if c.smaller
    )
    touched = {run.owner(h) for h in holders}
    touched |= {run.owner(".".join(t.split(".")[:n])) for t in touched for n in range(t.count(".") + 1)}
    left = []
    for name in sorted({*touched, *rewritten, *args}):
        module = run.modules[name]
        # What has a graph needs no repair.
        repair = None if name in covered else rewritten.get(name)
        state = _state(run, name, module, args.get(name, {}), repair)
        with translated():
            found = run.program.attributes(json.dumps(state))
        if found is None:
            if name not in covered and not any(name.startswith(c + ".") for c in covered if c):
                r = rewritten[name]
                run.whys[name] = f"{r['why'] or r['op'] + ' becomes another call'}" + (f" ({r['line']})" if r["line"] else "")
                left.append(name)
            if rewritten[name]["ghost"]:
                around = [n for n in haunted(run) if n not in covered and n not in left]
                run.whys.update((n, f"`{name}` in it is repaired by values of other modules") for n in around)
                left += around
            continue
        found = json.loads(found)
        if name in covered:  # its forward is a graph: its attributes only tell what it is
            found["class"], found["exact"], found["scale"], found["absorbed"] = None, False, {}, []
        _take(run, name, module, found)
    return left


def haunted(run: Work) -> set[str]:
    """Modules with a repair that reads values of others, and all modules around these."""
    out = set()
    for r in run.changes["rewritten"]:
        name = r["module"] if r["ghost"] else ""
        while name:
            out.add(run.owner(name))
            name = name.rpartition(".")[0]
        if r["ghost"]:
            out.add("")
    return out


def _state(run: Work, name: str, module: nn.Module, args: dict[str, Any], rewritten: dict[str, Any] | None) -> dict[str, Any]:
    """A module for the entries about its class."""
    mro = [c for c in type(module).__mro__ if issubclass(c, nn.Module) and c is not nn.Module]
    forward = next((k for k, c in enumerate(mro) if "forward" in vars(c)), 0)
    shapes = {n: list(t.shape) for n, t in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]}
    # A weight that is computed from other parameters has sizes too.
    computed = list(getattr(module, "parametrizations", ())) or [n[:-2] for n in shapes if n.endswith("_v")]
    for key in computed:
        small = _small_weight(run, name, module, key)
        if small is not None:
            shapes[key] = small
    if name in run.changes["inputs"]:
        shapes["input"] = run.changes["inputs"][name]
    attributes: dict[str, Any] = {
        k: None for space in (module._parameters, module._buffers) for k, v in space.items() if v is None
    }
    for key, value in vars(module).items():
        if value is None or isinstance(value, (bool, int, float)):
            attributes[key] = value
        elif isinstance(value, (tuple, list)) and all(isinstance(v, (int, float)) for v in value):
            attributes[key] = list(value)
    classes = [(c.__module__, c.__qualname__) for c in mro]
    return {
        "classes": classes,
        "forward": forward,
        "shapes": shapes,
        "attributes": attributes,
        "args": args,
        "repaired": rewritten is not None,
        "ghost": rewritten is not None and rewritten["ghost"],
    }


def _small_weight(run: Work, name: str, module: nn.Module, key: str) -> list[int] | None:
    """Sizes after the cut of a weight that is computed from others, one of which has its sizes before."""
    old = getattr(module, key, None)
    prefix = f"{name}." if name else ""
    for tensor, cut in run.tensors.items():
        behind = tensor.startswith(f"{prefix}parametrizations.{key}.") or tensor in (
            f"{prefix}{key}_v",
            f"{prefix}{key}_orig",
        )
        if behind and isinstance(old, Tensor) and len(cut.shape) == old.dim():
            if all(a == b for a, b in zip(cut.shape, old.shape)) or list(old.shape) == cut.small:
                return cut.small
    return None


def _take(run: Work, name: str, module: nn.Module, found: dict[str, Any]) -> None:
    """Gives a module what the entries about its class say."""
    if found["class"]:
        run.undo.set_class(module, layers_class(found["class"]))
    if found["exact"]:
        run.exact.append(name)
    run.absorbed += [(name, arg) for arg in found["absorbed"]]
    for key, value in found["set"].items():
        old = vars(module).get(key)
        run.undo.set(module, key, tuple(value) if isinstance(old, tuple) else value)
    if found["set"] or found["class"] or found["scale"]:
        run.classes[name] = found


def layers_class(name: str) -> type:
    """A class of :mod:`paring.nn` by its full name."""
    module, _, leaf = name.rpartition(".")
    found = getattr(layers, leaf, None) if module == "paring.nn" else None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise Error(f"there is no class {name}", "paring::live::class", "`repaired:` takes classes of paring.nn")
    return found
