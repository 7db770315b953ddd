#!/usr/bin/env python3
"""ONNX files that PyTorch's exporters do not write: made here as other programs write them, shrunk, and judged by onnxruntime.

  onnx_files.py --paring target/release/paring                   all but the largest
  onnx_files.py --paring target/release/paring nhwc huge         these; `huge` is a file with more than 2 GB beside it, mostly holes

Each maker returns a model, the masks (initializer → axis of its output channels) and the share of weights that may be left at most. A file
passes as in onnx_oracle.py: full check, values, nothing gone that no mask drops.
"""

import argparse
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_oracle

F = TensorProto.FLOAT
WEIGHTS = (1, 10, 11, 16, TensorProto.INT8)  # of quantised models, too


def weights(model):
    return sum(int(np.prod(i.dims)) for i in model.graph.initializer if i.data_type in WEIGHTS and len(i.dims) > 1)


onnx_oracle.weights = weights


class Net:
    """A graph that is being built. `x = net.Conv(x, "w", …)` adds a node."""

    def __init__(self, seed=0, prefix=""):
        self.g, self.nodes, self.stored, self.n, self.prefix = np.random.default_rng(seed), [], [], 0, prefix

    def weight(self, name, *shape, scale=None):
        data = self.g.standard_normal(shape).astype(np.float32)
        data *= scale or (1 / max(1, np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.3)
        return self.const(name, data)

    def const(self, name, data):
        self.stored.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def add(self, op, inputs, outputs=None, **attrs):
        self.n += 1
        outputs = outputs or [f"{self.prefix}{op.lower()}_{self.n}"]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{self.n}", **attrs))
        return outputs[0] if len(outputs) == 1 else outputs

    def __getattr__(self, op):
        return lambda *inputs, **attrs: self.add(op, inputs, **attrs)

    def graph(self, inputs, outputs, name="net", info=()):
        value = lambda n, s, t=F: helper.make_tensor_value_info(n, t, s)
        return helper.make_graph(self.nodes, name, [value(*i) for i in inputs], [value(*o) for o in outputs], self.stored, value_info=info)

    def model(self, inputs, outputs, opset=17, ir=8, functions=(), domains=()):
        opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
        return helper.make_model(self.graph(inputs, outputs), opset_imports=opsets, ir_version=ir, functions=list(functions), producer_name="hand")


def nhwc():
    """As tf2onnx writes a network of Keras: channels last, a transpose before and after each convolution, padding of its own."""
    n = Net()
    def conv(x, name, i, o, **attrs):
        x = n.Transpose(x, perm=[0, 3, 1, 2])
        x = n.Conv(x, n.weight(f"{name}/kernel", o, i, 3, 3), auto_pad="SAME_UPPER", strides=[1, 1], **attrs)
        x = n.Transpose(x, perm=[0, 2, 3, 1])
        return n.Add(x, n.weight(f"{name}/bias", o))
    x = conv("image", "conv1", 3, 16)
    x = n.Relu(n.Add(n.Mul(x, n.weight("bn/scale", 16)), n.weight("bn/shift", 16)))
    y = conv(x, "conv2", 16, 24)
    y = n.Clip(y, n.const("zero", np.float32(0)), n.const("six", np.float32(6)))
    se = n.ReduceMean(y, axes=[1, 2], keepdims=1)                  # squeeze and excitation
    se = n.Transpose(se, perm=[0, 3, 1, 2])
    se = n.Relu(n.Conv(se, n.weight("se1/kernel", 8, 24, 1, 1), n.weight("se1/bias", 8)))
    se = n.Sigmoid(n.Conv(se, n.weight("se2/kernel", 24, 8, 1, 1), n.weight("se2/bias", 24)))
    y = n.Mul(y, n.Transpose(se, perm=[0, 2, 3, 1]))
    y = n.Pad(y, n.const("around", np.int64([0, 0, 0, 0, 0, 1, 1, 0])))
    y = n.Transpose(y, perm=[0, 3, 1, 2])
    y = n.Conv(y, n.weight("depthwise", 24, 1, 3, 3), group=24, strides=[2, 2])
    y = n.Transpose(y, perm=[0, 2, 3, 1])
    shape = n.Shape(y)
    batch = n.Slice(shape, n.const("s0", np.int64([0])), n.const("s1", np.int64([1])))
    y = n.Reshape(n.ReduceMean(y, axes=[1, 2], keepdims=0), n.Concat(batch, n.const("rest", np.int64([24])), axis=0))
    y = n.Add(n.MatMul(y, n.weight("dense/kernel", 24, 10)), n.weight("dense/bias", 10))
    n.Identity(n.Softmax(y, axis=-1), outputs=["scores"])
    masks = {"conv1/kernel": 0, "conv2/kernel": 0, "se1/kernel": 0}
    return n.model([("image", ["batch", 12, 12, 3])], [("scores", ["batch", 10])], opset=15), masks, 0.6


def gemm():
    """A perceptron as exporters of other libraries write it: Gemm with the weight either way round, scores and the best class."""
    n = Net()
    x = n.Relu(n.Gemm("x", n.weight("w1", 12, 32), n.weight("b1", 32)))
    x = n.Tanh(n.Gemm(x, n.weight("w2", 24, 32), n.weight("b2", 24), transB=1, alpha=0.5, beta=2.0))
    x = n.Relu(n.Add(n.MatMul(x, n.weight("w3", 24, 16)), n.weight("b3", 1, 16)))
    x = n.Gemm(x, n.weight("w4", 16, 5))
    p = n.Softmax(x, axis=1, outputs=["probabilities"])
    n.Cast(n.ArgMax(p, axis=1, keepdims=0), to=TensorProto.INT32, outputs=["label"])
    out = [("label", ["n"], TensorProto.INT32), ("probabilities", ["n", 5])]
    return n.model([("x", ["n", 12])], out, opset=13), {"w1": 1, "w2": 0, "w3": 1}, 0.6


def small_cnn():
    n = Net()
    x = n.Relu(n.Conv("x", n.weight("c1", 16, 3, 3, 3), n.weight("c1b", 16), pads=[1] * 4))
    y = n.Relu(n.Conv(x, n.weight("c2", 16, 16, 3, 3), n.weight("c2b", 16), pads=[1] * 4))
    x = n.MaxPool(n.Add(x, y), kernel_shape=[2, 2], strides=[2, 2])
    x = n.Relu(n.Conv(x, n.weight("c3", 24, 16, 3, 3), n.weight("c3b", 24)))
    x = n.Flatten(n.GlobalAveragePool(x))
    n.Gemm(x, n.weight("fc", 10, 24), n.weight("fcb", 10), transB=1, outputs=["y"])
    return n.model([("x", [2, 3, 12, 12])], [("y", [2, 10])], opset=17)


def quantised(per_channel, **options):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter([onnx_oracle.inputs_of(model, k) for k in range(3)])

        def get_next(self):
            return next(self.left, None)

    model = small_cnn()
    with tempfile.TemporaryDirectory() as d:
        onnx.save(model, f"{d}/a.onnx")
        quantize_static(f"{d}/a.onnx", f"{d}/b.onnx", Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel, weight_type=QuantType.QInt8, **options)
        return onnx.load(f"{d}/b.onnx")


def qdq():
    from onnxruntime.quantization import QuantType
    return quantised(False, activation_type=QuantType.QUInt8), {"c1_quantized": 0, "c2_quantized": 0, "c3_quantized": 0}, 0.7


def qdq_channels():
    return quantised(True, extra_options={"ActivationSymmetric": True}), {"c1_quantized": 0, "c2_quantized": 0, "c3_quantized": 0}, 0.7


def lstm():
    """An LSTM in both directions behind an embedding, of which a dense layer reads the last step."""
    n, h = Net(), 8
    x = n.Gather(n.weight("table", 30, 12), "tokens")
    x = n.Transpose(x, perm=[1, 0, 2])
    x = n.Relu(n.Add(n.MatMul(x, n.weight("proj", 12, 16)), n.weight("projb", 16)))
    y, *_ = n.add("LSTM", [x, n.weight("W", 2, 4 * h, 16, scale=0.3), n.weight("R", 2, 4 * h, h, scale=0.3), n.weight("B", 2, 8 * h)], ["Y", "", ""], hidden_size=h, direction="bidirectional")
    y = n.Reshape(n.Transpose(y, perm=[2, 0, 1, 3]), n.const("flat", np.int64([0, 0, 2 * h])))
    y = n.Gather(y, n.const("last", np.int64(-1)), axis=1)
    n.Gemm(y, n.weight("out", 2 * h, 4), n.weight("outb", 4), outputs=["y"])
    return n.model([("tokens", ["batch", 6], TensorProto.INT64)], [("y", ["batch", 4])]), {"table": 1, "proj": 1}, 0.85


def body(cond=True):
    """v → relu(v @ inner) + bias: the body of a loop, which reads `bias` from outside."""
    b = Net(7, "body_")
    v = b.Relu(b.MatMul("v", b.weight("inner", 16, 16)))
    v = b.add("Add", [v, "outside"], ["v_out"])
    if cond:
        b.Identity("go", outputs=["go_out"])
        ins = [("step", [], TensorProto.INT64), ("go", [], TensorProto.BOOL), ("v", ["n", 16])]
        return b.graph(ins, [("go_out", [], TensorProto.BOOL), ("v_out", ["n", 16])], "body")
    return b.graph([("v", ["n", 16])], [("v_out", ["n", 16])], "body")


def around(inner):
    """Layers before and after something: what is next to it stays, all else is cut."""
    n = Net()
    x = n.Relu(n.Gemm("x", n.weight("before1", 8, 32), n.weight("b1", 32)))
    x = n.Relu(n.Gemm(x, n.weight("before2", 32, 16), n.weight("b2", 16)))
    n.weight("outside", 16)
    x = inner(n, x)
    x = n.Relu(n.Gemm(x, n.weight("after1", 16, 32), n.weight("a1", 32)))
    n.Gemm(x, n.weight("after2", 32, 4), n.weight("a2", 4), outputs=["y"])
    return n, {"before1": 1, "before2": 1, "after1": 1}


def loop():
    def inner(n, x):
        n.const("trips", np.int64(3)), n.const("always", np.bool_(True))
        return n.add("Loop", ["trips", "always", x], body=body())
    n, masks = around(inner)
    return n.model([("x", ["n", 8])], [("y", ["n", 4])]), masks, 0.75


def scan():
    """Scan over the steps of a sequence."""
    b = Net(3, "step_")
    s = b.Tanh(b.Add(b.MatMul("state", b.weight("rec", 16, 16)), "item"))
    b.Identity(s, outputs=["state_out"]), b.Identity(s, outputs=["item_out"])
    graph = b.graph([("state", ["n", 16]), ("item", ["n", 16])], [("state_out", ["n", 16]), ("item_out", ["n", 16])], "step")
    def inner(n, x):
        steps = n.Concat(n.Unsqueeze(x, n.const("zero", np.int64([0]))), n.Unsqueeze(n.Neg(x), "zero"), axis=0)
        start = n.Mul(x, n.const("nought", np.float32(0)))
        return n.add("Scan", [start, steps], ["end", "all"], body=graph, num_scan_inputs=1)[0]
    n, masks = around(inner)
    return n.model([("x", ["n", 8])], [("y", ["n", 4])]), masks, 0.75


def condition():
    """If, whose branches read from outside."""
    def branch(name, op):
        b = Net(5, name)
        b.add(op, ["held", "outside"], ["out"])
        return b.graph([], [("out", ["n", 16])], name)
    def inner(n, x):
        n.Identity(x, outputs=["held"])
        yes = n.Greater(n.ReduceSum("x", keepdims=0), n.const("none", np.float32(0)))
        return n.add("If", [yes], then_branch=branch("then", "Add"), else_branch=branch("else", "Sub"))
    n, masks = around(inner)
    return n.model([("x", ["n", 8])], [("y", ["n", 4])]), masks, 0.75


def functions():
    """Local functions: one with an attribute, one that calls another; values without recorded sizes."""
    gelu = helper.make_function("local", "Gelu", ["X"], ["Y"], [
        helper.make_node("Constant", [], ["r2"], value_float=2.0 ** 0.5), helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Constant", [], ["half"], value_float=0.5), helper.make_node("Div", ["X", "r2"], ["a"]),
        helper.make_node("Erf", ["a"], ["b"]), helper.make_node("Add", ["b", "one"], ["c"]), helper.make_node("Mul", ["X", "c"], ["d"]),
        helper.make_node("Mul", ["d", "half"], ["Y"]),
    ], [helper.make_opsetid("", 17)])
    attr = onnx.AttributeProto(name="transB", ref_attr_name="turned", type=onnx.AttributeProto.INT)
    gemm = helper.make_node("Gemm", ["X", "W", "B"], ["h"])
    gemm.attribute.append(attr)
    layer = helper.make_function("local", "Layer", ["X", "W", "B"], ["Y"], [gemm, helper.make_node("Gelu", ["h"], ["Y"], domain="local")], [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)], ["turned"])
    n = Net()
    x = n.Layer("x", n.weight("w1", 32, 8), n.weight("b1", 32), domain="local", turned=1)
    x = n.Layer(x, n.weight("w2", 32, 24), n.weight("b2", 24), domain="local", turned=0)
    n.Gemm(x, n.weight("w3", 24, 4), n.weight("b3", 4), outputs=["y"])
    return n.model([("x", ["n", 8])], [("y", ["n", 4])], functions=[gelu, layer], domains=["local"]), {"w1": 0, "w2": 1}, 0.6


