"""The forms in which people have masks: each gives the small model that safetensors masks of the same content give.

resnet18, ln_structured on every layer but the last: masks of NNI's form, the state dict and the exported program that
torch.nn.utils.prune leaves, and zeros in the weights.
"""

import argparse
import copy
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import torch.nn.utils.prune as prune
import torchvision
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--paring", required=True)
paring = parser.parse_args().paring

folder = tempfile.TemporaryDirectory()
at = pathlib.Path(folder.name)
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
model = torchvision.models.resnet18().eval()
x = torch.randn(2, 3, 64, 64)


def export(name):
    torch.export.save(torch.export.export(model, (x,)), at / name)


def small(model_file, masks, *more):
    command = [paring, "speedup", at / model_file, "--masks", masks, "-o", at / "small.pt2", "--quiet", *more]
    subprocess.run(command, check=True)
    program = torch.export.load(at / "small.pt2")
    with torch.no_grad():
        return sum(p.numel() for p in program.parameters()), program.module()(x)


export("plain.pt2")
layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)}
for layer in layers.values():
    prune.ln_structured(layer, "weight", 0.5, n=1, dim=0)
export("active.pt2")
torch.save(model.state_dict(), at / "state.pth")
torch.save({"state_dict": model.state_dict()}, at / "nested.pth")
masks = {name: layer.weight_mask.detach().clone() for name, layer in layers.items()}
torch.save({name: {"weight": mask, "bias": None} for name, mask in masks.items()}, at / "nni.pth")
save_file({f"{name}.weight": mask for name, mask in masks.items()}, at / "plain.safetensors")
save_file({f"{name}.weight_orig": mask for name, mask in masks.items()}, at / "active.safetensors")
for layer in layers.values():
    prune.remove(layer, "weight")
export("zeros.pt2")

failed = 0
drop = {n: (m.flatten(1).sum(1) == 0).nonzero().flatten().tolist() for n, m in masks.items()}
(at / "plain.yaml").write_text("".join(f"{n}: {{ drop: {d} }}\n" for n, d in drop.items()))
for file, given, form in [
    ("plain.pt2", "plain.safetensors", "plain.yaml"),
    ("plain.pt2", "plain.safetensors", "nni.pth"),
    ("plain.pt2", "plain.safetensors", "state.pth"),
    ("plain.pt2", "plain.safetensors", "nested.pth"),
    ("active.pt2", "active.safetensors", "state.pth"),
    ("active.pt2", "active.safetensors", "model"),
    ("zeros.pt2", "plain.safetensors", "zeros"),
]:
    count, wanted = small(file, at / given)
    left, found = small(file, form if form in ("model", "zeros") else at / form)
    error = ((found - wanted).abs().max() / wanted.abs().max()).item()
    good = left == count and error < 1e-12
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {file} {form}: {left} parameters, {count} wanted, error {error:.1e}", flush=True)
# The small program of a model that masks its weights is that of a model without masks: names, module tree, state dict, trace.
unpruned = torchvision.models.resnet18().state_dict()
for layer in layers.values():
    prune.ln_structured(layer, "weight", 0.5, n=1, dim=0)
    prune.random_unstructured(layer, "weight", 0.1)
prune.random_unstructured(model.fc, "bias", 0.25)
export("partly.pt2")
torch.jit.trace(model, x).save(at / "partly.pt")
torch.save(model.state_dict(), at / "partly.pth")
unified = at / "unified.safetensors"
small("partly.pt2", "model", "--unified-masks", unified, "--plan", at / "plan.json")
keep = load_file(unified)
with torch.no_grad():
    masked = copy.deepcopy(model)
    for name, parameter in masked.named_parameters():
        parameter.mul_(keep[name]) if name in keep else None
    wanted = masked(x)
program = torch.export.load(at / "small.pt2")
subprocess.run([paring, "apply", at / "plan.json", "--weights", at / "partly.pth", "-o", at / "cut.safetensors", "--quiet"], check=True)
cut, state = load_file(at / "cut.safetensors"), program.state_dict
with torch.no_grad():
    results = {"program": program.module()(x), "module tree": torch.export.unflatten(program)(x)}
    for given, written in [("partly.pt2", "small.pt"), ("partly.pt", "traced.pt")]:
        subprocess.run([paring, "speedup", at / given, "--masks", "model", "-o", at / written, "--quiet"], check=True)
        traced = torch.jit.load(at / written)
        results[f"{given} as .pt"] = traced(x)
        names = {name for name, _ in traced.named_parameters()} | {name for name, _ in traced.named_buffers()}
        failed += not names <= set(unpruned)
        print(f"{'ok  ' if names <= set(unpruned) else 'FAIL'} names of {given} as .pt {sorted(names - set(unpruned))[:3]}", flush=True)
