#!/usr/bin/env python3
"""Writes rules/aten.schemas: the schema of every aten operator that PyTorch knows, and of torchvision's, one overload a line,
sorted.

  tools/make_schemas.py > rules/aten.schemas

The program reads argument names, defaults, and which operand an operator writes or views from it.
"""

import torch
import torchvision  # registers its operators


def main():
    known = ("aten::", "torchvision::")
    schemas = {str(s) for s in torch._C._jit_get_all_schemas() if s.name.startswith(known)}
    schemas |= {str(getattr(packet, o)._schema) for packet in packets() for o in packet.overloads()}
    versions = [m.__version__.split("+")[0] for m in (torch, torchvision)]
    print("# operators of PyTorch {} and torchvision {}, made by tools/make_schemas.py".format(*versions))
    print("\n".join(sorted(schemas)))


def packets():
    """Operators that are registered from Python only (sym_size and its like)."""
    for name in sorted(dir(torch.ops.aten)):
        packet = getattr(torch.ops.aten, name)
        if hasattr(packet, "overloads"):
            yield packet


if __name__ == "__main__":
    main()
