import pytest

from yolo_edge.errors import ModelError, UsageError
from yolo_edge.runtime.base import RUNTIMES, find_runtime, open_runtime


@pytest.fixture
def sources(tmp_path, graph_model):
    (tmp_path / "a.pt").touch()
    (tmp_path / "a.onnx").touch()
    return {".pt": tmp_path / "a.pt", ".onnx": tmp_path / "a.onnx", "directory": graph_model}


def test_auto_and_browser_are_short_for(sources):
    assert find_runtime("auto", sources[".pt"]).name == "torch"
    assert find_runtime("auto", sources[".onnx"]).name == "onnx"
    assert find_runtime("auto", sources["directory"]).name == "node"
    assert find_runtime("browser", sources["directory"]).name == "browser:wasm"


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_refuses_the_sources_of_others_and_names_those_that_fit(sources, name):
    for kind, source in sources.items():
        if RUNTIMES[name].takes == kind:
            assert find_runtime(name, source).name == name
            continue
        with pytest.raises(UsageError, match="Choose one of") as caught:
            find_runtime(name, source)
        fitting = {other.name for other in RUNTIMES.values() if other.takes == kind}
        assert all(other in str(caught.value) for other in fitting) and str(source) in str(caught.value)


def test_unknown_names_options_and_sources(sources, tmp_path):
    with pytest.raises(UsageError, match="no runtime 'tflite'"):
        find_runtime("tflite", sources["directory"])
    with pytest.raises(UsageError, match="no option trust"):
        open_runtime("node", sources["directory"], trust=True)
    with pytest.raises(ModelError, match="does not exist"):
        open_runtime("auto", tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"no model\.json"):
        open_runtime("auto", tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ModelError, match="not a model that can be run"):
        open_runtime("auto", tmp_path / "notes.txt")
