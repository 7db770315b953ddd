"""Pruning: scores, a goal, and what goes for it. The library chooses; see docs/pruning.md for which method when."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional, Union

import torch
from torch import Tensor, nn

from . import exported, programs, run, wrappers
from .cuts import TensorCut, UnifiedMasks
from .errors import Error, translated
from .grouping import Program
from .report import Report
from .scoring import By, Measuring, Scores, for_library

Share = Union[float, Mapping[str, float]]

SCOPES = ("local", "global", "isomorphic")


class Masks(dict[str, Tensor]):
    """Name of a parameter → a bool tensor of its shape: False goes. What was chosen is in the attributes.

    Attributes:
        lost: group's number → the positions that go.
        ratio: the share of the positions that goes.
        left: the share of parameters or multiply-accumulates that is left, where that was the goal.
        left_out: what is not pruned: a dict with ``why``, ``groups`` and ``makers`` for each reason.
    """

    def __init__(self, masks: Mapping[str, Tensor], chosen: Mapping[str, Any]) -> None:
        super().__init__(masks)
        self.lost: dict[int, list[int]] = {g["group"]: g["removed"] for g in chosen["lost"]}
        self.ratio: float = chosen["ratio"]
        self.left: Optional[float] = chosen.get("left")
        self.left_out: list[dict[str, Any]] = chosen["left_out"]


class Goal:
    """How much goes, and among what: what :func:`masks`, :func:`prune` and :class:`Pruner` have in common."""

    def __init__(
        self,
        ratio: Optional[Share] = None,
        params: Optional[float] = None,
        macs: Optional[float] = None,
        latency: Optional[float] = None,
        *,
        scope: str = "local",
        heads: bool = False,
        head_ratio: Optional[float] = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_ratio: float = 1.0,
        min_keep: int = 1,
        round_to: int = 1,
        raw: bool = False,
    ) -> None:
        said = [v for v in (params, macs, latency) if v is not None]
        if len(said) + isinstance(ratio, (int, float)) > 1 or (not said and ratio is None and head_ratio is None):
            raise Error(
                "a goal is one of ratio, params, macs and latency",
                "paring::live::goal",
                "ratio=0.5 removes half of the channels; params=0.5, macs=0.5 and latency=0.5 leave half at most; a dict of ratios may stand "
                "beside them for exceptions",
            )
        if scope not in SCOPES:
            raise Error(f"`{scope}` is no scope", "paring::live::goal", f"scope= is one of {', '.join(SCOPES)}")
        ratios = dict(ratio) if isinstance(ratio, Mapping) else {}
        self.default = float(ratio) if isinstance(ratio, (int, float)) else float(ratios.pop("default", 0.0))
        self.max_ratio = min(max_ratio, float(ratios.pop("max", 1.0)))
        self.ratios = {str(k): float(v) for k, v in ratios.items()}
        self.params, self.macs, self.latency = params, macs, latency
        self.head_ratio = head_ratio
        self.widths: list[tuple[str, int]] = []
        self.rest: dict[str, Any] = {
            "scope": scope,
            "heads": heads,
            "include": [str(p) for p in include],
            "exclude": [str(p) for p in exclude],
            "min_keep": min_keep,
            "round_to": max(round_to, 1),
            "raw": raw,
        }

    def options(self, part: float = 1.0, ratio: Optional[float] = None) -> str:
        """For the library, for a part of the way; or with a ratio in the place of a goal."""
        target: dict[str, float] = {"ratio": self.default * part if ratio is None else ratio}
        if ratio is None and self.params is not None:
            target = {"parameters": 1 - (1 - self.params) * part}
        elif ratio is None and self.macs is not None:
            target = {"macs": 1 - (1 - self.macs) * part}
        return json.dumps(
            {
                "target": target,
                "ratios": [[k, r * part] for k, r in self.ratios.items()],
                "head_ratio": None if self.head_ratio is None else self.head_ratio * part,
                "max_ratio": self.max_ratio,
                "widths": self.widths,
                **self.rest,
            }
        )

    def after(self, done: float, part: float, start: "Start") -> Optional["Goal"]:
        """What is still to do of a module of which the goal was met for ``done``, to meet it for ``part``; None, if nothing is."""

        def more(r: float) -> float:
            return (r * part - r * done) / max(1 - r * done, 1e-9)

        def left(budget: Optional[float], now: float) -> Optional[float]:
            return None if budget is None else (1 - (1 - budget) * part) / max(now, 1e-9)

        goal = copy.copy(self)
        goal.default, goal.ratios = more(self.default), {k: more(r) for k, r in self.ratios.items()}
        goal.head_ratio = None if self.head_ratio is None else more(self.head_ratio)
        goal.widths = start.widths
        goal.params, goal.macs = left(self.params, start.params), left(self.macs, start.macs)
        goal.latency = left(self.latency, 1 - (1 - (self.latency or 1)) * done)
        budget = next((b for b in (goal.params, goal.macs, goal.latency) if b is not None), None)
        if budget is not None and budget >= 1 and not goal.ratios and not goal.head_ratio:
            return None  # steps before went further than they had to
        for name in ("params", "macs", "latency"):
            value = getattr(goal, name)
            setattr(goal, name, None if value is None else min(value, 1.0))
        return goal


class Start:
    """What a module was before the first of several cuts, and what share of it is left."""

    def __init__(self, program: Program) -> None:
        self.widths = [(g.members[0].axis, g.positions) for g in program.groups if g.members]
        self.params = self.macs = 1.0

    def cut(self, report: Report) -> None:
        """After a cut."""
        self.params *= report.parameters.after / max(report.parameters.before, 1)
        self.macs *= report.macs.after / max(report.macs.before, 1)


def choose(program: Program, goal: Goal, scores: Scores, part: float = 1.0, ratio: Optional[float] = None) -> tuple[Masks, Any]:
    """The masks, and the same as the library has them."""
    with translated():
        raw, chosen = program.library.choose(goal.options(part, ratio), for_library(scores))
    shapes = {n: p.shape for n, p in program.model.named_parameters(remove_duplicate=False)}
    found = {}
    for name, mask in programs.FileMasks(raw).items():
        found[name] = mask.expand(shapes[name]).contiguous() if name in shapes else mask
    return Masks(found, json.loads(chosen)), raw


PLAIN = {"on_conflict": "keep", "unmasked": "keep", "statistics": "exact", "on_unknown": "lock", "masks": "masks"}
"""A cut as it is by default."""


def unified(program: Program, raw: Any) -> UnifiedMasks:
    """What the small module would be equal to: masks also of what follows, such as the shifts of norms."""
    with translated():
        cut = program.library.cut(raw, json.dumps(PLAIN))
    tensors: dict[str, TensorCut] = {}
    for name, t in json.loads(cut.changes())["tensors"].items():
        tensors[name] = TensorCut(t["shape"], t["dims"], add=t["add"], norm_of=t["norm_of"], masked=t["masked"])
    parameters = dict(program.model.named_parameters(remove_duplicate=False))
    return UnifiedMasks({n: t for n, t in tensors.items() if n in parameters and t.changes}, False)


@contextmanager
def masked(model: nn.Module, masks: Mapping[str, Tensor]) -> Iterator[None]:
    """With its parameters multiplied by masks; afterwards they are what they were."""
    named = dict(model.named_parameters(remove_duplicate=False))
    kept = {n: named[n].detach().clone() for n in masks if n in named}
    try:
        with torch.no_grad():
            for n in kept:
                named[n].mul_(masks[n].to(named[n].device))
        yield
    finally:
        with torch.no_grad():
            for n, old in kept.items():
                named[n].copy_(old)


def seconds(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], runs: int = 15) -> float:
    """How long a forward pass takes here: the median."""
    times = []
    with torch.no_grad(), exported.evaluating(model, fused=True):
        for k in range(runs + 3):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            start = time.perf_counter()
            model(*args, **kwargs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if k >= 3:
                times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def by_latency(program: Program, goal: Goal, scores: Scores, part: float, cutting: Mapping[str, Any]) -> tuple[Masks, Any]:
    """The least ratio with which a forward pass takes at most the share of time that the goal says, measured on copies that are cut."""
    assert goal.latency is not None
    wanted = 1 - (1 - goal.latency) * part
    model, args, kwargs = program.model, program.args, program.kwargs
    before = seconds(model, args, kwargs)
    low, high, best = 0.0, 0.98, None
    for _ in range(7):
        ratio = (low + high) / 2
        found = choose(program, goal, scores, part, ratio)
        small = copy.deepcopy(model)
        run.speedup(small, args, dict(kwargs), dict(found[0]), None, [], dict(cutting), False)
        if seconds(small, args, kwargs) <= wanted * before:
            high, best = ratio, found
            found[0].left = seconds(small, args, kwargs) / before
        else:
            low = ratio
    if best is None:
        raise Error(
            f"no ratio makes a forward pass take {100 * wanted:.0f} % of its time here",
            "paring::live::goal",
            "ask for less, allow heads or more groups, or a larger batch as the example: small ones are bound by the calls",
        )
    return best


# ---- what a cut takes besides masks

CUTTING = {
    "on_conflict": "keep",
    "unmasked": "keep",
    "statistics": "exact",
    "lossless": False,
    "bias_maps": False,
    "freeze": [],
    "rules": [],
    "on_unknown": "lock",
    "dynamic_shapes": None,
    "strict": False,
    "graph_forward": "auto",
    "keep_branches": False,
    "masks": "masks",
}


def cutting(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of :func:`paring.speedup` with their defaults."""
    for name in given:
        if name not in CUTTING:
            raise TypeError(f"unexpected argument {name!r}")
    options = {**CUTTING, **given}
    options["freeze"], options["rules"] = list(options["freeze"]), [os.fspath(r) for r in options["rules"]]
    options["keep_branches"] = options["graph_forward"] == "never"
    return options


def exporting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of them that an export takes."""
    return {k: options[k] for k in ("freeze", "rules", "dynamic_shapes", "strict")}


@contextmanager
def wrappers_off(model: nn.Module) -> Iterator[None]:
    """An error where pruning of ``torch.nn.utils`` is active: it would be part of the scores."""
    from torch.nn.utils import prune as torch_prune

    if torch_prune.is_pruned(wrappers.unwrapped(model)):
        raise Error(
            "torch.nn.utils.prune is active on the module",
            "paring::live::goal",
            "paring.speedup(model, args) cuts by its masks; torch.nn.utils.prune.remove takes it off",
        )
    yield
