"""The module after `paring.speedup`: what it computes, what it is, what stays as it was."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import nets
import paring

CASES = [(nets.Residual, nets.image), (nets.Vit, nets.tokens), (nets.Stated, nets.image)]


@pytest.mark.parametrize("cls, example", CASES, ids=lambda c: c.__name__)
def test_equals_the_masked_original(cls, example):
    model, x = nets.made(cls), example()
    original, masks = copy.deepcopy(model), nets.every_other(model)
    report = paring.speedup(model, (x,), masks=masks)
    want = nets.masked(original, report.unified_masks)(x)
    assert report.parameters.after < 0.6 * report.parameters.before
    assert sum(p.numel() for p in model.parameters()) == report.parameters.after
    assert report.macs.after < report.macs.before
    assert nets.close(model(x), want)
    assert nets.close(model.train().eval()(x), want)
    assert nets.close(copy.deepcopy(model)(x), want)
    assert nets.close(pickle.loads(pickle.dumps(model))(x), want)
    assert isinstance(model, cls)
    for name, mask in report.unified_masks.items():
        assert mask.dtype == torch.bool and mask.shape == dict(original.named_parameters())[name].shape


def test_attributes_tell_the_new_sizes():
    model = nets.made(nets.Vit)
    report = paring.speedup(model, (nets.tokens(),), masks=nets.every_other(model))
    assert report.graph_forwards == []
    att = model.blocks[0]["att"]
    assert (att.heads, att.head_dim, att.qkv.in_features, att.qkv.out_features) == (4, 2, 8, 24)
    assert att.scale == 4**-0.5  # what it was: the code keeps it
    norm = model.norm
    assert isinstance(norm, nn.LayerNorm) and norm.normalized_shape == (8,) and norm.total == 16


def test_approximate_statistics_keep_the_plain_class():
    model = nets.made(nets.Vit)
    paring.speedup(model, (nets.tokens(),), masks=nets.every_other(model), statistics="approximate")
    assert type(model.norm) is nn.LayerNorm


def test_convolutions_groups_and_norms():
    model = nets.made(
        lambda: nn.Sequential(
            nn.Conv2d(3, 16, 1),
            nn.GroupNorm(4, 16),
            nn.Conv2d(16, 16, 3, groups=16, padding=1),
            nn.PReLU(16),
            nn.Conv2d(16, 8, 1),
            nn.RMSNorm([8, 8, 8]),
        )
    )
    x, original = nets.image(), copy.deepcopy(model)
    keep = torch.arange(16) % 2 == 0
    report = paring.speedup(model, (x,), masks={"0.weight": keep, "0.bias": keep, "2.weight": keep, "2.bias": keep})
    assert report.graph_forwards == []
    assert (model[1].num_channels, model[1].num_groups, model[2].groups, model[3].num_parameters, model[4].in_channels) == (
        8,
        4,
        8,
        8,
        8,
    )
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_rms_norm_stays_what_it_is():
    model = nets.made(lambda: nn.Sequential(nn.Linear(6, 16), nn.RMSNorm(16, eps=1e-3), nn.Linear(16, 5)))
    x, original, keep = nets.tokens(), copy.deepcopy(model), torch.arange(16) % 4 != 0
    report = paring.speedup(model, (x,), masks={"0.weight": keep, "0.bias": keep})
    assert type(model[1]) is nn.RMSNorm and model[1].normalized_shape == (12,)
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_attention_of_torch_keeps_its_scale():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mha, self.head = nn.Linear(6, 16), nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 5)

        def forward(self, x):
            x = self.embed(x)
            return self.head(x + self.mha(x, x, x, need_weights=False)[0])

    model = nets.made(Net)
    x, original = nets.tokens(), copy.deepcopy(model)
    half = torch.arange(16) % 2 == 0
    masks = {
        "embed.weight": half,
        "embed.bias": half,
        "mha.out_proj.weight": half,
        "mha.out_proj.bias": half,
        "mha.in_proj_weight": half.repeat(3),
        "mha.in_proj_bias": half.repeat(3),
    }
    report = paring.speedup(model, (x,), masks=masks)
    assert report.graph_forwards == [] and model.mha.embed_dim == 8
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_code_that_states_numbers_gets_a_graph():
    model = nets.made(nets.Stated)
    x, original, conv = nets.image(), copy.deepcopy(model), model.inner.a
    report = paring.speedup(model, (x,), masks=nets.every_other(model))
    assert report.graph_forwards == ["inner"]
    assert "nets.py" in str(report) and "inner" in str(report)
    assert isinstance(model.inner, nets.Stated.Inner) and model.inner.a is conv and type(model.inner.n) is nn.BatchNorm2d
    want = nets.masked(original, report.unified_masks)(x)
    assert nets.close(model(x), want)
    assert nets.close(pickle.loads(pickle.dumps(model))(x), want)
    # In training its dropout and its batch norm are those of the code.
    model.train()
    before = model.inner.n.running_mean.clone()
    torch.manual_seed(0)
    a = model(x)
    torch.manual_seed(1)
    assert not torch.equal(a, model(x)) and not torch.equal(before, model.inner.n.running_mean)
    calls = []
    model.inner.a.register_forward_hook(lambda *_: calls.append(1))
    model(x)
    assert calls


def test_graph_forward_never_and_always():
    model = nets.made(nets.Stated)
    before = {k: (id(p), p.shape) for k, p in model.named_parameters()}
    with pytest.raises(paring.Error) as e:
        paring.speedup(model, (nets.image(),), masks=nets.every_other(model), graph_forward="never")
    assert e.value.code == "paring::live::forward" and "inner" in str(e.value)
    assert before == {k: (id(p), p.shape) for k, p in model.named_parameters()}
    model, x = nets.made(nets.Vit), nets.tokens()
    original = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks=nets.every_other(model), graph_forward="always")
    assert "" in report.graph_forwards
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_a_second_round():
    model, x = nets.made(nets.Vit), nets.tokens()
    paring.speedup(model, (x,), masks=nets.every_other(model))
    once = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks=nets.every_other(model))
    assert model.norm.normalized_shape == (4,) and model.norm.total == 16
    assert nets.close(model(x), nets.masked(once, report.unified_masks)(x))
    model, x = nets.made(nets.Stated), nets.image()
    paring.speedup(model, (x,), masks=nets.every_other(model))
    once = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks=nets.every_other(model))
    assert nets.close(model(x), nets.masked(once, report.unified_masks)(x))


def test_what_stays_as_it_was():
    model = nets.made(nets.Residual).to(memory_format=torch.channels_last)
    model.stem.weight.requires_grad_(False)
    model.bn.train()
    objects = {k: id(p) for k, p in model.named_parameters()}
    hooked = []
    model.stem.register_forward_hook(lambda *_: hooked.append(1))
    paring.speedup(model, (nets.image(),), masks=nets.every_other(model))
    assert objects == {k: id(p) for k, p in model.named_parameters()}
    assert not model.stem.weight.requires_grad and model.a.weight.requires_grad
    assert model.bn.training and not model.na.training
    assert model.a.weight.is_contiguous(memory_format=torch.channels_last) and not model.a.weight.is_contiguous()
    hooked.clear()
    model(nets.image())
    assert hooked


def test_tied_parameters_stay_tied():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mid, self.head = nn.Embedding(11, 16), nn.Linear(16, 16), nn.Linear(16, 11, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, i):
            return self.head(self.mid(self.embed(i)) + self.embed(i))

    model = nets.made(Net)
    i, original = torch.tensor([[1, 2, 3]]), copy.deepcopy(model)
    keep = torch.arange(16) % 2 == 0
    report = paring.speedup(model, (i,), masks={"embed.weight": keep.expand(11, 16), "mid.weight": keep, "mid.bias": keep})
    assert model.head.weight is model.embed.weight and model.embed.weight.shape == (11, 8)
    assert (model.embed.embedding_dim, model.head.in_features, model.mid.in_features) == (8, 8, 8)
    assert nets.close(model(i), nets.masked(original, report.unified_masks)(i))


def test_weight_norm_stays_parametrized():
    for norm in (nn.utils.parametrizations.weight_norm, nn.utils.weight_norm):
        model = nets.made(
            lambda: nn.Sequential(norm(nn.Conv1d(3, 16, 3)), nn.ReLU(), norm(nn.Conv1d(16, 8, 3)), nn.Conv1d(8, 4, 1))
        )
        x = torch.randn(2, 3, 12, dtype=torch.float64)
        name = "parametrizations.weight.original0" if norm is nn.utils.parametrizations.weight_norm else "weight_g"
        state, keep = copy.deepcopy(model.state_dict()), torch.arange(16) % 2 == 0
        report = paring.speedup(model, (x,), masks={f"0.{name}": keep[:, None, None], "0.bias": keep})
        assert model[0].out_channels == 8 and model[2].in_channels == 8 and model[0].weight.shape == (8, 3, 3)
        got = model(x)
        original = nets.made(
            lambda: nn.Sequential(norm(nn.Conv1d(3, 16, 3)), nn.ReLU(), norm(nn.Conv1d(16, 8, 3)), nn.Conv1d(8, 4, 1))
        )
        original.load_state_dict(state)
        with torch.no_grad():
            named = dict(original.named_parameters())
            for n in (f"0.{name}", "0.bias"):
                named[n].mul_(report.unified_masks[n])
        assert nets.close(got, original(x))


@pytest.mark.parametrize("masks", [None, "model"])
def test_pruning_of_torch_is_taken_off(masks):
    model, x = nets.made(nets.Residual), nets.image()
    for m in (model.stem, model.a, model.b):
        prune.ln_structured(m, "weight", 0.5, n=1, dim=0)
    report = paring.speedup(model, (x,), masks=masks)
    assert not prune.is_pruned(model) and report.parameters.after < report.parameters.before
    assert model.a.weight.shape[0] == 8
    model = nets.made(nets.Residual)
    prune.ln_structured(model.stem, "weight", 0.5, n=1, dim=0)
    want, names = model(x), set(dict(model.named_parameters()))
    with pytest.raises(paring.Error):
        paring.speedup(model, (x,), masks={"nothing": torch.ones(3)})
    assert set(dict(model.named_parameters())) == names and nets.close(model(x), want) and prune.is_pruned(model)


def test_wrappers_and_their_names():
    model, x = nets.made(nets.Residual), nets.image()
    masks = {f"module._orig_mod.{k}": v for k, v in nets.every_other(model).items()}
    report = paring.speedup(nn.DataParallel(torch.compile(model, backend="eager")), (x,), masks=masks)
    assert model.a.out_channels == 8 and report.parameters.after < report.parameters.before


@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.bool, torch.uint8, "sparse", "rows"])
def test_any_kind_of_mask(kind):
    model, x = nets.made(nets.Residual), nets.image()
    full = nets.every_other(model)["a.weight"]
    mask = full[:, 0, 0, 0] if kind == "rows" else full.float().to_sparse() if kind == "sparse" else full.to(kind)
    paring.speedup(model, (x,), masks={"a.weight": mask, "a.bias": full[:, 0, 0, 0]})
    assert model.a.weight.shape[0] == 8 and model.b.in_channels == 8


def test_masks_of_files(tmp_path):
    from safetensors.torch import save_file

    masks = {k: v.contiguous() for k, v in nets.every_other(nets.made(nets.Residual)).items()}
    save_file({k: v.to(torch.uint8) for k, v in masks.items()}, tmp_path / "masks.safetensors")
    torch.save({"a": {"weight": masks["a.weight"], "bias": masks["a.bias"]}}, tmp_path / "nni.pth")
    (tmp_path / "masks.yaml").write_text("a: { ratio: 0.5 }\n")
    for file in ("masks.safetensors", "nni.pth", "masks.yaml"):
        model = nets.made(nets.Residual)
        paring.speedup(model, (nets.image(),), masks=tmp_path / file)
        assert model.a.out_channels == 8, file
    model = nets.made(nets.Residual)
    with torch.no_grad():
        for name, mask in masks.items():
            dict(model.named_parameters())[name].mul_(mask)
    x, original = nets.image(), copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks="zeros")
    assert model.a.out_channels == 8 and nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_lossless():
    model, x = nets.made(nets.Residual), nets.image()
    original, keep = copy.deepcopy(model), torch.arange(16) % 2 == 0
    report = paring.speedup(model, (x,), masks={"a.weight": keep, "na.weight": keep}, lossless=True)
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))
    assert nets.close(model(x), nets.masked(original, {"a.weight": keep.view(-1, 1, 1, 1), "na.weight": keep})(x))


def test_the_report():
    model = nets.made(nets.Residual)
    report = paring.speedup(model, (nets.image(),), masks={"stem.weight": nets.every_other(model)["stem.weight"]})
    assert "parameters" in str(report) and "<html" in report._repr_html_().replace("&lt;", "<").lower()
    assert report.to_dict()["parameters"]["before"] == report.parameters.before
    assert any("stem" in r for r in report.reasons) or report.to_dict()["conflicts"]
    assert report.plan["version"] == 1


def test_nothing_to_remove_masks_all_the_same():
    model, x = nets.made(nets.Residual), nets.image()
    original, mask = copy.deepcopy(model), torch.rand(16, 16, 3, 3) > 0.5
    report = paring.speedup(model, (x,), masks={"a.weight": mask})
    assert report.parameters.before == report.parameters.after
    assert nets.close(model(x), nets.masked(original, {"a.weight": mask})(x)) and torch.equal(
        report.unified_masks["a.weight"], mask
    )


def test_meta_modules_can_be_planned():
    with torch.device("meta"):
        model = nets.Residual().eval()
    report = paring.speedup(
        model,
        (torch.empty(2, 3, 8, 8, device="meta"),),
        masks={k: v.to("cpu") for k, v in nets.every_other(nets.Residual()).items()},
    )
    assert model.a.weight.is_meta and model.a.weight.shape[0] == 8 and report.parameters.after < report.parameters.before


def test_dynamic_shapes_and_more_inputs():
    model, x = nets.made(nets.Vit), nets.tokens()
    original = copy.deepcopy(model)
    batch = torch.export.Dim("batch")
    report = paring.speedup(model, (x,), masks=nets.every_other(model), dynamic_shapes=({0: batch},))
    other = nets.tokens(7)
    assert nets.close(model(other), nets.masked(original, report.unified_masks)(other))
    again = torch.export.export(model, (x,), strict=False).module()
    assert nets.close(again(x), model(x))
    assert nets.close(torch.compile(model, backend="eager")(other), model(other))


def test_a_branch_that_adds_nothing_goes_as_a_whole():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.out = nn.Linear(6, 8), nn.Linear(8, 4)
            self.blocks = nn.ModuleList(Block() for _ in range(2))

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.out(x)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

        def forward(self, x):
            return x + self.down(torch.relu(self.up(x)))

    x = torch.randn(3, 6, dtype=torch.float64)
    original = nets.made(Net)
    masks = {k: torch.zeros_like(p) for k, p in original.named_parameters() if k.startswith("blocks.0.down.")}
    want = nets.masked(original, masks)(x)
    model = copy.deepcopy(original)
    report = paring.speedup(model, (x,), masks=masks)
    assert report.graph_forwards == ["blocks.0"] and "blocks.0.up" in str(report)
    assert all(p.numel() == 0 for p in model.blocks[0].parameters())
    assert nets.close(model(x), want) and nets.close(copy.deepcopy(model).train()(x), want)
    again = paring.speedup(
        model, (x,), masks={"blocks.1.up.weight": torch.arange(16) > 7, "blocks.1.up.bias": torch.arange(16) > 7}
    )
    assert again.graph_forwards == [] and model.blocks[1].up.out_features == 8
    model = copy.deepcopy(original)
    report = paring.speedup(model, (x,), masks=masks, graph_forward="never")
    assert report.graph_forwards == [] and model.blocks[0].up.out_features == 1
    assert nets.close(model(x), want)


def test_fused_paths_of_encoder_layers_are_left():
    """In inference, PyTorch's encoder layer hands its weights to one operator that knows no norm over fewer channels."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
            self.stem, self.layers, self.out = nn.Linear(6, 16), nn.TransformerEncoder(layer, 2), nn.Linear(16, 3)

        def forward(self, x, mask=None):
            return self.out(self.layers(self.stem(x), src_key_padding_mask=mask))

    model, x = nets.made(Net), torch.randn(2, 5, 6, dtype=torch.float64)
    original, padding = copy.deepcopy(model), torch.arange(5)[None] > torch.tensor([[4], [2]])
    masks = nets.every_other(model, skip=("out",))
    heads = {k: torch.arange(48) % 2 for k, _ in model.named_parameters() if "in_proj" in k}
    report = paring.speedup(model, (x, padding), masks={**masks, **heads})
    assert report.graph_forwards == [] and model.layers.layers[0].norm1.normalized_shape == (8,)
    masked = nets.masked(original, report.unified_masks)
    with torch.no_grad():
        assert nets.close(model(x), masked(x))
        here = ~padding
        assert nets.close(model(x, padding)[here], masked(x, padding)[here])


