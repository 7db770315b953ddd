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

from . import exported, run, wrappers
from .cuts import TensorCut, UnifiedMasks
from .errors import Error, translated
from .grouping import Groups, Program
from .report import Report
from .scoring import By, Measuring, Scores, called_with, for_library, wrong

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
                **self.rest,
            }
        )

    def after(self, done: float, part: float) -> "Goal":
        """What is still to do of a module of which the goal was met for ``done``, to meet it for ``part``."""

        def more(r: float) -> float:
            return (r * part - r * done) / max(1 - r * done, 1e-9)

        def left(b: Optional[float]) -> Optional[float]:
            return None if b is None else (1 - (1 - b) * part) / max(1 - (1 - b) * done, 1e-9)

        goal = copy.copy(self)
        goal.default, goal.ratios = more(self.default), {k: more(r) for k, r in self.ratios.items()}
        goal.head_ratio = None if self.head_ratio is None else more(self.head_ratio)
        goal.max_ratio = min(1.0, more(self.max_ratio)) if self.max_ratio < 1 else 1.0
        goal.params, goal.macs, goal.latency = left(self.params), left(self.macs), left(self.latency)
        return goal


def choose(program: Program, goal: Goal, scores: Scores, part: float = 1.0, ratio: Optional[float] = None) -> tuple[Masks, Any]:
    """The masks, and the same as the library has them."""
    with translated():
        raw, chosen = program.library.choose(goal.options(part, ratio), for_library(scores))
    shapes = {n: p.shape for n, p in program.model.named_parameters(remove_duplicate=False)}
    found = {}
    for name, shape, keep in raw:
        mask = torch.frombuffer(bytearray(keep), dtype=torch.uint8).bool().view(shape)
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


def masks(
    model: nn.Module,
    args: Any = (),
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    by: By = "l1",
    data: Optional[Iterable[Any]] = None,
    loss: Optional[Callable[[nn.Module, Any], Tensor]] = None,
    reduce: str = "sum",
    normalise: Optional[str] = "mean",
    seed: int = 0,
    ratio: Optional[Share] = None,
    params: Optional[float] = None,
    macs: Optional[float] = None,
    latency: Optional[float] = None,
    scope: str = "local",
    heads: bool = False,
    head_ratio: Optional[float] = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    max_ratio: float = 1.0,
    min_keep: int = 1,
    round_to: int = 1,
    **options: Any,
) -> Masks:
    """Chooses what to prune, and changes nothing. :func:`prune` explains the arguments.

    Returns:
        Masks that :func:`paring.speedup` takes, and what was chosen.
    """
    goal = Goal(
        ratio, params, macs, latency, scope=scope, heads=heads, head_ratio=head_ratio, include=include, exclude=exclude,
        max_ratio=max_ratio, min_keep=min_keep, round_to=round_to, raw=normalise not in ("mean", None) or by == "lamp",
    )  # fmt: skip
    more = cutting(options)
    with wrappers_off(model):
        program = Program(model, args, kwargs, **exporting(more))
        scores = Measuring(program, by, data, loss, reduce, None if by == "lamp" else normalise, seed).scores()
        return by_latency(program, goal, scores, 1.0, more)[0] if latency is not None else choose(program, goal, scores)[0]


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


