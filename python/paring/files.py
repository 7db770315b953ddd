"""Modules in files: safetensors with the weights, and with what was cut as JSON in its metadata."""

from __future__ import annotations

import ctypes
import json
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
    with Stored(path) as stored:
        return _load(stored, model)


def _load(stored: Stored, model: nn.Module) -> nn.Module:
    path, header = stored.path, stored.header
    inner = wrappers.unwrapped(model)
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
            undo.set_data(t, stored.tensor(name).to(t.device), _same(t.data))
        stored.unchanged()
        record.join(inner, changes, undo)
    return model


def _same(t: Tensor) -> Any:
    return lambda: t


def _damaged(path: Any, why: str) -> Error:
    return Error(f"{path} is damaged: {why}", "paring::live::load", "save it again with paring.save")


class Stored:
    """An open safetensors file. It is read and not mapped: a mapped file that gets shorter ends the process."""

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self.path = path
        try:
            self.file = open(path, "rb", buffering=0)
        except OSError as e:
            raise self._unreadable(e) from None
        try:
            self._begin()
        except BaseException:
            self.file.close()
            raise

    def _begin(self) -> None:
        self.about = os.fstat(self.file.fileno())
        size = self.about.st_size
        if size < 8:
            raise _damaged(self.path, "it is too short")
        length = int.from_bytes(self._bytes(0, 8), "little")
        if length > size - 8:
            raise _damaged(self.path, "its header is longer than the file")
        try:
            header = json.loads(self._bytes(8, length))
        except (ValueError, RecursionError) as e:
            raise _damaged(self.path, f"its header cannot be read: {e}") from None
        if not isinstance(header, dict):
            raise _damaged(self.path, "its header is no map")
        self.header: dict[str, Any] = header
        self.start = 8 + length

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def unchanged(self) -> None:
        """An error if somebody wrote to the file since it was opened."""
        now = os.fstat(self.file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.about.st_size, self.about.st_mtime_ns):
            raise self._changed()

    def tensor(self, name: str) -> Tensor:
        """A tensor, in memory of its own."""
        try:
            entry = self.header[name]
            dtype, shape, (begin, end) = DTYPES[entry["dtype"]], [int(n) for n in entry["shape"]], entry["data_offsets"]
            size = dtype.itemsize
            for n in shape:
                size *= n
            there = self.about.st_size - self.start
            if min(shape, default=0) < 0 or not 0 <= begin <= end <= there or end - begin != size:
                raise ValueError(f"sizes {shape} and bytes {begin} to {end} do not fit")
        except (KeyError, TypeError, ValueError) as e:
            raise _damaged(self.path, f"`{name}`: {e}") from None
        if not size:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._bytes(self.start + begin, size), dtype=dtype).view(shape)

    def _bytes(self, at: int, count: int) -> bytearray:
        data = bytearray(count)
        view, done = memoryview(data), 0
        try:
            self.file.seek(at)
            while done < count:
                read = self.file.readinto(view[done:])
                if not read:
                    raise self._changed()
                done += read
        except OSError as e:
            raise self._unreadable(e) from None
        return data

    def _unreadable(self, e: OSError) -> Error:
        return Error(f"cannot read {self.path}: {e}", "paring::format::read", None)

    def _changed(self) -> Error:
        return Error(
            f"{self.path} changed while it was read; nothing was done",
            "paring::file::changed",
            "load it again when nothing else writes to the file",
        )
