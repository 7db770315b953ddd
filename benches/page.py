#!/usr/bin/env python3
"""Measures, and writes the results into docs/benchmarks.md and docs/growth.svg: `benches/page.py`, in the environment of tests/conformance.

Two parts: Paring beside Torch-Pruning and NNI on the same models (benches/compare/worker.py, each in a process of its own, the tools in environments of
their own that are made under --envs), and how time grows with the number of operators (benches/growth). What was trained (benches/compare/compare.py)
takes hours and is left as it is.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOLS = {
    "paring": "`paring.prune` on the module",
    "cli": "`paring prune` on files",
    "torch-pruning": "Torch-Pruning 1.6.1",
    "nni": "NNI 3.0",
}
MODELS = ("resnet50", "mobilenet_v2", "vit_b_16")
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#be123c")


def environments(folder: pathlib.Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """By tool its interpreter and variables; a tool that does not install is left out, with a sentence."""
    own = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    found = {tool: ([sys.executable], own) for tool in ("paring", "cli")}
    pruning, nni = folder / "torch-pruning", folder / "nni"
    install = {
        "torch-pruning": (pruning, [[sys.executable, "-m", "venv", folder / "pip"], [folder / "pip/bin/pip", "install", "-q", "--no-deps", "--target", pruning, "torch-pruning==1.6.1"]]),
        "nni": (nni, [[sys.executable, "-m", "venv", nni], [nni / "bin/pip", "install", "-q", "torch==2.1.2", "torchvision==0.16.2", "numpy<2", "nni==3.0"]]),
    }  # fmt: skip
    for tool, (place, steps) in install.items():
        done = subprocess.CompletedProcess([], 0)
        for step in steps if not place.exists() else []:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                break
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"{TOOLS[tool]} is left out, as it does not install: {reason}", file=sys.stderr)
    if pruning.exists():
        found["torch-pruning"] = ([sys.executable], {**os.environ, "PYTHONPATH": str(pruning)})
    if nni.exists():
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        found["nni"] = ([str(nni / "bin/python")], variables)
    return found


def compared(args) -> str:
    rows = [
        "| model | tool | parameters left | runs | equal to the masked model | seconds | of the processor | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    versions = {}
    for model in args.models:
        for tool, (python, variables) in environments(args.envs).items():
            command = [*python, str(ROOT / "benches/compare/worker.py"), tool, model, str(args.runs)]
            variables = {**variables, "PARING": str(args.paring.resolve())}
            try:
                done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=args.limit)
                lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
            except subprocess.TimeoutExpired:
                done, lines = None, [f"no end in {args.limit} s"]
            if done is None or done.returncode:
                why = (lines or ["no reason given"])[-1][:100]
                rows.append(f"| {model} | {TOOLS[tool]} | | no: `{why}` | | | | |")
            else:
                r = json.loads(lines[-1])
                versions[r["torch"]] = None
                error = r.get("error")
                equal = "not told" if error is None else f"yes, {error:.0e}" if error < 1e-3 else f"no, {error:.2g}"
                runs = "yes" if r["runs"] else f"no: `{r.get('why', 'another shape')}`"
                left = f"{100 * r['left'] / r['before']:.1f} %"
                rows.append(
                    f"| {model} | {TOOLS[tool]} | {left} | {runs} | {equal} | {r['seconds']:.1f} | {r['cpu']:.1f} | {r['peak']:.0f} MB |"
                )
            print(rows[-1], file=sys.stderr, flush=True)
    return f"""Half of the channels go, by L1 norms; torchvision's models with random weights and norms that are not all alike, one thread, medians of
{args.runs} runs, {about()}; PyTorch {", ".join(versions)} (NNI: the last), Python {platform.python_version()}. `benches/page.py` makes this table and the
picture below.

{chr(10).join(rows)}

