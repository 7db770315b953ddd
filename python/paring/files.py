"""Modules in files: safetensors with the weights, and with what was cut as JSON in its metadata."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
from typing import Any, Union

import torch
from torch import Tensor, nn

from . import outputs, record, wrappers
from .errors import Error
from .undo import Undo

VERSION = "1"

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def tensors(model: nn.Module) -> dict[str, tuple[nn.Module, str, Tensor]]:
    """All parameters and buffers, also those that a state dict leaves out, once each: name → holder, name there, tensor."""
    out: dict[str, tuple[nn.Module, str, Tensor]] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        for space in (module._parameters, module._buffers):
            for leaf, t in space.items():
                if t is not None and id(t) not in seen:
                    seen.add(id(t))
                    out[f"{path}.{leaf}" if path else leaf] = (module, leaf, t)
    return out


def save(model: nn.Module, path: Union[str, "os.PathLike[str]"]) -> None:
    """See :func:`paring.save`."""
    model = wrappers.unwrapped(model)
    header: dict[str, Any] = {"__metadata__": {"paring": VERSION, "cut": json.dumps(record.of(model)), "format": "pt"}}
    at, found = 0, tensors(model)
    for name, (_, _, t) in found.items():
        if t.is_meta:
            raise Error(
                f"`{name}` has no data: the module is on the meta device",
                "paring::live::save",
                "move the module to a device first",
            )
        if t.dtype not in NAMES or t.layout != torch.strided:
            raise Error(f"`{name}` is of type {t.dtype}, {t.layout}", "paring::live::save", "safetensors has no such tensors")
        size = t.numel() * t.element_size()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with outputs.replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, t in found.values():
            data = t.detach().cpu().contiguous()
            if data.numel():
                file.write((ctypes.c_char * (data.numel() * data.element_size())).from_address(data.data_ptr()))


def load(path: Union[str, "os.PathLike[str]"], model: nn.Module) -> nn.Module:
    """See :func:`paring.load`."""
    inner = wrappers.unwrapped(model)
    header, start, view = _read(path)
    meta = header.pop("__metadata__", {})
    if meta.get("paring") != VERSION:
        raise Error(
            f"{path} was not written by paring.save", "paring::live::load", "a plain state dict is loaded by load_state_dict"
        )
    try:
        changes = json.loads(meta.get("cut", ""))
        if not isinstance(changes, dict):
            raise ValueError("no map")
    except ValueError as e:
        raise _damaged(path, f"what was cut cannot be read: {e}") from None
    modules = dict(inner.named_modules(remove_duplicate=False))
    with Undo() as undo:
        try:
            record.apply(modules, changes, undo)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise _damaged(path, f"what was cut cannot be applied: {e}") from None
        found = tensors(inner)
        missing, more = [n for n in found if n not in header], [n for n in header if n not in found]
        if missing or more:
            raise Error(
                f"{path} is of another module: " + (f"it lacks `{missing[0]}`" if missing else f"the module has no `{more[0]}`"),
                "paring::live::load",
                "load into a new module of the class that was shrunk, with the configuration that it was built with",
            )
        for name, (_, _, t) in found.items():
            undo.set_data(t, _tensor(path, name, header[name], start, view, t), _same(t.data))
        record.join(inner, changes, undo)
    return model


def _same(t: Tensor) -> Any:
    return lambda: t


def _damaged(path: Any, why: str) -> Error:
    return Error(f"{path} is damaged: {why}", "paring::live::load", "save it again with paring.save")


def _read(path: Union[str, "os.PathLike[str]"]) -> tuple[dict[str, Any], int, memoryview]:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 8:
                raise _damaged(path, "it is too short")
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise _damaged(path, "its header is longer than the file")
            try:
                header = json.loads(file.read(length))
            except (ValueError, RecursionError) as e:
                raise _damaged(path, f"its header cannot be read: {e}") from None
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as e:
        raise Error(f"cannot read {path}: {e}", "paring::format::read", None) from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no map")
    return header, 8 + length, data


def _tensor(path: Any, name: str, entry: Any, start: int, data: memoryview, like: Tensor) -> Tensor:
    try:
        dtype, shape, (begin, end) = DTYPES[entry["dtype"]], [int(n) for n in entry["shape"]], entry["data_offsets"]
        size = dtype.itemsize
        for n in shape:
            size *= n
        if min(shape, default=0) < 0 or not 0 <= begin <= end <= len(data) - start or end - begin != size:
            raise ValueError(f"sizes {shape} and bytes {begin} to {end} do not fit")
    except (KeyError, TypeError, ValueError) as e:
        raise _damaged(path, f"`{name}`: {e}") from None
    if not size:
        return torch.empty(shape, dtype=dtype, device=like.device)
    raw = torch.frombuffer(bytearray(data[start + begin : start + end]), dtype=dtype)
    return raw.view(shape).to(like.device)
