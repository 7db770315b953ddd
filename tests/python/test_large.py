"""A program without weights is planned, and a sharded checkpoint is cut file by file, by processes that may end at any time."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file, save_file

import torch

transformers = pytest.importorskip("transformers")


def paring(*args, **more):
    return subprocess.Popen([sys.executable, "-m", "paring", *map(str, args)], stderr=subprocess.PIPE, text=True, **more)


def run(*args):
    process = paring(*args)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def llama(device):
    config = transformers.LlamaConfig(
        hidden_size=256, intermediate_size=640, num_attention_heads=8, num_key_value_heads=2, num_hidden_layers=2, vocab_size=300, use_cache=False
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        return transformers.LlamaForCausalLM(config).eval()


def export(model, path):
    inputs = {"input_ids": torch.zeros(1, 8, dtype=torch.long, device=model.device)}
    torch.export.save(torch.export.export(model, (), inputs), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    export(llama("meta"), folder / "meta.pt2")
    model = llama("cpu")
    export(model, folder / "full.pt2")
    model.save_pretrained(folder / "big", max_shard_size="1MB")
    # Scores that are made shard by shard, as docs/large.md has it.
    scores = {}
    for file in (folder / "big").glob("*.safetensors"):
        scores |= {name: w.abs().reshape(len(w), -1).sum(1) for name, w in load_file(file).items()}
    save_file(scores, folder / "scores.safetensors")
    run(
        "masks",
        folder / "meta.pt2",
        "--scores",
        folder / "scores.safetensors",
        "--ratio",
        0.25,
        "-o",
        folder / "masks.safetensors",
        "-q",
    )
    # A layer whose mask the others do not follow: its zeros stay.
    more = {"model.layers.0.mlp.up_proj.weight": torch.arange(640).remainder(3).gt(0)[:, None]}
    save_file(load_file(folder / "masks.safetensors") | more, folder / "masks.safetensors")
    for name in ("meta", "full"):
        plan = ["--plan", folder / f"{name}.json", "--unified-masks", folder / f"{name}.unified"]
        run("speedup", folder / f"{name}.pt2", "--masks", folder / "masks.safetensors", *plan, "-q")
    return folder


def tensors(folder):
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = {file: load_file(folder / file) for file in set(index["weight_map"].values())}
    return {name: files[file][name] for name, file in index["weight_map"].items()}


def test_a_program_without_weights_gives_the_same_plan(folder):
    assert (folder / "meta.json").read_text().replace("meta.unified", "full.unified") == (folder / "full.json").read_text()
    full, product = load_file(folder / "full.unified"), {}
    for name, factor in load_file(folder / "meta.unified").items():
        name = re.sub(r"\.dim\d+$", "", name)
        product[name] = product.get(name, True) & factor
    assert product.keys() == full.keys()
    for name, mask in full.items():
        assert torch.equal(product[name].expand_as(mask), mask), name
    assert (folder / "meta.unified").stat().st_size * 4 < (folder / "full.unified").stat().st_size


def test_shards_are_cut_by_processes_that_end(folder):
    weights = folder / "big" / "model.safetensors.index.json"
    count = len(list((folder / "big").glob("*.safetensors")))
    assert count > 5
    run("apply", folder / "full.json", "--weights", weights, "-o", folder / "whole", "-q")
    parts = [
        ["apply", folder / "meta.json", "--weights", weights, "-o", folder / "parts", "-q", "--shard", f"{k}/3"]
        for k in (1, 2, 3)
    ]
    processes = [paring(*part) for part in parts]
    while not any((folder / "parts").glob("*.safetensors")):
        time.sleep(0.001)
    os.kill(processes[1].pid, signal.SIGKILL)
    codes = [p.wait() for p in processes]
    assert codes[0] == codes[2] == 0 and codes[1] in (0, -signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in (folder / "parts").glob("*.safetensors")}
    assert (folder / "parts" / "model.safetensors.index.json").exists() == (len(before) == count)
    run(*parts[1])
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    whole, cut = tensors(folder / "whole"), tensors(folder / "parts")
    assert whole.keys() == cut.keys() and all(torch.equal(t, cut[name]) for name, t in whole.items())
    assert cut["model.layers.1.mlp.up_proj.weight"].shape == (480, 192)

    # What `speedup` writes itself is the same.
    run("speedup", folder / "full.pt2", "--masks", folder / "masks.safetensors", "-o", folder / "small.pt2", "-q")
    small = torch.export.load(folder / "small.pt2").state_dict
    assert all(torch.equal(t, small[name]) for name, t in cut.items())
