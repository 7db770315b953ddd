"""Scores against plain PyTorch, goals, and pruners in training."""

import copy

import pytest
import torch
import torch.nn.functional as F
from nets import Residual, Vit

import paring
from paring.grouping import Program
from paring.scoring import Measuring

X = (torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)
BATCHES = [(torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(k)), torch.randint(5, (6,))) for k in (1, 2, 3)]


def loss(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


def net():
    torch.manual_seed(0)
    model = Residual()
    with torch.no_grad():
        for n in (model.bn, model.na, model.nb):
            n.weight.uniform_(0.5, 1.5), n.bias.normal_(), n.running_mean.normal_(0, 0.1), n.running_var.uniform_(0.5, 1.5)
    return model


def measured(model, by, **options):
    """Scores of the residual axis, which stem, b, two norms, a and the head share; as they are."""
    program = Program(model, X, None)
    options = {"normalise": None, **options}
    return Measuring(program, by, **options).scores()[program.groups["stem.weight[0]"].id]


def coupled(model, t):
    """The parts of a parameter-wise dict that lie at each position of that axis: rows."""
    out = [t[n].flatten(1) for n in ("stem.weight", "b.weight")]
    out += [t[n][:, None] for n in ("stem.bias", "bn.weight", "bn.bias", "b.bias", "nb.weight", "nb.bias")]
    return [*out, t["a.weight"].transpose(0, 1).flatten(1), t["head.weight"].t()]


def weights(model):
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def gradients(model):
    """Of each batch, in evaluation mode."""
    model = copy.deepcopy(model).eval()
    for batch in BATCHES:
        model.zero_grad()
        loss(model, batch).backward()
        yield {n: p.grad.clone() for n, p in model.named_parameters()}


def close(a, b):
    assert torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-9), (a, b)


def test_scores_of_weights():
    model = net()
    parts = coupled(model, weights(model))
    close(measured(model, "l1"), sum(p.abs().sum(1) for p in parts))
    close(measured(model, "l2"), sum(p.square().sum(1) for p in parts).sqrt())
    close(measured(model, "bn"), model.bn.weight.abs() + model.nb.weight.abs())
    far = [(w[:, None] - w[None]).square().sum(-1).sqrt().sum(1) for w in (parts[0], parts[1])]
    close(measured(model, "fpgm"), sum(far))
    squares = sum(p.square().sum(1) for p in parts)
    close(measured(model, "lamp"), torch.stack([s / squares[squares >= s].sum() for s in squares]))
    assert torch.equal(measured(model, "random", seed=1), measured(model, "random", seed=1))
    assert not torch.equal(measured(model, "random", seed=1), measured(model, "random", seed=2))


def test_scores_of_gradients():
    model = net()
    w = weights(model)
    products = [coupled(model, {n: w[n] * g[n] for n in w}) for g in gradients(model)]
    mean = lambda f: sum(sum(f(p) for p in parts) for parts in products) / len(products)  # noqa: E731
    given = {"data": BATCHES, "loss": loss}
    close(measured(model, "taylor", **given), mean(lambda p: p.sum(1).abs()))
    close(measured(model, "taylor2", **given), mean(lambda p: p.sum(1).square()))
    close(measured(model, "fisher", **given), mean(lambda p: p.sum(1).square()) / 2)
    close(measured(model, "obd", **given), mean(lambda p: p.square().sum(1)) / 2)
    assert all(p.grad is None for p in model.parameters()) and model.training


def test_scores_of_activations():
    """The axis is read by a and by the head."""
    model = net()
    data = [x for x, _ in BATCHES]
    seen = {"a": [], "head": []}
    watched = copy.deepcopy(model).eval()
    for name, list in seen.items():
        watched.get_submodule(name).register_forward_pre_hook(lambda m, args, list=list: list.append(args[0].detach()))
    with torch.no_grad():
        [watched(x) for x in data]
    a = torch.cat(seen["a"]).transpose(0, 1).flatten(1)
    head = torch.cat(seen["head"]).t()
    wanda = (
        model.a.weight.abs().sum((0, 2, 3)) * a.square().sum(1).sqrt()
        + model.head.weight.abs().sum(0) * head.square().sum(1).sqrt()
    )
    close(measured(model, "wanda", data=data), wanda)
    close(measured(model, "apoz", data=data), ((a != 0).double().mean(1) + (head != 0).double().mean(1)) / 2)
    close(measured(model, "activation", data=data), a.abs().mean(1) + head.abs().mean(1))


