"""Groups of coupled positions: the axes that parameters share, as objects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional, Union

import torch
from torch import Tensor, nn

from . import _paring, exported, programs, wrappers
from .errors import translated


class Places:
    """Which indices of a dimension each position is, and how to gather them."""

    def __init__(self, data: Mapping[str, Any], positions: int) -> None:
        self.data, self.positions = data, positions
        self._tables: dict[torch.device, tuple[Tensor, Optional[Tensor]]] = {}

    def at(self, position: int) -> list[int]:
        """The indices of a position."""
        if "lists" in self.data:
            return list(self.data["lists"][position])
        start, step, run, times, every = (self.data[k] for k in ("start", "step", "run", "times", "every"))
        return [start + position * step + k + t * every for t in range(times) for k in range(run)]

    def gather(self, t: Tensor, dim: int) -> Tensor:
        """``t`` with the positions first. A view where the positions lie in equal steps."""
        if "lists" not in self.data:
            start, step, run, times, every = (self.data[k] for k in ("start", "step", "run", "times", "every"))
            apart: Tensor
            if run == step and times == 1:
                part = t.narrow(dim, start, self.positions * step)
                apart = part if step == 1 else part.unflatten(dim, (self.positions, step))
                return apart.movedim(dim, 0)
            if run == step and every == self.positions * step:
                part = t.narrow(dim, start, times * every)
                apart = part.unflatten(dim, (times, self.positions, step))
                return apart.movedim(dim + 1, 0)
        if t.device not in self._tables:
            lists = [self.at(j) for j in range(self.positions)]
            most = max(map(len, lists))
            table = torch.tensor([(i + [0] * most)[:most] for i in lists], device=t.device)
            there = None
            if any(len(i) < most for i in lists):  # positions that stay in any case are not listed
                there = torch.tensor([[k < len(i) for k in range(most)] for i in lists], device=t.device)
            self._tables[t.device] = (table, there)
        table, there = self._tables[t.device]
        found: Tensor = t.index_select(dim, table.flatten()).unflatten(dim, tuple(table.shape)).movedim((dim, dim + 1), (0, 1))
        if there is not None:
            found = found * there.view(*there.shape, *[1] * (found.dim() - 2)).to(found.dtype)
        return found


class Member:
    """A dimension of a parameter, buffer or constant that has a group's axis.

    Attributes:
        axis: ``conv.weight[0]``.
        tensor, dim: the two parts of that.
        role: ``"makes"`` (output channels), ``"follows"`` or ``"reads"`` (input channels).
        part: how the axis lies in the dimension, in words; None where it is all of it.
        same_as: of a tied parameter, the name under which it counts.
    """

    def __init__(self, data: Mapping[str, Any], size: int, outer: int) -> None:
        self.axis: str = data["axis"]
        self.tensor: str = data["tensor"]
        self.dim: int = data["dim"]
        self.role: str = data["role"]
        self.part: Optional[str] = data["part"]
        self.same_as: Optional[str] = data.get("same_as")
        self.gain: bool = data["gain"]
        self.activation: Optional[Mapping[str, Any]] = data.get("activation")
        self._size, self._outer = size, outer
        self._within: Optional[Mapping[str, int]] = data.get("within")
        places = data.get("indices")
        self._places = None if places is None or not size else Places(places, size if self._within else size * outer)

    @property
    def located(self) -> bool:
        """Whether it is known which indices the positions are."""
        return self._places is not None

    def indices(self, position: int) -> list[int]:
        """The indices of a position in the dimension."""
        if self._places is None:
            return []
        return self._places.at(position % self._size if self._within else position)

    def gather(self, t: Tensor) -> Tensor:
        """``[positions, …]``: what lies at each position of a tensor of the parameter's sizes. Differentiable."""
        assert self._places is not None, "it is not known where the positions are"
        if self._within is None:
            return self._places.gather(t, self.dim)
        w = self._within["dim"]
        t = t.unflatten(w, (-1, self._outer, self._within["run"]))
        dim, outer = (self.dim + 2 if self.dim > w else self.dim), w + 1
        found = self._places.gather(t, dim)  # [size, …]
        added = found.dim() - t.dim() + 1  # dimensions that are first now
        outer = added + (outer if outer < dim else outer - 1)
        return found.movedim(outer, 0).flatten(0, 1)

    def __repr__(self) -> str:
        return f"<{self.axis} {self.role}{f', {self.part}' if self.part else ''}>"


