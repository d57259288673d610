"""Nothing that could run code is opened, everything genuine is."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checkpoint.pickle_assembler import (
    NONE,
    called,
    created,
    dictionary,
    imported,
    integer,
    list_of,
    network,
    pickled,
    tensor,
    text,
    tuple_of,
    write_checkpoint,
)
from yolo_edge.checkpoint import safety
from yolo_edge.checkpoint.safety import check_checkpoint, load_checkpoint
from yolo_edge.errors import CheckpointError, UnsafeCheckpointError

POSE_MODEL = imported("ultralytics.nn.tasks", "PoseModel")
LAYER = imported("torch.nn.modules.linear", "Identity")
ORDERED = imported("collections", "OrderedDict")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def _attacks(canary: str) -> dict[str, tuple[str, bytes]]:
    """Attack → the global that the refusal must name, and the pickle."""
    shell = text(f"touch {canary}")
    python = text(f"open({canary!r}, 'w')")
    return {
        "os.system by GLOBAL": ("os.system", called(imported("os", "system"), shell)),
        "posix.system": ("posix.system", called(imported("posix", "system"), shell)),
        "eval": ("builtins.eval", called(imported("builtins", "eval"), python)),
        "eval in Python 2's module": ("__builtin__.eval", called(imported("__builtin__", "eval"), python)),
        "__import__": ("builtins.__import__", called(imported("builtins", "__import__"), text("os"))),
        "STACK_GLOBAL": ("os.system", text("os") + text("system") + b"\x93" + tuple_of(shell) + b"R"),
        "STACK_GLOBAL through the memo": (
            "os.system",
            # the names are stored out of order and overwritten: only the memo's last content counts
            text("collections")
            + b"q\x01"
            + b"0"
            + text("system")
            + b"q\x05"
            + b"0"
            + text("os")
            + b"q\x01"
            + b"0"
            + b"h\x01"
            + b"h\x05"
            + b"\x93"
            + tuple_of(shell)
            + b"R",
        ),
        "STACK_GLOBAL through MEMOIZE": (
            "os.system",
            text("os") + b"\x94" + b"0" + text("system") + b"\x94" + b"0" + b"h\x00h\x01\x93" + tuple_of(shell) + b"R",
        ),
        "STACK_GLOBAL with a computed name": (
            "opcode STACK_GLOBAL",
            called(ORDERED) + text("system") + b"\x93" + tuple_of(shell) + b"R",
        ),
        "STACK_GLOBAL with a dotted name": (
            "torch.nn.modules.linear.Identity.__init__.__globals__",
            text("torch.nn.modules.linear") + text("Identity.__init__.__globals__") + b"\x93",
        ),
        "GLOBAL with a dotted name": (
            "torch._utils._rebuild_tensor_v2.__globals__",
            imported("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ),
        "other name of an allowed module": ("torch._utils.sys", imported("torch._utils", "sys")),
        "INST": ("os.system", b"(" + shell + b"ios\nsystem\n"),
        "OBJ": ("os.system", b"(" + imported("os", "system") + shell + b"o"),
        "EXT1": ("opcode EXT1", b"\x82\x01" + tuple_of(shell) + b"R"),
        "EXT4": ("opcode EXT4", b"\x84\x01\x00\x00\x00"),
        "torch.hub.load": ("torch.hub.load", called(imported("torch.hub", "load"), text("somebody/something"))),
        "nested torch.load": (
            "torch.storage._load_from_bytes",
            called(imported("torch.storage", "_load_from_bytes"), text("")),
        ),
        "functools.partial": ("functools.partial", imported("functools", "partial")),
        "operator.attrgetter": ("operator.attrgetter", imported("operator", "attrgetter")),
        "copyreg": ("copyreg._reconstructor", imported("copyreg", "_reconstructor")),
        "getattr of anything": (
            "builtins.getattr",
            called(imported("builtins", "getattr"), POSE_MODEL, text("__init__")),
        ),
        "getattr of a computed name": (
            "builtins.getattr",
            called(imported("builtins", "getattr"), POSE_MODEL, called(ORDERED)),
        ),
        "getattr kept for later": ("builtins.getattr", list_of(imported("builtins", "getattr"))),
        # parse_model() of ultralytics 8.4 evaluates the text of the key 'activation'
        "genuine class, called": (
            "ultralytics.nn.tasks.PoseModel",
            called(POSE_MODEL, dictionary({"activation": python, "nc": integer(1)})),
        ),
        "genuine class, called by OBJ": ("ultralytics.nn.tasks.PoseModel", b"(" + POSE_MODEL + python + b"o"),
        "genuine class, created with arguments": (
            "ultralytics.nn.tasks.PoseModel",
            POSE_MODEL + tuple_of(python) + b"\x81",
        ),
        "genuine class as a forward hook": (
            "ultralytics.nn.tasks.PoseModel",
            created(LAYER, dictionary({"_forward_hooks": called(ORDERED) + b"(" + integer(0) + POSE_MODEL + b"u"})),
        ),
        "class hidden in a tuple in an attribute": (
            "a tuple with a class",
            created(LAYER, dictionary({"x": tuple_of(tuple_of(POSE_MODEL))})),
        ),
        # a layer that calls the class, and pickle calls the layer: this ran code before calls with classes were refused
        "class in a dictionary made by a call": (
            "builtins.dict",
            called(imported("builtins", "dict"), tuple_of(tuple_of(text("0"), POSE_MODEL))),
        ),
        "class in a list made by a call": ("builtins.list", called(imported("builtins", "list"), tuple_of(POSE_MODEL))),
        "method that pickle calls, as an attribute": (
            "torch.nn.modules.linear.Identity",
            created(LAYER, dictionary({"__setstate__": created(LAYER)})),
        ),
        "attributes of a class overwritten": (
            "ultralytics.nn.tasks.PoseModel",
            POSE_MODEL + tuple_of(NONE, dictionary({"forward": NONE})) + b"b",
        ),
        "slots set on an object": (
            "torch.nn.modules.linear.Identity",
            created(LAYER) + tuple_of(NONE, dictionary({"forward": NONE})) + b"b",
        ),
        "result of a call, called": ("opcode REDUCE", called(called(ORDERED), shell)),
        "object of a computed class": ("opcode NEWOBJ", called(ORDERED) + b")\x81"),
        "items set on a network": (
            "torch.nn.modules.linear.Identity",
            created(LAYER) + b"(" + text("a") + NONE + b"u",
        ),
        "elements appended to a network": ("torch.nn.modules.linear.Identity", created(LAYER) + NONE + b"a"),
        "module source in a storage id": (
            "opcode BINPERSID",
            tuple_of(text("module"), LAYER, text("file.py"), text("import os")) + b"Q",
        ),
        "tensor of no storage": (
            "torch._utils._rebuild_tensor_v2",
            called(imported("torch._utils", "_rebuild_tensor_v2"), created(LAYER), integer(0), tuple_of(), tuple_of()),
        ),
        "memory of the file's choice": (
            "builtins.bytearray",
            called(imported("builtins", "bytearray"), integer(2_000_000_000)),
        ),
        "any codec": ("_codecs.encode", called(imported("_codecs", "encode"), text("x"), text("zlib"))),
        "object array": (
            "numpy.dtype",
            called(imported("numpy", "dtype"), text("O8"), b"\x89", b"\x88"),
        ),
        "numbers taken for pointers": (
            "numpy.dtype",
            called(imported("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
            + tuple_of(integer(3), text("<"), NONE, NONE, NONE, integer(-1), integer(-1), integer(63))
            + b"b",
        ),
        "default factory": (
            "collections.defaultdict",
            called(imported("collections", "defaultdict"), POSE_MODEL),
        ),
    }


@pytest.mark.parametrize("attack", sorted(_attacks("")))
def test_attack_is_refused_by_name_and_not_executed(attack: str, tmp_path: Path, canary: Path) -> None:
    subject, body = _attacks(str(canary))[attack]
    path = write_checkpoint(tmp_path / "model.pt", pickled(dictionary({"model": body}), protocol=4))
    for opened in (check_checkpoint, load_checkpoint):
        with pytest.raises(UnsafeCheckpointError) as refusal:
            opened(path)
        assert subject in str(refusal.value), f"{attack}: the message does not name {subject}"
        assert "--trust" in str(refusal.value)
    assert not canary.exists(), f"{attack} was executed"


def test_the_attacks_are_real(tmp_path: Path, canary: Path) -> None:
    """The canary does appear when pickle itself loads the file, so its absence above says something."""
    _, body = _attacks(str(canary))["STACK_GLOBAL through the memo"]
    pickle.loads(pickled(body, protocol=4))
    assert canary.exists()


@pytest.mark.parametrize("name", ["archive/extra.pkl", "archive/data/7", "archive/version2"])
def test_pickle_in_another_member(name: str, tmp_path: Path, canary: Path) -> None:
    _, body = _attacks(str(canary))["os.system by GLOBAL"]
    path = write_checkpoint(tmp_path / "model.pt", network("Pose"), {name: pickled(body)})
    with pytest.raises(UnsafeCheckpointError, match=r"os\.system"):
        check_checkpoint(path)


def test_foreign_archive_and_program_members(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        dated = zipfile.ZipInfo("a/data.pkl", date_time=(2026, 11, 24, 1, 16, 20))  # its bytes look like a pickle's
        archive.writestr(dated, b"")
    cases = {
        "is an archive inside": {"archive/more": inner.getvalue()},
        "never writes a member": {"archive/notes.txt": b"hello"},
        "TorchScript": {"archive/constants.pkl": pickled(NONE), "archive/code/model.py": b"pass"},
        "lies outside": {"elsewhere/data/1": b"x"},
        "points outside": {"archive/../../etc/passwd": b"x"},
        "two members": {"archive/DATA.pkl": network("Pose")},
    }
    for expected, members in cases.items():
        path = write_checkpoint(tmp_path / "model.pt", network("Pose"), members)
        with pytest.raises(CheckpointError, match=expected):
            check_checkpoint(path)


def test_two_members_called_data_pkl(tmp_path: Path, canary: Path) -> None:
    _, body = _attacks(str(canary))["os.system by GLOBAL"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_checkpoint(tmp_path / "model.pt", network("Pose"), {"archive/data.pkl": pickled(body)})
    with pytest.raises(CheckpointError, match="two members"):
        check_checkpoint(path)
    assert not canary.exists()


def test_tensor_larger_than_what_is_stored(tmp_path: Path) -> None:
    for key, shape in (("0", (217,)), ("9", (1,))):
        path = write_checkpoint(tmp_path / "model.pt", pickled(dictionary({"model": tensor(key, shape)})))
        with pytest.raises(CheckpointError, match=f"damaged: data/{key}"):
            check_checkpoint(path)
    check_checkpoint(write_checkpoint(tmp_path / "model.pt", pickled(dictionary({"model": tensor("0", (216,))}))))


def test_second_prefix_with_its_own_pickle(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "model.pt", network("Pose"), {"b/data.pkl": network("Pose")})
    with pytest.raises(CheckpointError, match="outside"):
        check_checkpoint(path)


def test_archive_that_unpacks_to_far_more(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", network("Pose"))
        archive.writestr("archive/data/0", bytes(200_000_000))
    with pytest.raises(CheckpointError, match="would unpack to"):
        check_checkpoint(path)


def test_bytes_after_the_end_of_the_pickle(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "model.pt", network("Pose") + pickled(imported("os", "system")))
    with pytest.raises(CheckpointError, match="follow the end"):
        check_checkpoint(path)


def _legacy(checkpoint: bytes) -> bytes:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    information = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, protocol=2)
    storage = struct.pack("<q", 4) + bytes(8)
    return magic + pickle.dumps(1001, protocol=2) + information + checkpoint + pickle.dumps(["0"], protocol=2) + storage


def test_legacy_format(tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "old.pt"
    identity = tuple_of(text("storage"), imported("torch", "HalfStorage"), text("0"), text("cpu"), integer(4), NONE)
    harmless = tensor("0", (4,)).replace(tensor("0", (4,)).split(b"(", 2)[2].split(b"Q")[0], identity[1:])
    path.write_bytes(_legacy(pickled(dictionary({"model": dictionary({"x": harmless})}))))
    report = check_checkpoint(path)
    assert report.container == "stream"
    assert "torch._utils._rebuild_tensor_v2" in report.globals
    assert load_checkpoint(path)["model"]["x"].shape == (4,)

    _, body = _attacks(str(canary))["os.system by GLOBAL"]
    path.write_bytes(_legacy(pickled(body)))
    with pytest.raises(UnsafeCheckpointError, match=r"os\.system"):
        load_checkpoint(path)
    assert not canary.exists()


def _framed(content: bytes, length: int) -> bytes:
    return b"\x80\x04\x95" + struct.pack("<Q", length) + content


def test_frames_that_pickle_would_skip_bytes_of(tmp_path: Path, canary: Path) -> None:
    """CPython drops what a frame holds after STOP: pickles in there are checked, the ones behind it are loaded."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[2:]
    harmless = b"".join(pickle.dumps(value, protocol=2) for value in (1001, {}, {}, []))
    configuration = dictionary({"activation": text(f"open({str(canary)!r}, 'w')"), "backbone": list_of(NONE)})
    path = tmp_path / "stream.pt"
    path.write_bytes(_framed(magic + harmless, len(magic + harmless)) + pickled(called(POSE_MODEL, configuration)))
    with pytest.raises(CheckpointError, match="not a torch checkpoint"):
        load_checkpoint(path)
    assert not canary.exists()

    body = dictionary({"model": text("a network")}) + b"."
    check_checkpoint(write_checkpoint(tmp_path / "framed.pt", _framed(body, len(body))))
    for content, length, expected in (
        (body, len(body) + 1, "does not end with its frame"),
        (body, 3, "crosses the end"),
        (_framed(body, len(body))[2:], len(body) + 9, "inside another"),
    ):
        with pytest.raises(CheckpointError, match=expected):
            check_checkpoint(write_checkpoint(path, _framed(content, length)))