def prune(
    model: nn.Module,
    args: Any = (),
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    steps: int = 1,
    schedule: Union[str, Callable[[float], float]] = "linear",
    between: Optional[Callable[[nn.Module, int], Any]] = None,
    optimizer: Optional[torch.optim.Optimizer] = None,
    also: Iterable[nn.Module] = (),
    progress: Optional[bool] = None,
    **options: Any,
) -> Report:
    """Makes a module smaller by its least important channels, in place.

    Args:
        model, args, kwargs: the module, and an example of what it is called with.
        by: what makes a position important: ``"l1"``, ``"l2"``, ``"bn"``, ``"fpgm"``, ``"random"``, ``"lamp"`` (of weights), ``"taylor"``,
            ``"taylor2"``, ``"fisher"``, ``"obd"`` (of gradients: need data and loss), ``"wanda"``, ``"apoz"``, ``"activation"`` (need data); a
            function of a :class:`Group` that gives a number for each position; a dict of tensors by parameter or group; a safetensors file.
        data: batches. loss: a function of the model and a batch. Activations call the model with a batch as arguments.
        reduce: over what is coupled: ``"sum"``, ``"mean"``, ``"max"``, ``"prod"``, or ``"makes"``: only what makes the axis counts, summed.
        normalise: of a group's scores, for scopes in which groups compete: ``"mean"``, ``"max"``, ``"sum"``, ``"standard"`` or None.
        ratio: the share of the channels that goes: a number, or a dict of names or patterns of groups, parameters or modules, with
            ``"default"`` and ``"max"``.
        params, macs, latency: what share is left at most. Latency is measured here, on copies of the module.
        scope: where groups compete: each alone (``"local"``), all (``"global"``), or those of like structure (``"isomorphic"``).
        heads: whole heads go, not positions inside each. head_ratio: the share of heads that goes besides.
        include, exclude: names or patterns: what alone is pruned, and what is not.
        max_ratio, min_keep, round_to: what goes at most and stays at least of a group; what stays is a multiple of that.
        steps, schedule, between: in so many steps, after each of which ``between(model, step)`` is called, for training; see :class:`Pruner`.
        optimizer, also, progress, and all other options: as :func:`paring.speedup` takes them.

    Returns:
        The report of the last cut.
    """
    pruner = Pruner(
        model, args, kwargs, steps=steps, schedule=schedule, optimizer=optimizer, also=also, progress=progress, **options
    )
    report: Optional[Report] = None
    for step in range(steps):
        report = pruner.step() or report
        if between is not None:
            between(model, step)
    if report is None:
        raise wrong("nothing was pruned", "steps= is at least 1")
    return report


SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "cubic": lambda x: 1 - (1 - x) ** 3,  # Zhu and Gupta 2017
}


