"""Paring cuts pruned channels out of PyTorch models.

    import paring
    report = paring.speedup(model, (example,), masks=masks)     # model itself is now smaller
    report = paring.prune(model, (example,), macs=0.5)          # the same without masks

:func:`speedup` shrinks a live ``nn.Module`` in place by masks, :func:`prune` and :class:`Pruner` choose them, :func:`masks` only chooses,
:func:`groups` are what it all stands on, :func:`sensitivity` says what each of them matters; :func:`save` and :func:`load` keep the result. Errors are :class:`Error`. The command
``paring`` (or ``python -m paring``) works on files and needs no PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

from ._paring import __version__
from .errors import Error, need_torch

if TYPE_CHECKING:
    import torch

    from .grouping import Group, Groups, groups
    from .pruner import Pruner, masks, prune
    from .pruning import Masks
    from .report import Report
    from .sensing import Sensitivity, sensitivity

__all__ = [
    "Error", "Group", "Groups", "Masks", "Pruner", "Report", "Sensitivity", "__version__", "groups", "load", "masks", "prune", "save",
    "sensitivity", "speedup",
]  # fmt: skip

_PLACES = {
    "Group": "grouping", "Groups": "grouping", "groups": "grouping", "Masks": "pruning", "Pruner": "pruner", "masks": "pruner",
    "prune": "pruner", "Report": "report", "Sensitivity": "sensing", "sensitivity": "sensing",
}  # fmt: skip
"""What needs PyTorch, and is imported when it is asked for."""


def speedup(
    model: Union["torch.nn.Module", str, "os.PathLike[str]"],
    args: Sequence[Any] = (),
    *,
    kwargs: Optional[Mapping[str, Any]] = None,
    masks: Union[None, str, "os.PathLike[str]", Mapping[str, "torch.Tensor"]] = None,
    optimizer: Optional["torch.optim.Optimizer"] = None,
    also: Iterable["torch.nn.Module"] = (),
    on_conflict: Literal["keep", "restore", "prune", "error"] = "keep",
    unmasked: Literal["keep", "abstain"] = "keep",
    statistics: Literal["exact", "approximate"] = "exact",
    lossless: bool = False,
    bias_maps: bool = False,
    freeze: Sequence[str] = (),
    rules: Sequence[Union[str, "os.PathLike[str]"]] = (),
    on_unknown: Literal["lock", "error"] = "lock",
    dynamic_shapes: Any = None,
    strict: bool = False,
    graph_forward: Literal["auto", "never", "always"] = "auto",
    progress: Optional[bool] = None,
    output: Union[None, str, "os.PathLike[str]"] = None,
) -> "Report":
    """Cuts pruned channels out of a live module, which goes on as before: it trains, is saved, pruned again. Or out of a file.

    The smaller module equals the original with its parameters multiplied by ``report.unified_masks`` (in evaluation mode, up to rounding).
    If anything fails, the module is as it was.

    Args:
        model: the module, or the path of a model (``model.onnx``, ``model.pt2``), of which a smaller one is written. What DataParallel, DDP, ``torch.compile`` or averaging wrap is found inside.
        args, kwargs: an example of what it is called with, for ``torch.export``.
        masks: name of a parameter → a mask of any type and device, of its shape or with one number for each output channel, 0 = pruned; a
            path to masks of any kind that ``paring speedup --masks`` takes; ``"zeros"``: what is zero in the weights already. Without it, the
            masks of ``torch.nn.utils.prune``, which is taken off.
        optimizer: one whose state is cut too.
        also: copies of the module that are cut alike, such as an average of its weights.
        on_conflict: what decides where masks of coupled layers disagree (``paring speedup --help`` explains these options).
        unmasked: what a layer without a mask says of its channels: that they stay, or nothing.
        statistics: whether means and norms over removed channels are repaired.
        lossless: add no zeros to the masks.
        bias_maps: with ``lossless``, let more go where padding is in the way.
        freeze: parameters or modules that keep all channels.
        rules: folders of rules of your own, for operators and for classes of modules.
        on_unknown: what to do with operators that no rule describes.
        dynamic_shapes, strict: as ``torch.export.export`` takes them.
        graph_forward: where the code of a module states numbers: give it the small program's graph as its forward, never do so (an error
            then), or always.
        progress: show the steps; by default on a terminal or in a notebook, if tqdm is installed.
        output: where the small model goes, if the model is a file; by default ``model.small.onnx`` beside ``model.onnx``. Masks go by the names
            in the file, and may be arrays of NumPy.

    Returns:
        What was done.

    Raises:
        Error: with the code, help and places that the command line prints.
    """
    options = {
        "on_conflict": on_conflict,
        "unmasked": unmasked,
        "statistics": statistics,
        "lossless": lossless,
        "bias_maps": bias_maps,
        "freeze": list(freeze),
        "rules": [str(r) for r in rules],
        "on_unknown": on_unknown,
        "dynamic_shapes": dynamic_shapes,
        "strict": strict,
        "graph_forward": graph_forward,
        "keep_branches": graph_forward == "never",
        "masks": str(masks) if isinstance(masks, str) or hasattr(masks, "__fspath__") else "masks",
    }
    from . import programs

    if isinstance(model, (str, os.PathLike)):
        programs.only_files({**options, "args": args, "kwargs": kwargs, "optimizer": optimizer, "also": also})
        return programs.speedup(model, masks, output, options)
    if output is not None:
        raise Error(
            "output= is for a model in a file", "paring::live::file", "a module is changed in place; paring.save writes it"
        )
    need_torch()
    from . import run

    return run.speedup(model, args, dict(kwargs or {}), masks, optimizer, list(also), options, progress)


def save(model: "torch.nn.Module", path: Union[str, "os.PathLike[str]"]) -> None:
    """Writes a module that was shrunk: its weights, as a safetensors file, with what was cut as data. There is no code in it.

    Args:
        model: the module.
        path: the file, which appears under its name only when it is complete.

    Raises:
        Error: a file that cannot be written.
    """
    need_torch()
    from . import files

    files.save(model, path)


def load(path: Union[str, "os.PathLike[str]"], model: "torch.nn.Module") -> "torch.nn.Module":
    """Makes a module of the original class, at its original size, the one that :func:`save` wrote.

    Args:
        path: the file. Nothing in it is executed.
        model: a new module; it is changed in place.

    Returns:
        The module.

    Raises:
        Error: a file that is damaged or of another module; then the module is as it was.
    """
    need_torch()
    from . import files

    return files.load(path, model)


def __getattr__(name: str) -> Any:
    if name == "nn" or name in _PLACES:
        need_torch()
        import importlib

        module = importlib.import_module(f".{_PLACES.get(name, name)}", __name__)
        return module if name == "nn" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
