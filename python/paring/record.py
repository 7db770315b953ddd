"""What was done to a module, as data that goes with it: for copies, for files, for further rounds."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from . import graphs
from . import nn as layers
from .errors import Error
from .undo import Undo

NAME = "_paring"
"""The attribute of the root module that holds the record."""


def apply(modules: dict[str, nn.Module], changes: dict[str, dict[str, Any]], undo: Undo) -> None:
    """Gives modules the attributes, classes and forwards of a record."""
    for name, change in changes.items():
        module = modules.get(name)
        if module is None:
            raise Error(
                f"the module has no part `{name}`",
                "paring::live::record",
                "load into the class that was shrunk, at its original size",
            )
        if change.get("class"):
            leaf = change["class"].rpartition(".")[2]
            cls = getattr(layers, leaf, None)
            if change["class"] != f"paring.nn.{leaf}" or not isinstance(cls, type):
                raise Error(
                    f"there is no class {change['class']}", "paring::live::record", "the file is of another version of paring"
                )
            undo.set_class(module, cls)
        for path, value in change.get("set", {}).items():
            owner: Any = module
            *inner, leaf = path.split(".")
            for step in inner:
                owner = getattr(owner, step)
            plain = list if isinstance(getattr(owner, leaf, None), list) else tuple
            undo.set(owner, leaf, plain(value) if isinstance(value, list) else value)
        if change.get("forward"):
            graphs.give(module, change["forward"], undo)


def join(model: nn.Module, changes: dict[str, dict[str, Any]], undo: Undo) -> None:
    """Adds what was done to the record of the root module."""
    old = model.__dict__.get(NAME, {})
    new = copy.deepcopy(old)
    for name, change in changes.items():
        entry = new.setdefault(name, {})
        entry.setdefault("set", {}).update(change.get("set", {}))
        entry.update({k: v for k, v in change.items() if k != "set" and v})
    undo.set(model, NAME, new)


def of(model: nn.Module) -> dict[str, dict[str, Any]]:
    """The record of a module; empty where nothing was done."""
    found = model.__dict__.get(NAME, {})
    return found if isinstance(found, dict) else {}
