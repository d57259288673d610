"""The house keeps its shape: rooms import downwards only, nothing heavy loads early, modules stay readable."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "yolo_edge"

FLOORS = (
    {"errors"},
    {"addresses", "console", "figures", "files", "cache", "downloads", "schema", "threads"},
    {"pose", "tfjs", "checkpoint", "photos"},
    {"quantization"},
    {"lowering"},
    {"bundle"},
    {"runtime"},
    {"speed"},
    {"validation"},
    {"publication"},
    {"recipe"},
    {"verbs"},
    {"options", "cli_panels"},
    {"cli_bench", "cli_benchmark", "cli_doctor", "cli_release", "cli_size", "cli_store"},
    {"cli"},
    {"__main__"},
)
"""From the ground up. A room imports from its own floor and those below it."""

FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = ("torch", "onnx", "numpy", "cv2", "ultralytics", "playwright", "onnxruntime", "PIL", "pydantic", "matplotlib")
LONGEST_MODULE = 400


def modules() -> dict[str, Path]:
    """Dotted name below the package → file; the package itself is left out."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, inside functions too, but not for type checking alone."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for child in ast.walk(statement)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    known = modules()
    below = {name.removeprefix("yolo_edge.") for name in names if name.startswith("yolo_edge.")}
    return {name if name in known else name.rpartition(".")[0] for name in below} - {""}


def room_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_every_room_has_a_floor():
    assert {room_of(module) for module in modules()} <= set(FLOOR_OF), "add the new room to FLOORS"


@pytest.mark.parametrize("module", modules())
def test_rooms_import_downwards(module):
    for imported in imports(modules()[module]):
        assert FLOOR_OF[room_of(imported)] <= FLOOR_OF[room_of(module)], f"{module} reaches up to {imported}"


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return a path that comes back to its start, or an empty list."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for following in sorted(edges.get(name, ())):
            found = walk(following, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def test_no_circles_between_rooms():
    edges: dict[str, set[str]] = {}
    for module, path in modules().items():
        edges.setdefault(room_of(module), set()).update(room_of(name) for name in imports(path))
    for room, below in edges.items():
        below.discard(room)
    assert circle(edges) == []


def test_no_circles_between_modules():
    edges = {module: imports(path) - {module} for module, path in modules().items()}
    assert circle(edges) == []


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_import_and_command_line_load_nothing_heavy():
    code = f"""
import sys, typer, yolo_edge, yolo_edge.cli
typer.main.get_command(yolo_edge.cli.app)
print(*[name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_public_verbs_are_offered():
    import yolo_edge

    for name in yolo_edge.__all__:
        assert getattr(yolo_edge, name) and name in dir(yolo_edge)
    with pytest.raises(AttributeError, match="konvert"):
        yolo_edge.konvert


@pytest.mark.parametrize("module", modules())
def test_modules_stay_readable(module):
    lines = len(modules()[module].read_text().splitlines())
    assert lines <= LONGEST_MODULE, f"{module} has {lines} lines: split it by subject"


@pytest.mark.parametrize("module", modules())
def test_modules_say_what_they_are(module):
    assert ast.get_docstring(ast.parse(modules()[module].read_text()))


def test_no_library_reports_to_its_maker(tmp_path):
    """onnxruntime writes a device id below HOME and sends telemetry when imported, unless it is told not to."""
    code = "import yolo_edge, onnxruntime, onnx, onnxslim"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
