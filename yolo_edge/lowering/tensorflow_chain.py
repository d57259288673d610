"""The child process of the ``tensorflow`` engine: ``model.onnx`` → ``saved_model/`` → ``tfjs/`` in one directory.

Run as ``python -m yolo_edge.lowering.tensorflow_chain DIRECTORY``. TensorFlow writes to the process's own output
streams from C++, and never gives its memory back: both are reasons to let it have a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

_CALIBRATION_FILE = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""onnx2tf looks for this file in its working directory and downloads it when it is absent. It only feeds int8 TFLite
files, which are not made here, so random values do."""


def main(directory: Path) -> None:
    """Convert ``model.onnx`` of a directory."""
    np.save(directory / _CALIBRATION_FILE, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))

    import onnx2tf

    onnx2tf.convert(
        input_onnx_file_path=str(directory / "model.onnx"),
        output_folder_path=str(directory / "saved_model"),
        not_use_onnxsim=True,
        output_signaturedefs=True,
        disable_group_convolution=True,
        non_verbose=True,
    )
    from tensorflowjs.converters import tf_saved_model_conversion_v2

    tf_saved_model_conversion_v2.convert_tf_saved_model(
        str(directory / "saved_model"),
        str(directory / "tfjs"),
        saved_model_tags="serve",
        signature_def="serving_default",
        strip_debug_ops=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
