"""The configuration that a smaller model would be built from: found by its numbers, checked by building from it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from torch import nn

from .cuts import TensorCut
from .undo import Undo

MOST = 48
"""How many configurations are built at most, on the meta device."""


def holder(model: nn.Module) -> Optional[Any]:
    """The configuration of a model that can be built from it, such as those of transformers."""
    config = getattr(model, "config", None)
    return (
        config
        if config is not None and callable(getattr(config, "to_dict", None)) and hasattr(type(model), "from_pretrained")
        else None
    )


def numbers(config: Any, prefix: str = "") -> dict[str, int]:
    """Its whole numbers, by the path of attributes."""
    out = {}
    for name, value in vars(config).items():
        if type(value) is int and value > 1 and not name.startswith("_") and not name.endswith("_token_id"):
            out[prefix + name] = value
        elif not prefix and callable(getattr(value, "to_dict", None)):
            out.update(numbers(value, f"{name}."))
    return out


def candidates(value: int, pairs: Mapping[int, set[int]]) -> list[int]:
    """What a number may have become: a size that changed, or a factor of one."""
    out = sorted(pairs.get(value, ()))
    for old, new in pairs.items():
        if old != value and old % value == 0:
            out += [n // (old // value) for n in sorted(new) if n % (old // value) == 0]
        if value % old == 0 and value != old:
            out += [n * (value // old) for n in sorted(new)]
    return [n for n in dict.fromkeys(out) if n != value and n > 0]


def built(model: nn.Module, config: Any) -> Optional[dict[str, tuple[int, ...]]]:
    """Sizes of the parameters of a model that is built from a configuration; None where it cannot be."""
    try:
        with torch.device("meta"):
            other = type(model)(config)
    except Exception:  # whatever a class thinks of these numbers
        return None
    return {name: tuple(p.shape) for name, p in other.named_parameters()}


def changed(config: Any, numbers: Mapping[str, int]) -> Any:
    """A copy of a configuration with other numbers."""
    out = copy.deepcopy(config)
    for path, value in numbers.items():
        *inner, leaf = path.split(".")
        owner = out
        for part in inner:
            owner = getattr(owner, part)
        setattr(owner, leaf, value)
    return out


def find(model: nn.Module, tensors: Mapping[str, TensorCut]) -> Optional[dict[str, int]]:
    """The numbers of a configuration from which a model of these sizes is built; None if there are none.

    A number is tried where parameters had dimensions of it, or of a multiple. Each is first tried alone, by how many parameters it makes
    fit; those that help are joined.
    """
    config = holder(model)
    if config is None:
        return None
    want = {name: tuple(tensors[name].small) if name in tensors else tuple(p.shape) for name, p in model.named_parameters()}
    pairs: dict[int, set[int]] = {}
    for cut in tensors.values():
        for old, new in zip(cut.shape, cut.small):
            if old != new:
                pairs.setdefault(old, set()).add(new)
    options = {path: found for path, value in numbers(config).items() if (found := candidates(value, pairs))}

    def missing(choice: Mapping[str, int]) -> int:
        found = built(model, changed(config, choice))
        if found is None or found.keys() != want.keys():
            return 1 << 30
        return sum(found[n] != want[n] for n in want)

    best: dict[str, int] = {}
    count = missing(best)
    tries = 0
    while count and tries < MOST:
        # The best of one more number, then of two at once (heads and their size).
        steps: list[dict[str, int]] = [{p: v} for p, vs in options.items() if p not in best for v in vs]
        steps += [{**a, **b} for a, b in itertools.combinations(steps, 2) if a.keys() != b.keys()]
        better = None
        for step in steps:
            if tries >= MOST:
                break
            tries += 1
            left = missing({**best, **step})
            if left < count:
                better, count = {**best, **step}, left
                if not left or len(step) > 1:
                    break
        if better is None:
            return None
        best = better
    return best if not count else None


def differing(model: nn.Module, tensors: Mapping[str, TensorCut]) -> list[str]:
    """Parameters of like layers that have unlike sizes now, a line for each kind."""
    kinds: dict[str, dict[tuple[int, ...], int]] = {}
    for name, p in model.named_parameters():
        kind = ".".join("*" if part.isdigit() else part for part in name.split("."))
        small = tuple(tensors[name].small) if name in tensors else tuple(p.shape)
        if "*" in kind:
            sizes = kinds.setdefault(kind, {})
            sizes[small] = sizes.get(small, 0) + 1
    return [f"{kind}: {', '.join('x'.join(map(str, s)) for s in sizes)}" for kind, sizes in kinds.items() if len(sizes) > 1]


def follow(model: nn.Module, tensors: Mapping[str, TensorCut], other: Sequence[str], undo: Undo) -> list[str]:
    """Changes the configuration of a model to that of its sizes, and gives what there is to say. ``other`` are modules that compute
    otherwise than their class, which a model from a configuration would not."""
    config = holder(model)
    if config is None or not any(t.smaller for t in tensors.values()):
        return []
    found = find(model, tensors)
    if found is None:
        unlike = differing(model, tensors)
        if unlike:
            return [f"the configuration has one number where layers differ now: {line}" for line in unlike[:6]]
        return ["no configuration gives a model of these sizes: it is kept by paring.save, not by save_pretrained"]
    shown = ", ".join(f"{name}={value}" for name, value in found.items())
    if other:
        return [
            f"the configuration stays: with {shown} a model has these sizes, but {len(other)} modules compute what no configuration says ({', '.join(list(other)[:3])})"
        ]
    for path, value in found.items():
        *inner, leaf = path.split(".")
        owner = config
        for part in inner:
            owner = getattr(owner, part)
        undo.set(owner, leaf, value)
    return [f"the configuration has {shown} now"]