def opset9():
    """As PyTorch 1.0 wrote: initializers among the inputs, attributes where inputs are today, Upsample."""
    n = Net()
    x = n.Conv("x", n.weight("conv1.weight", 16, 3, 3, 3), n.weight("conv1.bias", 16), kernel_shape=[3, 3], pads=[1] * 4, dilations=[1, 1], group=1, strides=[1, 1])
    stats = [n.weight(f"bn.{k}", 16) for k in ("weight", "bias", "running_mean")] + [n.const("bn.running_var", np.abs(n.g.standard_normal(16)).astype(np.float32) + 0.1)]
    x = n.Relu(n.BatchNormalization(x, *stats, epsilon=1e-5, momentum=0.9))
    y = n.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    y = n.Relu(n.Conv(y, n.weight("conv2.weight", 16, 16, 3, 3), n.weight("conv2.bias", 16), pads=[1] * 4))
    y = n.Upsample(y, n.const("scales", np.float32([1, 1, 2, 2])), mode="nearest")
    x = n.Concat(x, n.Dropout(y, ratio=0.5), axis=1)
    x = n.Slice(x, axes=[2, 3], starts=[1, 1], ends=[9, 9])
    x = n.Clip(n.Conv(x, n.weight("conv3.weight", 24, 32, 3, 3), n.weight("conv3.bias", 24)), min=0.0, max=6.0)
    x = n.Squeeze(n.ReduceMean(x, axes=[2, 3], keepdims=1), axes=[2, 3])
    x = n.Reshape(x, n.Constant(value=numpy_helper.from_array(np.int64([-1, 24]))))
    n.Gemm(x, n.weight("fc.weight", 10, 24), n.weight("fc.bias", 10), transB=1, outputs=["y"])
    m = n.model([("x", [2, 3, 10, 10])], [("y", [2, 10])], opset=9, ir=4)
    m.graph.input.extend(helper.make_tensor_value_info(i.name, i.data_type, list(i.dims)) for i in m.graph.initializer)
    m.ir_version = 3
    return m, {"conv1.weight": 0, "conv2.weight": 0, "conv3.weight": 0}, 0.6


