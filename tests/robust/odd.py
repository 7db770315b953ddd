"""Odd numbers in masks and parameters: python odd.py PARING."""

import io
import sys
import tempfile
from pathlib import Path

import judge
import torch
from safetensors.torch import save_file
from torch import nn


class Net(nn.Module):
    """Two layers, and parameters of odd kinds that reach the output."""

    def __init__(self, odd):
        super().__init__()
        self.a = nn.Linear(4, 6)
        self.b = nn.Linear(6, 3)
        self.odd = nn.ParameterDict({k: nn.Parameter(t, requires_grad=False) for k, t in odd.items()})

    def forward(self, x):
        y = self.b(self.a(x).relu())
        for t in self.odd.values():
            y = y + (t.real if t.is_complex() else t).to(torch.float32).sum()
        return y


ODD = {
    "plain": {},
    "0-d": {"t": torch.tensor(2.0)},
    "empty": {"t": torch.zeros(0, 3)},
    "bool": {"t": torch.tensor([True, False])},
    "complex": {"t": torch.tensor([1 + 2j])},
    "f16": {"t": torch.tensor([1.0, 65504.0]).half()},
    "bf16": {"t": torch.tensor([1.0, -0.0]).bfloat16()},
    "f8": {"t": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn)},
    "i8": {"t": torch.tensor([-128, 127], dtype=torch.int8)},
    "large": {"t": torch.tensor([3e38, 1e-45])},
}

TINY = 1e-45  # the smallest number of 32 bits
MASKS = {
    "bool": lambda m: m,
    "f32": lambda m: m.float(),
    "-0.0": lambda m: torch.where(m, 1.0, -0.0),
    "denormal": lambda m: torch.where(m, TINY, 0.0),
    "inf": lambda m: torch.where(m, float("-inf"), -0.0),
    "f64": lambda m: m.double() * 5e-324,
    "f16": lambda m: (m.float() * 6e-8).half(),
    "bf16": lambda m: m.bfloat16(),
    "f8": lambda m: m.float().to(torch.float8_e4m3fn),
    "i64": lambda m: m.long() * -7,
    "u8": lambda m: m.to(torch.uint8) * 255,
}


def main(paring):
    """Every kind of parameter with plain masks, every kind of mask with plain parameters, and numbers that are none in weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x = (torch.randn(2, 4),)
    cases = [(f"parameter {k}", odd, MASKS["bool"], None) for k, odd in ODD.items()]
    cases += [(f"mask {k}", {}, mask, None) for k, mask in MASKS.items()]
    cases += [(f"weight {value}", {}, MASKS["bool"], value) for value in [float("nan"), float("inf"), -0.0, TINY, 3e38]]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, odd, kind, weight in cases:
            net = Net(odd).eval()
            if weight is not None:
                with torch.no_grad():
                    net.a.weight[2, 1] = weight  # a row that stays
            keep = torch.tensor([True, False, True, True, False, True])
            masks = {"a.weight": kind(keep)[:, None].expand(6, 4).contiguous(), "a.bias": kind(keep)}
            save_file(masks, folder / "masks.safetensors")
            buffer = io.BytesIO()
            torch.export.save(torch.export.export(net, x), buffer)
            (folder / "model.pt2").write_bytes(buffer.getvalue())
            files = ["-o", "small.pt2", "--unified-masks", "unified.safetensors", "-q"]
            try:
                if judge.run(paring, "speedup", "model.pt2", "--masks", "masks.safetensors", *files, cwd=folder) != 0:
                    raise judge.Wrong("it is refused")
                said = judge.compare(folder / "model.pt2", folder / "small.pt2", folder / "unified.safetensors", x)
                small = judge.load(folder / "small.pt2")
                rows = dict(small.named_parameters())["a.weight"].shape[0]
                if said != "equal" or rows != 4:
                    raise judge.Wrong(f"{said}; {rows} rows")
            except judge.Wrong as e:
                wrong += 1
                print(f"{name}: {e}")
        # Masks that are none.
        none = {"complex": torch.ones(6, 4, dtype=torch.complex64), "empty": torch.ones(0, 4), "0-d": torch.tensor(1.0)}
        for name, t in {**none, "NaN": torch.full((6, 4), float("nan"))}.items():
            save_file({"a.weight": t}, folder / "masks.safetensors")
            if judge.run(paring, "speedup", "model.pt2", "--masks", "masks.safetensors", "--plan", "plan.json", cwd=folder) != 1:
                wrong += 1
                print(f"a mask that is {name}: it is taken")
    print(f"{len(cases) + 4 - wrong} passed, {wrong} failed")
    sys.exit(bool(wrong))


main(Path(sys.argv[1]).resolve())
