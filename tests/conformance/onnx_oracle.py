#!/usr/bin/env python3
"""Outside judge for ONNX: shrinks exported models with the program, and compares small and masked original in onnxruntime.

  onnx_oracle.py --paring target/release/paring net/qkv tv/resnet18 @hf          --exporter dynamo|torchscript --opset 18
  onnx_oracle.py --paring … FILE.onnx --masks random                             (a file of your own: inputs are drawn from its types)

Masks go by initializer: every odd (parity) or half of (random) the output channels of each Conv, ConvTranspose, Gemm and MatMul with a stored
weight, but those of the last such node. Passes if the program ends with 0, the small file passes onnx.checker (full), the outputs equal those of
the original with its initializers times the unified masks (relative to what another input changes), no output channel is gone from a layer whose mask
keeps it, and no more is left than --max-left.
Needs torch, onnx, onnxscript, onnxruntime, safetensors.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle

HERE = os.path.dirname(os.path.abspath(__file__))


def export(zoo, name, a, folder):
    """The path of the exported model; what does not export leaves its reason in the cache."""
    path = os.path.join(a.cache or folder, f"{name.replace('/', '_')}-{a.exporter}-{a.opset}.onnx")
    if os.path.exists(path + ".txt"):
        raise RuntimeError(open(path + ".txt").read())
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        model, args, kwargs = zoo.build(name)
        new = os.path.join(folder, "model.onnx")
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                torch.onnx.export(model, args, new, kwargs=kwargs or None, dynamo=a.exporter == "dynamo", opset_version=a.opset)
        except Exception as e:
            reason = f"{type(e).__name__}: {' '.join(str(getattr(e, '__cause__', None) or e).split())[:300]}"
            if a.cache:
                open(path + ".txt", "w").write(reason)
            raise RuntimeError(reason) from e
        one = onnx.load(new)  # weights of more than a few bytes are in a file beside
        large = one.ByteSize() > 1 << 30
        onnx.save(one, path, save_as_external_data=large, location=os.path.basename(path) + ".data" if large else None)
    return path


def layers(graph):
    """(initializer, axis of the output channels, groups) of each layer with a stored weight, in order."""
    stored = {i.name: list(i.dims) for i in graph.initializer}
    for n in graph.node:
        attrs = {a.name: a for a in n.attribute}
        if n.op_type in ("Conv", "ConvTranspose") and n.input[1] in stored:
            groups = attrs["group"].i if "group" in attrs else 1
            if n.op_type == "Conv" or groups == 1:
                yield n.input[1], 0 if n.op_type == "Conv" else 1
        elif n.op_type == "Gemm" and n.input[1] in stored:
            yield n.input[1], 0 if "transB" in attrs and attrs["transB"].i else 1
        elif n.op_type == "MatMul" and n.input[1] in stored and len(stored[n.input[1]]) == 2:
            yield n.input[1], 1


def masks_of(model, kind):
    """Masks for all layers but the last, and the axis of each."""
    found = dict(layers(model.graph))
    return masks_along(model, dict(list(found.items())[:-1]), kind), found


def masks_along(model, axes, kind):
    """Masks that drop every other or half of the positions along these axes of initializers, never the first."""
    g, masks = np.random.default_rng(2), {}
    dims = {i.name: list(i.dims) for i in model.graph.initializer}
    for name, axis in axes.items():
        n = dims[name][axis]
        keep = np.arange(n) % 2 == 0 if kind == "parity" else g.random(n) >= 0.5
        keep[0] = True
        shape = [1] * len(dims[name])
        shape[axis] = n
        masks[name] = np.ascontiguousarray(np.broadcast_to(keep.reshape(shape), dims[name])).astype(np.uint8)
    return masks


def inputs_of(model, seed):
    g, feeds = np.random.default_rng(seed), {}
    stored = {i.name for i in model.graph.initializer}
    for i in model.graph.input:
        if i.name in stored:
            continue
        t = i.type.tensor_type
        shape = [d.dim_value or 2 for d in t.shape.dim]
        kind = onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)
        feeds[i.name] = g.standard_normal(shape).astype(kind) if np.issubdtype(kind, np.floating) else g.integers(0, 2 if kind == bool else 20, shape).astype(kind)
    return feeds


def run(path, feeds):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.log_severity_level = 1, 4
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"]).run(None, feeds)


def weights(model):
    return sum(int(np.prod(i.dims)) for i in model.graph.initializer if i.data_type in (1, 10, 11, 16))


def check(src, kind, a, d):
    original = onnx.load(src)
    given, axes = masks_of(original, kind)
    f = {k: os.path.join(d, k) for k in ("masks.safetensors", "small.onnx", "unified.safetensors", "masked.onnx")}
    save_file(given, f["masks.safetensors"])
    p = subprocess.run([a.paring, "speedup", src, "--masks", f["masks.safetensors"], "-o", f["small.onnx"], "--unified-masks", f["unified.safetensors"], *a.extra], capture_output=True, text=True, timeout=300)
    if p.returncode:
        return {"error": f"exit {p.returncode}: " + (p.stderr or p.stdout).strip()[-500:]}
    onnx.checker.check_model(f["small.onnx"], full_check=True)
    small, unified = onnx.load(f["small.onnx"]), load_file(f["unified.safetensors"])
    r = {"left": round(weights(small) / weights(original), 4)}
    for name, axis in axes.items():
        if name in unified:
            gone = ~np.moveaxis(unified[name] != 0, axis, 0).reshape(unified[name].shape[axis], -1).any(1)
            dropped = ~np.moveaxis(given[name] != 0, axis, 0).reshape(given[name].shape[axis], -1).any(1) if name in given else np.zeros_like(gone)
            if (gone & ~dropped).any():
                return {**r, "error": f"channels that no mask drops are gone: {name}"}
    for i in original.graph.initializer:
        if i.name in unified:
            w = numpy_helper.to_array(i)
            i.CopyFrom(numpy_helper.from_array((w * unified[i.name].astype(w.dtype)).astype(w.dtype), i.name))
    onnx.save(original, f["masked.onnx"], save_as_external_data=original.ByteSize() > 1 << 30)
    r.update(compare(run, f, original))
    if getattr(a, "double", False) and "error" not in r and r["max_rel_err"] > a.tolerance:
        import onnx_double

        r["float32"] = r.pop("max_rel_err")
        r.update(compare(onnx_double.run, f, original))
    return r


def compare(run, f, original):
    """The small model and the masked original on one input, relative to what another changes."""
    one, two = inputs_of(original, 0), inputs_of(original, 1)
    worst = 0.0
    for want, got, moved in zip(run(f["masked.onnx"], one), run(f["small.onnx"], one), run(f["masked.onnx"], two)):
        if want.shape != got.shape:
            return {"error": f"an output of {got.shape} where the original has {want.shape}"}
        if np.issubdtype(want.dtype, np.floating) and want.size:
            scale = max(min(np.abs(want).max(), np.abs(want - moved).max()), 1e-9)
            worst = max(worst, float(np.abs(want - got).max() / scale))
    return {"max_rel_err": float(f"{worst:.3g}")}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--paring", required=True)
    ap.add_argument("--zoo", default=os.path.join(HERE, "zoo.py"))
    ap.add_argument("--masks", default="parity", choices=["parity", "random"])
    ap.add_argument("--exporter", default="dynamo", choices=["dynamo", "torchscript"])
    ap.add_argument("--opset", type=int, default=18)
    ap.add_argument("--tolerance", type=float, default=1e-3)
    ap.add_argument("--double", action="store_true", help="what differs by more than the tolerance is compared again in 64-bit floats, by onnx.reference")
    ap.add_argument("--cache", help="keep exported models here and use them again")
    ap.add_argument("--max-left", type=float, default=0.995, help="fail a model that keeps more than this share of its weights")
    ap.add_argument("--extra", nargs=argparse.REMAINDER, default=[])
    a = ap.parse_args()
    zoo, good, bad, skipped = oracle.load_zoo(a.zoo), 0, 0, 0
    for name in [n for m in a.models for n in (zoo.LISTS[m[1:]] if m.startswith("@") else [m])]:
        with tempfile.TemporaryDirectory() as d:
            try:
                src = name if name.endswith(".onnx") else export(zoo, name, a, d)
            except Exception as e:
                skipped += 1
                print("skip", f"model={name} exporter={a.exporter} opset={a.opset} does not export: {e}", flush=True)
                continue
            try:
                r = check(src, a.masks, a, d)
            except Exception as e:
                r = {"error": f"{type(e).__name__}: {e}"[:400]}
        ok = "error" not in r and r["max_rel_err"] <= a.tolerance and r["left"] <= a.max_left
        good, bad = good + ok, bad + (not ok)
        print("ok  " if ok else "FAIL", f"model={name} exporter={a.exporter} opset={a.opset} masks={a.masks}", " ".join(f"{k}={v}" for k, v in r.items()), flush=True)
    print(f"{good} passed, {bad} failed, {skipped} skipped")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
