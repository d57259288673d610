"""One quantization scheme a file; found through ``yolo_edge.quantization.scheme``."""
