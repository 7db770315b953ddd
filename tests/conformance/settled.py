"""Masks that a program multiplies its weights by, taken with `--masks model`: they end in the weights, and only where that is exact.

Each net is shrunk from its exported form and from its core form, with other policies, from a trace, and some as ONNX. The small program
equals the original with its parameters multiplied by the unified masks, and stores what is listed here: no mask that nothing needs.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn as nn
import torch.nn.utils.prune as prune
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--paring", required=True)
paring = parser.parse_args().paring
folder = tempfile.TemporaryDirectory()
at = pathlib.Path(folder.name)
leaves = torch.utils._pytree.tree_leaves


def ones(*zero, dtype=torch.float64):
    mask = torch.ones(8, 8, dtype=dtype)
    mask[list(zero)] = 0
    return mask


class Masked(nn.Module):
    """Weights `w` and `v`, and masks as buffers of these names."""

    def __init__(self, **masks):
        super().__init__()
        self.w, self.v, self.out = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(8, 8)), nn.Linear(8, 4)
        for name, mask in masks.items():
            self.register_buffer(name, mask)


class Shared(Masked):
    """One mask of truth values for two weights, cast and not."""

    def forward(self, x):
        return self.out((x @ (self.w * self.keep.to(x.dtype)).t()).relu() + (x @ (self.v * self.keep).t()).relu())


class Used(Masked):
    """The same, and the program returns how many ones it has."""

    def forward(self, x):
        return self.out((x @ (self.w * self.keep).t()).relu() + x @ self.v), self.keep.sum()


class Twice(Masked):
    """One weight under two masks."""

    def forward(self, x):
        return self.out((x @ (self.w * self.one).t()).relu() + (x @ (self.w * self.two).t()).relu() + x @ self.v)


class Written(Masked):
    """The masked weight is written to."""

    def forward(self, x):
        w = self.w * self.keep
        w.mul_(2)
        return self.out((x @ w.t()).relu() + x @ self.v)


class Returned(Masked):
    """The masked weight is returned."""

    def forward(self, x):
        w = self.w * self.keep
        return self.out((x @ w.t()).relu() + x @ self.v), w


class Narrow(Masked):
    """The product has another type than the weight."""

    def __init__(self, **masks):
        super().__init__(**masks)
        self.w = nn.Parameter(self.w.float())

    def forward(self, x):
        return self.out((x @ (self.w * self.keep).t()).relu() + x @ self.v)


class Pruned(nn.Module):
    """`torch.nn.utils.prune` on a convolution, its bias, its norm, parts of the next one, where it masks nothing, and where nothing is computed."""

    def __init__(self):
        super().__init__()
        self.c, self.n, self.d, self.e = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3), nn.Linear(4, 4)
        prune.ln_structured(self.c, "weight", 0.5, n=1, dim=0)
        channels = self.c.weight_mask[:, 0, 0, 0]
        for module, name in [(self.c, "bias"), (self.n, "weight"), (self.n, "bias")]:
            prune.custom_from_mask(module, name, channels)
        prune.random_unstructured(self.d, "weight", 0.2)
        prune.identity(self.d, "bias")
        prune.random_unstructured(self.e, "weight", 0.2)

    def forward(self, x):
        return self.d(self.n(self.c(x)).relu())


plain = {"w", "v", "out.weight", "out.bias"}
running = {"n.running_mean", "n.running_var", "n.num_batches_tracked"}
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
flat, image = torch.randn(5, 8), torch.randn(2, 3, 8, 8)
nets = [
    (Shared(keep=ones(0, 1, 5, dtype=torch.bool)), flat, plain, plain),
    (Used(keep=ones(0, 1, 5)), flat, plain | {"keep"}, plain | {"keep"}),
    (Twice(one=ones(0, 1, 5), two=ones(0, 1, 5)), flat, plain, plain),
    (Twice(one=ones(0, 1, 5), two=ones(1, 2)), flat, plain | {"one", "two"}, plain | {"one", "two"}),
    # In core form nothing is written in place, and the mask goes.
    (Written(keep=ones(0, 1, 5)), flat, plain | {"keep"}, plain),
    (Returned(keep=ones(0, 1, 5)), flat, plain | {"keep"}, plain | {"keep"}),
    (Narrow(keep=ones(0, 1, 5)), flat, plain | {"keep"}, plain | {"keep"}),
    (Shared(keep=ones()), flat, None, None),
    (Pruned().eval(), image, *[{f"{m}.{n}" for m in "cnde" for n in ("weight", "bias")} | running] * 2),
]
failed = 0


def tell(good, text):
    global failed
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {text}", flush=True)


def shrink(file, small, *more):
    command = [paring, "speedup", at / file, "--masks", "model", "-o", at / small, "--unified-masks", at / "unified.safetensors", "--quiet"]
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{file}: {done.stderr}")


def masked(net, x):
    keep, before = load_file(at / "unified.safetensors"), {}
    for name, parameter in net.named_parameters():
        if name in keep:
            before[parameter] = parameter.clone()
            parameter.mul_(keep[name])
    result = leaves(net(x))
    for parameter, values in before.items():
        parameter.copy_(values)
    return result


def apart(want, got):
    return max(float((a - b).abs().max()) if a.shape == b.shape else float("inf") for a, b in zip(want, got))


@torch.no_grad()
def main():
    for net, x, exported, core in nets:
        name = f"{type(net).__name__} {sorted(n for n, _ in net.named_buffers())}"
        for form, stored in [("exported", exported), ("core", core)]:
            program = torch.export.export(net, (x,))
            torch.export.save(program.run_decompositions() if form == "core" else program, at / "big.pt2")
            for more in [], ["--on-conflict", "restore"], ["--lossless"]:
                shrink("big.pt2", "small.pt2", *more)
                small = torch.export.load(at / "small.pt2")
                # What masks nothing is no mask.
                names = set(small.state_dict) if stored else plain | {"keep"}
                error = apart(leaves(net(x)) if more == ["--lossless"] else masked(net, x), leaves(small.module()(x)))
                rest = set(small.state_dict) ^ (stored or names)
                tell(error < 1e-12 and not rest, f"{name} {form} {' '.join(more)}: error {error:.1e}, names {sorted(rest)}")
        torch.jit.trace(net, x).save(at / "big.pt")
        shrink("big.pt", "small.pt")
        error = apart(masked(net, x), leaves(torch.jit.load(at / "small.pt")(x)))
        tell(error < 1e-12, f"{name} traced: error {error:.1e}")
    torch.set_default_dtype(torch.float32)
    net, x = Pruned().eval(), image.float()
    torch.onnx.export(net, (x,), at / "dynamo.onnx", dynamo=True, optimize=False, verbose=False)
    torch.onnx.export(net, (x,), at / "script.onnx", dynamo=False, do_constant_folding=False)
    for file in ["dynamo.onnx", "script.onnx"]:
        shrink(file, "small.onnx")
        onnx.checker.check_model(onnx.load(at / "small.onnx"), full_check=True)
        left = {i.name: list(i.dims) for i in onnx.load(at / "small.onnx").graph.initializer}
        session = onnxruntime.InferenceSession(at / "small.onnx")
        got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        error = float(np.abs(got - net(x).numpy()).max())
        # The older exporter stores equal tensors once, and then a mask is read elsewhere too.
        masks = [n for n in left if n.endswith("_mask") and file == "dynamo.onnx"]
        small = [d for d in left.values() if d == [4, 3, 3, 3]]
        tell(error < 1e-5 and not masks and small, f"{file}: error {error:.1e}, masks {masks}")


main()
folder.cleanup()
sys.exit(1 if failed else 0)
