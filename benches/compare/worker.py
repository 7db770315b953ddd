#!/usr/bin/env python3
"""One tool, one model, in this process: prints as JSON how long it took, what memory it took besides, and what is left. Called by tools.py.

Half of the channels go, by their L1 norms. What is timed is what a user of the tool waits for once a model is in memory (`paring` and `cli`: with
the export; `cli`: with the files). Memory is what was allocated at the worst time, above what there was before.
"""

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import torchvision.models

import torch
from torch import nn


def anonymous(pid="self") -> float:
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) / 1e3 for line in status if line.startswith("RssAnon")), 0.0)


class Peak:
    """The largest number of megabytes of this process, or of a child, since the beginning."""

    def __enter__(self):
        self.start, self.most, self.child, self.done = anonymous(), 0.0, None, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.done.wait(0.005):
            own = anonymous() - self.start
            try:
                self.most = max(self.most, own + (anonymous(self.child) if self.child else 0.0))
            except OSError:
                self.child = None

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def times(whole, before, masks):
    """The whole model with its parameters times the masks."""
    whole.load_state_dict({name: t * masks[name].to(t) if name in masks else t for name, t in before.items()})
    return whole


def by_paring(model, x, peak):
    import paring

    before = copy.deepcopy(model.state_dict())
    report = paring.prune(model, (x,), ratio=0.5, progress=False)
    model.masked = lambda whole: times(whole, before, report.unified_masks)
    return model


def by_cli(model, x, peak):
    with tempfile.TemporaryDirectory() as folder:
        big, small = os.path.join(folder, "big.pt2"), os.path.join(folder, "small.pt2")
        torch.export.save(torch.export.export(model, (x,)), big)
        unified = os.path.join(folder, "unified.safetensors")
        process = subprocess.Popen(
            [os.environ["PARING"], "prune", big, "--ratio", "0.5", "-o", small, "--unified-masks", unified, "-q"]
        )
        peak.child = process.pid
        if process.wait():
            raise RuntimeError("paring failed")
        from safetensors.torch import load_file

        masks, before = load_file(unified), copy.deepcopy(model.state_dict())
        model = torch.export.load(small).module()
        model.masked = lambda whole: times(whole, before, masks)
        return model


def by_torch_pruning(model, x, peak):
    import torch_pruning

    more = {}
    heads = [m for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    if heads:
        more["num_heads"] = {m: m.num_heads for m in heads}
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        model, x, importance=torch_pruning.importance.GroupMagnitudeImportance(p=1), pruning_ratio=0.5, ignored_layers=[last], **more
    )  # fmt: skip
    pruner.step()
    return model


def by_nni(model, x, peak):
    from nni.compression.pruning import L1NormPruner
    from nni.compression.speedup import ModelSpeedup

    last = [name for name, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    config = [{"op_types": ["Conv2d", "Linear"], "sparse_ratio": 0.5, "exclude_op_names": [last]}]
    pruner = L1NormPruner(model, config)
    _, masks = pruner.compress()
    pruner.unwrap_model()
    before = copy.deepcopy(model.state_dict())
    given = {f"{name}.{key}": mask for name, own in masks.items() for key, mask in own.items() if mask is not None}
    masked = lambda whole: times(whole, before, {name: m for name, m in given.items() if name in before})
    masked(model)  # what the masks drop and the speedup leaves is zero
    ModelSpeedup(model, x, masks).speedup_model()
    model.masked = masked
    return model


TOOLS = {"paring": by_paring, "cli": by_cli, "torch-pruning": by_torch_pruning, "nni": by_nni}


def main():
    tool, name, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    whole = getattr(torchvision.models, name)(weights=None).eval()
    # Norms that are not all alike, as after training.
    for m in whole.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-0.1, 0.1), m.running_var.uniform_(0.5, 2), m.weight.data.uniform_(0.5, 1.5)
    # Nothing that is zero as it was made: a head of zeros computes zero whatever is cut.
    for p in whole.parameters():
        if not p.any():
            p.data.normal_(0, 0.02)
    x = torch.rand(1, 3, 224, 224)
    count = lambda m: sum(p.numel() for p in m.parameters())
    out = {"tool": tool, "model": name, "torch": torch.__version__, "before": count(whole)}
    seconds, cpu, peaks = [], [], []
    for _ in range(runs):
        model = copy.deepcopy(whole)
        with Peak() as peak:
            start, spent = time.perf_counter(), os.times()
            model = TOOLS[tool](model, x, peak)
            seconds.append(time.perf_counter() - start)
            now = os.times()
            cpu.append(sum(now[:4]) - sum(spent[:4]))
        peaks.append(peak.most)
    out |= {"seconds": statistics.median(seconds), "cpu": statistics.median(cpu), "peak": statistics.median(peaks)}
    out["left"] = count(model)
    masked = getattr(model, "masked", None)
    try:
        with torch.no_grad():
            y = model(x)
            out["runs"] = tuple(y.shape) == (1, 1000)
            if masked:
                z = masked(copy.deepcopy(whole))(x)
                out["error"] = ((y - z).abs().max() / z.abs().max()).item()
    except Exception as e:
        out["runs"], out["why"] = False, f"{type(e).__name__}: {str(e).splitlines()[0][:90] if str(e) else ''}"
    print(json.dumps(out))


if __name__ == "__main__":
    main()
