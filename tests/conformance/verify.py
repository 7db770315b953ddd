#!/usr/bin/env python3
"""Holds `paring verify` to PyTorch's judgement: what oracle.py accepts it must accept, and a planted wrong cut it must refuse,
naming the node where it begins.

For each model: `paring run` must give PyTorch's outputs for the original. Shrink it, and let both oracle.py and `paring verify` judge the small model. Then plant a mistake: the output
channels of one layer's weight are rolled by one, as if other channels had been kept. `verify` must fail, and name the first
node that reads the weight.

  verify.py --paring target/release/paring --cache DIR @nets tv/resnet18
Needs a paring built with --features torch.
"""

import argparse, json, os, subprocess, sys, tempfile, zipfile

import oracle


def shrink(a, zoo, name, folder):
    """Lets the oracle shrink and judge; leaves its files in the folder."""
    flags = argparse.Namespace(paring=a.paring, masks=a.masks, cache=a.cache, keep=folder, float32=False, decomposed=False,
                               lossless=False, again=False, extra=[], timeout=300, zoo=a.zoo)
    with oracle.torch.no_grad():
        r = oracle.check(zoo, name, flags)
    limit = 1e-3 if name.startswith("hf/") else 1e-6
    return r, "error" not in r and r["same_shapes"] and r["max_rel_err"] <= limit


def verify(a, name, folder, small):
    original = os.path.join(a.cache, name.replace("/", "_") + ".pt2")
    cmd = [a.paring, "--errors", "json", "verify", original, small, "--unified-masks", os.path.join(folder, "unified.safetensors"),
           "--float64", "--runs", "0", "--json", "--threads", "1"]
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=600)
    return p.returncode, p.stdout, p.stderr


def run(a, name, folder, model, args, kwargs):
    """How far the outputs of `paring run` on the original are from PyTorch's."""
    inputs, outputs = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
    oracle.save_file({str(i): t.contiguous() for i, t in enumerate(oracle.flat([list(args), kwargs]))}, inputs)
    cmd = [a.paring, "run", os.path.join(a.cache, name.replace("/", "_") + ".pt2"), "--inputs", inputs, "-o", outputs, "--threads", "1"]
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=600)
    if p.returncode:
        raise RuntimeError(p.stderr[-500:])
    names = [line.split(" ")[0] for line in p.stdout.splitlines()]
    got, want = oracle.load_file(outputs), oracle.flat(model(*args, **kwargs))
    assert len(names) == len(want), (names, len(want))
    return max(((got[n] - w).abs().max() / w.abs().max().clamp_min(1e-9)).item() for n, w in zip(names, want))


def plant(small, wrong, inputs):
    """Copies the small model with one layer's output channels rolled; gives the node that reads the weight first. PyTorch must
    see the difference: what a dead ReLU hides is no wrong cut."""
    with zipfile.ZipFile(small) as z:
        members = {i.filename: z.read(i) for i in z.infolist()}
    top = next(iter(members)).split("/")[0]
    program = json.loads(members[f"{top}/models/model.json"])
    config = json.loads(members[f"{top}/data/weights/model_weights_config.json"])["config"]
    module = program["graph_module"]
    shared = [e["path_name"] for e in config.values()]
    parameters = {s["parameter"]["arg"]["name"]: s["parameter"]["parameter_name"]
                  for s in module["signature"]["input_specs"] if "parameter" in s}
    nodes = module["graph"]["nodes"]
    # The middle one of the layers whose weight has several channels that differ, and is read by one node only.
    fit = []
    for n, node in enumerate(nodes):
        for i in node["inputs"]:
            key = parameters.get(i["arg"].get("as_tensor", {}).get("name"))
            entry = config.get(key)
            if i["name"] != "weight" or entry is None or shared.count(entry["path_name"]) > 1:
                continue
            sizes = [s["as_int"] for s in entry["tensor_meta"]["sizes"]]
            readers = sum(any(j["arg"].get("as_tensor", {}).get("name") == i["arg"]["as_tensor"]["name"] for j in m["inputs"]) for m in nodes)
            data = members[f"{top}/data/weights/{entry['path_name']}"]
            row = len(data) // sizes[0] if sizes and sizes[0] else 0
            dense = entry["tensor_meta"]["strides"][0]["as_int"] * sizes[0] * 8 == len(data) if sizes else False
            if len(sizes) > 1 and sizes[0] > 1 and readers == 1 and dense and data[:row] != data[row:2 * row] and any(data):
                fit.append((n, entry["path_name"], row))
    args, kwargs = inputs
    run = lambda path: oracle.flat(oracle.torch.export.load(path).module()(*args, **kwargs))
    want = run(small)
    for n, member, row in sorted(fit, key=lambda f: abs(fit.index(f) - len(fit) // 2))[:5]:
        member = f"{top}/data/weights/{member}"
        rolled = {**members, member: members[member][row:] + members[member][:row]}
        with zipfile.ZipFile(wrong, "w", zipfile.ZIP_STORED) as z:
            for name, data in rolled.items():
                z.writestr(name, data)
        if any((w - g).abs().max() > 1e-4 * w.abs().max() for w, g in zip(want, run(wrong))):
            return nodes[n]["name"]
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--paring", required=True)
    ap.add_argument("--cache", required=True)
    ap.add_argument("--masks", default="random")
    ap.add_argument("--zoo", default=os.path.join(oracle.HERE, "zoo.py"))
    a = ap.parse_args()
    oracle.torch.set_num_threads(1)
    zoo = oracle.load_zoo(a.zoo)
    names = [n for m in a.models for n in (zoo.LISTS[m[1:]] if m.startswith("@") else [m])]
    bad = 0
    oracle.torch.set_grad_enabled(False)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                r, right = shrink(a, zoo, name, folder)
            except Exception as e:
                r, right = {"error": f"{type(e).__name__}: {e}"[:300]}, False
            small, wrong = os.path.join(folder, "small.pt2"), os.path.join(folder, "wrong.pt2")
            said, rows = [], []
            try:
                model, args, kwargs = oracle.build(zoo, name, False)
                apart = run(a, name, folder, model, args, kwargs)
                if not apart <= 1e-10:
                    said.append(f"run gives other outputs than PyTorch: {apart}")
            except Exception as e:
                said.append(f"run fails: {type(e).__name__}: {e}"[:300])
            if not right:
                said.append(f"the oracle refuses it: {r}")
            else:
                code, out, err = verify(a, name, folder, small)
                rows = json.loads(out)["outputs"] if out else []
                if code:
                    said.append(f"verify refuses it: {(err or out).strip()[-500:]}")
                node = plant(small, wrong, (args, kwargs))
                if node is None:
                    said.append("note: no layer to plant a wrong cut in")
                else:
                    code, out, err = verify(a, name, folder, wrong)
                    found = (json.loads(out).get("difference") or {}).get("node") if out else None
                    if code == 0 or found != node:
                        said.append(f"a wrong cut at {node}: exit {code}, names {found}: {err.strip()[-300:]}")
            fail = any(not s.startswith("note") for s in said)
            bad += fail
            worst = max((o["relative"] for o in rows), default=0)
            print("FAIL" if fail else "ok  ", name, f"relative={worst:.2g}", "; ".join(said), flush=True)
    print(f"{len(names) - bad} passed, {bad} failed")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