def test_what_a_network_module_only_imported_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "model.pt", pickled(dictionary({"model": created(imported("ultralytics.nn.tasks", "YAML"))}))
    )
    with pytest.raises(UnsafeCheckpointError, match=r"ultralytics\.nn\.tasks\.YAML"):
        load_checkpoint(path)


def test_trust_does_not_advise_trust(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "model.pt", pickled(dictionary({"model": b"\x82\x01"})))
    with pytest.raises(CheckpointError, match="not even with --trust") as refusal:
        load_checkpoint(path, trust=True)
    assert not isinstance(refusal.value, UnsafeCheckpointError)


def test_plain_pickles(tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "plain.pt"
    path.write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())  # protocol 0
    with pytest.raises(UnsafeCheckpointError, match=r"os\.system"):
        check_checkpoint(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match="not one that torch saved"):
        check_checkpoint(path)


def test_tar_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("\x80\x02pickle")  # begins like a pickle, and torch would read it as a tar
        info.size = 4
        archive.addfile(info, io.BytesIO(b"abcd"))
    with pytest.raises(CheckpointError, match="tar archive"):
        check_checkpoint(path)


def test_the_unpickler_asks_the_list_too(tmp_path: Path, canary: Path) -> None:
    """Second line of defence: even without the check before, torch's unpickler meets the list."""
    _, body = _attacks(str(canary))["os.system by GLOBAL"]
    content = io.BytesIO(pickled(body))
    with pytest.raises(UnsafeCheckpointError, match=r"os\.system"):
        safety._pickle_module(trust=False).load(content)
    with pytest.raises(UnsafeCheckpointError, match="__init__"):
        safety._pickle_module(trust=False).load(
            io.BytesIO(pickled(called(imported("builtins", "getattr"), POSE_MODEL, text("__init__"))))
        )
    assert not canary.exists()


