"""Exporting a module without its weights: the archive that the library reads."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.utils import _pytree as pytree

from .errors import Error

log = logging.getLogger("paring")

LARGEST_BUFFER = 1 << 22
"""Buffers of more elements are not looked at; the library has the same limit."""


class Open:
    """Dynamic shapes that leave all sizes open which the code leaves open, or only the ``first`` of each tensor."""

    def __init__(self, first: bool) -> None:
        self.first = first

    def of(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As ``torch.export`` takes them, by the names that the forward has now."""
        shapes = torch.export.ShapesCollection()
        for t in pytree.tree_leaves((args, kwargs)):
            if isinstance(t, Tensor) and t.dim():
                shapes[t] = {d: torch.export.Dim.AUTO for d in range(1 if self.first else t.dim())}
        return shapes.dynamic_shapes(model, args, kwargs)


def has_open_sizes(program: torch.export.ExportedProgram) -> bool:
    """Whether a program takes inputs of other sizes than those of its example."""
    inputs = set(program.graph_signature.user_inputs)
    values = [n.meta.get("val") for n in program.graph.nodes if n.op == "placeholder" and n.name in inputs]
    return any(not is_concrete_int(n) for v in values if isinstance(v, Tensor) for n in v.shape)


class ExportFailed(Error):
    """The module cannot be exported; ``frames`` are those of the failure, outermost first."""

    def __init__(self, cause: BaseException) -> None:
        self.frames = list(traceback.walk_tb(cause.__traceback__))
        own = [f for f in traceback.extract_tb(cause.__traceback__) if "/torch/" not in f.filename.replace("\\", "/")]
        own = [f for f in own if "/paring/" not in f.filename.replace("\\", "/")] or own
        labels = [{"text": (f.line or "").strip(), "file": f.filename, "line": f.lineno} for f in own[-1:]]
        lines = [line for line in str(cause).strip().splitlines() if line.strip()]
        message = lines[0] if lines else type(cause).__name__
        super().__init__(
            f"torch.export cannot trace the module: {type(cause).__name__}: {message[:400]}",
            "paring::live::export",
            "the model must return tensors, or plain containers of them: a model that returns a cache takes use_cache=False among its arguments"
            if "not a known type" in message
            else "code that branches on values of tensors, or calls .item(), is what usually stops it: rewrite that with torch.where or "
            "torch.cond, or pass what it depends on as an argument; strict=True traces some of what strict=False does not, and "
            "dynamic_shapes is needed where sizes must stay open",
            labels,
        )


@contextlib.contextmanager
def evaluating(model: nn.Module, fused: bool = False) -> Iterator[None]:
    """The module in evaluation mode, and afterwards each of its modules in the mode that it was in."""
    modes = [(m, m.training) for m in model.modules()]
    before = torch.backends.mha.get_fastpath_enabled()
    try:
        for m, _ in modes:
            m.training = False
        torch.backends.mha.set_fastpath_enabled(fused and before)  # the fused operators of inference are not those of the module
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
        for m, mode in modes:
            m.training = mode


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without PyTorch's warnings, logs and prints: a failing export is no news here."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def export(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    dynamic_shapes: Any,
    strict: bool,
    preserve: Sequence[str] = (),
) -> torch.export.ExportedProgram:
    """The module as ``torch.export`` sees it, in evaluation mode. ``preserve`` are modules whose arguments are recorded.

    Raises:
        ExportFailed: what PyTorch raised, with its frames.
    """
    with evaluating(model):
        return trace(model, args, kwargs, dynamic_shapes, strict, preserve)


def trace(
    model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], dynamic_shapes: Any, strict: bool, preserve: Sequence[str] = ()
) -> torch.export.ExportedProgram:
    """The same in whatever mode it is in."""
    with quiet(), torch.no_grad():
        try:
            if isinstance(dynamic_shapes, Open):
                dynamic_shapes = dynamic_shapes.of(model, tuple(args), kwargs)
            return torch.export.export(
                model,
                tuple(args),
                kwargs,
                dynamic_shapes=dynamic_shapes,
                strict=strict,
                preserve_module_call_signature=tuple(preserve),
            )
        except Exception as e:  # whatever the user's code or the exporter raise
            raise ExportFailed(e) from e


