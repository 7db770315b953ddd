"""Choosing what to prune of a model in a file, by its weights."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from typing import Any, Optional

from . import _paring, programs
from .errors import Error, translated
from .pruning import Goal, Masks, cutting
from .report import Report

METHODS = ("l1", "l2", "bn", "fpgm", "random")
"""Those that need the weights alone."""

GOAL = [name for name in inspect.signature(Goal.__init__).parameters if name not in ("self", "raw")]


def prune(path: programs.Path, output: Optional[programs.Path], options: Mapping[str, Any]) -> Report:
    """See :func:`paring.prune`."""
    program, cut, raw, _ = _choose(path, options)
    return programs.shrink(program, path, raw, output, cut, [])


def masks(path: programs.Path, options: Mapping[str, Any]) -> Masks:
    """See :func:`paring.masks`."""
    _, _, raw, chosen = _choose(path, options)
    return Masks(programs.FileMasks(raw), json.loads(chosen))


def _choose(path: programs.Path, options: Mapping[str, Any]) -> tuple[_paring.Program, dict[str, Any], Any, str]:
    given = dict(options)
    by, seed = given.pop("by", "l1"), given.pop("seed", 0)
    if by not in METHODS:
        raise Error(
            f"by={by!r} needs a module, and the model is a file",
            "paring::live::file",
            f"of a file by= is one of {', '.join(METHODS)}; masks of any other kind go into paring.speedup",
        )
    goal = Goal(**{name: given.pop(name) for name in GOAL if name in given})
    if goal.latency is not None:
        raise Error("latency= needs a module, and the model is a file", "paring::live::file", "ask for macs= or params=")
    programs.only_files(given)
    cut = cutting(given)
    asked = {**json.loads(goal.options()), "by": by, "seed": seed}
    with translated():
        program = _paring.Program.open(os.fspath(path), list(cut["rules"]), list(cut["freeze"]))
        raw, chosen = program.choose(json.dumps(asked), None)
    return program, cut, raw, chosen
