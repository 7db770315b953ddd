"""Nets for the oracle, each with one kind of operator that leaves channels alone or that a repair makes exact:
`oracle.py --zoo operators.py @all` in parity (each shrinks to the ideal) and random; @core with --decomposed.
"""
import torch
from torch import nn
import torch.nn.functional as F
import torchvision  # so that torch.export.load finds its operators

import nets
from nets import IMG, SEQ, TOK, P, c, l

NETS, SLACK = {}, {}
ROWS = (5, 12)


def net(shape, slack=None, **layers):
    def add(f):
        NETS[f.__name__] = (layers, f, shape)
        if slack:
            SLACK[f"op/{f.__name__}"] = slack
        return f

    return add


B = lambda *values: lambda: torch.tensor(values)
EDGES = B(0, 1, 1, 2, 0)


# ---------------------------------------------------------------- picked and written by an index
@net(ROWS, a=l(12, 16), i=EDGES, out=l(16, 4))
def scattered_sum(self, x):
    h = self.a(x)
    return self.out(F.relu(h.new_zeros(3, 16).scatter_add_(0, self.i.view(-1, 1).expand_as(h), h)))


@net(ROWS, a=l(12, 16), i=EDGES, out=l(16, 4))
def scattered_most(self, x):
    h = self.a(x)
    i = self.i.view(-1, 1).expand_as(h)
    most = h.new_zeros(3, 16).scatter_reduce(0, i, h, "amax", include_self=False)
    return self.out(F.relu(most + h.new_zeros(3, 16).scatter_reduce(0, i, h, "mean", include_self=False)))


@net(ROWS, a=l(12, 16), i=EDGES, out=l(16, 4))
def scattered(self, x):
    h = self.a(x)
    return self.out(F.relu(h.new_zeros(3, 16).scatter(0, self.i.view(-1, 1).expand_as(h), h)).sum(0))


@net(ROWS, a=l(12, 16), i=EDGES, out=l(16, 4))
def index_reduced(self, x):
    h = self.a(x)
    return self.out(F.relu(h.new_zeros(3, 16).index_reduce(0, self.i, h, "mean") + h.new_zeros(3, 16).index_add(0, self.i, h)))


@net(TOK, a=l(12, 16), i=EDGES, out=l(16, 4))
def index_put(self, x):
    h = self.a(x).transpose(0, 1)
    y = h.new_zeros(6, 2, 16)
    y[self.i[:3]] = h[:3]
    return self.out(F.relu(y))


@net(TOK, a=l(12, 16), s=l(16, 1), out=l(16, 4))
def gathered(self, x):
    h = self.a(x)
    i = self.s(h).argsort(1)[:, :3]
    return self.out(F.relu(h.gather(1, i.expand(-1, -1, 16))))


@net(TOK, a=l(12, 16), m=B(True, False, True, True, False, True), out=l(16, 4))
def masked_tokens(self, x):
    return self.out(F.relu(self.a(x))[:, self.m].sum(1))


SOME = B(*(k % 3 != 1 for k in range(16)))


@net(IMG, a=c(3, 16, 3), m=SOME, out=c(11, 4))
def masked_channels(self, x):
    """a fixed mask over the channels themselves picks as the list of its ones does"""
    return self.out(F.relu(self.a(x))[:, self.m])


@net(TOK, slack=1.5, a=l(12, 16), b=l(12, 11), m=SOME, out=l(11, 4))
def masked_features(self, x):
    return self.out(F.relu(self.a(x)[..., self.m] + self.b(x)))


@net(IMG, slack=1.3, a=c(3, 16, 3), out=c(5, 4))
def listed_channels(self, x):
    """the list is written in the program"""
    return self.out(F.relu(self.a(x))[:, torch.tensor([4, 0, 2, 8, 11])])


@net(IMG, slack=1.3, a=c(3, 16, 3), out=c(5, 4))
def listed_by_a_mask(self, x):
    return self.out(F.relu(self.a(x))[:, torch.tensor([k % 3 == 1 for k in range(16)])])


@net(TOK, a=l(12, 16), m=B(True, False, True, True, False, True), out=l(16, 4))
def masked_write(self, x):
    h = F.relu(self.a(x))
    y = torch.zeros_like(h)
    y[:, self.m] = 0.5 * h.mean(1, keepdim=True)
    return self.out(y + h)


@net(TOK, a=l(12, 16), out=l(16, 4))
def repeated(self, x):
    h = torch.repeat_interleave(self.a(x), 2, 1, output_size=12)
    return self.out(F.relu(torch.repeat_interleave(h, torch.tensor([1] * 6 + [0, 2] * 3), 1, output_size=12)))