def test_norms_over_channels_that_hold_numbers():
    """Mixing tokens gives removed channels a number, the same in all of them: no norm of one module alone can know it."""

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.first, self.tokens = nn.Linear(6, 16), nn.LayerNorm(16), nn.Linear(5, 5)
            self.norm, self.out = nn.LayerNorm(16), nn.Linear(16, 3)

        def forward(self, x):
            x = self.stem(x)
            x = x + self.tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
            return self.out(self.norm(x))

    model, x = nets.made(Mixer), torch.randn(2, 5, 6, dtype=torch.float64)
    original = copy.deepcopy(model)
    masks = {k: v for k, v in nets.every_other(model).items() if k.startswith(("stem.", "first.", "norm."))}
    report = paring.speedup(model, (x,), masks=masks)
    assert model.stem.out_features == 8 and report.graph_forwards == ["norm", ""]
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_weights_divided_by_their_norm_are_cut_and_not_masked():
    model = nets.made(
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(6, 16)),
            nn.ReLU(),
            nn.utils.parametrizations.weight_norm(nn.Linear(16, 4)),
        )
    )
    x = torch.randn(2, 6, dtype=torch.float64)
    original = copy.deepcopy(model)
    keep = torch.arange(16) % 2
    report = paring.speedup(model, (x,), masks={"0.weight": keep[:, None].expand(16, 6), "0.bias": keep})
    assert model[0].out_features == 8
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))
    with pytest.raises(paring.Error, match="shape"):
        paring.speedup(original, (x,), masks={"0.weight": torch.ones(3, 3)})