def test_scores_that_are_given(tmp_path):
    from safetensors.torch import save_file

    model = net()
    ten = torch.arange(16.0)
    close(measured(model, lambda g: torch.arange(float(g.positions))), ten)
    close(measured(model, {"stem.weight[0]": ten}), ten)
    full = torch.rand_like(model.b.weight)
    close(measured(model, {"stem.weight": ten, "module.b.weight": full}), ten + full.sum((1, 2, 3)))
    save_file({"stem.weight": ten}, tmp_path / "s.safetensors")
    close(measured(model, str(tmp_path / "s.safetensors")), ten)
    parts = coupled(model, weights(model))
    close(measured(model, "l1", reduce="makes"), parts[0].abs().sum(1) + parts[1].abs().sum(1))
    close(measured(model, "l1", reduce="mean"), sum(p.abs().sum(1) for p in parts) / len(parts))
    one = measured(model, "l1", normalise="mean")
    assert abs(one.mean() - 1) < 1e-6 and abs(measured(model, "l1", normalise="standard").std() - 1) < 1e-6


@pytest.mark.parametrize(
    "by, options",
    [("l3", {}), ("taylor", {}), ("wanda", {}), ({"nothing": torch.ones(3)}, {}), ({"stem.weight": torch.ones(3)}, {}), ("l1", {"reduce": "x"}),
     ("l1", {"normalise": "x"}), (lambda g: torch.ones(1), {})],
)  # fmt: skip
def test_wrong_scores_are_errors(by, options):
    with pytest.raises(paring.Error) as e:
        measured(net(), by, **options)
    assert e.value.code == "paring::live::scores"


@pytest.mark.parametrize(
    "goal, left",
    [({"ratio": 0.5}, None), ({"params": 0.5}, "parameters"), ({"macs": 0.5}, "macs"), ({"macs": 0.6, "scope": "global"}, "macs"),
     ({"params": 0.6, "scope": "isomorphic", "round_to": 4}, "parameters")],
)  # fmt: skip
def test_goals_are_met(goal, left):
    model = net().eval()
    masks = paring.masks(model, X, **goal)
    report = paring.prune(model, X, **goal)
    assert model.stem.weight.shape[0] == int(masks["stem.weight"].flatten(1).any(1).sum())
    if left is None:
        assert model.stem.out_channels == 8 and model.a.out_channels == 8 and abs(masks.ratio - 0.5) < 1e-9
    else:
        total = getattr(report, left)
        assert total.after <= goal.get("params", goal.get("macs")) * total.before and masks.left * total.before == pytest.approx(
            total.after
        )


def test_ratios_by_name_and_what_stays():
    model = net()
    paring.prune(model, X, ratio={"default": 0.25, "stem": 0.5})
    assert (model.stem.out_channels, model.b.out_channels, model.a.out_channels) == (8, 8, 12)
    model = net()
    paring.prune(model, X, ratio=0.5, include=["a"])
    assert (model.stem.out_channels, model.a.out_channels) == (16, 8)
    with pytest.raises(paring.Error) as e:
        paring.prune(net(), X, ratio={"stem": 0.5, "b": 0.25})
    assert e.value.code == "paring::prune::conflict" and "stem" in str(e.value) and "b" in str(e.value)
    for goal in ({}, {"ratio": 0.5, "macs": 0.5}, {"ratio": 0.5, "scope": "x"}):
        with pytest.raises(paring.Error) as e:
            paring.masks(net(), X, **goal)
        assert e.value.code == "paring::live::goal"


def test_heads():
    model = Vit(16, 4)
    paring.prune(model, (torch.randn(2, 5, 6),), head_ratio=0.5)
    att = model.blocks[0]["att"]
    assert (att.heads, att.head_dim, att.qkv.weight.shape) == (2, 4, (24, 16))
    model = Vit(16, 4)
    paring.prune(model, (torch.randn(2, 5, 6),), ratio=0.5)
    assert (model.blocks[0]["att"].heads, model.blocks[0]["att"].head_dim) == (4, 2)


def test_latency_is_measured():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 96, 3), torch.nn.ReLU(), torch.nn.Conv2d(96, 96, 3), torch.nn.ReLU(), torch.nn.Conv2d(96, 4, 3)
    )
    masks = paring.masks(model, (torch.randn(2, 3, 48, 48),), latency=0.7)
    assert 0 < masks.ratio < 1 and masks.left is not None and model[0].out_channels == 96


@pytest.mark.parametrize("schedule", ["linear", "cubic", lambda x: x * x])
def test_a_pruner_cuts_in_steps(schedule):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    pruner = paring.Pruner(model, X, ratio=0.5, steps=3, schedule=schedule, optimizer=optimizer)
    widths = []
    for _ in range(4):
        optimizer.zero_grad()
        loss(model.train(), BATCHES[0]).backward()
        optimizer.step()
        pruner.step()
        widths.append(model.stem.out_channels)
    assert widths == sorted(widths, reverse=True) and widths[-1] == widths[-2] == 8 and widths[0] > 8, widths
    assert optimizer.state[model.stem.weight]["momentum_buffer"].shape == model.stem.weight.shape


