"""Errors are exceptions with codes, and leave the module as it was, wherever they happen."""

import copy

import pytest
import torch
from torch import nn

import nets
import paring
from paring import applying, attributes, checking, forwards, graphs, live, record


def state(model):
    """Everything that may not change."""
    out = {}
    for name, m in model.named_modules():
        out[name] = (
            type(m),
            {k: copy.deepcopy(v) for k, v in vars(m).items() if isinstance(v, (int, float, tuple, str, type(None)))},
        )
        out[name] += (
            {
                k: (id(p), tuple(p.shape), None if p.grad is None else p.grad.clone())
                for k, p in m._parameters.items()
                if p is not None
            },
        )
        out[name] += ({k: (id(b), tuple(b.shape)) for k, b in m._buffers.items() if b is not None},)
    return out


def same(a, b):
    assert a.keys() == b.keys()
    for k in a:
        assert a[k][:2] == b[k][:2] and a[k][3] == b[k][3]
        for p, q in zip(a[k][2].values(), b[k][2].values()):
            assert p[:2] == q[:2] and (p[2] is None) == (q[2] is None) and (p[2] is None or torch.equal(p[2], q[2]))


class Planted(Exception):
    pass


STEPS = [
    (live.Shrinking, "solve"),
    (live.Shrinking, "fit"),
    (live.Shrinking, "stub"),
    (attributes, "known"),
    (live.Shrinking, "propose"),
    (live.Shrinking, "unstub"),
    (applying, "commit"),
    (applying, "one"),
    (checking, "masked"),
    (checking, "check"),
    (live.Shrinking, "report"),
    (forwards, "of"),
    (forwards, "in_training"),
    (graphs, "give"),
    (record, "join"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("owner, name", STEPS, ids=lambda s: getattr(s, "__name__", s))
def test_a_failure_at_any_step_changes_nothing(owner, name, after, monkeypatch):
    model, x = nets.made(nets.Stated).train(), nets.image()
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(x).sum().backward()
    opt.step()
    before, kept = state(model), copy.deepcopy(opt.state_dict())
    torch.manual_seed(3)
    want = copy.deepcopy(model).eval()(x)
    real, calls = getattr(owner, name), []

    def planted(*args, **kwargs):
        calls.append(1)
        now = name != "one" or len(calls) == 4  # in the middle of cutting
        result = real(*args, **kwargs) if after or not now else None
        if now:
            raise Planted
        return result

    monkeypatch.setattr(owner, name, planted)
    with pytest.raises(Planted):
        paring.speedup(model, (x,), masks=nets.every_other(model), optimizer=opt)
    assert calls
    same(before, state(model))
    assert nets.close(model.eval()(x), want)
    now = opt.state_dict()
    for k, s in kept["state"].items():
        assert all(torch.equal(s[n], now["state"][k][n]) for n in s)


WRONG = {
    "a shape": (lambda m: {"a.weight": torch.ones(7, 7)}, "paring::masks::shape"),
    "a name": (lambda m: {"b.wieght": torch.ones(16)}, "paring::masks::unknown_parameter"),
    "no masks": (lambda m: None, "paring::live::masks"),
    "a list": (lambda m: [1], "paring::live::masks"),
    "no tensor": (lambda m: {"a.weight": [1]}, "paring::live::masks"),
    "NaN": (lambda m: {"a.weight": torch.full_like(m.a.weight, float("nan"))}, "paring::masks::nan"),
    "no file": (lambda m: "no/such/file.safetensors", None),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_masks(what):
    model = nets.made(nets.Residual)
    before = state(model)
    masks, code = WRONG[what]
    with pytest.raises(paring.Error) as e:
        paring.speedup(model, (nets.image(),), masks=masks(model))
    assert e.value.code and (code is None or e.value.code == code)
    assert str(e.value) and e.value.message and (e.value.help or what in ("no tensor", "no file"))
    same(before, state(model))


def test_disagreement_is_an_error_where_the_user_says_so():
    model = nets.made(nets.Residual)
    with pytest.raises(paring.Error) as e:
        paring.speedup(model, (nets.image(),), masks={"stem.weight": torch.arange(16) % 2 == 0}, on_conflict="error")
    assert "conflict" in e.value.code


def test_an_export_that_fails_names_the_line():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, x):
            y = self.a(x)
            if y.sum() > 0:
                y = -y
            return self.b(y)

    model = nets.made(Branches)
    with pytest.raises(paring.Error) as e:
        paring.speedup(model, (nets.tokens(),), masks={"a.weight": torch.arange(8) % 2 == 0})
    assert (
        e.value.code == "paring::live::export"
        and e.value.labels[0]["file"].endswith("test_errors.py")
        and "torch.where" in e.value.help
    )
    assert "if y.sum() > 0" in str(e.value)


def test_rules_of_ones_own(tmp_path):
    (tmp_path / "bad.yaml").write_text("- module: my.Layer\n  sizes: { width: 'shape(weight)[0' }\n")
    with pytest.raises(paring.Error) as e:
        paring.speedup(nets.made(nets.Residual), (nets.image(),), masks="zeros", rules=[tmp_path])
    assert e.value.labels[0]["file"].endswith("bad.yaml") and e.value.labels[0]["line"] == 2


class Sized(nn.Module):
    """A layer that keeps its width, and refuses another."""

    def __init__(self, n):
        super().__init__()
        self.width, self.gain = n, nn.Parameter(torch.rand(n) + 0.5)

    def forward(self, x):
        assert x.shape[-1] == self.width * 1
        return x * self.gain


def test_sizes_of_ones_own_class(tmp_path):
    # Nothing in the program has the width: only an entry can tell.
    def net():
        return nn.Sequential(nn.Linear(6, 16), Sized(16), nn.Linear(16, 4))

    masks, x = {"0.weight": torch.arange(16) % 2 == 0, "0.bias": torch.arange(16) % 2 == 0}, nets.tokens()
    (tmp_path / "sizes.yaml").write_text(f"- module: {Sized.__module__}.Sized\n  sizes: {{ width: 'shape(gain)[0]' }}\n")
    model = nets.made(net)
    original = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks=masks, rules=[tmp_path])
    assert report.graph_forwards == [] and model[1].width == 8
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_what_went_comes_back():
    from paring.cuts import TensorCut

    t = torch.randn(5, 4, 6)
    for dims in (
        [{"keep": [0, 3]}, None, {"keep": [1, 2, 5]}],
        [None, {"keep": [2]}, None],
        [{"keep": [4]}, {"keep": [0, 3]}, {"keep": [0]}],
    ):
        cut = TensorCut([5, 4, 6], dims)
        assert cut.loses_only_positions() and torch.equal(cut.back(cut.weight(t), cut.rest(t)), t)
        rest = sum(r.numel() for r in cut.rest(t))
        assert rest + cut.weight(t).numel() == t.numel()
    assert not TensorCut([4], [None], zeros=(0, b"\1\0\1\1")).loses_only_positions()
    assert TensorCut([4], [{"keep": [0, 2]}], zeros=(0, b"\1\0\1\0")).loses_only_positions()


def test_what_a_run_writes_to_buffers_is_taken_back():
    class Counting(torch.nn.Sequential):
        def __init__(self):
            super().__init__(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x) * self.calls

    model = Counting().double()
    keep = torch.arange(8) % 2
    paring.speedup(model, (torch.randn(2, 4, dtype=torch.float64),), masks={"0.weight": keep, "0.bias": keep})
    assert model[0].out_features == 4 and model.calls == 0