# ---------------------------------------------------------------- windows that leave an axis as it is
@net(IMG, a=c(3, 16, 3), out=l(16, 4))
def pooled_places(self, x):
    y = self.a(x).permute(0, 2, 3, 1)
    return self.out(F.relu(F.max_pool2d(y, (2, 1)) + F.adaptive_avg_pool2d(y, (4, None)) + F.avg_pool2d(y, (3, 1), (2, 1), (1, 0))))


@net(IMG, a=c(3, 16, 3), m=c(8, 8), out=l(16, 4))
def convolved_places(self, x):
    """a window of one, whose places are channels"""
    return self.out(F.relu(self.m(F.relu(self.a(x)).permute(0, 2, 1, 3).transpose(2, 3)).sum(1)))


@net(IMG, a=c(3, 16, 3), out=l(16, 4))
def padded_places(self, x):
    y = self.a(x).permute(0, 2, 3, 1)
    return self.out(F.relu(F.pad(y, (0, 0, 1, 1), "circular")) + F.pad(y, (0, 0, 2, 0), "replicate"))


@net(IMG, a=c(3, 16, 3), b=c(16, 16, 3, padding_mode="circular"), out=c(16, 4))
def padded_circular(self, x):
    return self.out(F.relu(self.b(F.relu(self.a(x)))))


@net(IMG, a=c(3, 16, 3), out=c(16, 4))
def folded(self, x):
    y = F.unfold(self.a(x), 3, padding=1, stride=2)
    return self.out(F.relu(F.fold(y, (8, 8), 3, padding=1, stride=2)))


# ---------------------------------------------------------------- the largest
@net(IMG, slack=1.2, a=c(3, 16, 3), gate=c(2, 1, 7), out=c(16, 4))
def most_of_channels(self, x):
    """attention over space from the maximum, the minimum and the mean over channels"""
    y = self.a(x)
    return self.out(y * torch.sigmoid(self.gate(torch.cat([y.max(1, keepdim=True)[0] - y.amin(1, keepdim=True), y.mean(1, keepdim=True)], 1))))


@net(TOK, a=l(12, 16), out=l(16, 4))
def values_along_tokens(self, x):
    y = self.a(x)
    z = y.max(1).values + y.min(1)[0] + y.sort(1).values[:, -1] + y.topk(2, 1)[0][:, 1] + y.median(1)[0] + y.kthvalue(2, 1)[0]
    return self.out(F.layer_norm(z + y.cummax(1)[0].sum(1), (16,)) * z)


@net(TOK, a=l(12, 16), g=l(16, 16), out=l(16, 4))
def softmax_gate(self, x):
    """softmax over channels: those that went count with exp(0)"""
    y = self.a(x)
    return self.out(y * F.softmax(self.g(F.relu(y)), -1) * y.logsumexp(-1, keepdim=True))


# ---------------------------------------------------------------- frequencies
@net(IMG, a=c(3, 8, 3), f=c(16, 16), out=c(8, 4))
def frequencies(self, x):
    z = torch.fft.rfftn(self.a(x), dim=(2, 3))
    z = torch.complex(*F.relu(self.f(torch.cat([z.real, z.imag], 1))).chunk(2, 1))
    return self.out(torch.fft.irfft2(z))


@net(TOK, a=l(12, 16), out=l(16, 4))
def frequencies_of_tokens(self, x):
    z = torch.fft.rfft(self.a(x), dim=1)
    return self.out(torch.fft.irfft(torch.view_as_complex(torch.view_as_real(z) * 0.5), n=6, dim=1) + torch.polar(self.a(x), self.a(x)).real)


@net((2, 3, 40), a=lambda: nn.Conv1d(3, 8, 3, padding=1), out=lambda: nn.Conv1d(8, 4, 1))
def frequencies_in_windows(self, x):
    y = self.a(x)
    w = torch.hann_window(8, dtype=y.dtype)
    z = torch.stft(y.flatten(0, 1), 8, 2, window=w, return_complex=True)
    return self.out(F.relu(torch.istft(z * 0.7, 8, 2, window=w, length=40).unflatten(0, (2, 8))))


# ---------------------------------------------------------------- places that data tell, of planes one after the other in core form
@net((2, 3, 8, 8), a=lambda: nn.Conv2d(3, 8, 3, padding=1), b=lambda: nn.Conv2d(8, 8, 3, padding=1), out=lambda: nn.Conv2d(8, 4, 1))
def unpooled(self, x):
    p, at = F.max_pool2d(F.relu(self.a(x)), 2, return_indices=True)
    return self.out(F.max_unpool2d(self.b(p), at, 2))


