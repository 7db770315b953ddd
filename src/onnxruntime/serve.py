"""Runs small models for `paring rules test --onnx`: a message is the length of a JSON text, that text, and bytes that it tells of.

{"do": "load", "bytes": n}: a model; answers {"id": k}. {"do": "run", "id": k, "inputs": [{"kind", "shape"}], "bytes": n}: elements as
64-bit floats; answers {"outputs": [{"kind", "shape"}], "bytes": n}. {"do": "drop", "id": k}. What goes wrong is {"error": text}.
"""

import json
import struct
import sys

import numpy as np
import onnxruntime as ort

KINDS = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64, 12: np.uint32, 13: np.uint64}
BACK = {np.dtype(t): k for k, t in KINDS.items()}
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
ort.set_default_logger_severity(4)
sessions, came, went = {}, sys.stdin.buffer, sys.stdout.buffer


def load(ask, data):
    sessions[len(sessions)] = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return {"id": len(sessions) - 1}, b""


def run(ask, data):
    session, at, feeds = sessions[ask["id"]], 0, {}
    for given, like in zip(session.get_inputs(), ask["inputs"]):
        n = int(np.prod(like["shape"], dtype=np.int64))
        numbers = np.frombuffer(data, "<f8", n, at).reshape(like["shape"])
        at += 8 * n
        with np.errstate(all="ignore"):
            feeds[given.name] = numbers.astype(KINDS[like["kind"]])
    found = [np.asarray(a) for a in session.run(None, feeds)]
    out = b"".join(np.ascontiguousarray(a, "<f8").tobytes() for a in found)
    return {"outputs": [{"kind": BACK.get(a.dtype, 11), "shape": list(a.shape)} for a in found]}, out


def drop(ask, data):
    sessions[ask["id"]] = None
    return {}, b""


def main():
    while head := came.read(4):
        ask = json.loads(came.read(struct.unpack("<I", head)[0]))
        data = came.read(ask.get("bytes", 0))
        try:
            answer, out = {"load": load, "run": run, "drop": drop}[ask["do"]](ask, data)
        except Exception as e:
            answer, out = {"error": str(e)}, b""
        text = json.dumps({**answer, "bytes": len(out)}).encode()
        went.write(struct.pack("<I", len(text)) + text + out)
        went.flush()


main()
