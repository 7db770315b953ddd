#!/usr/bin/env python3
"""Writes docs/models.md: what the oracle found on the models of the zoo.

    tests/conformance/.venv/bin/python tests/conformance/table.py [--cache DIR] [--results DIR] [--paring FILE] [--only WORDS]

Runs oracle.py on each list and puts its rows into tables: parameters left, largest error, seconds of `paring speedup`. With
--results, what each run found is kept there, and a run that was made already is not made again. With --only, sections whose title
has the words are made anew, and the others stay as the page has them.
"""

import argparse, json, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NETS = ["--zoo", os.path.join(HERE, "nets.py"), "--max-of-ideal", "9"]
FUZZ = ["--zoo", os.path.join(HERE, "fuzz.py"), "--max-of-ideal", "9"]
SEEDS = [f"fuzz/{n}" for n in range(1000, 1100)]
LOSSLESS = ["--zoo", os.path.join(HERE, "lossless.py"), "--max-of-ideal", "9", "--lossless"]
# (title, models, kinds of masks, further arguments, a row for each model)
RUNS = [
    ("Small nets", ["@nets"], ["parity", "random", "inputs", "bn", "none"], [], True),
    ("Small nets, core ATen form", ["@nets"], ["parity"], ["--decomposed"], True),
    ("Nets with ragged masks", ["@ragged"], ["ragged"], [], True),
    ("Nets in which a removal needs a proof", ["@proof"], ["parity", "random", "inputs"], [], True),
    ("Transformers", ["@hf"], ["parity", "random"], [], True),
    ("Transformers, core ATen form", ["@hf"], ["parity"], ["--decomposed"], True),
    ("torchvision, core ATen form", ["@tv-core"], ["parity"], ["--decomposed"], True),
    ("torchvision, all of classification", ["@tv"], ["parity", "random"], [], True),
    ("torchvision, segmentation", ["@tv-dense"], ["parity", "random"], [], True),
    ("torchvision, video", ["@tv-video"], ["parity", "random"], [], True),
    ("Nets with one difficulty each (tests/conformance/nets.py)", ["@all"], ["parity", "random"], NETS, False),
    ("Conditions and loops (tests/conformance/nets.py)", ["@control"], ["random", "inputs"], NETS, True),
    ("Random nets, seeds 0 to 99", ["@all"], ["parity", "random"], FUZZ, False),
    ("Small nets, --lossless", ["@nets"], ["parity", "random"], ["--lossless"], True),
    ("torchvision, --lossless", ["@tv-core"], ["parity", "random"], ["--lossless"], True),
    ("torchvision, --lossless --bias-maps", ["@tv-core"], ["parity"], ["--lossless", "--extra", "--bias-maps"], True),
    ("Nets whose masked channels hold numbers, --lossless (tests/conformance/lossless.py)", ["@all", "@chains"], ["parity", "random", "bn"], LOSSLESS, False),
    ("Random nets, seeds 1000 to 1099", SEEDS, ["parity", "random"], FUZZ, False),
]
FAMILIES = ["--zoo", os.path.join(HERE, "families.py")]
# The same for modules that `paring.speedup` cuts in place (live.py).
LIVE = [
    ("Live modules: small nets", ["@nets"], ["parity", "random", "inputs", "bn"], [], True),
    ("Live modules: nets in which a removal needs a proof", ["@proof"], ["parity", "random"], [], True),
    ("Live modules: torchvision", ["@tv-core"], ["parity", "random"], [], True),
    ("Live modules: transformers", ["@hf"], ["parity", "random"], [], True),
    ("Live modules: families of timm (tests/conformance/families.py)", ["@all"], ["parity", "random"], FAMILIES, True),
]
# Models of which the structure forbids more than the ideal's tenth above it, and why.
WHY = {
    "net/shuffle": "a channel shuffle asks for as many channels in each group; parity drops the odd ones, which the shuffle puts elsewhere",
    "net/channelattention": "a softmax over channels of a product of channels with channels: what was removed would count in it",
    "net/unet": "the first skip connection ends in the model's output layer",
    "net/recurrent": "masks leave the recurrent layer's own weights alone",
}


