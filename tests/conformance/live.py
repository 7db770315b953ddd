#!/usr/bin/env python3
"""Is the live module that `paring.speedup` leaves right, and does it train on?

  live.py net/qkv tv/resnet18 @hf          live.py --zoo cases.py --masks random @random          live.py --lossless @nets

For each model of a zoo (as oracle.py) in float64:
  the module after `paring.speedup(model, args, kwargs=kwargs, masks=masks)` equals the original times `report.unified_masks`
  (times the given masks with --lossless), also after train() and eval(), a deep copy, and `paring.save` + `paring.load` into a fresh original;
  it is still the user's class, all parameters are leaves with the dtype and requires_grad they had, tied ones are tied;
  parameters left are at most 1 % above those of the command line's .pt2 (--paring BINARY, optional);
  one SGD step with momentum changes every parameter that a loss reaches; an optimizer given as `optimizer=` goes on with its state;
  a failing call (a mask of a wrong shape) leaves the module as it was.
"""

import argparse, copy, json, os, subprocess, sys, tempfile, warnings

warnings.filterwarnings("ignore")
import torch
from safetensors.torch import save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle


def outputs(model, args, kwargs):
    with torch.no_grad():
        return oracle.flat(model(*args, **kwargs))


def distance(got, want, moved):
    """Largest difference, relative to what another input changes; infinite where the shapes differ."""
    if [t.shape for t in got] != [t.shape for t in want]:
        return float("inf")
    worst = 0.0
    for g, w, v in zip(got, want, moved):
        if w.is_floating_point() and w.numel():
            scale = torch.minimum(w.abs().max(), (w - v).abs().max()).clamp_min(1e-9)
            e = ((g - w).abs().max() / scale).item()
            worst = max(worst, e if e == e else float("inf"))
    return worst


