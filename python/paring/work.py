"""What is known of a module while it is made smaller: the module, what was decided, and what was done so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import _paring, exported
from .cuts import TensorCut
from .errors import translated
from .programs import MaskBytes
from .proposals import Proposal
from .undo import Undo


class Work:
    """A module, the program that it was exported as, and what a cut means for it."""

    program: _paring.Program
    masks: list[MaskBytes]
    cut: _paring.Cut
    original: torch.export.ExportedProgram
    whole: bool
    notes: list[str]

    def __init__(
        self, model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], options: dict[str, Any], undo: Undo
    ) -> None:
        self.model, self.args, self.kwargs, self.options, self.undo = model, tuple(args), kwargs, options, undo
        self.shown: tuple[tuple[Any, ...], dict[str, Any]] = self.args, self.kwargs  # the example that exports are made with
        self.modules = dict(model.named_modules(remove_duplicate=False))
        self.names: dict[int, str] = {}
        for name, module in self.modules.items():
            self.names.setdefault(id(module), name)
        self.whys: dict[str, str] = {}
        self.classes: dict[str, dict[str, Any]] = {}
        self.exact: list[str] = []
        self.absorbed: list[tuple[str, str]] = []
        self.forced: list[str] = []
        self.chosen: dict[str, Proposal] = {}
        self.made: dict[str, Any] = {}
        self.in_one = False  # one graph in the place of all

    def decide(self, program: _paring.Program, masks: list[MaskBytes] | None = None, **other: Any) -> _paring.Cut:
        """What stays under the masks, and with the options, that were given, or under others."""
        options = {k: v for k, v in {**self.options, **other}.items() if isinstance(v, (bool, str))}
        with translated():
            return program.cut(self.masks if masks is None else masks, json.dumps(options))

    def read(self) -> None:
        """Takes what was decided apart."""
        self.changes = json.loads(self.cut.changes())
        self.tensors: dict[str, TensorCut] = {}
        for name, t in self.changes["tensors"].items():
            self.tensors[name] = TensorCut(t["shape"], t["dims"], add=t["add"], norm_of=t["norm_of"], masked=t["masked"])
        for name in self.cut.zeroed():
            self.tensors[name].zeros = self.cut.zeros(name)

    def export(self, preserve: Sequence[str] = ()) -> torch.export.ExportedProgram:
        """The module as it is now."""
        return exported.export(self.model, *self.shown, self.options["dynamic_shapes"], self.options["strict"], preserve)

    def every_module(self) -> list[str]:
        """The modules whose forward is code of their own: those that call others."""
        return [
            n
            for n, m in self.modules.items()
            if self.names[id(m)] == n
            and any(True for _ in m.children())
            and not isinstance(m, (nn.ModuleList, nn.ModuleDict, nn.ParameterList))
        ]

    def owner(self, name: str) -> str:
        """The module of a name in a program, which calls a shared module by one of its names."""
        while name and (name not in self.modules or type(self.modules[name]).forward is nn.Module.forward):
            name = name.rpartition(".")[0]
        return self.names[id(self.modules[name])]

    def is_layer(self, name: str) -> bool:
        """Whether a module is a layer whose caller gave it a wrong size: one of torch.nn's without children."""
        m = self.modules[name]
        return type(m).__module__.startswith("torch.nn.") and not any(True for _ in m.children())

    def place(self, name: str) -> tuple[nn.Module, str] | None:
        """The module that holds a tensor, and its name there."""
        path, _, leaf = name.rpartition(".")
        owner = self.modules.get(path)
        return (owner, leaf) if owner is not None and isinstance(getattr(owner, leaf, None), Tensor) else None

    def record(self) -> dict[str, Any]:
        """What was done to modules, as data."""
        out: dict[str, dict[str, Any]] = {}
        for name, found in self.classes.items():
            out[name] = {"set": found["set"], "class": found["class"]}
        for proposal in self.chosen.values():
            for place, value in proposal:
                out.setdefault(place.module, {}).setdefault("set", {})[place.path] = (
                    list(value) if isinstance(value, (tuple, list)) else value
                )
        for name, data in self.made.items():
            out.setdefault(name, {})["forward"] = data
        return out
