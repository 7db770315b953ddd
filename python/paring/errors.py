"""Errors: what the command line prints, as an exception."""

from __future__ import annotations

import json
from typing import Any, Optional

from . import _paring


class Error(Exception):
    """What went wrong. ``str()`` is the text that the command line would print.

    Attributes:
        code: such as ``paring::masks::shape``; the codes are listed in ``docs/diagnostics.md``.
        help: what to do about it, or None.
        labels: places, each a dict with ``text``, ``file``, ``line``, ``column``, ``offset`` and ``length``.
        message: the first line.
    """

    def __init__(
        self,
        message: str,
        code: str,
        help: Optional[str] = None,
        labels: Optional[list[dict[str, Any]]] = None,
        rendered: Optional[str] = None,
    ) -> None:
        self.message, self.code, self.help, self.labels = message, code, help, labels or []
        self._rendered = rendered
        super().__init__(message, code, help, self.labels, rendered)

    def __str__(self) -> str:
        if self._rendered:
            return self._rendered.rstrip()
        lines = [f"{self.code}: {self.message}"]
        for label in self.labels:
            if label.get("file"):
                lines.append(f"  {label['file']}:{label.get('line', '?')}: {label.get('text') or ''}".rstrip())
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def of_fault(fault: BaseException) -> Error:
    """The exception of an error of the library's."""
    message, code, help, labels, rendered = fault.args
    return Error(message, code or "paring::error", help, json.loads(labels), rendered)


class translated:
    """``with translated():`` turns the library's errors into :class:`Error`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, value: Optional[BaseException], trace: Any) -> None:
        if isinstance(value, _paring.Fault):
            raise of_fault(value) from None


def need_torch() -> None:
    """Says so where PyTorch is missing or too old."""
    try:
        import torch
    except ImportError:
        raise Error(
            "PyTorch is not installed",
            "paring::torch::missing",
            "pip install torch: paring works on its modules; the command `paring` on files needs no PyTorch",
        ) from None
    version = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < (2, 9):
        raise Error(
            f"PyTorch {torch.__version__} is too old",
            "paring::torch::version",
            "pip install 'torch>=2.9': the archives of its torch.export are the ones that paring reads",
        )
