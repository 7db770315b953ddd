"""Who votes, who follows, and what the report says of what stays: `oracle.py --zoo votes.py --masks ragged @all`, names vote/<net>.

`ragged` gives a net's masks. `must_keep`: the size of a parameter's dimension in the small model. `says`: for an axis, what some reason
in the report contains. `infinite`: the original computes NaN, and only the sizes are compared. `follows`: layers that have no vote here.
"""

import torch
import torch.nn.functional as F
from torch import nn


def drop(n, gone):
    keep = torch.ones(n, dtype=torch.bool)
    keep[list(gone)] = False
    return keep


def rows(keep, *others):
    return keep.reshape(-1, *[1] * len(others)).expand(-1, *others).contiguous()


class Net(nn.Module):
    must_keep, says, infinite, follows = {}, {}, False, ()

    def masked(self, **keeps):
        """Masks of the weights and biases of these layers."""
        masks = {}
        for name, keep in keeps.items():
            for p, t in getattr(self, name).named_parameters():
                masks[f"{name}.{p}"] = rows(keep, *t.shape[1:])
        return masks


class TableStream(Net):
    """A table that a layer reads and that also joins a stream: its own mask counts; without one it follows."""

    def __init__(self, masked):
        super().__init__()
        self.masked_table = masked
        self.table, self.o, self.q, self.out = nn.Embedding(5, 8), nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.follows = ("table.weight",)
        self.must_keep = {"table.weight": (1, 8 if masked else 5), "o.weight": (0, 8 if masked else 5)}

    def forward(self, x):
        t = self.table.weight
        return self.out(torch.relu(self.o(x) + t)) * self.q(t).mean(-1, keepdim=True)

    def ragged(self, g):
        masks = self.masked(o=drop(8, [1, 4, 6]))
        if self.masked_table:
            masks["table.weight"] = torch.ones(5, 8, dtype=torch.bool)
        return masks


class Experts(Net):
    """Experts, of which each token has one: picked by an index, by an embedding, by `index_select`, or all computed and one taken."""

    def __init__(self, how, masked):
        super().__init__()
        self.how, self.masked_experts = how, masked
        self.o, self.router, self.out = nn.Linear(6, 8), nn.Linear(6, 3), nn.Linear(8, 4)
        self.up, self.down = nn.Parameter(torch.randn(3, 10, 6)), nn.Parameter(torch.randn(3, 8, 10))
        n, inner = (5, 6) if masked else (8, 10)
        self.must_keep = {"up": (1, inner), "down": (1, n), "o.weight": (0, n)}

    def forward(self, x):
        i = self.router(x).argmax(-1)
        take = {
            "index": lambda w: w[i],
            "select": lambda w: w.index_select(0, i),
            "embedding": lambda w: F.embedding(i, w.flatten(1)).view(-1, *w.shape[1:]),
        }
        if self.how == "all":
            one = F.one_hot(i, 3).to(x.dtype)
            h = torch.relu(torch.einsum("eoi,bi->beo", self.up, x))
            y = (torch.einsum("eoi,bei->beo", self.down, h) * one[:, :, None]).sum(1)
        else:
            h = torch.relu(take[self.how](self.up) @ x.unsqueeze(-1))
            y = (take[self.how](self.down) @ h).squeeze(-1)
        return self.out(torch.relu(self.o(x) + y))

    def ragged(self, g):
        masks = self.masked(o=drop(8, [1, 4, 6]))
        if self.masked_experts:
            masks["up"] = drop(10, [0, 3, 8, 9])[None, :, None].expand(3, 10, 6).contiguous()
            masks["down"] = drop(8, [1, 4, 6])[None, :, None].expand(3, 8, 10).contiguous()
        return masks


class LookUp(Net):
    """A table that is looked up and joins a stream. By constant ids it follows where it has no mask; by data it makes the axis."""

    def __init__(self, how, masked):
        super().__init__()
        self.how, self.masked_table = how, masked
        self.emb, self.o, self.out = nn.Embedding(5, 8), nn.Linear(6, 8), nn.Linear(8, 4)
        n = 8 if masked or how != "constant" else 5
        self.follows = ("emb.weight",) if how == "constant" else ()
        self.must_keep = {"emb.weight": (1, n), "o.weight": (0, n)}

    def forward(self, x):
        if self.how == "constant":
            e = self.emb(torch.arange(5))
        else:
            ids = x.argmax(-1) % 5
            e = self.emb(ids) if self.how == "data" else self.emb.weight[ids]
        return self.out(torch.relu(self.o(x) + e))

    def ragged(self, g):
        masks = self.masked(o=drop(8, [1, 4, 6]))
        if self.masked_table:
            masks["emb.weight"] = torch.ones(5, 8, dtype=torch.bool)
        return masks


