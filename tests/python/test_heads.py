"""Heads of models with rotary embeddings, all or part of them rotated, with grouped queries and with one key for all."""

import pytest
import torch

import paring

transformers = pytest.importorskip("transformers")

SMALL = {"vocab_size": 60, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 8}
"""Heads of 8."""

MODELS = {
    "llama": ("Llama", {"num_key_value_heads": 4}),
    "llama_one_key": ("Llama", {"num_key_value_heads": 1}),
    "llama_plain": ("Llama", {"num_key_value_heads": 8}),
    "qwen": ("Qwen2", {"num_key_value_heads": 2}),
    "phi": ("Phi", {"partial_rotary_factor": 0.5}),
    "gemma": ("Gemma", {"num_key_value_heads": 1, "head_dim": 8}),
    "neox": ("GPTNeoX", {"rotary_pct": 0.5}),
}


def attention(name):
    """The kept rows of the weights that make queries, keys and values, a row of True and False for each head."""
    kind, more = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**SMALL, **more)).eval()
    ids = torch.randint(0, 60, (1, 7))
    named = {n: p for n, p in model.named_parameters() if "attn" in n or "attention" in n}

    def kept(**goal):
        masks = paring.masks(model, (), {"input_ids": ids, "use_cache": False}, **goal)
        rows = {n: masks[n].flatten(1).any(1) for n in masks if n in named and n.endswith("weight")}
        if kind == "GPTNeoX":  # of each head queries, keys and values
            (fused,) = (r for n, r in rows.items() if "query_key_value" in n)
            return [part.reshape(-1, 8) for part in fused.view(8, 3, 8).unbind(1)]
        own = {x: next(n for n in named if f"{x}_proj.weight" in n) for x in "qkv"}
        return [rows.get(n, torch.ones(named[n].shape[0], dtype=torch.bool)).view(-1, 8) for n in own.values()]

    return kept


@pytest.mark.parametrize("name", MODELS)
def test_width_and_heads(name):
    kept = attention(name)
    shares = MODELS[name][1].get("num_key_value_heads", 8)
    # Half of the width: every head stays, and of each half, alike in queries, keys and values.
    for part in kept(ratio=0.5):
        assert part.sum(1).tolist() == [4] * len(part), (name, part)
    # Half of the heads: whole ones, and with grouped queries whole groups.
    q, k, v = kept(ratio=0.5, heads=True)
    assert all(n in (0, 8) for part in (q, k, v) for n in part.sum(1).tolist()), (name, q)
    assert int(q.any(1).sum()) == 4 if shares > 1 else int(q.any(1).sum()) in (4, 8), (name, q)
    if shares > 1:
        assert torch.equal(q.any(1).view(shares, -1).all(1), k.any(1)) and torch.equal(k.any(1), v.any(1))
    # Both.
    q, k, v = kept(ratio=0.5, head_ratio=0.5)
    for part in (q, k, v):
        assert set(part.sum(1).tolist()) <= {0, 4}, (name, part)


def test_the_head_size_is_one_in_all_layers():
    """Rotary angles tie the queries and keys of all layers; values follow, so that the class, with one head size, computes the small model."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**{**SMALL, "num_hidden_layers": 3}, num_key_value_heads=4)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():  # values of one layer count for more than those of another
        for k, layer in enumerate(model.model.layers):
            layer.self_attn.v_proj.weight.mul_(torch.linspace(0.2, 1 + k, 8).repeat(4)[:, None])
    ids = torch.randint(0, 60, (1, 7))
    report = paring.prune(
        model, (), {"input_ids": ids, "use_cache": False}, ratio=0.5, by="l2", scope="global", statistics="approximate"
    )
    sizes = {
        p.shape[0] // (8 if "q_proj" in n else 4)
        for n, p in model.named_parameters()
        if n.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))
    }
    assert len(sizes) == 1 and sizes.pop() < 8 and not report.graph_forwards, report.graph_forwards
