"""``validate`` finds whatever is wrong with shipped bytes, and nothing where nothing is."""

from __future__ import annotations

import json
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

import yolo_edge
from tests.broken import BREAKS, broken_copy
from tests.nets import shipped_photo
from tests.validation.persons import write_coco
from yolo_edge.bundle.manifest import read_manifest, write_manifest
from yolo_edge.cli import run
from yolo_edge.errors import GateError, InputError, MissingComponentError, OutputError, UsageError
from yolo_edge.photos.benchmark import PersonLabel
from yolo_edge.tfjs.graph import Node, TensorInfo, Weight, type_attribute
from yolo_edge.tfjs.manifest import read_model, write_model
from yolo_edge.validation import judge
from yolo_edge.validation.detection import find_persons


@pytest.fixture(scope="module")
def quick(converted_onnx):
    """Options that cost little: no browser, no times, a float model that is exported already."""
    return {"runtime": "node", "timing": False, "reference": converted_onnx}


@pytest.fixture(scope="module", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """Observations of these tests are made by these tests."""
    with pytest.MonkeyPatch.context() as patch:
        from yolo_edge.validation import observation

        directory = tmp_path_factory.mktemp("cache")
        patch.setattr(observation, "cache_root", lambda: directory)
        yield


@pytest.fixture(scope="module")
def labelled(converted, tmp_path_factory):
    """Photos, with labels that lie near what the float model sees."""
    from yolo_edge.checkpoint.export import load_onnx
    from yolo_edge.photos.benchmark import find_benchmark
    from yolo_edge.photos.reading import readable
    from yolo_edge.runtime.base import open_runtime

    folder = tmp_path_factory.mktemp("labelled")
    (folder / "images").mkdir()
    benchmark = find_benchmark("builtin", limit=8)
    for photo in benchmark.photos:
        Image.fromarray(photo.read()).save(folder / "images" / f"{photo.key}.png")
    photos = readable(find_benchmark(folder / "images"))
    random, labels = np.random.default_rng(0), []
    with open_runtime("onnx", converted / "model.onnx") as runtime:
        found = find_persons(runtime, load_onnx(converted / "model.onnx").head, photos)
    for key, persons in found.items():
        for person in persons:
            if person.score > 0.5:
                left, top, right, bottom = person.box
                points = person.keypoints.copy()
                points[:, :2] += random.normal(0, 0.02 * (right - left), (17, 2))
                points[:, 2] = 2
                box = (left, top, right - left, bottom - top)
                labels.append(PersonLabel(key, tuple(points.ravel().tolist()), box, 0.5 * box[2] * box[3]))
    names = {photo.key: photo.name for photo in photos.benchmark.photos}
    return write_coco(folder / "labels.json", names, labels)


def failing(result) -> set[str]:
    return {check.metric for variant in result.variants for check in variant.checks if check.verdict == "fail"}


def test_the_float_model_passes_with_nothing_lost(converted, labelled, quick):
    result = yolo_edge.validate(converted, benchmark=labelled, **quick)
    assert result.verdict == "pass", [check.sentence() for check in result.variants[0].checks]
    (variant,) = result.variants
    agreement = variant.agreement
    assert agreement.similarity.value >= 0.9999 and (agreement.lost, agreement.invented) == (0, 0)
    assert agreement.persons > 10 and agreement.displacement.p95.value < 0.01
    assert [entry.name for entry in variant.accuracy] == ["AP", "AP50", "AP75", "AR"]
    assert all(abs(entry.loss.value) <= 0.05 for entry in variant.accuracy)
    assert 0.3 < variant.accuracy[0].reference < 1
    assert variant.keypoints[0].name == "all" and len(variant.keypoints) == 18
    assert variant.angles[0].p95.value < 0.1
    result.raise_if_failed()
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["verdict"] == "pass" and document["benchmark"]["photos"] == 8


def test_a_quantized_model_is_judged_by_its_scheme(converted_onnx, labelled, tmp_path, quick):
    yolo_edge.convert(converted_onnx, tmp_path / "nearest", quantize="int8", calibration="none")
    result = yolo_edge.validate(tmp_path / "nearest", benchmark=labelled, **quick)
    similarity = result.variants[0].agreement.similarity
    assert 0.9 < similarity.low < similarity.value < similarity.high < 1
    assert result.variants[0].accuracy[0].loss.low < result.variants[0].accuracy[0].loss.high


TEETH = {
    "one byte of a shard": {"mean_oks", "lost_share", "failed_runtimes"},
    "one scale": {"displacement_p95", "mean_oks"},
    "BGR for RGB": {"mean_oks"},
    "keypoints 5 and 6": {"mean_oks", "displacement_p95"},
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_caught_by_vectors_and_by_photos(converted, labelled, tmp_path, name, quick):
    broken = broken_copy(converted, tmp_path / "broken", name)
    found = failing(yolo_edge.validate(broken, benchmark=labelled, limit=2, **quick))
    assert found & {"vector_excess", "failed_runtimes"}, "an exponent's bit may leave no number to compare"
    blind = broken_copy(converted, tmp_path / "blind", name, vectors=False)
    result = yolo_edge.validate(blind, benchmark=labelled, **quick)
    assert failing(result) & TEETH[name], [check.sentence() for check in result.variants[0].checks]
    if name == "keypoints 5 and 6":
        moved = {part.name for part in result.variants[0].agreement.keypoints if part.body_median.value > 0.1}
        assert moved == {"left_shoulder", "right_shoulder"}, "it is told which keypoints they are"


def test_a_changed_byte_is_caught_by_the_hashes(converted, labelled, tmp_path, capsys, quick):
    broken = shutil.copytree(converted, tmp_path / "broken")
    shard = next(broken.glob("*.bin"))
    shard.write_bytes(shard.read_bytes()[:-1] + bytes([shard.read_bytes()[-1] ^ 1]))
    result = yolo_edge.validate([converted, broken], benchmark=labelled, **quick)
    assert failing(result) == {"integrity"} and result.variants[0].verdict == "pass"
    assert "has changed since it was made" in result.variants[1].checks[0].note
    with pytest.raises(GateError, match="broken: files that are not the manifest's"):
        result.raise_if_failed()
    command = ["-q", "validate", str(broken), "--benchmark", str(labelled), "--runtime", "node", "--no-timing"]
    assert run(command) == 4
    shown = capsys.readouterr()
    assert "fail" in shown.out and "The gate failed" in shown.err
    assert "fix: Convert or fetch the model again." in shown.err and "better photos" not in shown.err


def test_a_letterbox_that_is_off_is_caught(converted, labelled, monkeypatch, quick):
    right = judge.adapted

    class Shifted:
        def __init__(self, runtime):
            self._runtime, self.timings = runtime, runtime.timings

        def run(self, images):
            return self._runtime.run(np.roll(images, 8, axis=2))

        def close(self):
            self._runtime.close()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    monkeypatch.setattr(judge, "adapted", lambda *arguments: Shifted(right(*arguments)))
    monkeypatch.setattr(judge, "tfjs_version", lambda: "shifted by 8 px")  # not to be remembered as the right ones
    result = yolo_edge.validate(converted, benchmark=labelled, **quick)
    assert {"displacement_p95", "mean_oks", "vector_excess"} <= failing(result)
    assert result.variants[0].agreement.displacement.median.value == pytest.approx(8, abs=1)


def test_a_wrong_head_is_caught(converted, labelled, tmp_path, quick):
    wrong = shutil.copytree(converted, tmp_path / "wrong")
    manifest = read_manifest(wrong)
    write_manifest(manifest.model_copy(update={"model": manifest.model.model_copy(update={"family": "26"})}), wrong)
    result = yolo_edge.validate(wrong, benchmark=labelled, limit=2, **quick)
    assert "contract" in failing(result)
    assert "Differs: family." in next(check for check in result.variants[0].checks if check.metric == "contract").note


def as_foreign(source, target, *, normalised: bool, transposed: bool):
    """The model as another exporter leaves it: no manifest, other units, values last."""
    graph = read_model(source)
    (key,) = graph.outputs
    nodes, weights, last = list(graph.nodes), list(graph.weights), graph.outputs[key].node
    shape = [1, 56, 2100]

    def constant(name, values):
        weight = Weight(name, values)
        weights.append(weight)
        nodes.append(weight.const_node())
        return name

    if normalised:
        factors = np.ones((1, 56, 1), np.float32)
        factors[0, [0, 1, 2, 3, *range(5, 56, 3), *range(6, 56, 3)]] = 1 / 320
        nodes.append(Node("shares", "Mul", (last, constant("factors", factors)), {"T": type_attribute()}))
        last = "shares"
    if transposed:
        axes = constant("axes", np.array([0, 2, 1], np.int32))
        attributes = {"T": type_attribute(), "Tperm": type_attribute("int32")}
        nodes.append(Node("last", "Transpose", (last, axes), attributes))
        last, shape = "last", [1, 2100, 56]
    outputs = {key: TensorInfo(last, "float32", tuple(shape))}
    target.mkdir()
    write_model(
        type(graph)(tuple(nodes), tuple(weights), graph.inputs, outputs, graph.producer, graph.initializer), target
    )
    return target


@pytest.mark.parametrize(("normalised", "transposed"), [(True, False), (False, True), (True, True)])
def test_a_foreign_model_is_judged_too(converted, converted_onnx, labelled, tmp_path, normalised, transposed, quick):
    foreign = as_foreign(converted, tmp_path / "foreign", normalised=normalised, transposed=transposed)
    result = yolo_edge.validate(foreign, benchmark=labelled, limit=4, **quick)
    (variant,) = result.variants
    assert variant.agreement.similarity.value > 0.9999 and variant.agreement.lost == 0
    assert variant.candidate.units == ("normalised" if normalised else "pixels")
    assert not failing(result)


def test_torch_and_onnx_are_the_same_reference(converted, labelled):
    results = [
        yolo_edge.validate(converted, benchmark=labelled, reference_runtime=name, runtime="node", timing=False)
        for name in ("onnx", "torch")
    ]
    figures = [[entry.reference for entry in result.variants[0].accuracy] for result in results]
    assert figures[0] == pytest.approx(figures[1], abs=1e-4)


def test_precision_of_the_float_model_is_that_of_the_usual_pipeline(converted, weights, labelled, quick):
    """Torch's own output, decoded, written as COCO results and summed up by pycocotools from files."""
    from tests.validation.test_coco import coco_summary
    from yolo_edge.photos.benchmark import find_benchmark
    from yolo_edge.photos.reading import readable
    from yolo_edge.runtime.base import open_runtime

    head = read_manifest(converted).head
    photos = readable(find_benchmark(labelled))
    with open_runtime("torch", weights) as runtime:
        found = find_persons(runtime, head, photos)
    document = json.loads(labelled.read_text())
    for row in document["annotations"]:
        row["id"] += 1
    (labelled.parent / "from-one.json").write_text(json.dumps(document))
    expected = coco_summary(labelled.parent / "from-one.json", found)
    result = yolo_edge.validate(converted, benchmark=labelled, **quick)
    assert result.variants[0].accuracy[0].reference == pytest.approx(expected, abs=1e-4)


def test_a_repeated_validation_runs_nothing(converted, labelled, monkeypatch, quick):
    first = yolo_edge.validate(converted, benchmark=labelled, **quick)
    monkeypatch.setattr("yolo_edge.validation.observation.observe_photo", None)
    again = yolo_edge.validate(converted, benchmark=labelled, **quick)
    assert again.variants[0].agreement.similarity == first.variants[0].agreement.similarity


def test_a_recipe_sets_the_bounds(converted, labelled, tmp_path, quick):
    recipe = tmp_path / "strict.yaml"
    recipe.write_text("gate:\n  wire_bytes: 1000\n  repetition_errors: 0\n")
    result = yolo_edge.validate(converted, benchmark=labelled, recipe=recipe, limit=3, **quick)
    assert failing(result) == {"wire_bytes"}
    unknown = [check.metric for check in result.variants[0].checks if check.verdict == "inconclusive"]
    assert "repetition_errors" in unknown, "asked for, and there is no clip"
    recipe.write_text("gate:\n  beauty: 1\n")
    with pytest.raises(InputError, match="beauty"):
        yolo_edge.validate(converted, benchmark=labelled, recipe=recipe, **quick)


def test_times_are_taken_beside_the_float_model(converted, labelled):
    result = yolo_edge.validate(converted, benchmark=labelled, limit=2, runtime="node")
    ratios = result.variants[0].ratios
    assert 0.5 < ratios.frame.value < 2 and ratios.reference.frame > 0


@pytest.mark.slow
@pytest.mark.browser
def test_browsers_answer_as_node_does(converted, labelled):
    runtimes = ["node", "browser:wasm", "browser:webgl"]
    result = yolo_edge.validate(converted, benchmark=labelled, limit=3, runtime=runtimes, timing=False)
    node, *browsers = result.variants[0].runs
    assert [run.status for run in browsers] == ["ok", "ok"] and node.pixels is None
    assert all(run.pixels < 0.05 and run.score < 1e-4 and run.compared > 0 for run in browsers)
    assert result.verdict == "pass"


def test_a_browser_that_is_missing_takes_nothing_from_node(converted, labelled, monkeypatch):
    def missing(*_, **__):
        raise MissingComponentError("No Chromium or Chrome was found.", fix="Install one.")

    monkeypatch.setattr("yolo_edge.runtime.browser.BrowserRuntime.__init__", missing)
    result = yolo_edge.validate(converted, benchmark=labelled, limit=2, runtime=["node", "browser:wasm"], timing=False)
    node, browser = result.variants[0].runs
    assert node.status == "ok" and result.variants[0].agreement.similarity.value > 0.9999
    assert browser.status == "failed" and "Install one" in browser.message
    assert failing(result) == {"failed_runtimes"}


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_that_hangs_or_crashes_is_given_up(converted, labelled, tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    result = yolo_edge.validate(
        converted, benchmark=labelled, limit=2, runtime=["node", "browser:wasm"], browser=program, timing=False
    )
    node, browser = result.variants[0].runs
    assert (node.status, browser.status) == ("ok", "failed") and "could not be started" in browser.message


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"runtime": "toaster"}, UsageError, "no runtime 'toaster'"),
        ({"runtime": "torch"}, UsageError, "no runtime 'torch'"),
        ({"reference_runtime": "abacus"}, UsageError, "no reference runtime 'abacus'"),
        ({"benchmark": "no-such-folder"}, InputError, "no-such-folder"),
        ({"reference": "no-such.pt"}, InputError, r"no-such\.pt"),
        ({"layout": "pixels"}, UsageError, "says itself"),
        ({"limit": 0}, UsageError, "leaves no photo"),
        ({"recipe": "no-such.yaml"}, InputError, "cannot be read"),
    ],
)
def test_options_that_are_refused(converted, options, error, message):
    with pytest.raises(error, match=message):
        yolo_edge.validate(converted, **options)


