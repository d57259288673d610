"""Weights: known by name, checked before they are opened, described without torch, exported to ONNX."""