def test_budgets_are_met_in_steps():
    model = net()
    seen = []
    before = sum(p.numel() for p in model.parameters())
    paring.prune(
        model, X, params=0.4, steps=3, between=lambda m, k: seen.append((k, sum(p.numel() for p in m.parameters()) / before))
    )
    assert [k for k, _ in seen] == [0, 1, 2] and seen[-1][1] <= 0.4 + 1e-6 and seen[0][1] > 0.5, seen


@pytest.mark.parametrize("scope", ["local", "isomorphic"])
def test_limits_are_those_of_the_module_before_the_first_step(scope):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 48, 3), torch.nn.ReLU(), torch.nn.Conv2d(48, 4, 3)
    )
    args = (torch.randn(2, 3, 12, 12),)
    # An early step asks for less than a multiple of four; together they reach the limit, and no further.
    pruner = paring.Pruner(model, args, macs=0.3, steps=5, schedule="cubic", scope=scope, round_to=4, max_ratio=0.5, by="l2")
    left, reports = 1.0, []
    for _ in range(4):
        reports.append(pruner.step())
        left = left if reports[-1] is None else left * reports[-1].macs.after / reports[-1].macs.before
        assert model[0].out_channels >= 16 and model[2].out_channels >= 24
    assert any(r is not None for r in reports) and left < 0.6
    pruner.step()
    assert (model[0].out_channels, model[2].out_channels) == (16, 24)


def test_soft_masks_can_be_lifted():
    model = net().eval()
    before = weights(model)
    pruner = paring.Pruner(model, X, ratio=0.5, steps=2, soft=True)
    assert pruner.step() is None and pruner.step() is None
    zero = (model.stem.weight.flatten(1) == 0).all(1)
    assert int(zero.sum()) == 8 and bool((model.bn.bias[zero] == 0).all()) and model.stem.out_channels == 16
    with torch.no_grad():
        model.stem.weight.add_(1)
    pruner.keep_zero()
    assert torch.equal((model.stem.weight.flatten(1) == 0).all(1), zero)
    with torch.no_grad():
        model.stem.weight[~zero] -= 1
    pruner.lift()
    for name, p in model.named_parameters():
        assert torch.allclose(p, before[name], atol=1e-6), name
    pruner.step(), pruner.step()
    small = model(X[0])
    report = pruner.finish()
    assert model.stem.out_channels == 8 and report.parameters.after < report.parameters.before
    assert torch.allclose(model(X[0]), small, atol=1e-5)


def test_what_is_hidden_may_grow_again():
    model = net()
    pruner = paring.Pruner(model, X, ratio=0.5, soft=True, include=["stem"])
    pruner.step()
    gone = pruner.masks.lost
    (first,) = gone.values()
    with torch.no_grad():
        model.stem.weight[first[0]] = 10.0
    pruner.step()
    assert first[0] not in next(iter(pruner.masks.lost.values()))


def test_sensitivity(tmp_path):
    model = net().eval()
    before = weights(model)
    whole = model(X[0])
    table = paring.sensitivity(model, X, lambda m: -float((m(X[0]) - whole).abs().mean()), ratios=(0.25, 0.5))
    assert table.base == 0 and len(table) == 2
    for group, row in table:
        assert row[0.25] <= 0 and row[0.5] < 0, (group, row)
        # As a cut of the group alone.
        cut = copy.deepcopy(model)
        paring.prune(cut, X, ratio={str(group.id): 0.5})
        assert -float((cut(X[0]) - whole).abs().mean()) == pytest.approx(row[0.5], rel=1e-4)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert "polyline" in table.to_svg() and "0.50" in str(table)
    ratios = table.suggest(params=0.6)
    report = paring.prune(model, X, ratio=ratios)
    # The report's page has the plot.
    report.save_html(tmp_path / "page.html", sensitivity=table)
    page = (tmp_path / "page.html").read_text()
    assert (
        page.count("<polyline") == 2
        and page.index("polyline") < page.index("</main>")
        and [*tmp_path.iterdir()] == [tmp_path / "page.html"]
    )
    report.save_html(tmp_path / "page.html")
    assert "polyline" not in (tmp_path / "page.html").read_text()
    assert sum(p.numel() for p in model.parameters()) < 0.7 * sum(t.numel() for t in before.values())
    assert set(table.allowed(0.0).values()) == {0.0}


def test_scores_given_as_masks_are_noted():
    model = net()
    scores = {"a.weight": torch.rand_like(model.a.weight) + 0.1}
    report = paring.speedup(model, X, masks=scores)
    assert any("are these scores" in r for r in report.reasons)
    ones = {"a.weight": torch.ones_like(model.a.weight)}
    assert not any("are these scores" in r for r in paring.speedup(net(), X, masks=ones).reasons)
