"""What PyTorch says of a run: the small model gives what the masked original gives."""

import logging
import resource
import subprocess
import time

import torch
from safetensors.torch import load_file

logging.disable(logging.CRITICAL)  # PyTorch says much of what it does not load

MEMORY = 600 << 20  # the program asks for a stack of 256 MB; the rest is little
SECONDS = 10  # of processor time; on a quiet machine none takes two


class Wrong(Exception):
    """The program does what it must not."""


def limits():
    """Of memory and time, for one run."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(paring, *args, cwd):
    """The exit status: 0 or 1. Everything else is wrong, and an error without code and help is."""
    begin = time.monotonic()
    done = subprocess.run([paring, *args], cwd=cwd, preexec_fn=limits, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise Wrong(f"exit status {done.returncode} after {time.monotonic() - begin:.1f} s: {done.stderr[:2000]}")
    if done.returncode == 1 and ("paring::" not in done.stderr or "help:" not in done.stderr):
        raise Wrong(f"an error without code or help: {done.stderr[:2000]}")
    if len(done.stderr) > 1 << 16:
        raise Wrong(f"{len(done.stderr)} bytes of an error")
    return done.returncode


def load(path):
    """A program that PyTorch takes; None otherwise."""
    try:
        return torch.export.load(path).module()
    except Exception:
        return None


def outputs(module, inputs):
    """What a program gives; None where PyTorch refuses."""
    try:
        with torch.no_grad():
            out = module(*inputs)
    except Exception:
        return None
    return [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]


def mask(module, masks):
    """Multiplies parameters by masks; False where that cannot be done."""
    named = dict(module.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, keep in masks.items():
            if name not in named or named[name].shape != keep.shape:
                return False
            # A damaged parameter's elements may share memory.
            named[name].data = named[name].data.clone(memory_format=torch.contiguous_format).masked_fill_(keep == 0, 0)
    return True


def compare(original, small, unified, inputs):
    """Says what was to be seen: "equal", or why nothing was. Anything else is wrong."""
    before = load(original)
    if before is None:
        return "PyTorch does not load it"
    if not mask(before, load_file(unified)):
        return "its masks are of other tensors"
    expected = outputs(before, inputs)
    if expected is None:
        return "PyTorch does not run it"
    after = load(small)
    if after is None:
        raise Wrong("PyTorch loads the original and not the small model")
    found = outputs(after, inputs)
    if found is None or len(found) != len(expected):
        raise Wrong("PyTorch runs the original and not the small model")
    for a, b in zip(expected, found, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Wrong(f"{b.dtype} {tuple(b.shape)} in the place of {a.dtype} {tuple(a.shape)}")
        if not torch.allclose(a.to(torch.complex128), b.to(torch.complex128), rtol=1e-3, atol=1e-4, equal_nan=True):
            raise Wrong(f"outputs differ by {(a.double() - b.double()).abs().max().item()}")
    return "equal"
