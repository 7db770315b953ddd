"""What the attributes of the user's modules may have to be: proposals, which a new export judges.

A program has numbers where the code has attributes. Where an argument of a module's operators has another value in the small program,
an attribute of the module, of an object that it holds (a configuration) or of a module around it that had the old number is given the new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Place:
    """An attribute: whose, and by which names it is reached from which module."""

    owner: Any
    name: str
    module: str
    path: str

    @property
    def key(self) -> tuple[int, str]:
        """One for each attribute, however it is reached."""
        return id(self.owner), self.name


Proposal = list[tuple[Place, Any]]
"""Attributes and their new values."""


@dataclass
class Wanted:
    """What a module's arguments must be.

    Attributes:
        pairs: old number → the new ones that it becomes, in some argument.
        same: numbers that stay what they are in some argument.
        signature: what modules of the same code have in common.
    """

    pairs: dict[int, set[int]] = field(default_factory=dict)
    same: set[int] = field(default_factory=set)
    signature: Any = None


def wanted(sets: list[dict[str, Any]]) -> dict[str, Wanted]:
    """By module, what the arguments in a plan become."""
    out: dict[str, Wanted] = {}
    for s in sets:
        w = out.setdefault(s["module"], Wanted())
        w.signature = (*(w.signature or ()), (s["op"], s["arg"], s["line"]))
        old, new = (v if isinstance(v, list) else [v] for v in (s["old"], s["new"]))
        if len(old) != len(new):
            continue
        for a, b in zip(old, new):
            if type(a) is int and type(b) is int and a > 1:
                if a == b:
                    w.same.add(a)
                elif b > 0:
                    w.pairs.setdefault(a, set()).add(b)
    return out


def _numbers(owner: Any, module: str, prefix: str) -> Iterator[tuple[Place, Any]]:
    for name, value in list(vars(owner).items()):
        if type(value) is int or (isinstance(value, (tuple, list)) and value and all(type(v) is int for v in value)):
            yield Place(owner, name, module, prefix + name), value


def places(modules: dict[str, nn.Module], module: str) -> Iterator[tuple[int, Place, Any]]:
    """Attributes that hold numbers, nearest first: the module's own, those of objects that it holds, those of modules around it."""
    own, level = module, 0
    while True:
        holder = modules[own]
        for place, value in _numbers(holder, own, ""):
            yield level, place, value
        for name, value in list(vars(holder).items()):
            plain = hasattr(value, "__dict__") and not isinstance(value, (nn.Module, Tensor, type)) and not callable(value)
            if plain and type(value).__module__.split(".")[0] not in ("builtins", "torch"):
                for place, number in _numbers(value, own, f"{name}."):
                    yield level + 1, place, number
        if not own:
            return
        own = own.rpartition(".")[0]
        level += 2
        if own not in modules:
            return


def _with(value: Any, change: dict[int, int]) -> Any:
    if type(value) is int:
        return change.get(value, value)
    return (
        type(value)(change.get(v, v) for v in value) if type(value) in (tuple, list) else tuple(change.get(v, v) for v in value)
    )


def proposals(modules: dict[str, nn.Module], module: str, w: Wanted, fixed: set[tuple[int, str]]) -> list[Proposal]:
    """What to try for a module, the likeliest first; one of them is to change nothing. ``fixed`` are attributes that are right."""
    out: list[Proposal] = []
    sure = {old: next(iter(new)) for old, new in w.pairs.items() if len(new) == 1}
    found = [p for p in places(modules, module) if p[1].key not in fixed]
    hits: list[tuple[int, Place, Any]] = []
    for level, place, value in found:
        new = _with(value, sure)
        if new != value:
            hits.append((level, place, new))

    def add(proposal: Proposal) -> None:
        keys = [(p.key, v) for p, v in proposal]
        if proposal and keys not in [[(p.key, v) for p, v in known] for known in out]:
            out.append(proposal)

    def nearest(level_limit: int) -> Proposal:
        # Each number is taken from where it stands nearest.
        best: dict[int, int] = {}
        for level, place, _ in hits:
            value = getattr(place.owner, place.name)
            for old in [value] if type(value) is int else value:
                if old in sure and level <= level_limit:
                    best[old] = min(best.get(old, level), level)
        chosen = []
        for level, place, new in hits:
            value = getattr(place.owner, place.name)
            olds = [v for v in ([value] if type(value) is int else value) if v in sure]
            if any(best.get(o) == level for o in olds):
                chosen.append((place, new))
        return chosen

    add(nearest(0))
    add(nearest(1))
    add(nearest(1 << 20))
    # Numbers that the code works out: a multiple of an attribute (heads times their size, three parts of one size).
    part: dict[tuple[int, str], tuple[int, Place, int]] = {}
    for level, place, value in found:
        if type(value) is not int or value < 2:
            continue
        for old, new in sure.items():
            if old % value == 0 and old != value and new % (old // value) == 0 and level <= 3:
                part.setdefault(place.key, (level, place, new // (old // value)))
    exact = nearest(1 << 20)
    taken = {p.key for p, _ in exact}
    multiples = sorted((m for k, m in part.items() if k not in taken), key=lambda m: m[0])
    for _, place, new in multiples[:4]:
        add([(place, new)])
        if exact:
            add([*exact, (place, new)])
    if len(multiples) > 1:
        add([(place, new) for _, place, new in multiples if place.module == module])
    if len(exact) > 1:
        for one in exact[:4]:
            add([one])
    # A class whose sizes are known needs no more, most likely.
    out.insert(0 if any(owner == id(modules[module]) for owner, _ in fixed) else len(out), [])
    return out
