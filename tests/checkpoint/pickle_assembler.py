"""Write pickles opcode by opcode, so that tests hold attacks and checkpoints that no pickler would write."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

NONE = b"N"
TRUE = b"\x88"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def imported(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def dictionary(items: dict[str | int, bytes]) -> bytes:
    pairs = [(text(key) if isinstance(key, str) else integer(key)) + value for key, value in items.items()]
    return b"}(" + b"".join(pairs) + b"u"


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def created(kind: bytes, state: bytes | None = None) -> bytes:
    return kind + b")\x81" + (state + b"b" if state is not None else b"")


def ordered(items: dict[str | int, bytes]) -> bytes:
    return called(imported("collections", "OrderedDict")) + dictionary(items)[1:]


def pickled(value: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + value + b"."


def tensor(key: str, shape: tuple[int, ...], storage: str = "HalfStorage") -> bytes:
    count = 1
    for size in shape:
        count *= size
    identity = tuple_of(text("storage"), imported("torch", storage), text(key), text("cpu"), integer(count))
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    return called(
        imported("torch._utils", "_rebuild_tensor_v2"),
        identity + b"Q",
        integer(0),
        tuple_of(*map(integer, shape)),
        tuple_of(*map(integer, strides[: len(shape)])),
        b"\x89",
        ordered({}),
    )


def parameter(key: str, shape: tuple[int, ...]) -> bytes:
    return called(imported("torch._utils", "_rebuild_parameter"), tensor(key, shape), TRUE, ordered({}))


def layer(
    module: str,
    name: str,
    children: dict[str, bytes] | None = None,
    parameters: dict[str, bytes] | None = None,
    **attributes: bytes,
) -> bytes:
    groups = {"_parameters": ordered(dict(parameters or {})), "_buffers": ordered({})}
    state = {**groups, "_modules": ordered(dict(children or {})), **attributes}
    return created(imported(module, name), dictionary(dict(state)))


def network(
    head: str, *, first_layer: dict[str, bytes] | None = None, head_children: dict[str, bytes] | None = None
) -> bytes:
    """A checkpoint of two layers: a convolution of 3x8x3x3 weights, and a head."""
    convolution = layer(
        "torch.nn.modules.conv",
        "Conv2d",
        parameters={"weight": parameter("0", (8, 3, 3, 3))},
        out_channels=integer(8),
        **(first_layer or {"groups": integer(1)}),
    )
    last = layer(
        "ultralytics.nn.modules.head",
        head,
        head_children,
        kpt_shape=list_of(integer(17), integer(3)),
        nc=integer(2),
    )
    layers = layer("torch.nn.modules.container", "Sequential", {"0": convolution, "1": last})
    model = layer(
        "ultralytics.nn.tasks",
        "PoseModel",
        {"model": layers},
        names=dictionary({0: text("person"), 1: text("dog")}),
    )
    return pickled(
        dictionary(
            {
                "model": model,
                "ema": NONE,
                "license": text("AGPL-3.0"),
                "version": text("8.4.0"),
                "date": text("2026-01-02"),
                "train_args": dictionary({"imgsz": integer(320)}),
            }
        )
    )


def write_checkpoint(
    path: Path, data: bytes, members: dict[str, bytes] | None = None, prefix: str = "archive/"
) -> Path:
    """Write a zip checkpoint around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/data/0", bytes(8 * 3 * 3 * 3 * 2))
        for name, content in (members or {}).items():
            archive.writestr(name, content)
    return path
