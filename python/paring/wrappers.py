"""What stands around a module: wrappers, prefixes of names, pruning hooks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from . import _paring
from .errors import Error, translated
from .programs import MaskBytes, tensor_bytes, truth
from .undo import Undo


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's module inside DataParallel, DDP, ``torch.compile`` and averaging."""
    averaged = torch.optim.swa_utils.AveragedModel
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel, averaged)):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def parameter_name(name: str, known: Mapping[str, Any]) -> str:
    """The parameter that a name means, which wrappers may have put prefixes into."""
    if name in known:
        return name
    plain = name.replace("_orig_mod.", "")
    while plain not in known and plain.split(".")[0] in ("module", "_fsdp_wrapped_module"):
        plain = plain.partition(".")[2]
    plain = plain if plain in known else plain.replace("_fsdp_wrapped_module.", "")
    return plain if plain in known else name


def take_pruning_off(model: nn.Module, undo: Undo) -> dict[str, Tensor]:
    """Makes ``torch.nn.utils.prune`` permanent, and gives the masks that it had by the name of the parameter."""
    masks = {}
    for path, module in model.named_modules():
        hooks = [h for h in module._forward_pre_hooks.values() if isinstance(h, prune.BasePruningMethod)]
        for name in [h._tensor_name for h in hooks]:
            masks[f"{path}.{name}" if path else name] = getattr(module, f"{name}_mask")
            undo.add(_remembered(module, getattr(module, f"{name}_orig")))
            prune.remove(module, name)
    return masks


def _remembered(module: nn.Module, original: Tensor) -> Any:
    spaces: list[dict[Any, Any]] = [module._parameters, module._buffers, module._forward_pre_hooks, module.__dict__]
    copies, data = [dict(s) for s in spaces], original.data

    def back() -> None:
        for space, copy in zip(spaces, copies):
            space.clear()
            space.update(copy)
        original.data = data

    return back


def _compact(name: str, mask: Tensor, shape: list[int]) -> MaskBytes:
    """A mask as bytes: one for each position of a dimension where that says it all."""
    if mask.layout != torch.strided:
        mask = mask.to_dense()
    mask = truth(name, mask.detach())
    if list(mask.shape) == shape and mask.dim() > 1:
        for d in range(mask.dim()):
            if shape[d] < 2:
                continue
            first = mask
            for other in reversed(range(mask.dim())):
                if other != d:
                    first = first.select(other, 0) if shape[other] else first.sum(other)
            sizes = [1] * mask.dim()
            sizes[d] = -1
            row = first.bool()
            if bool((mask == row.view(sizes)).all()):
                return name, [n if k == d else 1 for k, n in enumerate(shape)], tensor_bytes(row)
    return name, list(mask.shape), tensor_bytes(mask)


def zeros(model: nn.Module) -> dict[str, Tensor]:
    """Masks of the zeros that are in the parameters already: of those in which a whole slice of some dimension is zero."""
    masks = {}
    for name, p in model.named_parameters():
        if p.dim() == 0 or p.is_meta:
            continue
        keep = p.detach() != 0
        for d in range(p.dim()):
            others = [k for k in range(p.dim()) if k != d]
            alive = keep.amax(others) if others else keep
            if not bool(alive.all()):
                masks[name] = keep
                break
    return masks


def needs_weights(masks: Any) -> bool:
    """Whether a file of masks speaks of the weights themselves."""
    return isinstance(masks, (str, os.PathLike)) and str(masks).lower().endswith((".yaml", ".yml"))


def _look_at_computed(model: nn.Module, name: str, mask: Tensor) -> None:
    """A mask for a weight that a module computes from parameters has its sizes."""
    path, _, leaf = name.rpartition(".")
    try:
        weight = getattr(model.get_submodule(path), leaf, None)
    except AttributeError:
        return  # the library says that there is no such parameter
    if isinstance(weight, Tensor) and mask.shape not in (weight.shape, weight.shape[:1]):
        raise Error(
            f"the mask for `{name}` has the shape {list(mask.shape)}, the weight {list(weight.shape)}",
            "paring::masks::shape",
            "a mask has its parameter's shape, or one number for each output channel",
        )


def _looks_like_scores(mask: Tensor) -> bool:
    """Whether it holds no zero and more than a few different numbers, as scores do that somebody took for masks."""
    if not mask.is_floating_point() or mask.is_meta or mask.layout != torch.strided or mask.numel() < 5:
        return False
    return len(mask.detach().flatten()[:1024].unique()) > 4 and bool((mask != 0).all())


def mask_bytes(
    model: nn.Module, masks: Any, active: Mapping[str, Tensor], program: _paring.Program
) -> tuple[list[MaskBytes], list[str]]:
    """The masks for the library, and notes on them.

    Raises:
        Error: no masks, or something that is none.
    """
    known = dict(model.named_parameters(remove_duplicate=False))
    notes: list[str] = []
    if isinstance(masks, str) and masks == "model":
        masks = None
    if isinstance(masks, (str, os.PathLike)) and os.fspath(masks) != "zeros":
        with translated():
            found, notes = program.read_masks(os.fspath(masks))
        return [(parameter_name(name, known), shape, keep) for name, shape, keep in found], notes
    if masks is None:
        if not active:
            raise Error(
                "there are no masks",
                "paring::live::masks",
                'pass masks={name: tensor}, a file of masks, or "zeros" for what is zero in the weights already; without masks, those of '
                "torch.nn.utils.prune are taken where it is active on the model",
            )
        masks = active
    elif isinstance(masks, (str, os.PathLike)):
        masks = zeros(model)
    elif not isinstance(masks, Mapping):
        raise Error(
            f"masks are a dict of tensors or a path, not a {type(masks).__name__}",
            "paring::live::masks",
            "masks={'layer1.0.conv1.weight': tensor}",
        )
    out: dict[str, MaskBytes] = {}
    for name, mask in masks.items():
        if not isinstance(mask, Tensor):
            raise Error(f"the mask `{name}` is a {type(mask).__name__}, not a tensor", "paring::live::masks", None)
        target = parameter_name(str(name), known)
        parameter: Optional[Tensor] = known.get(target)
        if parameter is None:
            _look_at_computed(model, target, mask)
        out[target] = _compact(target, mask, [] if parameter is None else list(parameter.shape))
        if _looks_like_scores(mask):
            notes.append(
                f"the mask `{name}` has no zero and many different numbers: are these scores? paring.prune(by=...) takes them"
            )
    return list(out.values()), notes
