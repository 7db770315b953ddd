"""Groups of live modules: what lies at a position is what moves."""

import os
import time

import pytest
import torch
import torch.nn.functional as F
from nets import Residual, Vit
from torch import nn

import paring


class Parts(nn.Module):
    """Two halves of a cat, a factor of a product and a grouped convolution."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(3, 4, 1)
        self.n, self.c, self.g = nn.BatchNorm2d(10), nn.Conv2d(10, 8, 1), nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.head = nn.Linear(12 * 4, 5)

    def forward(self, x):
        x = F.relu(self.n(torch.cat([self.a(x), self.b(x)], 1)))
        x = F.relu(self.g(F.relu(self.c(x))))
        return self.head(F.adaptive_avg_pool2d(x, 2).flatten(1))


class Merged(nn.Module):
    """Patches of two by two become channels, as in Swin."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(3, 6), nn.LayerNorm(24), nn.Linear(24, 5)

    def forward(self, x):
        x = self.a(x)  # [b, h, w, c]
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.b(self.norm(x)).mean((1, 2))


NETS = [
    (Residual, (2, 3, 8, 8)),
    (Parts, (2, 3, 8, 8)),
    (Vit, (2, 5, 6)),
    (Merged, (2, 4, 4, 3)),
]


def outputs(model, x):
    """What each layer gives, by name."""
    found, hooks = {}, []

    def note(name):
        def hook(module, args, out):
            found[name] = (args[0], out)

        return hook

    for name, m in model.named_modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            hooks.append(m.register_forward_hook(note(name)))
    with torch.no_grad():
        model(x)
    for h in hooks:
        h.remove()
    return found


@pytest.mark.parametrize("net, shape", NETS, ids=lambda v: getattr(v, "__name__", None))
def test_a_position_is_what_moves(net, shape):
    """Writing to what a maker has at one position changes the outputs of this layer there, and nowhere else; what reads the position reads it there."""
    torch.manual_seed(0)
    model, x = net().double().eval(), torch.randn(*shape).double()
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(), m.running_var.uniform_(0.5, 2)
    before = outputs(model, x)
    seen = 0
    for group in paring.groups(model, (x,)).prunable:
        for position in {0, 1, group.positions - 1}:
            for member in group.members:
                layer, _, leaf = member.tensor.rpartition(".")
                if leaf != "weight" or member.role == "follows":
                    continue
                weight = dict(model.named_parameters())[member.tensor]
                old = weight.detach().clone()
                mark = torch.zeros_like(weight).requires_grad_()
                group.select({member.tensor: mark}, (member.role,))[member.axis][position].sum().backward()
                with torch.no_grad():
                    weight.add_(mark.grad * torch.rand_like(weight))
                    own_in, own_out = before[layer]
                    now = model.get_submodule(layer)(own_in)
                    dim = 1 if own_out.dim() == 4 and not isinstance(model.get_submodule(layer), nn.Linear) else -1
                    moved = (now - own_out).abs().movedim(dim, 0).flatten(1).amax(1) > 1e-12
                    if member.role == "makes":
                        assert moved.nonzero().flatten().tolist() == sorted(member.indices(position)), (group, member, position)
                    else:
                        # What it reads there, and in no other place, says how far the result moves.
                        zeroed = own_in.clone()
                        zeroed.movedim(dim, 0)[
                            [i for i in range(zeroed.shape[dim]) if i not in read_at(member, group, position)]
                        ] = 0
                        change = model.get_submodule(layer)(zeroed) - model.get_submodule(layer)(torch.zeros_like(zeroed))
                        weight.copy_(old)
                        less = model.get_submodule(layer)(zeroed) - model.get_submodule(layer)(torch.zeros_like(zeroed))
                        assert torch.allclose(now - own_out, change - less, atol=1e-9), (group, member, position)
                    weight.copy_(old)
                seen += 1
    assert seen > 4


