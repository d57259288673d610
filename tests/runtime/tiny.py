"""A model small enough to be checked by hand: a 3x3 convolution, a sigmoid, a reshape to [1, 32, 256].

Written both as a TF.js graph model and as ONNX. Height and width differ, so that a swap of them shows.
"""

import base64
import json

import numpy as np

HEIGHT, WIDTH, CHANNELS = 32, 64, 4
INPUT_SHAPE = (1, HEIGHT, WIDTH, 3)
OUTPUT_SHAPE = (1, 32, HEIGHT * WIDTH * CHANNELS // 32)


def kernel():
    """Shape [3, 3, 3, 4]: height, width, in, out."""
    return np.random.default_rng(5).normal(0, 0.5, (3, 3, 3, CHANNELS)).astype(np.float32)


def photo():
    return np.random.default_rng(6).random(INPUT_SHAPE, dtype=np.float32)


def expected(images):
    """What the model answers, in double precision."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = np.zeros((1, HEIGHT, WIDTH, CHANNELS))
    for row in range(3):
        for column in range(3):
            total += padded[:, row : row + HEIGHT, column : column + WIDTH] @ kernel()[row, column].astype(np.float64)
    return (1 / (1 + np.exp(-total))).reshape(OUTPUT_SHAPE)


def write_graph_model(directory):
    """Write the TF.js graph model, its weights in two shards, and no manifest.json."""

    def shape(sizes):
        return {"dim": [{"size": str(size)} for size in sizes]}

    def const(name, dtype, sizes):
        tensor = {"dtype": dtype, "tensorShape": shape(sizes)}
        return {"name": name, "op": "Const", "attr": {"dtype": {"type": dtype}, "value": {"tensor": tensor}}}

    def text(value):
        return {"s": base64.b64encode(value.encode()).decode()}

    floats = {"T": {"type": "DT_FLOAT"}}
    ones = {"list": {"i": ["1", "1", "1", "1"]}}
    conv = {**floats, "data_format": text("NHWC"), "strides": ones, "dilations": ones, "padding": text("SAME")}
    nodes = [
        {
            "name": "images",
            "op": "Placeholder",
            "attr": {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": shape(INPUT_SHAPE)}},
        },
        const("kernel", "DT_FLOAT", (3, 3, 3, CHANNELS)),
        const("shape", "DT_INT32", (3,)),
        {"name": "conv", "op": "Conv2D", "input": ["images", "kernel"], "attr": conv},
        {"name": "score", "op": "Sigmoid", "input": ["conv"], "attr": floats},
        {
            "name": "output0",
            "op": "Reshape",
            "input": ["score", "shape"],
            "attr": {**floats, "Tshape": {"type": "DT_INT32"}},
        },
    ]

    def port(name, sizes):
        return {name: {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": shape(sizes)}}

    weights = kernel().tobytes() + np.array(OUTPUT_SHAPE, np.int32).tobytes()
    manifest = {
        "paths": ["shard1of2.bin", "shard2of2.bin"],
        "weights": [
            {"name": "kernel", "shape": [3, 3, 3, CHANNELS], "dtype": "float32"},
            {"name": "shape", "shape": [3], "dtype": "int32"},
        ],
    }
    model = {
        "format": "graph-model",
        "signature": {"inputs": port("images", INPUT_SHAPE), "outputs": port("output0", OUTPUT_SHAPE)},
        "modelTopology": {"node": nodes, "library": {}, "versions": {"producer": 1}},
        "weightsManifest": [manifest],
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.json").write_text(json.dumps(model))
    # The cut lies inside a number. TF.js takes all shards but the last, shorter one to be of one size.
    (directory / "shard1of2.bin").write_bytes(weights[:301])
    (directory / "shard2of2.bin").write_bytes(weights[301:])
    return directory


def write_onnx(path):
    """Write the same function of the same image, NCHW as ONNX has it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = [
        numpy_helper.from_array(np.ascontiguousarray(kernel().transpose(3, 2, 0, 1)), "kernel"),
        numpy_helper.from_array(np.array(OUTPUT_SHAPE, np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["conv"], ["score"]),
        helper.make_node("Transpose", ["score"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["rows", "shape"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, OUTPUT_SHAPE)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
