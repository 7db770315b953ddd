"""ONNX models in 64-bit floats, by the operators of onnx.reference (convolutions by PyTorch): what differs here is no rounding."""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class Conv(OpRun):
    """onnx.reference's takes minutes for one channel each."""

    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        n = w.ndim - 2
        if (auto_pad or "NOTSET") != "NOTSET":
            raise NotImplementedError(auto_pad)
        pads = list(pads or [0] * 2 * n)
        around = [p for d in reversed(range(n)) for p in (pads[d], pads[d + n])]
        x = F.pad(torch.from_numpy(np.ascontiguousarray(x)), around)
        w, b = torch.from_numpy(np.ascontiguousarray(w)), None if b is None else torch.from_numpy(np.ascontiguousarray(b))
        conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[n]
        return (conv(x, w, b, list(strides or [1] * n), 0, list(dilations or [1] * n), group or 1).numpy(),)


def tensor(t):
    if t.data_type == TensorProto.FLOAT:
        t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))


def widen(graph):
    """Makes all 32-bit floats of a graph 64-bit ones."""
    for t in graph.initializer:
        tensor(t)
    for v in [*graph.input, *graph.output, *graph.value_info]:
        if v.type.tensor_type.elem_type == TensorProto.FLOAT:
            v.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for a in node.attribute:
            if a.type == a.TENSOR:
                tensor(a.t)
            elif a.type == a.GRAPH:
                widen(a.g)
            elif node.op_type in ("Cast", "EyeLike", "RandomNormalLike") and a.name in ("to", "dtype") and a.i == TensorProto.FLOAT:
                a.i = TensorProto.DOUBLE


def run(path, feeds):
    """The outputs of a model, in 64-bit floats."""
    model = onnx.load(path)
    widen(model.graph)
    feeds = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in feeds.items()}
    return ReferenceEvaluator(model, new_ops=[Conv]).run(None, feeds)
