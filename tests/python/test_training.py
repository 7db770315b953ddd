"""Training goes on: optimizers, averages, gradients, batch norms."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

import nets
import paring


def step(model, x, opt):
    opt.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    opt.step()
    return loss.item()


OPTIMIZERS = [
    lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
    lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True),
    lambda p: torch.optim.AdamW(p, lr=1e-3),
    lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.5),
    lambda p: torch.optim.Adafactor(p, lr=1e-3),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("cls, example", [(nets.Residual, nets.image), (nets.Vit, nets.tokens)], ids=["conv", "vit"])
def test_an_optimizer_goes_on(cls, example, make):
    model, x = nets.made(cls).train(), example(4)
    opt = make(model.parameters())
    for _ in range(2):
        step(model, x, opt)
    state = {k: copy.deepcopy(opt.state[p]) for k, p in model.named_parameters()}
    report = paring.speedup(model, (x,), masks=nets.every_other(model), optimizer=opt)
    assert {id(p) for g in opt.param_groups for p in g["params"]} == {id(p) for p in model.parameters()}
    for k, p in model.named_parameters():
        for name, value in opt.state[p].items():
            old = state[k][name]
            if (
                isinstance(value, torch.Tensor)
                and old.shape == report.unified_masks.get(k, torch.ones(p.shape)).shape
                and old.dim()
            ):
                assert value.shape == p.shape
                if k in report.unified_masks:
                    assert torch.equal(value.flatten(), old[report.unified_masks[k]])
    losses = [step(model, x, opt) for _ in range(5)]
    assert losses[-1] < losses[0] and all(l == l for l in losses)


def test_a_mean_of_rows_and_columns_is_cut():
    from paring.cuts import TensorCut

    cut = TensorCut([4, 4], [{"keep": [0, 2]}, {"keep": [1]}])
    rows, columns = torch.tensor([0.0, 1, 2, 3]), torch.tensor([4.0, 5, 6, 7])
    assert cut.state("exp_avg_sq_row", rows).tolist() == [0, 2] and cut.state("exp_avg_sq_col", columns).tolist() == [5]
    assert cut.state("row_var", rows.view(4, 1)).tolist() == [[0], [2]] and cut.state("col_var", columns.view(1, 4)).tolist() == [
        [5]
    ]
    assert cut.state("step", torch.tensor(3.0)) == 3


def test_batch_norms_update_and_all_learn():
    model, x = nets.made(nets.Residual), nets.image(8)
    paring.speedup(model, (x,), masks=nets.every_other(model))
    model.train()
    before = {k: b.clone() for k, b in model.named_buffers()}
    opt = torch.optim.SGD(model.parameters(), lr=1e-2)
    losses = [step(model, x, opt) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert all(not torch.equal(before[k], b) for k, b in model.named_buffers())
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


def test_gradients_are_cut_with_their_parameters():
    model, x = nets.made(nets.Residual), nets.image()
    model(x).sum().backward()
    grad = model.a.weight.grad.clone()
    report = paring.speedup(model, (x,), masks=nets.every_other(model))
    assert torch.equal(model.a.weight.grad.flatten(), grad[report.unified_masks["a.weight"]])


def test_an_average_is_cut_too():
    model, x = nets.made(nets.Vit).train(), nets.tokens()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        step(model, x, opt)
        average.update_parameters(model)
    before = copy.deepcopy(average.module).eval()
    report = paring.speedup(model, (x,), masks=nets.every_other(model), optimizer=opt, also=[average])
    assert nets.close(average.module.eval()(x), nets.masked(before, report.unified_masks)(x))
    step(model, x, opt)
    average.update_parameters(model)


def test_rounds_of_pruning_and_training():
    model, x = nets.made(nets.Residual).train(), nets.image(8)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    sizes = []
    for _ in range(3):
        step(model, x, opt)
        masks = {k: v for k, v in nets.every_other(model).items() if k.startswith(("a.", "b.", "stem."))}
        sizes.append(paring.speedup(model, (x,), masks=masks, optimizer=opt).parameters.after)
        step(model, x, opt)
    assert sizes == sorted(sizes, reverse=True) and model.a.out_channels == 2


def test_state_dicts_go_round():
    model, x = nets.made(nets.Vit), nets.tokens()
    paring.speedup(model, (x,), masks=nets.every_other(model))
    other = copy.deepcopy(model)
    with torch.no_grad():
        [p.add_(1) for p in other.parameters()]
    other.load_state_dict(model.state_dict())
    assert nets.close(other(x), model(x))


@pytest.mark.parametrize("cls, example", [(nets.Residual, nets.image), (nets.Vit, nets.tokens), (nets.Stated, nets.image)])
def test_onnx(cls, example, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = nets.made(cls).float(), example().float()
    paring.speedup(model, (x,), masks=nets.every_other(model))
    torch.onnx.export(model, (x,), str(tmp_path / "small.onnx"), verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"))
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert torch.allclose(torch.tensor(got), model(x), atol=1e-5)


def test_plain_parts_have_no_leftovers():
    model = nets.made(nets.Residual)
    paring.speedup(model, (nets.image(),), masks=nets.every_other(model))
    assert all(type(m).__module__.startswith(("torch.nn", "nets")) for m in model.modules())
    assert all(isinstance(p, nn.Parameter) and p.is_leaf for p in model.parameters())


def test_what_only_training_uses_is_cut_too():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.n, self.head = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16, 5)
            self.more, self.norm, self.out = nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 5)

        def forward(self, x):
            x = torch.relu(self.n(self.a(x)))
            y = self.head(x.mean((2, 3)))
            return (y, self.out(torch.relu(self.norm(self.more(x))).mean((2, 3)))) if self.training else y

    model, x = nets.made(Net), nets.image(4)
    original = copy.deepcopy(model)
    report = paring.speedup(
        model, (x,), masks={k: v for k, v in nets.every_other(model).items() if k.startswith(("a.", "more."))}
    )
    assert model.a.out_channels == 8 and model.more.in_channels == 8
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))
    assert report.parameters.after == sum(p.numel() for p in model.parameters())
    for got, want in zip(model.train()(x), nets.masked(original, report.unified_masks).train()(x)):
        assert nets.close(got, want)


class Unused(nn.Module):
    """One of its layers gives a result that nobody uses."""

    def __init__(self):
        super().__init__()
        self.a, self.aux, self.b = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x):
        h = torch.relu(self.a(x))
        torch.relu(self.aux(h))
        return self.b(h)


def test_what_nothing_uses_binds_nothing():
    """A layer whose result nobody uses does not fit any more: the module around it no longer calls it."""

    model, x = nets.made(Unused), torch.randn(2, 8, dtype=torch.float64)
    original = copy.deepcopy(model)
    report = paring.speedup(model, (x,), masks={k: v for k, v in nets.every_other(model).items() if k.startswith("a.")})
    assert report.graph_forwards == [""] and model.b.in_features == 8
    assert nets.close(model(x), nets.masked(original, report.unified_masks)(x))


def test_a_program_whose_module_calls_are_preserved(tmp_path):
    """A signature that names a result that is gone would make the archive unreadable."""

    model, x = nets.made(Unused), torch.randn(2, 8, dtype=torch.float64)
    masks = {k: v for k, v in nets.every_other(model).items() if k.startswith("a.")}
    program = torch.export.export(model, (x,), strict=False, preserve_module_call_signature=("aux", "b"))
    torch.export.save(program, tmp_path / "model.pt2")
    torch.save(masks, tmp_path / "masks.pth")
    command = ["speedup", tmp_path / "model.pt2", "--masks", tmp_path / "masks.pth", "-o", tmp_path / "small.pt2", "--quiet"]
    subprocess.run([sys.executable, "-m", "paring", *command], check=True)
    small = torch.export.load(tmp_path / "small.pt2")
    assert nets.close(small.module()(x), nets.masked(model, masks)(x))
    kept = {c.fqn for c in small.module_call_graph if c.signature is not None}
    assert kept == {"", "b"}
