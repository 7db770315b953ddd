#!/usr/bin/env python3
"""A small llama of transformers, trained for a minute on text that Python ships, pruned by what activations say, saved and loaded as any other.

    python examples/llm/prune_llama.py

MLP neurons, the hidden size and whole groups of heads go (grouped queries keep their keys and values); configuration and weights say what is left.
"""

import tempfile
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import paring


def text():
    """The sources of some modules: bytes are tokens."""
    import argparse
    import collections
    import logging
    import statistics
    import tarfile

    pages = [open(m.__file__, encoding="utf-8").read() for m in (tarfile, argparse, collections, logging, statistics)]
    return torch.tensor(list("".join(pages).encode()), dtype=torch.long).clamp_max(127)


def batch(data, size, length, generator):
    at = torch.randint(len(data) - length, (size,), generator=generator)
    return torch.stack([data[a : a + length] for a in at.tolist()])


def train(model, data, seconds, rate):
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    model.train()
    end = time.time() + seconds
    while time.time() < end:
        ids = batch(data, 16, 64, generator)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def loss(model, data):
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        ids = [batch(data, 16, 64, generator) for _ in range(8)]
        return sum(model(input_ids=i, labels=i, use_cache=False).loss.item() for i in ids) / len(ids)


def say(model, prompt="def "):
    ids = torch.tensor([list(prompt.encode())])
    out = model.generate(ids, max_new_tokens=40, do_sample=False, pad_token_id=0)
    return bytes(out[0].tolist()).decode(errors="replace")


def main(seconds=60.0):
    torch.manual_seed(0)
    data = text()
    known, held = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]
    config = LlamaConfig(
        vocab_size=128, hidden_size=128, intermediate_size=384, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=4,
        max_position_embeddings=256, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = train(LlamaForCausalLM(config), known, seconds, 2e-3)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, loss {loss(model, held):.3f}")

    example = {"input_ids": batch(known, 2, 64, torch.Generator().manual_seed(3)), "use_cache": False}
    batches = [{"input_ids": batch(known, 2, 64, torch.Generator().manual_seed(k)), "use_cache": False} for k in range(4, 12)]
    # Whole heads, so that the rotary embedding stays what the configuration says; norms over what is left of the hidden size, as a model that is
    # built from the configuration has them.
    report = paring.prune(
        model, (), example, by="wanda", data=batches, reduce="mean", ratio=0.25, heads=True, statistics="approximate"
    )
    print(repr(report))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, loss {loss(model, held):.3f} after pruning")
    train(model, known, seconds / 3, 1e-3)
    print(f"loss {loss(model, held):.3f} after a little training")
    c = model.config
    print(
        f"hidden {c.hidden_size}, neurons {c.intermediate_size}, heads {c.num_attention_heads} / {c.num_key_value_heads}, head size {c.head_dim}"
    )

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = LlamaForCausalLM.from_pretrained(folder).eval()
    ids = batch(held, 2, 64, torch.Generator().manual_seed(20))
    with torch.no_grad():
        same = torch.allclose(again(input_ids=ids).logits, model(input_ids=ids).logits, atol=1e-4)
    print("loaded again, it computes", "the same" if same else "something else")
    print(repr(say(again)))


if __name__ == "__main__":
    main()