def test_directories_that_do_not_belong_together(converted, converted_onnx, tmp_path):
    with pytest.raises(UsageError, match="different sizes"):
        other = tmp_path / "other"
        yolo_edge.convert("yolo11n-pose", other, imgsz=96)
        yolo_edge.validate([converted, other])
    with pytest.raises(UsageError, match="same name"):
        yolo_edge.validate([converted, converted])
    with pytest.raises(InputError, match="not a converted model"):
        yolo_edge.validate(tmp_path / "nothing")
    from_onnx = tmp_path / "from-onnx"
    yolo_edge.convert(converted_onnx, from_onnx)
    with pytest.raises(InputError, match="not in the catalogue"):
        yolo_edge.validate(from_onnx)


def test_the_command_that_is_told_repeats_it(converted, labelled, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small").symlink_to(converted)
    (tmp_path / "photos").symlink_to(labelled.parent)
    options = {"benchmark": "photos/labels.json", "runtime": "node", "limit": 2, "timing": False}
    told = yolo_edge.validate("models/small", reference_runtime="torch", **options).command
    assert "models/small" in told and "photos/labels.json" in told and "--reference-runtime torch" in told
    assert run([*shlex.split(told)[1:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == told
    absolute = yolo_edge.validate(converted, **options).command
    assert str(converted.parent) not in absolute and converted.name in absolute, "reports are published"


def test_an_output_that_cannot_be_made_is_refused_before_any_work(converted, tmp_path, monkeypatch):
    monkeypatch.setattr("yolo_edge.verbs.validate.find_benchmark", None)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        yolo_edge.validate(converted, output=tmp_path / "there")
    with pytest.raises(OutputError, match="did not make"):
        yolo_edge.validate(converted, output=tmp_path / "there", force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        yolo_edge.validate(converted, output=tmp_path / "there" / "mine.txt" / "report")


def test_directories_are_called_what_the_caller_calls_them(converted, labelled, quick):
    result = yolo_edge.validate({"light": converted}, benchmark=labelled, limit=2, command="make models", **quick)
    assert [variant.candidate.name for variant in result.variants] == ["light"]
    assert result.command == "make models"


def test_a_folder_of_variants_is_judged_side_by_side(converted, labelled, tmp_path, quick):
    for name in ("a", "b"):
        shutil.copytree(converted, tmp_path / "models" / name)
    result = yolo_edge.validate(tmp_path / "models", benchmark=labelled, limit=2, **quick)
    assert [variant.candidate.name for variant in result.variants] == ["a", "b"]


def test_photos_without_persons_are_said_to_be_such(converted, tmp_path, quick):
    (tmp_path / "walls").mkdir()
    for index in range(2):
        Image.new("RGB", (200, 100), (90, 90, 90 + index)).save(tmp_path / "walls" / f"{index}.png")
    with pytest.raises(InputError, match="sure of no person on walls"):
        yolo_edge.validate(converted, benchmark=tmp_path / "walls", **quick)


def test_damaged_photos_are_named_and_the_others_judged(converted, tmp_path, quick):
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(shipped_photo("bus.jpg"), folder / "b.jpg")
    (folder / "a.jpg").write_bytes(b"no photo")
    Image.new("RGB", (1, 1)).save(folder / "c.png")
    result = yolo_edge.validate(converted, benchmark=folder, **quick)
    assert {entry.name for entry in result.skipped} == {"a.jpg", "c.png"} and result.photos == 1
    assert any("2 photos could not be read" in note for note in result.notes)


def test_persons_are_those_of_predict(converted, labelled, quick):
    """The same decoder judges and predicts."""
    photo = labelled.parent / "images" / "0.png"
    (image,) = yolo_edge.predict(converted, [photo]).images
    result = yolo_edge.validate(converted, benchmark=labelled.parent / "images", **quick)
    judged = [person for person in result.variants[0].observations[0].persons if person.score > 0.25]
    assert [person.score for person in judged] == [person.score for person in image.persons]