def count(model):
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def check(paring, zoo, name, a):
    r = {"model": name, "masks": a.masks}
    model, args, kwargs = oracle.build(zoo, name, a.float32)
    fresh = lambda: oracle.build(zoo, name, a.float32)[0]
    original = fresh()
    given = oracle.make_masks(model, a.masks)
    options = {"unmasked": "abstain"} if a.masks == "bn" else {}
    if a.lossless:
        options["lossless"] = True
    if a.masks in ("parity", "random", "ragged") and given:  # a call that fails changes nothing
        key = next(iter(given))
        before = {k: (id(v), v.shape) for k, v in model.named_parameters()}
        try:
            paring.speedup(model, args, kwargs=kwargs, masks={key: torch.ones(7, 7, 7, 7, 7)}, **options)
            return {**r, "error": "a mask of a wrong shape is no error"}
        except paring.Error as e:
            if not (e.code and str(e)):
                return {**r, "error": "the error has no code or text"}
        if before != {k: (id(v), v.shape) for k, v in model.named_parameters()}:
            return {**r, "error": "a failing call changed the module"}
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    model.train()
    try:
        sum(o.double().pow(2).mean() for o in oracle.flat(model(*args, **kwargs)) if o.is_floating_point()).backward()
        opt.step()
        opt.zero_grad()
        stepped = True
    except (ValueError, RuntimeError):  # a batch norm of one value, a write over what the gradient needs
        stepped = False
    model.eval()
    original.load_state_dict(model.state_dict())
    requires = {k: (p.requires_grad, p.dtype) for k, p in model.named_parameters()}
    tied = sorted(sorted(k for k, p in model.named_parameters(remove_duplicate=False) if p is q) for q in model.parameters())
    cls = type(model)
    report = paring.speedup(model, args, kwargs=kwargs, masks=given, optimizer=opt, **options)
    r["graph_forwards"] = len(report.graph_forwards)
    r["params_left"] = round(count(model) / count(original), 4)
    if type(model) is not cls and "" not in report.graph_forwards:
        return {**r, "error": f"the module became a {type(model).__name__}"}
    if requires != {k: (p.requires_grad, p.dtype) for k, p in model.named_parameters()}:
        return {**r, "error": "names, types or requires_grad of parameters changed"}
    if tied != sorted(sorted(k for k, p in model.named_parameters(remove_duplicate=False) if p is q) for q in model.parameters()):
        return {**r, "error": "tied parameters came apart"}
    if model.training:
        return {**r, "error": "it is in training mode"}
    small0 = copy.deepcopy(model.state_dict())
    masked = fresh()
    masked.load_state_dict(original.state_dict())
    seen = set()
    with torch.no_grad():
        named = dict(masked.named_parameters(remove_duplicate=False))
        for k, m in (given if a.lossless or a.masks == "inputs" else report.unified_masks).items():
            if k in named and id(named[k]) not in seen:
                seen.add(id(named[k]))
                named[k].mul_(m.to(named[k].dtype))
    want, moved = outputs(masked, args, kwargs), outputs(masked, oracle.other(args), oracle.other(kwargs))
    far = lambda m: float(f"{distance(outputs(m, args, kwargs), want, moved):.3g}")
    r["error_now"] = far(model)
    try:
        copy.deepcopy(original)  # what PyTorch cannot copy, as the older weight norm, is not asked of the small one
    except RuntimeError:
        pass
    else:
        r["error_copy"] = far(copy.deepcopy(model))
    r["error_switched"] = far(model.train().eval())
    with tempfile.TemporaryDirectory() as tmp:
        f = os.path.join(tmp, "small.safetensors")
        paring.save(model, f)
        r["error_loaded"] = far(paring.load(f, fresh()))
        if a.paring:
            pt2, masks, out = (os.path.join(tmp, n) for n in ("m.pt2", "m.safetensors", "s.pt2"))
            torch.export.save(torch.export.export(original, args, kwargs, strict=False), pt2)
            save_file({k: v.to(torch.uint8) for k, v in given.items()}, masks)
            more = (["--lossless"] if a.lossless else []) + (["--unmasked", "abstain"] if a.masks == "bn" else [])
            subprocess.run([a.paring, "speedup", pt2, "--masks", masks, "-o", out, "--quiet", *more], check=True)
            r["of_pt2"] = round(count(model) / count(torch.export.load(out).module()), 4)
    if stepped:  # train on with the optimizer that was carried along
        model.train()
        grads = torch.autograd.grad(sum(o.double().pow(2).mean() for o in oracle.flat(model(*args, **kwargs)) if o.is_floating_point()), list(model.parameters()), allow_unused=True)
        for p, g in zip(model.parameters(), grads):
            p.grad = g
        # A bias before a batch norm that trains has no gradient but rounding: no step can be seen there.
        seen = lambda p: p.grad is not None and (p.grad.abs() * 1e-3 > 1e-12 * p.detach().abs().clamp_min(1e-12)).any()
        moving = [k for k, p in model.named_parameters() if seen(p)]
        opt.step()
        still = [k for k in moving if torch.equal(small0[k], model.state_dict()[k])]
        if still:
            r["error"] = f"the optimizer does not move {still[:4]}"
        ours = {id(p) for g in opt.param_groups for p in g["params"]}
        if any(id(p) not in ours for p in model.parameters()) or any(s["momentum_buffer"].shape != p.shape for p, s in opt.state.items() if s.get("momentum_buffer") is not None):
            r["error"] = "the optimizer holds other parameters or state of other shapes"
    return r


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--zoo", default=os.path.join(oracle.HERE, "zoo.py"))
    ap.add_argument("--masks", default="parity", choices=["parity", "random", "ragged", "bn", "inputs"])
    ap.add_argument("--lossless", action="store_true")
    ap.add_argument("--json", help="a file for the rows")
    ap.add_argument("--float32", action="store_true")
    ap.add_argument("--tolerance", type=float)
    ap.add_argument("--paring", help="the program, to compare parameters left with those of its .pt2")
    a = ap.parse_args()
    import paring

    torch.set_num_threads(1)
    zoo, good, rows, all_rows = oracle.load_zoo(a.zoo), 0, 0, []
    for name in [n for m in a.models for n in (zoo.LISTS[m[1:]] if m.startswith("@") else [m])]:
        try:
            r = check(paring, zoo, name, a)
        except Exception as e:
            r = {"model": name, "masks": a.masks, "error": f"{type(e).__name__}: {e}"[:500]}
        limit = a.tolerance or (1e-3 if a.float32 or name.startswith("hf") else 1e-6)
        ok = "error" not in r and all(r[k] <= limit for k in r if k.startswith("error_")) and r.get("of_pt2", 1) <= 1.01
        good += ok
        rows += 1
        all_rows.append({**r, "ok": bool(ok)})
        print("ok  " if ok else "FAIL", " ".join(f"{k}={v}" for k, v in r.items()), flush=True)
    print(f"{good} passed, {rows - good} failed")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(all_rows, f)
    sys.exit(good != rows)


if __name__ == "__main__":
    main()