for form, found in results.items():
    error = ((found - wanted).abs().max() / wanted.abs().max()).item()
    failed += error > 1e-12
    print(f"{'ok  ' if error <= 1e-12 else 'FAIL'} {form} of weights that are stored masked, error {error:.1e}", flush=True)
good = set(state) == set(unpruned) and set(cut) == set(state) and all(torch.equal(cut[name], state[name]) for name in state)
failed += not good
print(f"{'ok  ' if good else 'FAIL'} its state dict: {len(state)} tensors, of {len(unpruned)}; apply gives {len(cut)}", flush=True)
for layer in layers.values():
    prune.remove(layer, "weight")
prune.remove(model.fc, "bias")
# Numbers that masked channels hold go into biases whether the program masks its weights or they hold zeros.
exact = ["--lossless", "--bias-maps"]
(count, wanted), (left, found) = small("zeros.pt2", "zeros", *exact), small("active.pt2", "model", *exact)
good = left == count and (found - wanted).abs().max() <= 1e-9 * wanted.abs().max()
failed += not good
print(f"{'ok  ' if good else 'FAIL'} {' '.join(exact)}: {left} parameters, {count} wanted", flush=True)
# Weights lie in memory as before.
model.to(memory_format=torch.channels_last)
export("last.pt2")
small("last.pt2", at / "plain.safetensors")
weights = [p for p in torch.export.load(at / "small.pt2").parameters() if p.dim() == 4]
good = all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
failed += not good
print(f"{'ok  ' if good else 'FAIL'} memory of {len(weights)} weights", flush=True)
# Files that are no masks, and no programs: what they are, and what to do.
drawn = {f"{name}.weight": mask for name, mask in masks.items()}
np.savez(at / "arrays.npz", **{name: mask.numpy() for name, mask in drawn.items()})
np.save(at / "array.npy", next(iter(drawn.values())).numpy())
torch.save({name: mask.to_sparse() for name, mask in drawn.items()}, at / "sparse.pth")
undefined = {name: mask.clone() for name, mask in drawn.items()}
next(iter(undefined.values())).view(-1)[0] = float("nan")
torch.save(undefined, at / "nan.pth")
for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    save_file({name: mask.to(kind) for name, mask in undefined.items()}, at / f"nan_{str(kind)[6:]}.safetensors")
torch.save(model.layer1, at / "object.pth")
torch.jit.script(torch.nn.Sequential(torch.nn.BatchNorm2d(3))).save(at / "scripted.pt")
another, undecided = "paring::file::holds_another", "paring::masks::nan"
for program, given, code, words in [
    ("plain.pt2", "arrays.npz", another, "safetensors.numpy.save_file"),
    ("plain.pt2", "array.npy", another, "arrays of NumPy"),
    ("plain.pt2", "plain.pt2", another, "--masks zeros"),
    ("plain.pt2", "scripted.pt", another, "a program of torch.jit.save"),
    ("plain.pt2", "object.pth", another, "(torch.nn.modules."),
    ("plain.pt2", "sparse.pth", "paring::masks::object", "to_dense()"),
    ("plain.pt2", "nan.pth", undecided, "NaN"),
    *(("plain.pt2", f"nan_{kind}.safetensors", undecided, "NaN") for kind in ("float16", "bfloat16", "float32", "float64")),
    ("object.pth", "zeros", another, "paring.speedup(model"),
    ("state.pth", "zeros", another, "weights alone"),
    ("plain.safetensors", "zeros", another, "weights alone"),
    ("arrays.npz", "zeros", another, "arrays of NumPy"),
    ("scripted.pt", "zeros", "paring::torchscript::syntax", "torch.jit.trace(model"),
]:
    command = [paring, "speedup", at / program, "--masks", given if given == "zeros" else at / given, "-o", at / "small.pt2"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "1000", "NO_COLOR": "1"})
    good = done.returncode == 1 and code in done.stderr and words in " ".join(done.stderr.split())
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {program} {given}: {code}" + ("" if good else f"\n{done.stderr}"), flush=True)
folder.cleanup()
sys.exit(1 if failed else 0)