def norms():
    """GroupNormalization of opset 21, an RNN, RMSNormalization of opset 23."""
    n = Net()
    x = n.Conv("x", n.weight("c1", 16, 3, 3, 3), n.weight("c1b", 16))
    x = n.Relu(n.GroupNormalization(x, n.weight("gs", 16), n.weight("gb", 16), num_groups=4))
    x = n.Relu(n.Conv(x, n.weight("c2", 12, 16, 3, 3), n.weight("c2b", 12)))
    x = n.Reshape(x, n.const("flat", np.int64([0, 12, -1])))
    x = n.Transpose(x, perm=[2, 0, 1])
    x, _ = n.add("RNN", [x, n.weight("rw", 1, 8, 12), n.weight("rr", 1, 8, 8), n.weight("rb", 1, 16)], ["Y", "Yh"], hidden_size=8)
    x = n.Squeeze(x, n.const("one", np.int64([1])))
    x = n.Gemm(n.ReduceMean(x, n.const("first", np.int64([0])), keepdims=0), n.weight("g1", 8, 24), n.weight("g1b", 24))
    x = n.RMSNormalization(x, n.weight("rs", 24), epsilon=1e-5)
    n.Gemm(x, n.weight("g2", 24, 4), n.weight("g2b", 4), outputs=["y"])
    return n.model([("x", [2, 3, 8, 8])], [("y", [2, 4])], opset=23, ir=11), {"c1": 0, "c2": 0, "g1": 1}, 0.8