Seconds are those that a user waits with the model in memory. Those of Paring have the export in them, and of `paring prune` on files also writing and
reading the files and the process; those of NNI its pruner. Memory is what was allocated at the worst time above what there was before, the program's own
of `paring prune` added. Torch-Pruning works out what goes by itself and gives no masks: there is nothing that its result is to be equal to. The numbers
behind `yes` and `no` are the largest difference to the model with masked weights, in multiples of its largest output."""


def about() -> str:
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    when = datetime.datetime.now().strftime("%-d %B %Y, %H:%M")
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, load {load}, {when}"


def grown(args) -> tuple[str, str]:
    """A line on the run, and the picture."""
    env = {**os.environ, "PARING_GROWTH": args.growth}
    command = [args.growth_bench] if args.growth_bench else ["cargo", "bench", "--bench", "growth"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    curves: dict[str, list[tuple[int, int]]] = {}
    for name, nodes, ms in re.findall(r"^(.{1,26}?) +(\d+) nodes +(\d+) ms:", done.stdout, re.MULTILINE):
        curves.setdefault(name.strip(), []).append((int(nodes), max(int(ms), 1)))
    print(done.stdout, file=sys.stderr)
    rows = ["| net | " + " | ".join(f"{int(n):,}" for n in args.growth.split(",")) + " |"]
    rows.append("|---" * (len(args.growth.split(",")) + 1) + "|")
    for name, points in curves.items():
        rows.append(f"| {name} | " + " | ".join(f"{ms} ms" for _, ms in points) + " |")
    text = f"""Everything between reading and writing (propagate, solve, plan, edit, check) for nets made in memory, by the number of operators; best of three,
{about()}. `tests/growth.rs` holds that no kind grows faster than the number.

![Milliseconds by the number of operators](growth.svg)

{chr(10).join(rows)}"""
    return text, picture(curves)


def picture(curves) -> str:
    """Both axes are logarithmic: what is linear rises like the dotted line."""
    width, height, left, bottom = 720, 420, 70, 60
    points = [p for list_ in curves.values() for p in list_]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    low, high = (math.floor(math.log10(min(a))) for a in (xs, ys))
    right, top = (math.ceil(math.log10(max(a))) for a in (xs, ys))
    x = lambda n: left + (math.log10(n) - low) / (right - low) * (width - left - 190)
    y = lambda ms: height - bottom - (math.log10(ms) - high) / (top - high) * (height - bottom - 20)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for k in range(low, right + 1):
        out.append(f'<path d="M{x(10**k):.0f} 20V{height - bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x(10**k):.0f}" y="{height - bottom + 20}" text-anchor="middle">{10**k:,}</text>')
    for k in range(high, top + 1):
        out.append(f'<path d="M{left} {y(10**k):.0f}H{x(10**right):.0f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(10**k) + 4:.0f}" text-anchor="end">{10**k:,} ms</text>')
    start = min(xs)
    foot = statistics.median([ms for n, ms in points if n == start] or [min(ys)])
    end = min(10**right, start * 10**top / foot)
    out.append(
        f'<path d="M{x(start):.1f} {y(foot):.1f}L{x(end):.1f} {y(foot * end / start):.1f}" stroke="#888" stroke-dasharray="3 4" fill="none"/>'
    )
    for (name, list_), colour in zip(curves.items(), COLOURS, strict=False):
        line = " ".join(f"{x(n):.1f},{y(ms):.1f}" for n, ms in list_)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(n):.1f}" cy="{y(ms):.1f}" r="3" fill="{colour}"/>' for n, ms in list_]
    for k, ((name, _), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        out.append(f'<text x="{x(10**right) + 14:.0f}" y="{60 + 22 * k}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{x(10**right) + 14:.0f}" y="{60 + 22 * len(curves)}" fill="#888">linear</text>')
    out.append(f'<text x="{(left + x(10**right)) / 2:.0f}" y="{height - 14}" text-anchor="middle">operators</text>')
    return "\n".join([*out, "</svg>", ""])


def put(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name}: made by benches/page.py -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=pathlib.Path, default=pathlib.Path.home() / ".cache/paring-benches")
    parser.add_argument("--paring", type=pathlib.Path, default=ROOT / "target/release/paring")
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=600, help="seconds for a tool on a model")
    parser.add_argument("--growth", default="1000,3000,10000,30000", help="numbers of operators")
    parser.add_argument("--growth-bench", type=pathlib.Path, help="the growth benchmark, where it is built already")
    parser.add_argument("--only", choices=["tools", "growth"])
    args = parser.parse_args()
    path = ROOT / "docs/benchmarks.md"
    if args.only != "growth":
        args.envs.mkdir(parents=True, exist_ok=True)
        tools = compared(args)
        path.write_text(put(path.read_text(), "tools", tools))
    if args.only != "tools":
        text, svg = grown(args)
        (ROOT / "docs/growth.svg").write_text(svg)
        path.write_text(put(path.read_text(), "growth", text))


if __name__ == "__main__":
    main()
