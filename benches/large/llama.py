#!/usr/bin/env python3
"""A llama's program without weights, and a sharded checkpoint of it that takes no room on the disk: `benches/large/llama.py FOLDER --layers 80`.

FOLDER gets llama.pt2, exported on `meta`, and a folder `big` with the index and safetensors files whose data are holes, read as zeros.
"""

import argparse
import json
import pathlib
import struct

from transformers import LlamaConfig, LlamaForCausalLM

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=80)
    parser.add_argument("--shard-gb", type=float, default=5)
    args = parser.parse_args()
    config = LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_attention_heads=64, num_key_value_heads=8, num_hidden_layers=args.layers, vocab_size=32000, use_cache=False
    )  # fmt: skip
    with torch.device("meta"):
        model = LlamaForCausalLM(config).eval().to(torch.bfloat16)
    inputs = {"input_ids": torch.zeros(1, 128, dtype=torch.long, device="meta")}
    program = torch.export.export(model, (), inputs)
    args.folder.mkdir(exist_ok=True)
    torch.export.save(program, args.folder / "llama.pt2")

    shards: list[dict[str, torch.Tensor]] = [{}]
    size = lambda tensors: sum(t.numel() * t.element_size() for t in tensors.values())
    for name, t in model.state_dict().items():
        if shards[-1] and size(shards[-1] | {name: t}) > args.shard_gb * 1e9:
            shards.append({})
        shards[-1][name] = t
    folder, weight_map = args.folder / "big", {}
    folder.mkdir(exist_ok=True)
    for k, tensors in enumerate(shards):
        file = f"model-{k + 1:05}-of-{len(shards):05}.safetensors"
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name, t in tensors.items():
            start, end = end, end + t.numel() * t.element_size()
            header[name] = {"dtype": "BF16", "shape": list(t.shape), "data_offsets": [start, end]}
            weight_map[name] = file
        text = json.dumps(header).encode()
        with open(folder / file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            out.truncate(8 + len(text) + end)
    total = sum(map(size, shards))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    print(f"{len(program.graph.nodes)} nodes, {total / 1e9:.1f} GB in {len(shards)} files")


if __name__ == "__main__":
    main()
