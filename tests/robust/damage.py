"""Archives that are damaged as a program would damage them: python damage.py PARING COUNT SEED.

Each is changed in one to three places: values in the JSON of the program and of its configs, payloads, members, bytes of the zip. Whatever
comes of it, the program ends with 0 or 1 in little time and memory; and where it ends with 0 and PyTorch takes the archive, the small model
gives what the masked one gives.
"""

import collections
import io
import json
import random
import sys
import tempfile
import zipfile
from pathlib import Path

import judge
import torch
from safetensors.torch import save_file
from torch import nn

NUMBERS = [-1, 0, 1, 2, 3, 4, 5, 7, 8, 64, 1 << 31, 1 << 32, 10**12, 1 << 62, (1 << 63) - 1, -(1 << 63)]


class Mixed(nn.Module):
    """Coupled layers, a norm, groups, views, parts."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.n = nn.BatchNorm2d(8)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.c = nn.Conv2d(8, 8, 1)
        self.d = nn.Linear(16, 6)
        self.e = nn.Linear(6, 4)

    def forward(self, x):
        x = self.n(self.a(x)).relu()
        y = torch.cat([x + self.c(self.b(x)), x.flip(1)], 1)
        left, right = self.d(y.mean((2, 3))).chunk(2, 1)
        return self.e(torch.cat([left.sigmoid() * right, left.roll(1, 1)], 1))


def places(value, path=()):
    """Paths to all values in JSON."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def change(value, dice):
    """Changes one value."""
    inner = [p for p in places(value) if p]
    if not inner:
        return
    *path, last = dice.choice(inner)
    holder = value
    for key in path:
        holder = holder[key]
    old = holder[last]
    kind = dice.random()
    if isinstance(old, bool):
        holder[last] = not old
    elif isinstance(old, int):
        holder[last] = dice.choice([old + 1, old - 1, -old, old * 2, dice.choice(NUMBERS)])
    elif isinstance(old, list) and len(old) > 1 and kind < 0.7:
        i, j = dice.randrange(len(old)), dice.randrange(len(old))
        if kind < 0.3:
            old[i], old[j] = old[j], old[i]
        elif kind < 0.5:
            del old[i]
        else:
            old.insert(i, json.loads(json.dumps(old[j])))
    elif kind < 0.2:
        del holder[last]
    elif kind < 0.4:
        holder[last] = dice.choice([None, [], {}, "", 0, True])
    else:
        same = [p for p in places(value) if p and p[-1] == last]
        other = value
        for key in dice.choice(same):
            other = other[key]
        holder[last] = json.loads(json.dumps(other))


def damaged(members, dice):
    """The bytes of an archive after damage."""
    members = list(members)
    raw = False
    for _ in range(dice.choice([1, 1, 2, 3])):
        k = dice.randrange(len(members))
        kind = dice.random()
        texts = [n for n, (name, _) in enumerate(members) if name.endswith(".json")]
        if kind < 0.75 and texts:
            k = dice.choice(texts)
            try:
                tree = json.loads(members[k][1])
            except ValueError:
                continue
            change(tree, dice)
            members[k] = (members[k][0], json.dumps(tree).encode())
        elif kind < 0.85:
            data = bytearray(members[k][1])
            cut = dice.randrange(len(data) + 1)
            members[k] = (members[k][0], bytes(dice.choice([data[:cut], data + data[:cut], bytes(len(data)), dice.randbytes(len(data))])))
        elif kind < 0.95:
            if dice.random() < 0.5:
                del members[k]
            else:
                members[k] = (members[k][0] + "x", members[k][1])
        else:
            raw = True
        if not members:
            break
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    whole = bytearray(buffer.getvalue())
    if raw:
        for _ in range(dice.choice([1, 2, 8])):
            whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


def main(paring, count, seed):
    """Runs all."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, inputs = Mixed().eval(), (torch.randn(2, 3, 6, 6),)
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(net, inputs), buffer)
    archive = zipfile.ZipFile(buffer)
    members = [(name, archive.read(name)) for name in archive.namelist()]
    masks = {f"{layer}.weight": torch.ones_like(getattr(net, layer).weight, dtype=torch.bool) for layer in "abcd"}
    for layer, rows in {"a": [1, 5], "b": [1, 5], "c": [1, 5], "d": [0, 3]}.items():
        masks[f"{layer}.weight"][rows] = False
        masks[f"{layer}.bias"] = torch.ones(len(getattr(net, layer).bias), dtype=torch.bool)
        masks[f"{layer}.bias"][rows] = False
    seen, wrong = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save_file(masks, folder / "masks.safetensors")
        (folder / "whole.pt2").write_bytes(buffer.getvalue())
        files = ["-o", "small.pt2", "--unified-masks", "unified.safetensors", "-q"]
        for k in range(count):
            dice = random.Random(f"{seed}/{k}")
            for name in ["small.pt2", "unified.safetensors"]:
                (folder / name).unlink(missing_ok=True)
            (folder / "damaged.pt2").write_bytes(damaged(members, dice) if k else buffer.getvalue())
            policy = dice.choice(["keep", "prune", "restore"]) if k else "keep"
            try:
                said = "refused"
                ended = judge.run(
                    paring, "speedup", "damaged.pt2", "--masks", "masks.safetensors", "--on-conflict", policy, *files, cwd=folder
                )
                if ended == 0:
                    paths = [folder / name for name in ["damaged.pt2", "small.pt2", "unified.safetensors"]]
                    said = judge.compare(*paths, inputs)
                elif any(folder.glob(".paring-*")) or (folder / "small.pt2").exists():
                    raise judge.Wrong("files are left")
            except judge.Wrong as e:
                said = "wrong"
                wrong.append(f"{seed}/{k}: {e}")
                print(wrong[-1])
            seen[said] += 1
            if k == 0 and said != "equal":
                raise SystemExit(f"the archive without damage: {said}")
    print(f"{count} damaged archives: {dict(seen)}")
    print(f"{count - len(wrong)} passed, {len(wrong)} failed")
    sys.exit(bool(wrong))


main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