def test_weights_of_some_size():
    """The program that is solved has one element in the place of each weight, however large these are."""
    model = nn.Sequential(nn.Linear(512, 8192), nn.ReLU(), nn.Linear(8192, 512))
    x = torch.randn(2, 512)
    original = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks={"0.weight": torch.arange(8192) % 4 == 0, "0.bias": torch.arange(8192) % 4 == 0})
    assert model[0].out_features == 2048
    assert torch.allclose(model(x), nets.masked(original, report.unified_masks)(x), atol=1e-4)


class Scaled(nn.Module):
    """Attention that takes its scale from the size of its heads, which no attribute can keep: it needs a graph as its forward."""

    def __init__(self):
        super().__init__()
        self.heads, self.head_dim = 2, 8
        self.qkv, self.proj = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x, shift=0.0):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(b, n, self.heads * self.head_dim)) + shift


class Tokens(nn.Module):
    """Two of them, with a sum over tokens whose number the code multiplies with that of pictures."""

    def __init__(self):
        super().__init__()
        self.embed, self.a, self.b, self.head = nn.Linear(6, 16), Scaled(), Scaled(), nn.Linear(16, 5)

    def forward(self, x):
        y = self.b(self.a(self.embed(x)), shift=1.0)
        b, n, c = y.shape
        return self.head(y.reshape(b * n, c)).view(b, n, 5).sum(1)


