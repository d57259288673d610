"""``float32``: nothing is quantized. The reference every other scheme is measured against."""

from __future__ import annotations

from yolo_edge.quantization.scheme import Quantized, Scheme

SCHEME = Scheme("float32", encode=lambda model, request: Quantized({}))