def test_genuine_weights_pass(weights: Path) -> None:
    report = check_checkpoint(weights)
    assert report.sha256.startswith("869e83fcdffdc737")
    assert report.pickles == ("data.pkl",)
    assert "ultralytics.nn.tasks.PoseModel" in report.globals


@pytest.mark.slow
def test_genuine_weights_load(weights: Path) -> None:
    import torch

    checkpoint = load_checkpoint(weights)
    assert sum(parameter.numel() for parameter in checkpoint["model"].parameters()) == 2_874_462
    assert {parameter.device for parameter in checkpoint["model"].parameters()} == {torch.device("cpu")}


@pytest.mark.slow
def test_trust_loads_what_the_check_refuses(tmp_path: Path, canary: Path) -> None:
    from yolo_edge import console

    body = called(imported("posix", "mkdir"), text(str(canary)))
    path = write_checkpoint(tmp_path / "own.pt", pickled(dictionary({"model": text("a network"), "x": body})))
    with pytest.raises(UnsafeCheckpointError):
        load_checkpoint(path)
    assert not canary.exists()

    said: list[str] = []

    class Listener(console.SilentReporter):
        def say(self, message: str) -> None:
            said.append(message)

    with console.reporting_to(Listener()):
        load_checkpoint(path, trust=True)
    assert canary.is_dir(), "--trust did not load the file as it is"
    assert any("without the safety check" in message for message in said)


