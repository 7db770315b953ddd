"""Files that are written: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Union

from .errors import Error


@contextmanager
def replacing(path: Union[str, os.PathLike[str]]) -> Iterator[IO[bytes]]:
    """A file that gets its name, in the place of an older one, when all of it is written.

    Raises:
        Error: the system does not let it be written.
    """
    target = os.path.realpath(os.fspath(path))  # what a symbolic link points at is replaced, and not the link
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(target), prefix=f".paring-{os.getpid()}-", delete=False) as file:
            temporary = file.name
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as e:
        raise Error(
            f"cannot write {path}: {e}", "paring::format::write", "is there space, and may the folder be written to?"
        ) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
