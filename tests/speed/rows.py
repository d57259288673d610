"""Rows as a race makes them."""

from yolo_edge.speed.measurement import Figures, Measurement

_FIGURES = {
    "load_milliseconds": 5.0,
    "first_milliseconds": 15.0,
    "frame_milliseconds": (10.0, 10.0),
    "ratio": 1.0,
    "reference": "ours",
    "kernels": 7,
    "draws": None,
    "programs": None,
    "tensor_bytes": 1000,
    "peak_tensor_bytes": 2000,
    "wasm_bytes": 4000,
    "script_bytes": None,
    "find_milliseconds": (20.0,),
    "persons": 1,
    "profile": (),
    "threads": 1,
    "adapter": None,
    "versions": {"tfjs": "4.22.0"},
}

_ROW = {
    "backend": "node",
    "image_size": (64, 64),
    "wire_bytes": 9,
    "is_peer": False,
    "licence": "",
    "is_software": False,
}


def figures(**changes) -> Figures:
    return Figures(**{**_FIGURES, **changes})


def row(name: str, **changes) -> Measurement:
    return Measurement(**{"name": name, **_ROW, "figures": figures(), **changes})