@pytest.mark.slow
def test_checkpoints_of_users_pass(tmp_path: Path) -> None:
    """What a running training saves: optimizer, numpy scalars, loss, a Windows path, a run of 2023."""
    import numpy as np

    safety.prepare_ultralytics()
    import torch
    from ultralytics.nn.tasks import PoseModel
    from ultralytics.utils import IterableSimpleNamespace

    model = PoseModel("yolov8n-pose.yaml", nc=1, verbose=False)
    model.args = IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5, pose=12.0, kobj=1.0, imgsz=640)
    model.criterion = model.init_criterion()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    path = tmp_path / "last.pt"
    torch.save(
        {
            "model": model.half(),
            "optimizer": optimizer.state_dict(),
            "best_fitness": np.float64(0.5),
            "train_metrics": {"map": np.float32(0.25), "curve": np.arange(3.0)},
            "train_args": {"project": Path("runs"), "imgsz": 640},
        },
        path,
    )
    loaded = load_checkpoint(path)
    assert loaded["best_fitness"] == 0.5
    assert loaded["train_metrics"]["curve"].tolist() == [0, 1, 2]
    assert os.fspath(loaded["train_args"]["project"]) == "runs"
    assert type(loaded["model"]).__name__ == "PoseModel"

    windows = write_checkpoint(
        tmp_path / "windows.pt",
        pickled(
            dictionary(
                {
                    "model": created(imported("ultralytics.yolo.utils", "IterableSimpleNamespace"), dictionary({})),
                    "path": called(imported("pathlib", "WindowsPath"), text("C:\\"), text("runs")),
                }
            )
        ),
    )
    assert str(load_checkpoint(windows)["path"]) == "C:\\runs"