def judged(a, judge, title, models, masks, extra):
    kept = os.path.join(a.results, re.sub(r"\W+", "_", f"{title}_{masks}") + ".json")
    if not os.path.exists(kept):
        command = [sys.executable, os.path.join(HERE, judge), "--paring", a.paring, "--masks", masks]
        command += ["--cache", a.cache] if judge == "oracle.py" else []
        cut = extra.index("--extra") if "--extra" in extra else len(extra)  # it takes all that follows
        subprocess.run([*command, "--json", kept + ".part", *extra[:cut], *models, *extra[cut:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.replace(kept + ".part", kept)
    return json.load(open(kept))


def cell(row):
    if "error" in row:
        return "error"
    if "graph_forwards" in row:
        graphs = f"{row['graph_forwards']} graph forward{'' if row['graph_forwards'] == 1 else 's'}"
        worst = max(row[k] for k in row if k.startswith("error_"))
        return f"{row['params_left']:.3f}, {worst:.0e}, {graphs}" + ("" if row["ok"] else " **fails**")
    ideal = f" ({row['of_ideal']:.2f} of the ideal)" if "of_ideal" in row else ""
    return f"{row['params_left']:.3f}{ideal}, {row['max_rel_err']:.0e}, {row['seconds']:.2f} s" + ("" if row["ok"] else " **fails**")


def summary(rows):
    """One row for many models."""
    bad = [r["model"] for r in rows if not r["ok"]]
    good = [r for r in rows if r["ok"]]
    if not good:
        return "none passes"
    left = sorted(r["params_left"] for r in good)
    worst = max(r["max_rel_err"] for r in good)
    seconds = sorted(r["seconds"] for r in good)
    text = f"{len(good)} of {len(rows)} pass, {left[0]:.3f} to {left[-1]:.3f} left (median {left[len(left) // 2]:.3f}), {worst:.0e}, {seconds[len(seconds) // 2]:.2f} s"
    return text + (f" **fails**: {', '.join(bad)}" if bad else "")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", default=os.path.join(HERE, ".cache"))
    ap.add_argument("--results", default=os.path.join(HERE, ".results"))
    ap.add_argument("--paring", default=os.path.join(ROOT, "target/release/paring"))
    ap.add_argument("--only", help="make only sections whose title contains this")
    a = ap.parse_args()
    os.makedirs(a.results, exist_ok=True)
    page = os.path.join(ROOT, "docs/models.md")
    before = {part.split("\n", 1)[0]: part.rstrip().split("\n") for part in open(page).read().split("\n## ")[1:]} if a.only else {}
    out = ["# Models", "", "Made by `tests/conformance/table.py`. A cell holds the share of parameters left, the largest error against the masked",
           "original (relative, in float64), and the seconds that `paring speedup` took, on a machine that did other work too. The kinds of",
           "masks are described in `tests/conformance/oracle.py`. The ideal is every channel dimension halved. Of live modules, cut in place by",
           "`paring.speedup`, a cell holds the share left, the largest error (at once, copied, saved and loaded, after `train()` and `eval()`), and how",
           "many modules got a graph forward, since their code cannot follow."]
    runs = [("oracle.py", *run) for run in RUNS] + [("live.py", *run) for run in LIVE]
    for judge, title, models, kinds, extra, each in runs:
        if a.only and a.only not in title:
            if title in before:
                out += ["", "## " + before[title][0], *before[title][1:]]
            continue
        tables = [{r["model"]: r for r in judged(a, judge, title, models, kind, extra)} for kind in kinds]
        out += ["", f"## {title}", "", "| model | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
        if each:
            out += [f"| {name} | " + " | ".join(cell(t[name]) for t in tables) + " |" for name in tables[0]]
        else:
            out += [f"| {len(tables[0])} nets | " + " | ".join(summary(list(t.values())) for t in tables) + " |"]
        above = {n: WHY[n] for t in tables for n, r in t.items() if n in WHY and r.get("of_ideal", 0) > 1.1}
        out += [""] * bool(above) + [f"- {n} is above 1.1 of the ideal: {why}." for n, why in above.items()]
        print(title, flush=True)
    with open(page, "w") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