def in_training(
    model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], dynamic_shapes: Any, strict: bool, preserve: Sequence[str] = ()
) -> torch.export.ExportedProgram:
    """The module as it is while it trains; its buffers stay what they are. Of an example of one, which batch norms do not take, there are two.

    Raises:
        ExportFailed: what PyTorch raised.
    """
    modes = [(m, m.training) for m in model.modules()]
    try:
        for m, _ in modes:
            m.training = True
        with buffers_kept(model):
            try:
                return trace(model, args, kwargs, dynamic_shapes, strict, preserve)
            except ExportFailed:
                if dynamic_shapes is not None or not of_one(args, kwargs):
                    raise
                return trace(model, twice(tuple(args)), twice(kwargs), dynamic_shapes, strict, preserve)
    finally:
        for m, mode in modes:
            m.training = mode


@contextlib.contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards the buffers hold what they did, whatever a run writes to them."""
    buffers = [(b, b.detach().clone()) for b in model.buffers() if not b.is_meta]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in buffers:
                if not torch.equal(buffer, old):
                    buffer.copy_(old)


def of_one(*given: Any) -> bool:
    """Whether these are an example of one: tensors whose first size is 1."""
    tensors = [t for t in pytree.tree_leaves(given) if isinstance(t, Tensor)]
    return bool(tensors) and all(t.dim() > 0 and t.shape[0] == 1 for t in tensors)


def twice(given: Any) -> Any:
    """The same example again behind it."""
    return pytree.tree_map(lambda t: torch.cat([t, t]) if isinstance(t, Tensor) else t, given)


def stub(t: Tensor) -> Tensor:
    """One element in the place of all: no memory, the same sizes and type."""
    if not t.numel():
        return torch.empty(t.shape, dtype=t.dtype)
    return torch.zeros(1, dtype=t.dtype).as_strided(t.shape, [0] * t.dim())


def archive(program: torch.export.ExportedProgram, whole: bool = False) -> bytes:
    """The program as ``torch.export.save`` writes it, with one element in the place of each weight unless ``whole``."""
    kept: dict[Any, Tensor] = {}

    def small(name: str, t: Any, parameter: bool) -> Any:
        if not isinstance(t, Tensor) or whole:
            return t
        if not parameter and t.numel() <= LARGEST_BUFFER and not t.is_meta and t.layout == torch.strided:
            return t
        # Tied tensors stay tied: they are the same memory, or (without memory) the same object.
        place = t.untyped_storage().data_ptr() if not t.is_meta else 0
        key = (place, t.storage_offset(), tuple(t.shape), tuple(t.stride()), t.dtype) if place else id(t)
        if key not in kept:
            kept[key] = stub(t)
        return nn.Parameter(kept[key], t.requires_grad) if isinstance(t, nn.Parameter) else kept[key]

    parameters = set(program.graph_signature.parameters)
    state, constants = dict(program.state_dict), dict(program.constants)
    try:
        for name, t in state.items():
            program.state_dict[name] = small(name, t, name in parameters)
        for name, t in constants.items():
            program.constants[name] = small(name, t, False)
        out = io.BytesIO()
        name_tuples(program)
        with quiet():
            torch.export.save(program, out)
        return out.getvalue()
    finally:
        program.state_dict.update(state)
        program.constants.update(constants)


def name_tuples(program: torch.export.ExportedProgram) -> None:
    """Gives the named tuples that a program takes or returns the names without which it cannot be written."""

    def types(spec: Any) -> Iterator[type]:
        context = getattr(spec, "context", None)
        if isinstance(context, type) and issubclass(context, tuple):
            yield context
        for child in spec.children() if callable(getattr(spec, "children", None)) else spec.children_specs:
            yield from types(child)

    for entry in program.module_call_graph:
        for spec in (entry.signature.in_spec, entry.signature.out_spec) if entry.signature is not None else ():
            for cls in types(spec):
                if cls not in pytree.SUPPORTED_NODES:
                    pytree._register_namedtuple(cls, serialized_type_name=f"{cls.__module__}.{cls.__qualname__}")


def load(data: bytes) -> torch.export.ExportedProgram:
    """The program of an archive in memory."""
    with quiet():
        return torch.export.load(io.BytesIO(data))


def failing_module(failure: ExportFailed, names: dict[int, str]) -> list[str]:
    """The modules whose code was running when the export failed, innermost first. ``names`` are those of modules by id."""
    found: list[str] = []
    for frame, _ in reversed(failure.frames):
        owner: Optional[Any] = frame.f_locals.get("self")
        name = names.get(id(owner)) if isinstance(owner, nn.Module) else None
        if name is not None and name not in found:
            found.append(name)
    return found
