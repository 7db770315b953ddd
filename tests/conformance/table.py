#!/usr/bin/env python3
"""Writes docs/models.md: what the oracle found on the models of the zoo.

    tests/conformance/.venv/bin/python tests/conformance/table.py [--cache DIR]

Runs oracle.py on each list and puts its rows into tables: parameters left, largest error, seconds of `paring speedup`.
"""

import argparse, json, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RUNS = [
    ("Small nets", ["@nets"], ["parity", "random", "inputs", "bn"], []),
    ("Nets with ragged masks", ["@ragged"], ["ragged"], []),
    ("Nets in which a removal needs a proof", ["@proof"], ["parity", "random", "inputs"], []),
    ("Transformers", ["@hf"], ["parity", "random"], []),
    ("Transformers, core ATen form", ["@hf"], ["parity"], ["--decomposed"]),
    ("torchvision", ["@tv-core"], ["parity", "random"], []),
]


def oracle(models, masks, extra, cache):
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        command = [sys.executable, os.path.join(HERE, "oracle.py"), "--paring", os.path.join(ROOT, "target/release/paring")]
        subprocess.run([*command, "--cache", cache, "--masks", masks, "--json", f.name, *extra, *models], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.load(open(f.name))


def cell(row):
    if "error" in row:
        return "error"
    ideal = f" ({row['of_ideal']:.2f} of the ideal)" if "of_ideal" in row else ""
    return f"{row['params_left']:.3f}{ideal}, {row['max_rel_err']:.0e}, {row['seconds']:.2f} s" + ("" if row["ok"] else " **fails**")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", default=os.path.join(HERE, ".cache"))
    a = ap.parse_args()
    out = ["# Models", "", "Made by `tests/conformance/table.py`. A cell holds the share of parameters left, the largest error against the masked",
           "original (relative, in float64), and the seconds that `paring speedup` took. The kinds of masks are described in",
           "`tests/conformance/oracle.py`. The ideal is every channel dimension halved."]
    for title, models, kinds, extra in RUNS:
        tables = [{r["model"]: r for r in oracle(models, kind, extra, a.cache)} for kind in kinds]
        out += ["", f"## {title}", "", "| model | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
        out += [f"| {name} | " + " | ".join(cell(t[name]) for t in tables) + " |" for name in tables[0]]
        print(title, flush=True)
    with open(os.path.join(ROOT, "docs/models.md"), "w") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
