"""The forms in which people have masks: each gives the small model that safetensors masks of the same content give.

resnet18, ln_structured on every layer but the last: masks of NNI's form, the state dict and the exported program that
torch.nn.utils.prune leaves, and zeros in the weights.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
import torch.nn.utils.prune as prune
import torchvision
from safetensors.torch import save_file

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
folder.cleanup()
sys.exit(1 if failed else 0)