class Scores(Net):
    """A table whose rows, chosen by data, are compared with a stream only reads it."""

    must_keep, follows = {"emb.weight": (1, 5), "o.weight": (0, 5)}, ("emb.weight",)

    def __init__(self):
        super().__init__()
        self.emb, self.o = nn.Embedding(5, 8), nn.Linear(6, 8)

    def forward(self, x):
        return self.emb(x.argmax(-1) % 5) @ torch.relu(self.o(x)).transpose(1, 2)

    def ragged(self, g):
        return self.masked(o=drop(8, [1, 4, 6]))


class DepthwiseUp(Net):
    """The mask of a depthwise transposed convolution without a bias counts."""

    must_keep = {"a.weight": (0, 6), "dw.weight": (0, 6)}

    def __init__(self):
        super().__init__()
        self.a, self.dw, self.out = nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 8, 2, groups=8, bias=False), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.out(torch.relu(self.dw(self.a(x))))

    def ragged(self, g):
        return self.masked(a=drop(8, [0, 1, 2]), dw=drop(8, [1, 2, 5]))


class Locked(Net):
    """A factor of the axis, or parts of it, are locked by a sum that runs along them: the layer disagrees with nobody."""

    says = {"i.weight[0]": "cumsum"}

    def __init__(self, how):
        super().__init__()
        self.how, self.i, self.out = how, nn.Linear(6, 16), nn.Linear(16, 4)

    def forward(self, x):
        y = self.i(x)
        if self.how == "factor":
            return self.out(y.view(-1, 2, 8).cumsum(-1).flatten(1))
        u, v = y.chunk(2, -1)
        return self.out(torch.cat((u.cumsum(-1), v.cumsum(-1)), -1))

    def ragged(self, g):
        return self.masked(i=drop(16, range(0, 16, 2)))


class Pairs(Net):
    """A grouped convolution of one input and two outputs a group: of each group the mask keeps one."""

    says = {"b.weight[0]": "equally many"}

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 3, groups=8, padding=1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        return self.out(torch.relu(self.b(self.a(x))))

    def ragged(self, g):
        return self.masked(b=drop(16, [0, 3, 4, 7, 9]))


class Columns(Net):
    """Columns of one reader are masked, of the other not: the mask of what is only read decides nothing, and the report says so."""

    must_keep, says = {"a.weight": (0, 8), "b.weight": (1, 8)}, {"b.weight[1]": "nothing else reads"}

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        y = torch.relu(self.a(x))
        return self.b(y), self.c(y)

    def ragged(self, g):
        return {"b.weight": drop(8, [1, 4, 6]).expand(4, 8).contiguous()}


class Queries(Net):
    """Queries of learned tokens: the weight makes their axis, the bias has no vote, and its mask a reason."""

    must_keep, says = {"q.weight": (0, 8), "k.weight": (0, 8)}, {"q.bias[0]": "nothing else reads"}

    def __init__(self):
        super().__init__()
        self.t, self.q, self.k = nn.Parameter(torch.randn(3, 6)), nn.Linear(6, 8), nn.Linear(6, 8)

    def forward(self, x):
        return self.q(self.t) @ self.k(x).mT

    def ragged(self, g):
        return {"q.bias": drop(8, [1, 4, 6])}


class SharedNorm(Net):
    """A norm over the head's size, whose weight all heads share."""

    says = {"q.weight[0]": "must agree"}

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out, self.n = nn.Linear(6, 16), nn.Linear(6, 16), nn.Linear(6, 16), nn.Linear(16, 4), nn.RMSNorm(8)

    def forward(self, x):
        heads = lambda t: t.view(t.shape[0], t.shape[1], 2, 8).transpose(1, 2)
        y = F.scaled_dot_product_attention(self.n(heads(self.q(x))), self.n(heads(self.k(x))), heads(self.v(x)))
        return self.out(y.transpose(1, 2).flatten(2))

    def ragged(self, g):
        gone = drop(16, [0, 3, 9, 14])
        return self.masked(q=gone, k=gone)


