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
# Further ones, with the size of their images: what exporters to ONNX make of them is tried.
MORE = {
    "beit_base_patch16_224": (224, {"depth": 2, "embed_dim": 96, "num_heads": 4}),
    "cait_xxs24_224": (224, {"depth": 3, "depth_token_only": 1}),
    "coat_lite_tiny": (224, {}),
    "cspresnet50": (96, {}),
    "deit_tiny_patch16_224": (224, {"depth": 3}),
    "densenet121": (96, {}),
    "dla34": (96, {}),
    "dpn68": (96, {}),
    "ese_vovnet19b_dw": (96, {}),
    "hrnet_w18_small": (96, {}),
    "inception_v3": (128, {}),
    "legacy_xception": (96, {}),
    "levit_128s": (224, {}),
    "maxvit_rmlp_pico_rw_256": (256, {"depths": (1, 1, 1, 1)}),
    "mobilevit_xxs": (128, {}),
    "res2net50_26w_4s": (96, {}),
    "resmlp_12_224": (224, {}),
    "resnet18": (96, {}),
    "skresnet18": (96, {}),
    "swin_tiny_patch4_window7_224": (224, {"depths": (1, 1, 2, 1), "embed_dim": 48}),
}
LISTS = {"all": [f"timm/{n}" for n in FAMILIES], "onnx": [f"timm/{n}" for n in [*FAMILIES, *MORE]]}


def build(name):
    import timm

    torch.manual_seed(0)
    name = name.partition("/")[2]
    size, options = MORE.get(name) or (224, FAMILIES[name])
    model = timm.create_model(name, pretrained=False, **options).eval()
    with (
        torch.no_grad()
    ):  # scales that begin at one or nearly zero, and statistics that begin at zero and one, would hide what is wrong
        for key, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.ndim == 1 and t.is_floating_point():
                t.copy_(0.8 + 0.4 * torch.rand_like(t) if key.endswith(("weight", "var", "gamma")) else torch.randn_like(t) * 0.1)
        for t in model.parameters():  # such as the mixer's head
            if not t.any():
                t.copy_(torch.randn_like(t) * 0.1)
    return model, (torch.randn(2, 3, size, size),), {}