class Group:
    """Positions that stay or go together, in all that has them.

    Attributes:
        id, name: as ``paring analyze`` shows them.
        size, outer: positions in each outer one (head, group of a convolution), and how many of those there are: 1, unless each may lose others.
        positions: of all outer ones together.
        kind: ``"width"``, or ``"heads"`` where positions of other groups lie in each.
        inside: the id of the heads that the positions lie in, or None.
        prunable: parameters make it, and nothing locks it as a whole.
        locked: why it cannot shrink, or None.
        members: :class:`Member`.
        parameters: how many lie along it.
        worth: a dict: what ``"parameters"`` and ``"macs"`` the removal of one position saves.
    """

    def __init__(self, data: Mapping[str, Any], model: nn.Module) -> None:
        self.id: int = data["id"]
        self.name: str = data["name"]
        size = data["size"] if isinstance(data["size"], int) else 0
        self.size, self.outer = size, int(data["outer"])
        self.positions: int = size * self.outer
        self.kind: str = data["kind"]
        self.inside: Optional[int] = data.get("inside")
        self.prunable: bool = data["prunable"]
        self.locked: Optional[str] = data["locked"]["why"] if data["locked"] else None
        self.members = [Member(m, size, self.outer) for m in data["members"]]
        self.parameters: int = data["parameters"]
        self.worth: dict[str, int] = dict(data["worth"])
        self._model = model

    def _own(self) -> dict[str, Tensor]:
        named = dict(self._model.named_parameters(remove_duplicate=False))
        return {m.tensor: named[m.tensor] for m in self.members if m.tensor in named}

    def select(
        self, tensors: Optional[Mapping[str, Tensor]] = None, roles: Sequence[str] = ("makes", "follows", "reads")
    ) -> dict[str, Tensor]:
        """What lies at each position: axis of a member → ``[positions, …]``.

        Args:
            tensors: name of a parameter → a tensor of its sizes: weights, gradients, anything; those of the model, if left out. Members that
                are not in it are left out, and so are tied ones under their second names.
            roles: which members.

        Returns:
            Views where positions lie in equal steps; gradients flow back through them.
        """
        given = self._own() if tensors is None else tensors
        chosen = [m for m in self.members if m.located and m.same_as is None and m.role in roles and m.tensor in given]
        return {m.axis: m.gather(given[m.tensor]) for m in chosen}

    def norms(
        self,
        tensors: Optional[Mapping[str, Tensor]] = None,
        p: float = 2,
        roles: Sequence[str] = ("makes", "follows", "reads"),
    ) -> Tensor:
        """The norm of all that lies at a position, for each: ``[positions]``."""
        parts = [
            torch.linalg.vector_norm(t, p, dim=tuple(range(1, t.dim()))) if t.dim() > 1 else t.abs()
            for t in self.select(tensors, roles).values()
        ]
        if not parts:
            return torch.zeros(self.positions)
        whole: Tensor = parts[0] if len(parts) == 1 else torch.linalg.vector_norm(torch.stack(parts), p, dim=0)
        return whole

    def norm(
        self,
        tensors: Optional[Mapping[str, Tensor]] = None,
        p: float = 2,
        roles: Sequence[str] = ("makes", "follows", "reads"),
    ) -> Tensor:
        """The sum of :meth:`norms`: a group lasso's term for the axis."""
        return self.norms(tensors, p, roles).sum()

    def __len__(self) -> int:
        return self.positions

    def __repr__(self) -> str:
        state = f", locked: {self.locked}" if self.locked else "" if self.prunable else ", not prunable"
        return f"<paring.Group {self.id}: {self.name}, {self.positions} positions, {len(self.members)} members{state}>"


class Groups(Sequence[Group]):
    """The groups of a module, in the order of the network. Indexed by number, or by a name of :meth:`named`."""

    def __init__(self, found: list[Group], program: "Program") -> None:
        self._all, self.program = found, program

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            found = self.named(key)
            if not found:
                raise KeyError(key)
            return found[0]
        return self._all[key]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._all)

    @property
    def prunable(self) -> list[Group]:
        """Those that pruning can choose from."""
        return [g for g in self._all if g.prunable]

    def named(self, name: str) -> list[Group]:
        """Those with an axis ``conv.weight[0]``, or that a parameter or module of this name makes."""
        exact = [g for g in self._all if g.name == name or any(m.axis == name for m in g.members)]
        made = [
            g
            for g in self._all
            if any(m.role == "makes" and (m.tensor == name or m.tensor.startswith(name + ".")) for m in g.members)
        ]
        return exact or made

    def __repr__(self) -> str:
        return f"<{len(self)} groups of paring, {len(self.prunable)} of them prunable>"


class Program:
    """An exported module as the library reads it, with what it was exported with."""

    def __init__(
        self,
        model: nn.Module,
        args: Any,
        kwargs: Optional[Mapping[str, Any]],
        *,
        freeze: Sequence[str] = (),
        rules: Sequence[Union[str, "os.PathLike[str]"]] = (),
        dynamic_shapes: Any = None,
        strict: bool = False,
    ) -> None:
        self.model = wrappers.unwrapped(model)
        self.args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        self.kwargs = dict(kwargs or {})
        self.exported = exported.export(self.model, self.args, self.kwargs, dynamic_shapes, strict)
        archive = exported.archive(self.exported)
        with translated():
            self.library = _paring.Program(archive, [os.fspath(r) for r in rules], list(freeze))
            self.data: dict[str, Any] = json.loads(self.library.groups())
        self.groups = Groups([Group(g, self.model) for g in self.data["groups"]], self)


def groups(
    model: nn.Module,
    args: Any = (),
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    freeze: Sequence[str] = (),
    rules: Sequence[Union[str, "os.PathLike[str]"]] = (),
    dynamic_shapes: Any = None,
    strict: bool = False,
) -> Groups:
    """The axes of a module whose positions are coupled: what must shrink together.

    ``group.select(tensors)`` gathers what lies at each position of a group, so that scores and penalties are a line each::

        groups = paring.groups(model, (example,))
        loss = criterion(model(x), y) + 1e-4 * sum(g.norm() for g in groups.prunable)

    Args:
        model, args, kwargs: the module, and an example of what it is called with.
        freeze, rules, dynamic_shapes, strict: as :func:`paring.speedup` takes them.

    Raises:
        Error: a module that cannot be exported.
    """
    programs.of_modules(
        "groups", model, "`paring analyze MODEL --json` prints those of a file; paring.prune and paring.masks take files"
    )
    return Program(model, args, kwargs, freeze=freeze, rules=rules, dynamic_shapes=dynamic_shapes, strict=strict).groups