def read_at(member, group, position):
    """The channels of a layer's input that a position is: of a grouped convolution those of its group."""
    if member._within is None:
        return member.indices(position)
    return [position // group.size * group.size + i for i in member.indices(position)]


@pytest.mark.parametrize("net, shape", NETS, ids=lambda v: getattr(v, "__name__", None))
def test_gradients_flow_through_select(net, shape):
    """The gradient of what is selected is one where the indices say, whatever the form of the view."""
    model = net().eval()
    for group in paring.groups(model, (torch.randn(*shape),)).prunable:
        for member in group.members:
            p = dict(model.named_parameters()).get(member.tensor)
            if p is None:
                continue
            for position in {0, group.positions // 2, group.positions - 1}:
                mark = torch.zeros_like(p).requires_grad_()
                member.gather(mark)[position].sum().backward()
                want = torch.zeros_like(p)
                index = want.movedim(member.dim, 0)
                for i in member.indices(position):
                    rows = index[i]
                    if member._within is None:
                        rows += 1
                    else:
                        w = member._within["dim"] - (member._within["dim"] > member.dim)
                        run, outer = member._within["run"], position // group.size
                        rows.unflatten(w, (-1, group.outer, run)).select(w + 1, outer).add_(1)
                assert torch.equal(mark.grad, want), (group, member, position)


def test_norms_are_those_of_plain_pytorch():
    model = Residual()
    groups = paring.groups(model, (torch.randn(1, 3, 8, 8),))
    axis = groups["stem.weight[0]"]
    assert {m.axis for m in axis.members if m.role == "makes"} == {"stem.weight[0]", "b.weight[0]"}
    parts = [
        model.stem.weight,
        model.stem.bias,
        model.bn.weight,
        model.bn.bias,
        model.b.weight,
        model.b.bias,
        model.nb.weight,
        model.nb.bias,
    ]
    want = sum(t.detach().flatten(1).square().sum(1) if t.dim() > 1 else t.detach().square() for t in parts)
    want = want + model.a.weight.detach().square().sum((0, 2, 3)) + model.head.weight.detach().square().sum(0)
    assert torch.allclose(axis.norms(), want.sqrt(), rtol=1e-5)
    lasso = sum(g.norm() for g in groups.prunable)
    lasso.backward()
    assert all(p.grad is not None for p in parts)
    with torch.no_grad():
        model.stem.weight.zero_()
    assert groups["a"].norm().isfinite() and axis.worth["parameters"] > 16 and not groups[0].locked


def test_groups_say_what_locks_them():
    groups = paring.groups(Residual(), (torch.randn(1, 3, 8, 8),))
    locked = [g for g in groups if any(m.axis == "head.weight[0]" for m in g.members)]
    assert len(locked) == 1 and "output" in locked[0].locked and not locked[0].prunable
    with pytest.raises(KeyError):
        groups["nothing"]
    assert "prunable" in repr(groups) and groups.named("a")[0].name == "a.weight[0]"


def test_heads_are_told_from_their_width():
    groups = paring.groups(Vit(), (torch.randn(2, 5, 6),))
    heads = [g for g in groups.prunable if g.kind == "heads"]
    inner = [g for g in groups.prunable if g.inside is not None]
    assert len(heads) == 2 and {g.inside for g in inner} == {g.id for g in heads}


@pytest.mark.skipif("PARING_BENCH" not in os.environ, reason="a benchmark: PARING_BENCH=1 runs it")
def test_a_group_lasso_costs_little():
    """Under a tenth of a training step of resnet50 on 16 pictures, in processor time, which other work on the machine changes little."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model, x = torchvision.models.resnet50(), torch.randn(16, 3, 224, 224)
    groups = paring.groups(model, (x[:1],)).prunable

    def seconds(loss):
        start = time.process_time()
        loss().backward()
        return time.process_time() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other use processor time too
    try:
        step = min(seconds(lambda: model(x).square().mean()) for _ in range(2))
        lasso = min(seconds(lambda: 1e-4 * sum(g.norm() for g in groups)) for _ in range(3))
    finally:
        torch.set_num_threads(threads)
    print(f"a step {step:.2f} s, the lasso {lasso:.2f} s")
    assert lasso < 0.1 * step, (lasso, step)
