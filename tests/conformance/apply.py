#!/usr/bin/env python3
"""`paring apply`: a state dict cut by a plan must hold what the small program holds.

    apply.py --paring target/release/paring net/qkv hf/llama
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import torch
from safetensors.torch import load_file, save_file

import oracle


def run(paring, *args):
    done = subprocess.run([paring, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{args[0]}: {done.stderr.strip()[-600:]}")


def export(zoo, name, model, args, kwargs, cache):
    path = cache / (name.replace("/", "_") + ".pt2")
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        dynamic = getattr(zoo, "DYNAMIC", {}).get(name)
        torch.export.save(torch.export.export(model, args, kwargs, strict=False, dynamic_shapes=dynamic), path)
    return path


def differences(paring, model, path, masks, folder):
    """What differs between the state dict that is cut and the one of the small program, and how many tensors there are."""
    save_file({k: v.to(torch.uint8).contiguous() for k, v in masks.items()}, folder / "masks")
    # Tied parameters are stored under each of their names.
    save_file({k: v.detach().clone().contiguous() for k, v in model.state_dict().items()}, folder / "weights")
    run(paring, "speedup", path, "--masks", folder / "masks", "-o", folder / "small.pt2",
        "--plan", folder / "plan.json", "--unified-masks", folder / "unified")
    run(paring, "apply", folder / "plan.json", "--weights", folder / "weights", "--unified-masks", folder / "unified",
        "-o", folder / "small.safetensors")
    got, want = load_file(folder / "small.safetensors"), torch.export.load(folder / "small.pt2").state_dict
    stored = set(model.state_dict())
    wrong = sorted(set(got) - set(want)) + sorted((set(want) & stored) - set(got))
    for name in sorted(set(got) & set(want)):
        a, b = got[name], want[name].detach()
        if a.dtype != b.dtype or a.shape != b.shape or not torch.equal(a, b):
            wrong.append(f"{name} {tuple(a.shape)} {tuple(b.shape)}")
    # The same of a checkpoint of torch.save with weights in another memory format; the masks are found beside the plan.
    other = {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in model.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": other}, folder / "weights.pth")
    run(paring, "apply", folder / "plan.json", "--weights", folder / "weights.pth", "-o", folder / "again.safetensors")
    again = load_file(folder / "again.safetensors")
    wrong += [f"{name} of torch.save" for name in got if name not in again or not torch.equal(again[name], got[name])]
    cut = sum(got[k].shape != v.shape for k, v in model.state_dict().items() if k in got)
    return wrong, len(got), cut


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--paring", required=True)
    parser.add_argument("--zoo", default=str(Path(__file__).parent / "zoo.py"))
    parser.add_argument("--cache", type=Path, required=True, help="keep exported models here and use them again")
    a = parser.parse_args()
    torch.set_num_threads(1)
    zoo, failed = oracle.load_zoo(a.zoo), 0
    names = [n for m in a.models for n in (zoo.LISTS[m[1:]] if m.startswith("@") else [m])]
    for name in names:
        model, args, kwargs = oracle.build(zoo, name, False)
        path = export(zoo, name, model, args, kwargs, a.cache)
        for kind in ("parity", "random"):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    wrong, total, cut = differences(a.paring, model, path, oracle.make_masks(model, kind), Path(folder))
                except RuntimeError as e:
                    wrong, total, cut = [str(e)], 0, 0
            good = not wrong and cut > 0
            failed += not good
            print(f"{'ok' if good else 'FAILED'}  {name} {kind}: {total} tensors, {cut} cut {wrong[:5] or ''}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