@pytest.mark.parametrize("batch", (1, 2))
def test_graph_forwards_take_other_sizes(batch):
    model, x = nets.made(Tokens), nets.tokens(batch)
    original = copy.deepcopy(model)
    masks = {}
    for name in ("a", "b"):  # half of the positions in each head go, in queries, keys and values
        keep = (torch.arange(48) % 8 < 4)[:, None].expand(48, 16)
        masks |= {f"{name}.qkv.weight": keep, f"{name}.qkv.bias": keep[:, 0]}
    report = paring.speedup(model, (x,), masks=masks)
    assert sorted(report.graph_forwards) == ["a", "b"] and model.a.qkv.weight.shape[0] == 24
    assert report.macs.before == 5 * batch * (6 * 16 + 2 * (16 * 48 + 2 * 5 * 16 + 16 * 16) + 16 * 5)
    whole = nets.masked(original, report.unified_masks)
    for other in (nets.tokens(batch), nets.tokens(7), torch.randn(3, 9, 6, dtype=torch.float64)):
        assert nets.close(model(other), whole(other))
    assert not any("sizes alone" in r for r in report.reasons)
    model.train()
    model(nets.tokens(4)).sum().backward()
    assert model.a.qkv.weight.grad.shape == model.a.qkv.weight.shape


