import pytest

from tests.runtime import tiny


@pytest.fixture
def graph_model(tmp_path):
    """A tiny TF.js graph model, see tiny.py; each test may damage its own."""
    return tiny.write_graph_model(tmp_path / "tiny")
