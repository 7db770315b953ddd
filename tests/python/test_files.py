"""`paring.save` and `paring.load`."""

import json
import os
import struct

import pytest
import torch

import nets
import paring
from paring import files


@pytest.mark.parametrize(
    "cls, example",
    [(nets.Residual, nets.image), (nets.Vit, nets.tokens), (nets.Stated, nets.image)],
    ids=["conv", "vit", "stated"],
)
def test_saved_and_loaded(cls, example, tmp_path):
    model, x = nets.made(cls), example()
    paring.speedup(model, (x,), masks=nets.every_other(model))
    paring.speedup(model, (x,), masks=nets.every_other(model))  # the file tells of both rounds
    paring.save(model, tmp_path / "small.safetensors")
    fresh = cls().double().eval()
    assert paring.load(tmp_path / "small.safetensors", fresh) is fresh
    assert nets.close(fresh(x), model(x))
    paring.save(fresh, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "small.safetensors").read_bytes()
    assert not list(tmp_path.glob(".paring*"))
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "small.safetensors")
    assert all(torch.equal(weights[k], v) for k, v in model.state_dict().items())


def edited(path, change):
    data = path.read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n :])


def evil(header):
    cut = json.loads(header["__metadata__"]["cut"])
    graph = cut["inner"]["forward"]
    call = next(s for s in graph["steps"] if s[1] == "call")
    call[2] = "operator:__import__"
    header["__metadata__"]["cut"] = json.dumps(cut)


WRONG = {
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:-9]),
    "empty": lambda p: p.write_bytes(b""),
    "long header": lambda p: p.write_bytes(struct.pack("<Q", 1 << 60) + b"{}"),
    "no JSON": lambda p: p.write_bytes(struct.pack("<Q", 2) + b"{{"),
    "other sizes": lambda p: edited(p, lambda h: h["inner.a.weight"].__setitem__("shape", [1 << 40, 3, 3, 3])),
    "other type": lambda p: edited(p, lambda h: h["inner.a.weight"].__setitem__("dtype", "F4")),
    "a tensor less": lambda p: edited(p, lambda h: h.pop("inner.a.weight")),
    "an unknown operator": lambda p: edited(p, evil),
    "not ours": lambda p: edited(p, lambda h: h.__setitem__("__metadata__", {})),
    "missing": lambda p: p.unlink(),
}


@pytest.mark.parametrize("what", WRONG)
def test_damaged_files_change_nothing(what, tmp_path):
    model, file = nets.made(nets.Stated), tmp_path / "small.safetensors"
    paring.speedup(model, (nets.image(),), masks=nets.every_other(model))
    paring.save(model, file)
    WRONG[what](file)
    fresh, x = nets.made(nets.Stated), nets.image()
    before, want = {k: (id(v), v.shape) for k, v in fresh.named_parameters()}, fresh(x)
    with pytest.raises(paring.Error) as e:
        paring.load(file, fresh)
    assert e.value.code
    assert before == {k: (id(v), v.shape) for k, v in fresh.named_parameters()} and nets.close(fresh(x), want)
    assert type(fresh.inner) is nets.Stated.Inner


@pytest.mark.parametrize("what", ["shorter", "written to", "replaced"])
def test_a_file_that_changes_while_it_is_loaded(what, tmp_path, monkeypatch):
    """One that gets shorter ends no process; one that is replaced under its name is read to its end."""
    model, file = nets.made(nets.Stated), tmp_path / "small.safetensors"
    paring.speedup(model, (nets.image(),), masks=nets.every_other(model))
    paring.save(model, file)
    read, reads = files.Stored.tensor, []

    def slow(*args):
        if not reads:
            if what == "shorter":
                os.truncate(file, file.stat().st_size // 2)
            elif what == "written to":
                with open(file, "r+b") as other:
                    other.seek(-8, os.SEEK_END)
                    other.write(b"\0" * 8)
                os.utime(file, ns=(1, 1))  # the clock of files ticks seldom
            else:
                (tmp_path / "other").write_bytes(b"another")
                os.replace(tmp_path / "other", file)
        reads.append(args)
        return read(*args)

    monkeypatch.setattr(files.Stored, "tensor", slow)
    fresh, x = nets.made(nets.Stated), nets.image()
    before, want = {k: (id(v), v.shape) for k, v in fresh.named_parameters()}, fresh(x)
    if what == "replaced":
        assert nets.close(paring.load(file, fresh)(x), model(x))
        return
    with pytest.raises(paring.Error, match="changed while it was read") as e:
        paring.load(file, fresh)
    assert e.value.code == "paring::file::changed" and reads
    assert before == {k: (id(v), v.shape) for k, v in fresh.named_parameters()} and nets.close(fresh(x), want)


def test_modes_stay_and_links_are_followed(tmp_path):
    model, file, link = nets.made(nets.Residual), tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    paring.save(model, link)
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640 and file.stat().st_size > 3


def test_another_module_is_refused(tmp_path):
    model = nets.made(nets.Residual)
    paring.speedup(model, (nets.image(),), masks=nets.every_other(model))
    paring.save(model, tmp_path / "small.safetensors")
    with pytest.raises(paring.Error, match="another module|no part"):
        paring.load(tmp_path / "small.safetensors", nets.made(nets.Vit))
    with pytest.raises(paring.Error):
        paring.save(model, tmp_path / "no" / "such" / "folder.safetensors")