def types():
    """bfloat16, 8 bits, blocks of 4 bits and texts among the initializers."""
    n = Net()
    def raw(name, kind, shape, data):
        n.stored.append(helper.make_tensor(name, kind, shape, data, raw=True))
        return name
    small = lambda *s: n.g.standard_normal(s).astype(np.float32) * 0.3
    half = lambda a: (np.asarray(a, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    w1 = n.Cast(raw("w1", TensorProto.BFLOAT16, [8, 32], half(small(8, 32))), to=F)
    b1 = n.Cast(raw("b1", TensorProto.BFLOAT16, [32], half(small(32))), to=F)
    x = n.Relu(n.Add(n.MatMul("x", w1), b1))
    w2 = n.Cast(n.const("w2", small(32, 24).astype(np.float16)), to=F)
    x = n.Relu(n.MatMul(x, w2))
    f8 = n.DequantizeLinear(raw("w3", TensorProto.FLOAT8E4M3FN, [24, 16], n.g.integers(0, 0x50, 24 * 16).astype(np.uint8).tobytes()), n.const("w3s", np.float32(0.1)))
    x = n.Relu(n.MatMul(x, f8))
    w4 = n.DequantizeLinear(raw("w4", TensorProto.INT4, [16, 6], n.g.integers(0, 256, 48).astype(np.uint8).tobytes()), n.const("w4s", np.float32(0.1)))
    n.MatMul(x, w4, outputs=["y"])
    n.stored.append(helper.make_tensor("texts", TensorProto.STRING, [2], [b"one", b"two"]))
    n.Identity("texts", outputs=["labels"])
    return n.model([("x", ["n", 8])], [("y", ["n", 6]), ("labels", [2], TensorProto.STRING)], opset=21, ir=10), {"w1": 1, "w2": 1}, 0.75


def external():
    """Weights beside the file, in two of them."""
    return small_cnn(), {"c1": 0, "c2": 0, "c3": 0}, 0.7


MAKERS = [nhwc, gemm, qdq, qdq_channels, lstm, loop, scan, condition, functions, opset9, norms, types, external]


def save(maker, model, folder):
    path = os.path.join(folder, "model.onnx")
    if maker is external:
        onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def tried(maker, kind, a):
    model, axes, most = maker()
    onnx.checker.check_model(model, full_check=True)
    onnx_oracle.masks_of = lambda m, k: (onnx_oracle.masks_along(m, axes, k), axes)
    with tempfile.TemporaryDirectory() as d:
        r = onnx_oracle.check(save(maker, model, d), kind, a, d)
        if maker is external and "error" not in r:
            beside = sorted(f for f in os.listdir(d) if f.startswith("small.onnx"))
            if beside != ["small.onnx", "small.onnx.data"]:
                r["error"] = f"written: {beside}"
        if maker is functions and "error" not in r and {n.op_type for n in onnx.load(os.path.join(d, "small.onnx")).graph.node} != {"Layer", "Gemm"}:
            r["error"] = "functions in which nothing changed are not kept"
    if "error" not in r and kind == "parity" and r["left"] > most:
        r["error"] = f"more than {most} is left"
    return r


def huge(a):
    """More than 2 GB beside the file, nearly all of them holes: 24 layers that look the weight up in one table."""
    with tempfile.TemporaryDirectory(dir=a.scratch) as d:
        n, size, count = Net(), 8192, 9
        entry = lambda k: {"location": "model.bin", "offset": str(k * size * size * 4), "length": str(size * size * 4)}
        x = n.Relu(n.Gemm("x", n.weight("first", size, 16), n.weight("firstb", size), transB=1))
        for k in range(count):
            t = TensorProto(name=f"w{k}", data_type=F, dims=[size, size], data_location=TensorProto.EXTERNAL)
            t.external_data.extend(onnx.StringStringEntryProto(key=key, value=v) for key, v in entry(k).items())
            n.stored.append(t)
            x = n.Relu(n.Gemm(x, f"w{k}"))
        n.Gemm(x, n.weight("last", size, 4), outputs=["y"])
        path = os.path.join(d, "model.onnx")
        onnx.save(n.model([("x", [1, 16])], [("y", [1, 4])]), path)
        block = n.g.standard_normal((size, 64)).astype(np.float32) * 0.6
        with open(os.path.join(d, "model.bin"), "wb") as f:
            f.truncate(count * size * size * 4)
            for k in range(count):
                for row in range(0, 64, 8):
                    f.seek(k * size * size * 4 + row * size * 4)
                    f.write(block[row].tobytes())
        onnx.checker.check_model(path, full_check=True)
        masks = {"first": (0, size, [size, 16]), **{f"w{k}": (1, size, [size, size]) for k in range(count)}}
        from safetensors.numpy import save_file
        keep = (np.arange(size) % 8 == 0).astype(np.uint8)
        save_file({k: np.ascontiguousarray(np.broadcast_to(keep[:, None] if axis == 0 else keep, dims)) for k, (axis, _, dims) in masks.items()}, f"{d}/masks.safetensors")
        import resource
        import subprocess
        import time
        start = time.time()
        p = subprocess.run([a.paring, "speedup", path, "--masks", f"{d}/masks.safetensors", "-o", f"{d}/small.onnx"], capture_output=True, text=True)
        if p.returncode:
            return {"error": p.stderr[-500:]}
        took, memory = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        onnx.checker.check_model(f"{d}/small.onnx", full_check=True)
        feeds = {"x": n.g.standard_normal((1, 16)).astype(np.float32)}
        got = onnx_oracle.run(f"{d}/small.onnx", feeds)[0]
        # The same by hand: the table read from the file, one layer after another.
        data = np.memmap(os.path.join(d, "model.bin"), np.float32, "r", shape=(count, size, size))
        stored = {i.name: numpy_helper.to_array(i) for i in n.stored if i.name[0] != "w"}
        v = np.maximum(feeds["x"] @ stored["first"].T + stored["firstb"], 0) * keep
        for k in range(count):
            v = np.maximum(v[:, keep > 0] @ data[k][keep > 0] * keep, 0)
        want = v @ stored["last"]
        assert np.abs(want).max() > 1e-3
        return {"left": 1 / 64, "max_rel_err": float(np.abs(want - got).max() / max(np.abs(want).max(), 1e-30)), "seconds": round(took, 1), "MB": memory >> 10}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*")
    ap.add_argument("--paring", required=True)
    ap.add_argument("--masks", choices=["parity", "random"])
    ap.add_argument("--scratch", help="folder for the largest file")
    ap.add_argument("--extra", nargs=argparse.REMAINDER, default=[])
    a = ap.parse_args()
    bad = 0
    for maker in [m for m in [*MAKERS, huge] if m.__name__ in a.names or (not a.names and m is not huge)]:
        for kind in [a.masks] if a.masks else ["parity", "random"]:
            try:
                r = huge(a) if maker is huge else tried(maker, kind, a)
            except Exception as e:
                r = {"error": f"{type(e).__name__}: {e}"[:400]}
            ok = "error" not in r and r["max_rel_err"] <= 1e-3
            bad += not ok
            print("ok  " if ok else "FAIL", f"{maker.__name__} masks={kind}", " ".join(f"{k}={v}" for k, v in r.items()), flush=True)
            if maker is huge:
                break
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
