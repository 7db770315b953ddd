"""The steps of :func:`paring.speedup`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import torch
from torch import nn

from . import applying, checking, config, graphs, record, wrappers
from .live import Shrinking, log
from .report import Report
from .undo import Undo


def speedup(
    model: nn.Module,
    args: Any,
    kwargs: dict[str, Any],
    masks: Any,
    optimizer: Optional[torch.optim.Optimizer],
    also: list[nn.Module],
    options: dict[str, Any],
    progress: Optional[bool],
) -> Report:
    """See :func:`paring.speedup`."""
    inner = wrappers.unwrapped(model)
    also = [wrappers.unwrapped(m) for m in also]
    args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    with steps(progress) as step, Undo() as undo:
        active = wrappers.take_pruning_off(inner, undo)
        for copy in also:
            wrappers.take_pruning_off(copy, undo)
        run = Shrinking(inner, args, kwargs, options, undo)
        step("exporting and solving")
        run.solve(masks, active)
        original = checking.masked(run)
        solved = undo.mark()
        while True:
            step("fitting the module's attributes")
            run.fit()
            step("cutting")
            applying.commit(run, also, optimizer)
            record.join(inner, run.record(), undo)
            for copy in also:
                record.join(copy, run.record(), undo)
            step("comparing with the small program")
            try:
                checking.check(run, original)
            except graphs.OtherArguments as e:  # code that does something else while it is traced
                undo.back(solved)
                if options["graph_forward"] == "never" or not run.widen(e.module):
                    raise checking.unequal("what the small program does", str(e)) from e
                continue
            otherwise = [*run.made, *(n for n, found in run.classes.items() if found["class"] or found["exact"])]
            run.notes += config.follow(inner, run.tensors, otherwise, undo)
            return run.report()


@contextmanager
def steps(wanted: Optional[bool]) -> Iterator[Any]:
    """Shows and logs which step is running."""
    bar = None
    if wanted or wanted is None and (sys.stderr.isatty() or "ipykernel" in sys.modules):
        try:
            from tqdm.auto import tqdm

            bar = tqdm(total=4, leave=False, bar_format="{desc} {elapsed}")
        except ImportError:
            pass

    def step(text: str) -> None:
        log.info(text)
        if bar is not None:
            bar.set_description_str(f"paring: {text}")
            bar.update()

    try:
        yield step
    finally:
        if bar is not None:
            bar.close()