# Files that are no checkpoint


def _zip(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def _mangled(content: bytes) -> bytes:
    return content.decode("utf-8", errors="replace").encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"\n\n  <html lang=en>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer"),
        (struct.pack("<Q", 20) + b'{"__metadata__":{}}  ', "safetensors"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.0.0:\x10", "ONNX"),
        (b"\x1f\x8b\x08\x00rest", "compressed archive"),
        (_zip({"word/document.xml": b"<a/>"}), "without data.pkl"),
        (_mangled(_zip({"a/data.pkl": bytes(range(256)) * 8})), "mangled"),
        (_zip({"a/data.pkl": network("Pose"), "a/data/0": bytes(2000)})[:1500], "cut short: it ends after 1,500 bytes"),
        (_zip({"a/data.pkl": network("Pose")[:-40]}), "not a complete pickle"),
        (b"just some text", "not a torch checkpoint"),
        (bytes(1000), "zero bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_honest_message(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as refusal:
        check_checkpoint(path)
    assert expected in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert refusal.value.fix
    assert refusal.value.exit_code == 3


def test_missing_and_directory(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        check_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(CheckpointError, match="is a directory"):
        check_checkpoint(tmp_path)


def test_flipped_bits_in_a_tensor_are_noticed(weights: Path, tmp_path: Path) -> None:
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        check_checkpoint(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 0.999))
def test_truncations_of_the_genuine_file(cut: float, weights: Path, tmp_path: Path) -> None:
    content = weights.read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(CheckpointError):
        check_checkpoint(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pickles_raise_nothing_else(data: st.DataObject, tmp_path: Path) -> None:
    """Bytes of a pickle replaced, with the archive around it intact."""
    from yolo_edge.checkpoint.inspect import describe_checkpoint

    content = bytearray(network("Pose"))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write_checkpoint(tmp_path / "model.pt", bytes(content))
    for trust in (False, True):
        try:
            describe_checkpoint(path, trust=trust)
        except CheckpointError:
            continue


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"("]))
def test_random_bytes_raise_nothing_else(content: bytes, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(start + content)
    with pytest.raises(CheckpointError):
        check_checkpoint(path)


SHARED_BROKEN = Path(__file__).parents[3] / "shared" / "broken"


@pytest.mark.skipif(not SHARED_BROKEN.is_dir(), reason="the three files are not part of the repository")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolov8n-pose.truncated-245760.pt", "cut short: it ends after 245,760 bytes"),
        ("yolov8n-pose.truncated-702761.pt", "cut short: it ends after 702,761 bytes"),
        ("yolov8n-pose.utf8-mangled.pt", "mangled"),
    ],
)
def test_broken_downloads(name: str, expected: str) -> None:
    with pytest.raises(CheckpointError, match=expected):
        check_checkpoint(SHARED_BROKEN / name)
