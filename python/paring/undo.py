"""Changes that are taken back unless all goes well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Undo:
    """A log of changes. ``with Undo() as undo:`` takes back what was done if the block raises."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], Any]] = []

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is not None:
            self.back()
        self._steps.clear()  # what was kept for it is needed no more

    def add(self, step: Callable[[], Any]) -> None:
        """Remembers how to take back what is done next."""
        self._steps.append(step)

    def mark(self) -> int:
        """A point to go back to."""
        return len(self._steps)

    def back(self, mark: int = 0) -> None:
        """Takes back all since a point, the last change first."""
        while len(self._steps) > mark:
            self._steps.pop()()

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Sets an attribute that is no parameter, buffer or module."""
        space = owner.__dict__
        if name in space:
            old = space[name]
            self.add(lambda: space.__setitem__(name, old))
            space[name] = value
        elif hasattr(owner, name) and not isinstance(owner, nn.Module):
            old = getattr(owner, name)  # a property, a slot
            self.add(lambda: setattr(owner, name, old))
            setattr(owner, name, value)
        else:
            self.add(lambda: space.pop(name, None))
            space[name] = value

    def set_class(self, module: nn.Module, cls: type) -> None:
        """Makes a module one of another class."""
        old = module.__class__
        self.add(lambda: setattr(module, "__class__", old))
        module.__class__ = cls

    def set_tensor(self, owner: nn.Module, name: str, value: Any) -> None:
        """Puts another tensor in the place of a parameter or buffer."""
        old = getattr(owner, name)
        self.add(lambda: setattr(owner, name, old))
        setattr(owner, name, value)

    def set_data(self, t: Tensor, new: Tensor, before: Callable[[], Tensor]) -> None:
        """Gives a tensor other data; ``before`` gives the old ones back, if they are needed."""
        grad = t.grad
        self.add(lambda: _restore(t, before, grad))
        t.grad = None
        t.data = new


def _restore(t: Tensor, before: Callable[[], Tensor], grad: Any) -> None:
    t.grad = None
    t.data = before()
    t.grad = grad
