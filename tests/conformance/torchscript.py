#!/usr/bin/env python3
"""Checks TorchScript in and out: the traced archive of a model shrinks as its .pt2 does, and what comes out is right.

For each model it traces the model with torch.jit.trace in float64 and saves it with torch.jit.save, cuts the archive with
`paring speedup`, loads the small archive with torch.jit.load and compares:

  right   the small archive's output equals the original's whose parameters were multiplied by the unified masks
  sizes   where the trace takes a batch of twice the size, so does the small archive, and is right there too
  names   the small archive has the parameters of the original under their names
  same    as many parameters are left as of the .pt2 of the same model and masks (skipped with --no-pt2)
  out     the small .pt2 written as TorchScript (`-o small.pt` from a .pt2) computes the same (with --from-pt2)

  torchscript.py --paring target/release/paring --zoo zoo.py @nets tv/resnet18 hf/gpt2

A model that torch.jit.trace cannot trace, or whose trace does not compute what the model does, is listed with the reason.
"""

import argparse, json, os, subprocess, sys, tempfile, warnings

warnings.filterwarnings("ignore")
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle


class Positional(torch.nn.Module):
    """A model whose keyword arguments are given by place, as torch.jit.load's result takes them."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *args):
        return self.model(**dict(zip(self.names, args)))


def trace(model, args, kwargs, path):
    """Traces and saves; returns why it cannot be done, or None."""
    try:
        with torch.no_grad():
            given = dict(example_kwarg_inputs=kwargs) if kwargs else dict(example_inputs=args)
            traced = torch.jit.trace(model, strict=False, check_trace=False, **given)
            want, got = oracle.flat(model(*args, **kwargs)), oracle.flat(traced(*args, **kwargs))
            if any(w.shape != g.shape or not torch.allclose(w, g) for w, g in zip(want, got)):
                return "its trace computes something else"
        torch.jit.save(traced, path)
    except Exception as e:
        return f"torch.jit.trace: {type(e).__name__}: {e}"[:300]
    return None


def speedup(a, model, masks, out, unified):
    cmd = [a.paring, "speedup", model, "--masks", masks, "-o", out, "--unified-masks", unified, "--json", *a.extra]
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=a.timeout)
    return f"exit {p.returncode}: {(p.stderr or p.stdout).strip()[-700:]}" if p.returncode else None


def count(parameters):
    return sum(q.numel() for q in {q.data_ptr(): q for q in parameters}.values())


def compare(model, small, args, kwargs):
    """The largest relative error against what the input changes, or a reason."""
    worst = 0.0
    want, got = oracle.flat(model(*args, **kwargs)), oracle.flat(small(*args, **kwargs))
    moved = oracle.flat(model(*oracle.other(args), **oracle.other(kwargs)))
    if [t.shape for t in want] != [t.shape for t in got]:
        return f"shapes {[tuple(t.shape) for t in got]} instead of {[tuple(t.shape) for t in want]}"
    for w, s, v in zip(want, got, moved):
        if w.is_floating_point() and w.numel():
            scale = torch.minimum(w.abs().max(), (w - v).abs().max()).clamp_min(1e-9)
            e = ((w - s).abs().max() / scale).item()
            worst = max(worst, e) if e == e else float("inf")
    return worst


def doubled(x):
    """The same inputs with twice the batch."""
    if isinstance(x, torch.Tensor):
        return torch.cat([x, x.flip(-1)]) if x.dim() else x
    if isinstance(x, dict):
        return {k: doubled(v) for k, v in x.items()}
    return type(x)(doubled(v) for v in x) if isinstance(x, (list, tuple)) else x


def takes_more(model, traced, args, kwargs):
    """Whether a trace is right for twice the batch."""
    try:
        want, got = oracle.flat(model(*args, **kwargs)), oracle.flat(torch.jit.load(traced)(*args, **kwargs))
    except Exception:
        return False
    return all(w.shape == g.shape and torch.allclose(w, g) for w, g in zip(want, got))


def check(zoo, name, a):
    model, args, kwargs = oracle.build(zoo, name, False)
    stem = name.replace("/", "_")
    os.makedirs(a.cache, exist_ok=True)
    traced, exported = os.path.join(a.cache, stem + ".pt"), os.path.join(a.cache, stem + ".pt2")
    if not os.path.exists(traced):
        new = f"{traced[:-3]}.{os.getpid()}.pt"  # another run may want it at the same time
        why = trace(model, args, kwargs, new)
        if why:
            return {"model": name, "untraced": why}
        os.replace(new, traced)
    r = {"model": name, "masks": a.masks}
    with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
        f = lambda n: os.path.join(tmp, n)
        given = oracle.make_masks(model, a.masks)
        save_file({k: v.to(torch.uint8) for k, v in given.items()}, f("masks.safetensors"))
        why = speedup(a, traced, f("masks.safetensors"), f("small.pt"), f("unified.safetensors"))
        if why:
            return {**r, "error": why}
        small, unified = torch.jit.load(f("small.pt")), load_file(f("unified.safetensors"))
        before = count(model.parameters())
        r["left"] = round(count(small.parameters()) / before, 4)
        names, old = {k for k, _ in small.named_parameters(remove_duplicate=False)}, {k for k, _ in model.named_parameters()}
        if not old <= names:
            return {**r, "error": f"parameters are gone: {sorted(old - names)[:5]}"}
        far = oracle.taken_too_far(model, given, unified) if a.masks in ("parity", "random", "ragged") else []
        if far:
            return {**r, "error": f"channels that no mask drops are gone: {far[:5]}"}
        if not a.no_pt2:
            if not os.path.exists(exported):
                dynamic = getattr(zoo, "DYNAMIC", {}).get(name)
                new = f"{exported[:-4]}.{os.getpid()}.pt2"
                torch.export.save(torch.export.export(model, args, kwargs, strict=False, dynamic_shapes=dynamic), new)
                os.replace(new, exported)
            out = f("other.pt" if a.from_pt2 else "other.pt2")
            why = speedup(a, exported, f("masks.safetensors"), out, f("unified2.safetensors"))
            if why:
                return {**r, "error": "of the .pt2: " + why}
            other = torch.jit.load(out) if a.from_pt2 else torch.export.load(out)
            r["left_of_pt2"] = round(count(other.parameters()) / before, 4)
        more = doubled(args), doubled(kwargs)
        r["larger"] = takes_more(model, traced, *more)
        named, seen = dict(model.named_parameters(remove_duplicate=False)), set()
        for k, m in unified.items():
            if id(named[k]) not in seen:
                seen.add(id(named[k]))
                named[k].mul_(m.to(named[k].dtype))
        r["error_of_small"] = compare(model, small, args, kwargs)
        if r["larger"] and not isinstance(r["error_of_small"], str):
            try:
                found = compare(model, small, *more)
            except RuntimeError as e:
                found = "with twice the batch: " + str(e)[-300:]
            r["error_of_small"] = found if isinstance(found, str) else max(r["error_of_small"], found)
        if isinstance(r["error_of_small"], str):
            return {**r, "error": r["error_of_small"]}
        if a.from_pt2:
            for k, m in load_file(f("unified2.safetensors")).items():
                if not torch.equal(m, unified[k]):
                    return {**r, "error": f"the .pt2 has other unified masks: {k}"}
            positional = lambda *xs, **kw: other(*xs, *kw.values())
            r["error_of_other"] = compare(model, positional, args, kwargs)
            if isinstance(r["error_of_other"], str):
                return {**r, "error": "of the .pt2: " + r["error_of_other"]}
        if r.get("left_of_pt2", r["left"]) != r["left"]:
            r["error"] = "it does not shrink as its .pt2"
        limit = a.tolerance or (1e-3 if name.startswith("hf/") else 1e-6)
        if max(r["error_of_small"], r.get("error_of_other", 0)) > limit:
            r["error"] = "it computes something else"
    return r


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--paring", required=True)
    ap.add_argument("--zoo", default=os.path.join(oracle.HERE, "nets.py"))
    ap.add_argument("--masks", default="parity", choices=["parity", "random", "ragged", "none"])
    ap.add_argument("--cache", help="keep traces and exported models here and use them again")
    ap.add_argument("--no-pt2", action="store_true", help="do not compare with the .pt2")
    ap.add_argument("--from-pt2", action="store_true", help="write the small .pt2 as TorchScript, and compare that too")
    ap.add_argument("--tolerance", type=float)
    ap.add_argument("--timeout", type=float, default=300)
    ap.add_argument("--extra", nargs=argparse.REMAINDER, default=[], help="further arguments for the program")
    a = ap.parse_args()
    torch.set_num_threads(1)
    zoo = oracle.load_zoo(a.zoo)
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        a.cache = a.cache or tmp
        for name in [n for m in a.models for n in (zoo.LISTS[m[1:]] if m.startswith("@") else [m])]:
            try:
                r = check(zoo, name, a)
            except Exception as e:  # a row, not the end
                r = {"model": name, "error": f"{type(e).__name__}: {e}"[:600]}
            rows.append(r)
            state = "FAIL" if "error" in r else "    " if "untraced" in r else "ok  "
            print(state, " ".join(f"{k}={v}" for k, v in r.items()), flush=True)
    bad, untraced = sum("error" in r for r in rows), sum("untraced" in r for r in rows)
    print(f"{len(rows) - bad - untraced} passed, {bad} failed, {untraced} that PyTorch cannot trace")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
