"""Models of timm, one of each of some families: small, or made small, with random weights."""

import torch

FAMILIES = {
    "convnext_atto": {},
    "edgenext_xx_small": {},
    "efficientnet_b0": {},
    "ghostnet_100": {},
    "mixer_s32_224": {},
    "mobilenetv3_small_100": {},
    "poolformer_s12": {},
    "pvt_v2_b0": {},
    "regnety_002": {},
    "repvgg_a0": {},
    "vit_tiny_patch16_224": {"depth": 4},
    "xcit_nano_12_p16_224": {"depth": 4},
}
LISTS = {"all": [f"timm/{n}" for n in FAMILIES]}


def build(name):
    import timm

    torch.manual_seed(0)
    name = name.partition("/")[2]
    model = timm.create_model(name, pretrained=False, **FAMILIES[name]).eval()
    with (
        torch.no_grad()
    ):  # scales that begin at one or nearly zero, and statistics that begin at zero and one, would hide what is wrong
        for key, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.ndim == 1 and t.is_floating_point():
                t.copy_(0.8 + 0.4 * torch.rand_like(t) if key.endswith(("weight", "var", "gamma")) else torch.randn_like(t) * 0.1)
        for t in model.parameters():  # such as the mixer's head
            if not t.any():
                t.copy_(torch.randn_like(t) * 0.1)
    return model, (torch.randn(2, 3, 224, 224),), {}
