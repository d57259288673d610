"""Rules for ONNX operations, one file a kind. Importing this package fills the table of ``lowering/rules.py``."""

from yolo_edge.lowering.ops import assembly, convolution, elementwise, matrix, pooling, selection, shape

__all__ = ["assembly", "convolution", "elementwise", "matrix", "pooling", "selection", "shape"]
