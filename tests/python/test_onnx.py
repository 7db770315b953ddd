"""Models in files: ONNX without PyTorch's or onnx's help, and programs of torch.export."""

import struct
import subprocess
import sys

import pytest
import torch
import torch.nn.utils.prune as prune

import nets
import paring


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def tensor(name, shape, numbers):
    return (
        b"".join(field(1, n) for n in shape)
        + field(2, 1)
        + field(8, name.encode())
        + field(9, struct.pack(f"<{len(numbers)}f", *numbers))
    )


def value(name, shape):
    dims = b"".join(field(1, field(1, n)) for n in shape)
    return field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, dims)))


def node(op, inputs, output):
    return b"".join(field(1, i.encode()) for i in inputs) + field(2, output.encode()) + field(4, op.encode())


@pytest.fixture
def model(tmp_path):
    """relu(x @ one) @ two, as an ONNX file."""
    graph = (
        field(1, node("MatMul", ["x", "one"], "a"))
        + field(1, node("Relu", ["a"], "b"))
        + field(1, node("MatMul", ["b", "two"], "y"))
    )
    graph += (
        field(2, b"net")
        + field(5, tensor("one", [3, 4], [k + 1.0 for k in range(12)]))
        + field(5, tensor("two", [4, 2], [1.0 + k for k in range(8)]))
    )
    graph += field(11, value("x", [5, 3])) + field(12, value("y", [5, 2]))
    path = tmp_path / "model.onnx"
    path.write_bytes(field(1, 8) + field(2, b"test") + field(7, graph) + field(8, field(2, 17)))
    return path


KEEP = [[1, 0, 1, 0]] * 3


def given(kind):
    import numpy

    return {"lists": KEEP, "numpy": numpy.array(KEEP), "torch": torch.tensor(KEEP).bool(), "floats": torch.tensor(KEEP).float()}[
        kind
    ]


@pytest.mark.parametrize("kind", ["lists", "numpy", "torch", "floats"])
def test_an_onnx_file(model, kind):
    before = model.read_bytes()
    report = paring.speedup(str(model), masks={"one": given(kind)})
    assert report.output == str(model.with_name("model.small.onnx"))
    assert model.read_bytes() == before
    assert (report.parameters.before, report.parameters.after) == (20, 10)
    small = (model.with_name("model.small.onnx")).read_bytes()
    assert struct.pack("<6f", 1, 3, 5, 7, 9, 11) in small and struct.pack("<4f", 1, 2, 5, 6) in small
    assert report.unified_masks["one"].tolist() == [[bool(k) for k in row] for row in KEEP]
    assert repr(report) == "<paring.Report: parameters 20 -> 10, macs 100 -> 50>" and "50.0 %" in str(report)


def test_output_and_a_file_of_masks(model, tmp_path):
    from safetensors.torch import save_file

    save_file({"one": torch.tensor(KEEP).to(torch.uint8)}, tmp_path / "masks.safetensors")
    to = tmp_path / "to.onnx"
    report = paring.speedup(model, masks=tmp_path / "masks.safetensors", output=to)
    assert report.output == str(to) and to.stat().st_size < model.stat().st_size
    again = paring.speedup(to, masks="zeros", output=tmp_path / "again.onnx")
    assert again.parameters.before == again.parameters.after == 10
    assert (tmp_path / "again.onnx").read_bytes() == to.read_bytes()