class Pruner:
    """Prunes in steps inside a training loop::

        pruner = paring.Pruner(model, (example,), by="l2", macs=0.5, steps=10, schedule="cubic", optimizer=optimizer)
        for epoch in range(10):
            train(model, optimizer)
            pruner.step()

    With ``soft=True`` nothing is cut before :meth:`finish`: what would go is zero after each :meth:`step`, may grow again in training, and is chosen
    anew; :meth:`keep_zero` holds it at zero in between, and :meth:`lift` gives the weights back.

    Args:
        soft: zeros instead of cuts.
        steps: after so many the goal is met; further steps do nothing, or with ``soft`` choose anew.
        schedule: ``"linear"``, ``"cubic"``, or a function from the part of the steps to the part of the way.
        All others: as :func:`paring.prune` takes them.
    """

    def __init__(
        self,
        model: nn.Module,
        args: Any = (),
        kwargs: Optional[Mapping[str, Any]] = None,
        *,
        soft: bool = False,
        steps: int = 1,
        schedule: Union[str, Callable[[float], float]] = "linear",
        by: By = "l1",
        data: Optional[Iterable[Any]] = None,
        loss: Optional[Callable[[nn.Module, Any], Tensor]] = None,
        reduce: str = "sum",
        normalise: Optional[str] = "mean",
        seed: int = 0,
        ratio: Optional[Share] = None,
        params: Optional[float] = None,
        macs: Optional[float] = None,
        latency: Optional[float] = None,
        scope: str = "local",
        heads: bool = False,
        head_ratio: Optional[float] = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_ratio: float = 1.0,
        min_keep: int = 1,
        round_to: int = 1,
        optimizer: Optional[torch.optim.Optimizer] = None,
        also: Iterable[nn.Module] = (),
        progress: Optional[bool] = None,
        **options: Any,
    ) -> None:
        if isinstance(schedule, str) and schedule not in SCHEDULES:
            raise Error(
                f"`{schedule}` is no schedule", "paring::live::goal", f"schedule= is one of {', '.join(SCHEDULES)} or a function"
            )
        self.goal = Goal(
            ratio, params, macs, latency, scope=scope, heads=heads, head_ratio=head_ratio, include=include, exclude=exclude,
            max_ratio=max_ratio, min_keep=min_keep, round_to=round_to, raw=normalise not in ("mean", None) or by == "lamp",
        )  # fmt: skip
        self.model, self.soft, self.steps = model, soft, max(steps, 1)
        self.schedule = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
        self.optimizer, self.also, self.progress = optimizer, list(also), progress
        self.done = 0
        self._options = cutting(options)
        self._args, self._kwargs = args, kwargs
        self._data = list(data) if data is not None else None
        self._measure: dict[str, Any] = {
            "by": by,
            "loss": loss,
            "reduce": reduce,
            "normalise": None if by == "lamp" else normalise,
            "seed": seed,
        }
        self._program: Optional[Program] = None
        self._masks: Optional[Masks] = None
        self._zero: dict[str, Tensor] = {}
        self._saved: dict[str, Tensor] = {}
        with wrappers_off(model):
            pass

    @property
    def groups(self) -> Groups:
        """The groups of the module as it is now."""
        return self._exported().groups

    @property
    def masks(self) -> Optional[Masks]:
        """What the last step chose."""
        return self._masks

    def _exported(self) -> Program:
        if self._program is None:
            self._program = Program(self.model, self._args, self._kwargs, **exporting(self._options))
        return self._program

    def scores(self) -> Scores:
        """The scores of the module as it is now: group's number → tensor."""
        return Measuring(self._exported(), data=self._data, **self._measure).scores()

    def _chosen(self, goal: Goal, part: float) -> tuple[Masks, Any]:
        program, scores = self._exported(), self.scores()
        if goal.latency is not None:
            return by_latency(program, goal, scores, part, self._options)
        return choose(program, goal, scores, part)

    def step(self) -> Optional[Report]:
        """One step towards the goal.

        Returns:
            The report, where something was cut.
        """
        before = self.schedule(self.done / self.steps)
        self.done = min(self.done + 1, self.steps)
        part = self.schedule(self.done / self.steps)
        if self.soft:
            self._masks, raw = self._chosen(self.goal, part)
            self._hide(dict(unified(self._exported(), raw)))
            return None
        if part <= before:
            return None
        self._masks, _ = self._chosen(self.goal.after(before, part), 1.0)
        return self._cut()

    def _cut(self) -> Report:
        self._program = None
        args = tuple(self._args) if isinstance(self._args, (tuple, list)) else (self._args,)
        return run.speedup(
            self.model,
            args,
            dict(self._kwargs or {}),
            dict(self._masks or {}),
            self.optimizer,
            self.also,
            dict(self._options),
            self.progress,
        )

    # ---- soft masks

    def _named(self) -> dict[str, Tensor]:
        return dict(wrappers.unwrapped(self.model).named_parameters(remove_duplicate=False))

    def _hide(self, zero: dict[str, Tensor]) -> None:
        named = self._named()
        with torch.no_grad():
            for name, mask in zero.items():
                mask = mask.to(named[name].device)
                weights = named[name].detach()
                old = self._saved.get(name, torch.zeros_like(weights))
                # What training has made of a weight is newer than what was saved of it.
                self._saved[name] = torch.where(weights != 0, weights, old)
                self._zero[name] = mask
            for name in self._zero.keys() - zero.keys():
                self._zero.pop(name)
        self.keep_zero()

    def keep_zero(self) -> None:
        """Makes zero again what the last step hid: for after each step of an optimizer."""
        named = self._named()
        with torch.no_grad():
            for name, mask in self._zero.items():
                named[name].mul_(mask)

    def lift(self) -> None:
        """Gives the weights that were hidden back, as they were, where they are zero still; the goal begins anew."""
        named = self._named()
        with torch.no_grad():
            for name, old in self._saved.items():
                named[name].copy_(torch.where(named[name] == 0, old, named[name]))
        self._zero, self._saved, self._masks, self.done = {}, {}, None, 0

    def finish(self) -> Optional[Report]:
        """With ``soft``: cuts what the last step hid.

        Returns:
            The report; None, if nothing was hidden.
        """
        if not self.soft or self._masks is None:
            return None
        self.keep_zero()
        report = self._cut()
        self._zero, self._saved = {}, {}
        return report
