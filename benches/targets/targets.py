#!/usr/bin/env python3
"""Times `paring speedup` beside `cp` of the same bytes, in turns: `benches/targets/targets.py --runs 9 model.pt2=masks.safetensors ...`.

A row says, as medians, and in brackets the best: the milliseconds of everything but masks, writing and closing what was mapped, those of the whole process, those of `cp` of the model and
of the small one, what the whole may take (1.5 times the median and 50), and the peak of anonymous memory. Without models the start is timed.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time


def stages(table: str) -> tuple[float, float, float, dict[str, int]]:
    """The milliseconds of all stages, of those that read masks or write, the megabytes at the peak, and the counts."""
    rows = re.findall(r"^( *)(\w+) +\d* +([\d.]+) +[\d.-]+$", table, re.M)
    total = next(float(ms) for _, name, ms in rows if name == "total")
    bytes_ = sum(float(ms) for _, name, ms in rows if name in ("masks", "write", "close"))
    peak = re.search(r"memory: ([\d.]+) MB", table)
    counts = {name: int(n) for name, n in re.findall(r"(\w+) (\d+)(?:, |$)", table.splitlines()[-1])}
    return total, bytes_, float(peak.group(1)) if peak else float("nan"), counts


def seconds(*command: str) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return time.perf_counter() - start, done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", metavar="MODEL=MASKS")
    parser.add_argument("--paring", default="target/release/paring")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    paring = shutil.which(args.paring) or args.paring
    median = statistics.median
    with tempfile.TemporaryDirectory() as folder:
        out, copy = os.path.join(folder, "small.pt2"), os.path.join(folder, "copy")
        if not args.pairs:
            for name, command in {"--version": ["--version"], "an error": ["analyze", "none.pt2"]}.items():
                ms = [1e3 * seconds(paring, *command)[0] for _ in range(args.runs)]
                print(f"| {name} | {median(ms):.1f} | {min(ms):.1f} |")
            return
        print(
            "| model | nodes | MB read | MB written | all but masks and writing, ms | whole, ms | cp, ms | may take, ms | peak, MB |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for pair in args.pairs:
            model, masks = pair.split("=")
            solving, whole, copying, peaks, counts = [], [], [], [], {}
            for _ in range(args.runs):
                spent, table = seconds(paring, "speedup", model, "--masks", masks, "-o", out, "--quiet", "--timings")
                total, bytes_, peak, counts = stages(table)
                solving.append(total - bytes_)
                whole.append(1e3 * spent)
                peaks.append(peak)
                copying.append(1e3 * sum(seconds("cp", file, copy)[0] for file in (model, out)))
            sizes = [os.path.getsize(file) / 1e6 for file in (model, out)]
            cp = median(copying)
            both = lambda times: f"{median(times):.0f} ({min(times):.0f})"  # noqa: E731
            name = pathlib.Path(model).stem.removeprefix("tv_").removesuffix("_core")
            print(
                f"| {name} | {counts['nodes']} | {sizes[0]:.0f} | {sizes[1]:.0f} | {both(solving)} | {both(whole)} "
                f"| {both(copying)} | {1.5 * cp + 50:.0f} | {median(peaks):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