def test_graph_forwards_say_where_sizes_are_fixed():
    class Fixed(Tokens):
        def forward(self, x):
            assert int(x.shape[0]) == 2 and x.shape[1] == 5  # specialises
            return super().forward(x * torch.ones(2, 5, 1, dtype=x.dtype))

    model, x = nets.made(Fixed), nets.tokens(2)
    keep = (torch.arange(48) % 8 < 4)[:, None].expand(48, 16)
    report = paring.speedup(model, (x,), masks={"a.qkv.weight": keep, "a.qkv.bias": keep[:, 0]})
    assert "a" in report.graph_forwards and model(x).shape == (2, 5)
    assert any("sizes alone" in r for r in report.reasons)


class Shuffle(nn.Module):
    """Reads its sizes once and states one of them by a number; a shuffle that a cut turns into a gather."""

    def __init__(self):
        super().__init__()
        self.stem, self.g, self.out = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 1, groups=4), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = self.g(self.stem(x).relu()).relu()
        b, c, h, w = x.shape
        x = x.view(b, 4, c // 4, h, w).transpose(1, 2).reshape(b, c, h, w)
        left, right = x.chunk(2, 1)
        return self.out(torch.cat([left, right.tanh()], 1))


@pytest.mark.parametrize("apart", (True, False))
def test_a_graph_at_the_root_reads_sizes_where_it_needs_them(apart, monkeypatch):
    if not apart:  # a program that PyTorch cannot take apart: one graph that calls no modules

        def no(_):
            raise ValueError("not today")

        monkeypatch.setattr(torch.export, "unflatten", no)
    model, x = nets.made(Shuffle), torch.randn(2, 3, 6, 6, dtype=torch.float64)
    original = copy.deepcopy(model)
    keep = torch.tensor([1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1], dtype=torch.bool)  # others in each group
    report = paring.speedup(model, (x,), masks={"g.weight": keep[:, None, None, None].expand(16, 4, 1, 1), "g.bias": keep})
    assert report.graph_forwards == [""] and model.g.out_channels == 8, report.graph_forwards
    whole = nets.masked(original, report.unified_masks)
    for other in (x, torch.randn(5, 3, 4, 9, dtype=torch.float64)):
        assert nets.close(model(other), whole(other))
