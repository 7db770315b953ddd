#!/usr/bin/env python3
"""Writes rules/onnx.schemas: all versions of the operators of ONNX's standard domain, and com.microsoft's that
onnxruntime documents and the rules describe, one version a line, sorted.

  tools/make_onnx_schemas.py > rules/onnx.schemas

`onnx::Conv.11(Tensor<T> X, …, *, int group=1, …) -> Tensor<T>`: the overload is the opset that the version came with;
inputs come before the star, attributes after it. `<T>` is a type variable, or the one type that is possible; `<=to>` says
that an attribute names the type. Windows' `pads` are two lists here: what is before, and `pads_end`, what is after. What the
standard says in words of attributes that are not given is written as their default. `Buffer<T>` is a tensor that is no parameter.
"""

import onnx

# Attributes that may be missing, and what they are for each dimension then.
MISSING = {"strides": "1", "dilations": "1", "output_padding": "0"}
WINDOWS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool", "MaxUnpool", "DeformConv"}

# Inputs that no training changes and no mask names: statistics, scales, zero points, first states.
BUFFERS = {
    "BatchNormalization": (3, 4), "QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7), "MatMulInteger": (2, 3), "LSTM": (5, 6), "GRU": (5,), "RNN": (5,),
}  # fmt: skip

MICROSOFT = """\
microsoft::BiasGelu.1(Tensor<T> A, Tensor<T> B) -> Tensor<T>
microsoft::FastGelu.1(Tensor<T> X, Tensor<T>? bias=None) -> Tensor<T>
microsoft::FusedConv.1(Tensor<T> X, Tensor<T> W, Tensor<T>? B=None, Tensor<T>? Z=None, *, str activation="", float[] activation_params=None, str auto_pad="NOTSET", int[] dilations=1, int group=1, int[] kernel_shape=None, int[] pads=0, int[] pads_end=0, int[] strides=1) -> Tensor<T>
microsoft::FusedGemm.1(Tensor<T> A, Tensor<T> B, Tensor<T>? C=None, *, str activation="", float activation_alpha=None, float activation_beta=None, float activation_gamma=None, float alpha=1.0, float beta=1.0, int transA=0, int transB=0) -> Tensor<T>
microsoft::FusedMatMul.1(Tensor<T> A, Tensor<T> B, *, float alpha=1.0, int transA=0, int transB=0, int transBatchA=0, int transBatchB=0) -> Tensor<T>
microsoft::Gelu.1(Tensor<T> X) -> Tensor<T>
microsoft::QuickGelu.1(Tensor<T> X, *, float alpha=1.702) -> Tensor<T>
microsoft::SimplifiedLayerNormalization.1(Tensor<T> X, Tensor<T> scale, *, int axis=-1, float epsilon=1e-05, int stash_type=1) -> (Tensor<T>, Tensor<float>)
microsoft::SkipLayerNormalization.1(Tensor<T> input, Tensor<T> skip, Tensor<T> gamma, Tensor<T>? beta=None, Tensor<T>? bias=None, *, float epsilon=1e-12) -> (Tensor<T>, Tensor<float>, Tensor<float>, Tensor<T>)
microsoft::SkipSimplifiedLayerNormalization.1(Tensor<T> input, Tensor<T> skip, Tensor<T> gamma, Tensor<T>? bias=None, *, float epsilon=1e-12) -> (Tensor<T>, Tensor<float>, Tensor<float>, Tensor<T>)
"""

TYPES = {"FLOAT": "float", "FLOATS": "float[]", "INT": "int", "INTS": "int[]", "STRING": "str", "STRINGS": "str[]"}


def variable(schema, text):
    """The type of an input or result: a variable, or the only type it can have."""
    if text.startswith("tensor("):
        return text[len("tensor(") : -1]
    for c in schema.type_constraints:
        if c.type_param_str == text and len(c.allowed_type_strs) == 1 and c.allowed_type_strs[0].startswith("tensor("):
            return c.allowed_type_strs[0][len("tensor(") : -1]
    return text if text.isidentifier() else "?"


def tensor(schema, port):
    of, option = f"<{variable(schema, port.type_str)}>", onnx.defs.OpSchema.FormalParameterOption
    if port.option == option.Variadic:
        return f"Tensor[]{of}" if port.is_homogeneous else "Tensor[]<?>"
    return f"Tensor{of}?" if port.option == option.Optional else f"Tensor{of}"


def default(attribute):
    if not attribute.default_value.name and attribute.default_value.type == 0:
        return "None"
    value = onnx.helper.get_attribute_value(attribute.default_value)
    if isinstance(value, bytes):
        return '"' + value.decode() + '"'
    if isinstance(value, float):
        return repr(round(value, 9)) if abs(value) > 1e-6 else repr(float(f"{value:.6g}"))
    if isinstance(value, list):
        return "[" + ", ".join(str(v) for v in value) + "]"
    return str(value) if isinstance(value, int) else "None"


def line(schema):
    args = []
    for k, port in enumerate(schema.inputs):
        ty = tensor(schema, port)
        if k in BUFFERS.get(schema.name, ()):
            ty = ty.replace("Tensor", "Buffer", 1)
        args.append(f"{ty} {port.name}" + ("=None" if ty.endswith("?") else ""))
    if schema.attributes:
        args.append("*")
    for name, a in sorted(schema.attributes.items()):
        ty = TYPES.get(a.type.name, a.type.name.lower())
        if name == "pads" and schema.name in WINDOWS:
            args += ["int[] pads=0", "int[] pads_end=0"]
        elif name in MISSING and schema.name in WINDOWS:
            args.append(f"{ty} {name}={MISSING[name]}")
        else:
            args.append(f"{ty} {name}" + ("" if a.required else f"={default(a)}"))
    results = [tensor(schema, port).removesuffix("?") for port in schema.outputs]
    if {"to", "dtype"} & set(schema.attributes) and schema.name not in ("QuantizeLinear", "DequantizeLinear"):
        named = "to" if "to" in schema.attributes else "dtype"
        results = [f"Tensor<={named}>" for _ in results]
    return f"onnx::{schema.name}.{schema.since_version}({', '.join(args)}) -> ({', '.join(results)})"


def main():
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""]
    print(f"# operators of ONNX {onnx.__version__}, made by tools/make_onnx_schemas.py")
    print("\n".join(sorted({line(s) for s in schemas} | set(MICROSOFT.splitlines()))))


if __name__ == "__main__":
    main()
