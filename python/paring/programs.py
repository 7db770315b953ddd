"""Models in files: ONNX models, and programs of ``torch.export.save`` and ``torch.jit.save``. Needs neither onnx nor PyTorch."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional, Union

from . import _paring
from .errors import Error, translated
from .report import Report

Path = Union[str, "os.PathLike[str]"]
MaskBytes = tuple[str, list[int], bytes]
"""A mask for the library: the parameter, sizes (its own, or 1 but for one dimension), a byte for each element."""

LIVE = {
    "args": (),
    "kwargs": None,
    "optimizer": None,
    "also": (),
    "dynamic_shapes": None,
    "strict": False,
    "graph_forward": "auto",
}
"""What only a live module has, and what says nothing of it."""


def is_file(model: Any) -> bool:
    """Whether a model is the path of a file."""
    return isinstance(model, (str, os.PathLike))


def of_modules(function: str, model: Any, instead: str) -> None:
    """An error where a function of live modules is given a file."""
    if is_file(model):
        raise Error(f"paring.{function} is for modules, and {os.fspath(model)} is a file", "paring::live::file", instead)


def only_files(given: Mapping[str, Any]) -> None:
    """An error where an option of live modules is given with a file."""
    for name, value in given.items():
        if name in LIVE and value is not None and value != LIVE[name] and not (name in ("args", "also") and len(value) == 0):
            raise Error(
                f"{name}= is for a module, and the model is a file",
                "paring::live::file",
                "what a file holds has its inputs and sizes in it; load the module and give paring that, if it is to be changed in place",
            )


def speedup(path: Path, masks: Any, output: Optional[Path], options: Mapping[str, Any]) -> Report:
    """See :func:`paring.speedup`."""
    with translated():
        program = _paring.Program.open(os.fspath(path), list(options["rules"]), list(options["freeze"]))
        given, notes = masks_of(masks, program)
    settled = {**options, "settle_masks": os.fspath(masks) == "model"} if is_file(masks) else options
    return shrink(program, path, given, output, settled, notes)


def shrink(
    program: _paring.Program,
    path: Path,
    masks: list[MaskBytes],
    output: Optional[Path],
    options: Mapping[str, Any],
    notes: list[str],
) -> Report:
    """Writes the small program."""
    stem, end = os.path.splitext(os.fspath(path))
    target = f"{stem}.small{end}" if output is None else os.fspath(output)
    with translated():
        summary, table, page, plan, unified = program.shrink(masks, json.dumps(dict(options)), target)
    report = Report(json.loads(summary), table, page, json.loads(plan), FileMasks(unified), {}, notes)
    report.output = target
    return report


def masks_of(masks: Any, program: _paring.Program) -> tuple[list[MaskBytes], list[str]]:
    """Masks of any kind for the library, and notes on them."""
    if is_file(masks):
        return program.read_masks(os.fspath(masks))
    if not isinstance(masks, Mapping):
        raise Error(
            "there are no masks" if masks is None else f"masks are no {type(masks).__name__}",
            "paring::live::masks",
            'masks={"conv1.weight": mask}, a file, or "zeros" for what is zero in the weights; paring.prune needs none',
        )
    return [(name, *_bytes(name, mask)) for name, mask in masks.items()], []


def tensor_bytes(mask: Any) -> bytes:
    """The bytes of a tensor of truth values."""
    flat = mask.cpu().contiguous()
    return ctypes.string_at(flat.data_ptr(), flat.numel()) if flat.numel() else b""


def truth(name: str, mask: Any) -> Any:
    """Where a tensor or an array keeps: what is not zero.

    Raises:
        Error: an element that is no number.
    """
    if bool((mask != mask).any()):
        raise undefined(name)
    return mask != 0


def undefined(name: str) -> Error:
    """The error for a mask with NaN, which weights multiplied by it would be too."""
    return Error(
        f"the mask `{name}` has NaN, which neither keeps nor drops",
        "paring::masks::nan",
        "write 0 where an element goes and 1 where it stays",
    )


def _bytes(name: str, mask: Any) -> tuple[list[int], bytes]:
    """Sizes, and a byte for each element: of a tensor, an array, or lists in lists."""
    if hasattr(mask, "data_ptr") and hasattr(mask, "layout"):
        mask = mask.to_dense() if str(mask.layout) != "torch.strided" else mask
        return list(mask.shape), tensor_bytes(truth(name, mask.detach()))
    if hasattr(mask, "tobytes") and hasattr(mask, "astype"):
        return list(mask.shape), truth(name, mask).astype("uint8").tobytes()
    shape: list[int] = []
    flat_list: list[Any] = [mask]
    while flat_list and isinstance(flat_list[0], (list, tuple)):
        shape.append(len(flat_list[0]))
        if any(not isinstance(part, (list, tuple)) or len(part) != shape[-1] for part in flat_list):
            raise Error(f"the mask `{name}` is no tensor", "paring::live::masks", "its lists have different lengths")
        flat_list = [item for part in flat_list for item in part]
    if not shape or not all(isinstance(item, (bool, int, float)) for item in flat_list):
        raise Error(f"the mask `{name}` is no tensor", "paring::live::masks", "give a tensor, an array or a list of numbers")
    if any(item != item for item in flat_list):
        raise undefined(name)
    return shape, bytes(bool(item) for item in flat_list)


class FileMasks(Mapping[str, Any]):
    """Name → bool tensor of the original's shape: PyTorch's where it is installed, else NumPy's, else a ``memoryview``."""

    def __init__(self, masks: Iterable[MaskBytes]) -> None:
        self._masks = {name: (shape, keep) for name, shape, keep in masks}

    def __getitem__(self, name: str) -> Any:
        shape, keep = self._masks[name]
        try:
            import torch

            return torch.frombuffer(bytearray(keep), dtype=torch.uint8).bool().view(shape) if keep else torch.ones(shape).bool()
        except ImportError:
            pass
        try:
            import numpy

            return numpy.frombuffer(keep, dtype=bool).reshape(shape)
        except ImportError:
            return memoryview(keep).cast("?", shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)
