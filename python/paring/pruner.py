"""Pruning in place, at once or in steps inside a training loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import torch
from torch import Tensor, nn

from . import programs, run, wrappers
from .errors import Error
from .grouping import Groups, Program
from .pruning import Goal, Masks, Share, Start, by_latency, choose, cutting, exporting, unified, wrappers_off
from .report import Report
from .scoring import By, Measuring, Scores, wrong


def prune(
    model: Union[nn.Module, str, "os.PathLike[str]"],
    args: Any = (),
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    steps: int = 1,
    schedule: Union[str, Callable[[float], float]] = "linear",
    between: Optional[Callable[[nn.Module, int], Any]] = None,
    optimizer: Optional[torch.optim.Optimizer] = None,
    also: Iterable[nn.Module] = (),
    progress: Optional[bool] = None,
    output: Union[None, str, "os.PathLike[str]"] = None,
    **options: Any,
) -> Report:
    """Makes a module smaller by its least important channels, in place; or writes a smaller model beside one in a file.

    Args:
        model, args, kwargs: the module, and an example of what it is called with; or the path of a model, which needs none.
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
        output: where the small model goes, if the model is a file. Its weights alone say what is important, and ``steps`` is 1.
        optimizer, also, progress, and all other options: as :func:`paring.speedup` takes them.

    Returns:
        The report of the last cut.
    """
    if isinstance(model, (str, os.PathLike)):
        from . import choosing

        programs.only_files({"args": args, "kwargs": kwargs, "optimizer": optimizer, "also": list(also)})
        if steps != 1 or between is not None:
            raise Error("steps= is for a module, and the model is a file", "paring::live::file", "a file is pruned at once")
        return choosing.prune(model, output, options)
    if output is not None:
        raise Error(
            "output= is for a model in a file", "paring::live::file", "a module is changed in place; paring.save writes it"
        )
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


def masks(
    model: Union[nn.Module, str, "os.PathLike[str]"], args: Any = (), kwargs: Optional[Mapping[str, Any]] = None, **options: Any
) -> Masks:
    """Chooses what to prune, and changes nothing. :func:`prune` explains the arguments.

    Returns:
        Masks that :func:`paring.speedup` takes, and what was chosen.
    """
    if isinstance(model, (str, os.PathLike)):
        from . import choosing

        programs.only_files({"args": args, "kwargs": kwargs})
        return choosing.masks(model, options)
    return Pruner(model, args, kwargs, **options).choose()


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
        programs.of_modules("Pruner", model, "paring.prune and paring.masks take files")
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
        self._start: Optional[Start] = None
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

    def choose(self) -> Masks:
        """What the whole goal asks of the module as it is now. Changes nothing."""
        return self._chosen(self.goal, 1.0)[0]

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
        if self._start is None:
            self._start = Start(self._exported())
        goal = self.goal.after(before, part, self._start)
        if goal is None:
            return None
        self._masks, _ = self._chosen(goal, 1.0)
        report = self._cut()
        self._start.cut(report)
        return report

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
