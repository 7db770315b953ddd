"""Making a live module smaller: export, solve, change the attributes that its code needs, look whether it is the small program, cut.

Nothing of the module is lost before the last step: weights are replaced by stubs of the small sizes while attributes are tried, and put back.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn

from . import _paring, attributes, exported, forwards, graphs, training, wrappers
from .cuts import UnifiedMasks
from .errors import Error, translated
from .proposals import Proposal, proposals, wanted
from .report import Report
from .work import Work

log = logging.getLogger("paring")

ROUNDS = 40
"""How often a module is exported at most while attributes are tried."""


FIXED = "graph forwards take inputs of the example's sizes alone: torch.export cannot leave them open; dynamic_shapes may help"


class Shrinking(Work):
    """One run on one module; its steps in the order in which they are called."""

    closed: Optional[tuple[Any, ...]] = None
    """What the example's sizes gave, once it was tried to trace with open ones."""

    # ---- what to cut

    def solve(self, masks: Any, active: Mapping[str, Tensor]) -> None:
        """Exports the module and decides what stays."""
        self.notes = []
        # What a bias takes up, and what a mask file ranks, are numbers of the weights themselves.
        self.whole = wrappers.needs_weights(masks) or bool(self.options["lossless"])
        self.original = self.export()
        archive = exported.archive(self.original, whole=self.whole)
        with translated():
            self.program = _paring.Program(archive, self.options["rules"], self.options["freeze"])
        del archive
        self.masks, self.notes = wrappers.mask_bytes(self.model, masks, active, self.program)
        self.cut = self.decide(self.program)
        self.read()
        training.only(self)

    # ---- what the code needs

    def fit(self) -> None:
        """Gives modules the attributes, classes and forwards with which they compute the small program."""
        start = self.undo.mark()
        try:
            self.follow()
        except Error:
            if not self.close():
                raise
            self.undo.back(start)
            self.follow()

    def follow(self) -> None:
        """The same with the sizes open that are open."""
        mode = self.options["graph_forward"]
        if self.changes["nothing"]:
            self.chosen, self.made = {}, {}
            return
        tried = self.every_module() if mode == "always" else list(self.forced)
        if tried:
            self.open()
        graphed = self.try_attributes(tried)
        while graphed:
            if mode == "never":
                raise self.cannot_follow(graphed)
            self.open()
            if any(g in tried for g in graphed):  # a module is called several times, and differs
                if self.in_one:
                    raise self.cannot_follow(graphed)
                self.in_one = True
            tried = list(dict.fromkeys([*tried, *graphed]))
            graphed = self.try_attributes(tried)

    def open(self) -> None:
        """A graph takes the sizes that it was traced with, so that it is traced with all sizes open, or with an open batch, where that can be and
        the same positions go."""
        if self.closed is not None or self.options["dynamic_shapes"] is not None:
            return
        before = self.changes["tensors"]
        self.closed = self.shown, self.options, self.program, self.cut, self.original
        args, kwargs = self.shown
        if exported.of_one(args, kwargs):  # a size of 1 is never open
            args, kwargs = exported.twice(args), exported.twice(kwargs)
        for first in (False, True):
            try:
                self.shown, self.options = (args, kwargs), {**self.options, "dynamic_shapes": exported.Open(first)}
                self.original = self.export()
                archive = exported.archive(self.original, whole=self.whole)
                with translated():
                    self.program = _paring.Program(archive, self.options["rules"], self.options["freeze"])
                self.cut = self.decide(self.program)
                self.read()
                if self.changes["tensors"] == before:
                    if not exported.has_open_sizes(self.original):
                        self.notes.append(FIXED)
                    return
            except Exception as e:  # whatever the code or the exporter have against open sizes
                log.info("sizes cannot be open: %s", str(e).partition("\n")[0])
        self.close()

    def close(self) -> bool:
        """Back to the example's sizes; False if it is traced with no others."""
        if not self.closed or not isinstance(self.options["dynamic_shapes"], exported.Open):
            return False
        self.shown, self.options, self.program, self.cut, self.original = self.closed
        self.in_one = False
        self.read()
        self.notes.append(FIXED)
        return True

    def widen(self, module: nn.Module) -> bool:
        """Where a graph is not called as it was when it was traced: the module around it shall be one too. False if there is none."""
        name = self.names[id(module)]
        while name:
            name = name.rpartition(".")[0]
            if name in self.modules and name not in self.made and type(self.modules[name]).forward is not nn.Module.forward:
                self.forced = [*self.made, name]
                self.whys[name] = f"`{self.names[id(module)]}` in it is called otherwise when it is not traced"
                return True
        return False

    def cannot_follow(self, names: Sequence[str]) -> Error:
        """The error for code that states numbers."""
        what = "; ".join(f"`{n or 'the root'}`: {self.whys.get(n, 'its code cannot follow')}" for n in list(names)[:5])
        return Error(
            f"the code of {len(names)} module{'s' if len(names) > 1 else ''} cannot follow the cut: {what}",
            "paring::live::forward",
            'keep the numbers in attributes or take them from the tensors\' sizes; graph_forward="auto" gives such modules the small '
            "program's graph as their forward",
        )

    def try_attributes(self, graphed: list[str]) -> list[str]:
        """Changes the module until it is the small program, and gives the modules whose code cannot follow. ``graphed`` get the small
        program's graph."""
        start = self.undo.mark()
        self.chosen, self.made = {}, {}
        made, whole = forwards.of(self, graphed) if graphed else ({}, False)
        if whole:
            graphed = list(self.modules)
        self.undo.back(start)
        self.classes, self.exact, self.absorbed = {}, [], []
        stubs = self.undo.mark()
        self.stub()
        after_stubs = self.undo.mark()
        covered = [g for g in graphed]
        left = attributes.known(self, covered)
        if whole:
            self.exact, left = [""], []
        for name, data in made.items():
            graphs.give(self.modules[name], data, self.undo)
        done = {*covered, *self.exact}
        want = {m: w for m, w in wanted(self.changes["sets"]).items() if m in self.modules and m not in done and w.pairs}
        fixed = {(id(self.modules[m]), key) for m, found in self.classes.items() for key in found["set"]}
        ways = {m: proposals(self.modules, m, w, fixed) for m, w in want.items()}
        at = {m: 0 for m in ways}
        base = self.undo.mark()
        failed: list[str] = []
        for _ in range(ROUNDS):
            self.undo.back(base)
            self.propose({m: w[at[m]] for m, w in ways.items()})
            log.debug("exporting the changed module")
            try:
                again = exported.archive(self.export())
            except exported.ExportFailed as failure:
                failed = self.blame(failure, ways, at, want, covered)
                if failed:
                    break
                continue
            with translated():
                found = json.loads(self.program.differences(self.cut, again, self.exact, self.absorbed))
            failed = []
            moved = False
            for difference in found:
                m = difference["module"]
                if m in at and at[m] + 1 < len(ways[m]):
                    at[m] += 1
                    moved = True
                else:
                    self.whys[m] = difference["text"] + (f" ({difference['line']})" if difference["line"] else "")
                    failed.append(m)
            if not moved:
                break
        else:
            failed = failed or [m for m in at if at[m] + 1 < len(ways[m])] or [""]
        failed = [*left, *(f for f in failed if f not in left)]
        if failed:
            self.undo.back(start)
            return [f for f in dict.fromkeys(self.owner(f) for f in failed)]
        self.unstub(stubs, after_stubs)
        self.chosen = {m: w[at[m]] for m, w in ways.items()}
        self.made = made
        return []

    def blame(self, failure: exported.ExportFailed, ways: Any, at: dict[str, int], want: Any, covered: list[str]) -> list[str]:
        """Takes the next proposal of the module whose code failed, and of those like it; without one, gives that module."""
        running = exported.failing_module(failure, self.names)
        for m in running:
            if m in at and at[m] + 1 < len(ways[m]):
                for other in ways:
                    alike = type(self.modules[other]) is type(self.modules[m]) and want[other].signature == want[m].signature
                    if other == m or alike and at[other] == at[m]:
                        at[other] = min(at[other] + 1, len(ways[other]) - 1)
                return []
        called = {".".join(m.split(".")[:n]) for m in self.changes["inputs"] for n in range(m.count(".") + 2)}
        whole = [m for m in running if m not in covered and not self.is_layer(m) and m in called]
        if not whole:
            raise failure
        m = whole[0]
        gone = any(0 in c.small for n, c in self.tensors.items() if n.rpartition(".")[0] in running)
        self.whys[m] = ("what it calls only adds zeros, and went" if gone else failure.message.partition(": ")[2]) + (
            f" ({failure.labels[-1]['file']}:{failure.labels[-1]['line']})" if failure.labels else ""
        )
        alike = [
            o
            for o in ways
            if o not in covered
            and o != m
            and type(self.modules[o]) is type(self.modules[m])
            and m in want
            and want[o].signature == want[m].signature
        ]
        for o in alike:
            self.whys[o] = self.whys[m]
        return [m, *alike]

    def stub(self) -> None:
        """Puts stubs of the small sizes in the places of tensors; small buffers are cut."""
        made: dict[int, Tensor] = {}
        for name, cut in self.tensors.items():
            place = self.place(name)
            if place is None or not cut.smaller:
                continue
            owner, leaf = place
            old = getattr(owner, leaf)
            if id(old) not in made:
                if isinstance(old, nn.Parameter) or old.numel() > exported.LARGEST_BUFFER:
                    new: Tensor = torch.empty_strided(cut.small, [0] * len(cut.small), dtype=old.dtype, device=old.device)
                    new = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
                else:
                    new = cut.cut(old)
                made[id(old)] = new
            self.undo.set_tensor(owner, leaf, made[id(old)])

    def unstub(self, mark: int, until: int) -> None:
        """Puts the tensors back, and leaves what was done since."""
        later = self.undo._steps[until:]
        del self.undo._steps[until:]
        self.undo.back(mark)
        self.undo._steps.extend(later)

    def propose(self, chosen: dict[str, Proposal]) -> None:
        """Sets attributes of the user's modules."""
        for proposal in chosen.values():
            for place, value in proposal:
                self.undo.set(place.owner, place.name, value)

    def report(self) -> Report:
        """What was done."""
        own = [(n, t) for n, t in self.changes["tensors"].items() if t["kind"] == "parameter" and t["same_as"] is None]
        cut = self.closed[3] if self.closed else self.cut  # of the example as it was given
        summary = json.loads(cut.summary())
        summary["parameters"] = {
            "before": sum(math.prod(t["shape"]) for _, t in own),
            "after": sum(math.prod(self.tensors[n].small) for n, _ in own),
        }
        parameters = {
            n: self.tensors[n]
            for n, t in self.changes["tensors"].items()
            if t["kind"] == "parameter" and (self.tensors[n].smaller or self.tensors[n].zeros)
        }
        why = {n: self.whys.get(n, "asked for") for n in self.made}
        return Report(
            summary,
            cut.table(),
            cut.page(),
            json.loads(cut.plan()),
            UnifiedMasks(parameters, self.changes["lossless"]),
            why,
            self.notes,
        )