def test_without_torch_and_onnx(model):
    """Neither is needed: importing them is an error here."""
    code = f"""
import sys
for name in ("torch", "onnx", "onnxruntime", "numpy"):
    sys.modules[name] = None
import paring
report = paring.speedup({str(model)!r}, masks={{"one": {KEEP}}})
assert report.parameters.after == 10
assert report.unified_masks["one"].tolist() == [[True, False, True, False]] * 3
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_prune_and_masks(model, tmp_path):
    chosen = paring.masks(model, ratio=0.5)
    assert chosen["one"].shape == (3, 4) and int(chosen["one"][0].sum()) == 2
    report = paring.prune(model, ratio=0.5, by="l2", output=tmp_path / "pruned.onnx")
    assert report.parameters.after == 10
    with pytest.raises(paring.Error, match="needs a module"):
        paring.prune(model, ratio=0.5, by="taylor")


def test_a_program_of_torch_export(tmp_path):
    net, x = nets.made(nets.Residual), nets.image()
    torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
    report = paring.speedup(tmp_path / "net.pt2", masks=nets.every_other(net))
    small = torch.export.load(report.output).module()
    assert report.parameters.after < report.parameters.before
    masks = report.unified_masks
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name in masks:
                p.mul_(masks[name])
    assert nets.close(small(x), net(x))


WRONG = {
    "an option of modules": (lambda m: paring.speedup(m, (1,), masks={}), "paring::live::file"),
    "an optimizer": (lambda m: paring.speedup(m, masks={}, optimizer=object()), "paring::live::file"),
    "groups": (lambda m: paring.groups(m), "paring::live::file"),
    "a pruner": (lambda m: paring.Pruner(m, ratio=0.5), "paring::live::file"),
    "steps": (lambda m: paring.prune(m, ratio=0.5, steps=3), "paring::live::file"),
    "sensitivity": (lambda m: paring.sensitivity(m, (), len), "paring::live::file"),
    "an output for a module": (
        lambda m: paring.speedup(torch.nn.Linear(2, 2), (torch.ones(1, 2),), masks={}, output="x"),
        "paring::live::file",
    ),
    "no masks": (lambda m: paring.speedup(m), "paring::live::masks"),
    "NaN": (lambda m: paring.speedup(m, masks={"one": [[1.0, float("nan")]]}), "paring::masks::nan"),
    "uneven lists": (lambda m: paring.speedup(m, masks={"one": [[1, 0], [1]]}), "paring::live::masks"),
    "no such initializer": (lambda m: paring.speedup(m, masks={"three": KEEP}), "paring::masks::unknown_parameter"),
    "another shape": (lambda m: paring.speedup(m, masks={"one": [[1, 0]]}), "paring::masks::shape"),
    "another format": (
        lambda m: paring.speedup(m, masks={"one": KEEP}, output=m.with_suffix(".pt2")),
        "paring::onnx::other_format",
    ),
    "the same file": (lambda m: paring.speedup(m, masks={"one": KEEP}, output=m), "paring::output::same_file"),
    "no such file": (lambda m: paring.speedup(m.with_name("no.onnx"), masks={}), "paring::file::unreadable"),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors(model, what):
    call, code = WRONG[what]
    before = sorted(p.name for p in model.parent.iterdir())
    with pytest.raises(paring.Error) as e:
        call(model)
    assert e.value.code == code and e.value.help
    assert sorted(p.name for p in model.parent.iterdir()) == before


def test_masks_that_a_program_multiplies_by_end_in_its_weights(tmp_path):
    model, x = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).eval(), torch.randn(2, 3, 8, 8)
    prune.ln_structured(model[0], "weight", 0.5, n=1, dim=0)
    prune.custom_from_mask(model[0], "bias", model[0].weight_mask[:, 0, 0, 0])
    torch.export.save(torch.export.export(model, (x,)), tmp_path / "net.pt2")
    report = paring.speedup(tmp_path / "net.pt2", masks="model", output=tmp_path / "small.pt2")
    small = torch.export.load(tmp_path / "small.pt2")
    assert {name: tuple(t.shape) for name, t in small.state_dict.items()} == {
        "0.weight": (4, 3, 3, 3),
        "0.bias": (4,),
        "2.weight": (4, 4, 3, 3),
        "2.bias": (4,),
    }
    assert torch.allclose(small.module()(x), model(x), atol=1e-6)
    assert [e["to"] for e in report.plan["edits"] if e["edit"] == "rename"] == ["0.weight", "0.bias"]