class Held(Net):
    """A fixed buffer holds a stream that is normed, as it is not zero where the mask drops; or infinity stands in it."""

    def __init__(self, infinite):
        super().__init__()
        self.infinite, self.i, self.out = infinite, nn.Linear(6, 8), nn.Linear(8, 4)
        self.register_buffer("fixed", torch.linspace(1, 2, 8))
        if infinite:
            self.fixed[3] = float("inf")
        self.says = {"i.weight[0]": "buffer fixed"}
        self.must_keep = {"i.weight": (0, 8)}

    def forward(self, x):
        y = self.i(x)
        return self.out(y * self.fixed if self.infinite else F.layer_norm(y + self.fixed, (8,)))

    def ragged(self, g):
        return self.masked(i=drop(8, [1, 3]))


class Filled(Net):
    """Infinity that is made on the way to a channel that a mask drops."""

    infinite = True
    must_keep = {"i.weight": (0, 8)}

    def __init__(self):
        super().__init__()
        self.i, self.out = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x):
        y = self.i(x)
        return self.out(y * torch.full((8,), float("inf")))

    def ragged(self, g):
        return self.masked(i=drop(8, [1, 3]))


class Gated(Net):
    """A channel of a product, one of whose factors is masked, adds nothing. With the given masks alone it goes, whoever makes the other."""

    def __init__(self, how):
        super().__init__()
        self.how, self.halves = how, how in ("glu", "fused")
        n = 16 if self.halves else 8
        self.a, self.g, self.out = nn.Linear(6, n), nn.Linear(6, 8), nn.Linear(8, 4)
        self.must_keep = {"a.weight": (0, 8), "out.weight": (1, 4)} if self.halves else {"a.weight": (0, 5), "g.weight": (0, 5)}
        if how == "sum":
            self.must_keep = {"a.weight": (0, 8), "g.weight": (0, 8)}

    def forward(self, x):
        if self.how == "fused":
            return self.out(F.glu(self.a(x), -1))
        if self.how == "glu":
            a, g = self.a(x).chunk(2, -1)
            return self.out(a * g.sigmoid())
        return self.out(self.a(x) + self.g(x) if self.how == "sum" else self.a(x) * self.g(x).sigmoid())

    def ragged(self, g):
        return self.masked(a=drop(16, [0, 2, 5, 7]) if self.halves else drop(8, [1, 4, 6]))


IMG, SEQ, ROWS = (2, 3, 8, 8), (2, 5, 6), (5, 6)
NETS = {
    "tablestream": (lambda: TableStream(True), ROWS), "tablefollows": (lambda: TableStream(False), ROWS),
    **{f"experts_{how}{'_masked' * m}": (lambda how=how, m=m: Experts(how, m), ROWS) for how in ("index", "select", "embedding", "all") for m in (False, True)},
    **{f"lookup_{how}{'_masked' * m}": (lambda how=how, m=m: LookUp(how, m), SEQ) for how in ("constant", "data", "index") for m in (False, True)},
    "scores": (Scores, SEQ), "depthwiseup": (DepthwiseUp, IMG),
    "locked_factor": (lambda: Locked("factor"), ROWS), "locked_parts": (lambda: Locked("parts"), ROWS), "pairs": (Pairs, IMG), "columns": (Columns, ROWS), "queries": (Queries, ROWS),
    "sharednorm": (SharedNorm, SEQ), "held": (lambda: Held(False), ROWS), "infinite": (lambda: Held(True), ROWS), "filled": (Filled, ROWS),
    **{f"gated_{how}": (lambda how=how: Gated(how), ROWS) for how in ("product", "glu", "fused", "sum")},
}
LOSSLESS = [n for n in NETS if n.startswith("gated")]
LISTS = {"all": [f"vote/{n}" for n in NETS if n not in LOSSLESS], "lossless": [f"vote/{n}" for n in LOSSLESS]}


def build(name):
    torch.manual_seed(0)
    net, shape = NETS[name.split("/")[1]]
    model = net()
    return model.eval(), (torch.randn(*shape),), {}
