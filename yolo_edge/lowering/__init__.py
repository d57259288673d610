"""ONNX → TensorFlow.js graph model; engines are found through ``yolo_edge.lowering.engine``."""
