"""An ONNX pose model that sees one known person on every photo."""

import numpy as np

SIZE = 64
ANCHORS = 64 + 16 + 4
KEYPOINTS = 17


def known_output():
    """Raw layout: a person of score 0.9, box 16-48 across and 8-56 down, keypoints on its diagonal."""
    output = np.zeros((1, 4 + 1 + 3 * KEYPOINTS, ANCHORS), np.float32)
    steps = np.linspace(0, 1, KEYPOINTS)
    keypoints = np.stack([16 + 32 * steps, 8 + 48 * steps, np.ones(KEYPOINTS)], axis=1)
    output[0, :, 11] = [32, 32, 32, 48, 0.9, *keypoints.ravel()]
    return output


def write_pose_onnx(path):
    """The known output plus nothing times the photo's mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    output = known_output()
    weights = [
        numpy_helper.from_array(output, "known"),
        numpy_helper.from_array(np.zeros(1, np.float32), "nothing"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["known", "zero"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "stride": "32", "license": "MIT"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