@net((2, 3, 4, 6, 4), a=lambda: nn.Conv3d(3, 8, 3, padding=1), b=lambda: nn.Conv3d(8, 8, 3, padding=1), out=lambda: nn.Conv3d(8, 4, 1))
def unpooled_volumes(self, x):
    p, at = F.max_pool3d(F.relu(self.a(x)), 2, return_indices=True)
    return self.out(F.max_unpool3d(self.b(p), at, 2))


# ---------------------------------------------------------------- norms of what is equal at removed positions
@net(TOK, slack=1.2, stem=l(12, 16), n1=lambda: nn.LayerNorm(16), t=l(6, 6), n2=lambda: nn.LayerNorm(16), up=l(16, 32), down=l(32, 16), out=l(16, 4))
def mixed_tokens(self, x):
    x = self.stem(x)
    x = x + self.t(self.n1(x).transpose(1, 2)).transpose(1, 2)
    return self.out((x + self.down(F.gelu(self.up(self.n2(x))))).mean(1))


@net(TOK, slack=1.2, stem=l(12, 16), n1=lambda: nn.RMSNorm(16, eps=1e-5), t=l(6, 6), n2=lambda: nn.RMSNorm(16, eps=1e-5), up=l(16, 32), down=l(32, 16), out=l(16, 4))
def mixed_tokens_rms(self, x):
    x = self.stem(x)
    x = x + self.t(self.n1(x).transpose(1, 2)).transpose(1, 2)
    return self.out((x + self.down(F.gelu(self.up(self.n2(x))))).mean(1))


# ---------------------------------------------------------------- losses
@net(IMG, a=c(3, 16, 3), b=c(16, 16, 3), out=c(16, 4))
def feature_losses(self, x):
    y = F.relu(self.a(x))
    z = self.b(y)
    return self.out(z), F.mse_loss(z, y), F.smooth_l1_loss(z, y, reduction="sum"), F.l1_loss(z, y), F.huber_loss(z, y, reduction="none").mean(1)


@net(IMG, a=c(3, 16, 3), out=c(16, 4))
def class_losses(self, x):
    y = self.out(F.relu(self.a(x)))
    t = y.argmax(1)
    return F.cross_entropy(y, t), F.binary_cross_entropy_with_logits(y, y.sigmoid()), F.kl_div(y.log_softmax(1), y.softmax(1), reduction="batchmean")


@net(TOK, slack=1.6, a=l(12, 16), b=l(12, 16), m=lambda: nn.Bilinear(16, 16, 3), out=l(3, 4))
def bilinear(self, x):
    return self.out(self.m(self.a(x), self.b(x)))


@net(SEQ, a=lambda: nn.Conv1d(3, 16, 3, padding=1), b=lambda: nn.Conv1d(16, 8, 1), out=l(8, 4))
def length_as_channels(self, x):
    return self.out(self.b(F.relu(self.a(x))).transpose(1, 2))


# ---------------------------------------------------------------- torchvision's
def regions():
    return torch.randn(2, 3, 8, 8), torch.tensor([[0, 0, 0, 4, 4], [1, 1, 2, 7, 6.0]])


@net(regions, a=c(3, 16, 3), out=c(16, 4))
def regions_aligned(self, x, rois):
    y = self.a(x)
    rois = torch.cat([rois[:, :1] * 0, rois[:, 1:]], 1)  # of the first image, whatever is passed in: others would be read beyond the end
    return self.out(F.relu(torchvision.ops.roi_align(y, rois, 2) + torchvision.ops.roi_pool(y, rois, 2)))


def offset(x, groups):
    return 0.3 * x.mean(1, keepdim=True).expand(-1, 18 * groups, -1, -1)


def deformed(groups, offsets):
    def forward(self, x):
        y = self.a(x)
        return self.out(F.relu(torchvision.ops.deform_conv2d(y, offset(x, offsets), self.w, self.b, padding=1)))

    forward.__name__ = f"deformed_{groups}_{offsets}"
    return net(IMG, slack=1.3, a=c(3, 16, 3), w=P(8, 16 // groups, 3, 3), b=P(8), out=c(8, 4))(forward)


for pair in ((1, 2), (2, 1), (2, 4), (2, 2)):
    deformed(*pair)


def build(name):
    import zoo

    torch.manual_seed(0)
    key = name.partition("/")[2]
    model, args, kwargs = nets.make(key, NETS)
    zoo.randomise(model, args, kwargs)
    return model.eval(), args, kwargs


# Without a decomposition; or whose core form divides by a sum over windows that nothing shows to be other than zero (istft).
WHOLE = [n for n in NETS if n.startswith(("deformed", "regions"))] + ["frequencies_in_windows"]
LISTS = {
    "all": [f"op/{n}" for n in NETS],
    "core": [f"op/{n}" for n in NETS if n not in WHOLE],
}
