"""Models of transformers: their configuration follows, so that save_pretrained and from_pretrained work."""

import copy

import pytest
import torch

import nets
import paring

transformers = pytest.importorskip("transformers")


def llama(**more):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **more,
    )
    return transformers.LlamaForCausalLM(config).eval()


def test_neurons_of_an_mlp(tmp_path):
    model, ids = llama(), torch.randint(0, 60, (1, 7))
    original, masks = copy.deepcopy(model), {}
    for k, layer in enumerate(model.model.layers):
        keep = torch.ones(48, dtype=torch.bool)
        keep[torch.randperm(48, generator=torch.Generator().manual_seed(k))[:24]] = False  # others in every layer, equally many
        masks |= {f"model.layers.{k}.mlp.{n}.weight": keep for n in ("gate_proj", "up_proj")}
    report = paring.speedup(model, (), kwargs={"input_ids": ids, "use_cache": False}, masks=masks)
    assert report.graph_forwards == [] and model.config.intermediate_size == 24 and model.config.hidden_size == 32
    assert any("intermediate_size=24" in r for r in report.reasons)
    with torch.no_grad():
        want = nets.masked(original, report.unified_masks)(ids).logits
        assert torch.allclose(model(ids).logits, want, atol=1e-5)
        model.save_pretrained(tmp_path)
        again = transformers.LlamaForCausalLM.from_pretrained(tmp_path).eval()
        assert torch.allclose(again(ids).logits, want, atol=1e-5)
        assert torch.equal(
            model.generate(ids, max_new_tokens=4, do_sample=False), again.generate(ids, max_new_tokens=4, do_sample=False)
        )


def test_layers_that_differ_are_named():
    model, ids = llama(), torch.randint(0, 60, (1, 7))
    masks = {
        f"model.layers.{k}.mlp.{n}.weight": torch.arange(48) % (2 + k) == 0 for k in range(2) for n in ("gate_proj", "up_proj")
    }
    report = paring.speedup(model, (), kwargs={"input_ids": ids, "use_cache": False}, masks=masks)
    assert model.config.intermediate_size == 48
    assert any("layers differ" in r and "gate_proj" in r and "24x32, 16x32" in r for r in report.reasons), report.reasons


def test_what_no_configuration_says():
    model, ids = llama(), torch.randint(0, 60, (1, 7))
    half = torch.arange(32) % 2 == 0
    masks = {
        n: half if p.dim() == 1 else half.expand(p.shape) if "embed" in n or "lm_head" in n else p.new_ones(p.shape)
        for n, p in model.named_parameters()
    }
    masks |= {n: half for n, _ in model.named_parameters() if n.endswith(("o_proj.weight", "down_proj.weight"))}
    original = copy.deepcopy(model)
    report = paring.speedup(model, (), kwargs={"input_ids": ids, "use_cache": False}, masks=masks)
    with torch.no_grad():
        want = nets.masked(original, report.unified_masks)(ids).logits
        assert torch.allclose(model(ids).logits, want, atol=1e-5)
    # The norms are over 16 of 32 now, which a model of hidden_size=16 would not know.
    assert model.model.embed_tokens.weight.shape == (60, 16) and model.config.hidden_size == 32
    assert any("hidden_size=16" in r and "stays" in r for r in report.reasons), report.reasons


def test_a_cache_among_the_outputs_is_named():
    with pytest.raises(paring.Error, match="use_cache=False"):
        paring.prune(llama(), (), {"input_ids": torch.randint(0, 60, (1, 7))}, ratio=0.5)
