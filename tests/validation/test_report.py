"""The report: one file that shows whatever was found, and gives away nothing else."""

import base64
import io
import json
import re
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.validation.persons import label_of, make_person
from yolo_edge.errors import ImageError, MissingComponentError
from yolo_edge.files import staged_directory
from yolo_edge.photos.benchmark import Benchmark, Clip, Skipped
from yolo_edge.photos.reading import readable
from yolo_edge.pose.decode import Person
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.skeleton import bones, keypoint_names
from yolo_edge.runtime.browser import find_browser, launch_chromium
from yolo_edge.validation.agreement import measure_agreement
from yolo_edge.validation.angles import AngleError
from yolo_edge.validation.bootstrap import Estimate, Resamples
from yolo_edge.validation.candidate import Candidate
from yolo_edge.validation.coco import FIGURES, Accuracy
from yolo_edge.validation.detection import Observation
from yolo_edge.validation.gate import check_limits, exact, limits_for
from yolo_edge.validation.motion import Motion
from yolo_edge.validation.pck import KeypointAccuracy
from yolo_edge.validation.report import require_jinja2, write_report
from yolo_edge.validation.result import RuntimeRun, Validation, Variant
from yolo_edge.validation.timing import TimeRatios, Times

HOSTILE = "\"><script>alert('x')</script><img src=http://evil.example/x.png onerror=alert(1)>&.jpg"
TIMES = Times(0.2, 0.5, 0.08)


@dataclass(frozen=True)
class DrawnPhoto:
    """A photo that counts how often it is read."""

    key: int
    name: str
    reads: list

    def read(self):
        self.reads.append(self.key)
        if "damaged" in self.name:
            raise ImageError(f"The image {self.name} is empty.")
        rows = np.linspace(40, 200, 300, dtype=np.uint8)
        return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], (300, 400, 3)))

    def digest(self):
        return "0" * 64


def persons_of(photo: int, *, shift=0.0, count=17, lost=False) -> Observation:
    whole = [make_person(20 + photo, 30, side=180, shift=shift), make_person(220, 40, side=150, shift=shift, score=0.8)]
    persons = [Person(one.box, one.score, 0, one.keypoints[:count]) for one in whole]
    return Observation(tuple(persons[:1] if lost else persons), 1.6)


def head_of(count: int) -> PoseHead:
    return PoseHead(
        "v11",
        "raw",
        (320, 320),
        ("person",),
        count,
        3,
        keypoint_names(count),
        bones(count),
        (8, 16, 32),
        (1, 56, 2100),
        "",
    )


def estimate(value: float, reach: float) -> Estimate:
    return Estimate(value, value - reach, value + reach, 20)


def variant_of(name, reference, *, scheme="int8", shift=2.0, lost=(), labels=True, clips=True, count=17) -> Variant:
    """A variant that moves all keypoints by ``shift`` pixels and loses a person on some photos."""
    observations = {key: persons_of(key, shift=shift, count=count, lost=key in lost) for key in reference}
    agreement = measure_agreement(
        {key: entry.persons for key, entry in reference.items()},
        {key: entry.persons for key, entry in observations.items()},
        scales=dict.fromkeys(reference, 1.6),
        names=keypoint_names(count),
        resamples=Resamples(len(reference), rounds=50),
    )
    figures = {
        "mean_oks": agreement.similarity,
        "lost_share": agreement.lost_share,
        "displacement_p95": agreement.displacement.body_p95,
        "integrity": exact(0.0),
    }
    return Variant(
        candidate=Candidate(name, Path("models") / name, scheme, "ab" * 32, 3_200_000, 1_900_000, (320, 320)),
        runs=(
            RuntimeRun("node", "ok", photos=len(reference), vector_excess=0.1, times=TIMES),
            RuntimeRun("browser:webgl", "ok", "", 4, 4, 0.002, 1e-6, 0.1, TIMES, {"adapter": "a GPU"}),
        ),
        agreement=agreement,
        angles=(AngleError("all", estimate(2, 1), estimate(7, 2)), AngleError("knee", estimate(2, 1), estimate(9, 2))),
        motions=(Motion("squats.mp4", 60, 58, 0.004, 0.005, "knee", 10, 9),) if clips else (),
        accuracy=tuple(Accuracy(figure, 0.5, 0.49, estimate(1.0, 0.4)) for figure in FIGURES) if labels else (),
        keypoints=(KeypointAccuracy("all", 0.9, 0.89, estimate(1, 0.2)),) if labels else (),
        ratios=TimeRatios("node", TIMES, TIMES, exact(1.1), estimate(1.0, 0.1)),
        checks=check_limits(limits_for(scheme), figures, len(reference)),
        observations=observations,
    )


def unusable(name: str) -> Variant:
    checks = check_limits({"integrity": 0.0}, {"integrity": exact(1.0)}, 3, notes={"integrity": "A file has changed."})
    runs = (RuntimeRun("node", "skipped", "The files are not those of the manifest."),)
    candidate = Candidate(name, Path("models") / name, "rd", "cd" * 32, 2_000_000, 1_400_000, (320, 320))
    return Variant(candidate, runs, None, (), (), (), (), None, checks, {})


def validation(*, photos=3, variants=None, labels=True, clips=True, count=17, names=None, **changes) -> Validation:
    keys = range(photos)
    reference = {key: persons_of(key, count=count) for key in keys}
    named = names or [f"photo{key}.jpg" for key in keys]
    made = variants or [{"name": "small"}]
    truth = tuple(label_of(person, key) for key in keys for person in persons_of(key).persons) if labels else ()
    filled = {
        "reference": "yolo11n-pose.pt",
        "reference_sha256": "ef" * 32,
        "reference_runtime": "onnx",
        "head": head_of(count),
        "benchmark": Benchmark(
            "photos",
            "folder",
            tuple(DrawnPhoto(key, named[key], []) for key in keys),
            truth,
            (Clip("squats.mp4", tuple(keys), 5.0),) if clips else (),
        ),
        "photos": photos,
        "skipped": (),
        "variants": tuple(
            entry
            if isinstance(entry, Variant)
            else variant_of(reference=reference, count=count, **({"labels": labels, "clips": clips} | entry))
            for entry in made
        ),
        "observations": reference,
        "environment": {"yolo-edge": "0.1.0"},
        "command": "yolo-edge validate small",
        "notes": ("A note.",),
    }
    return Validation(**(filled | changes))


class Page(HTMLParser):
    """What a page holds: every tag with its attributes, and its words."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def sections(self) -> list[str]:
        return [attributes["id"] for tag, attributes in self.tags if tag == "section"]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def written(result: Validation, directory: Path) -> tuple[Page, str]:
    directory.mkdir(parents=True)
    write_report(result, readable(result.benchmark), directory)
    source = (directory / "report.html").read_text(encoding="utf-8")
    return Page(source), source


def six_variants() -> list:
    schemes = ("float32", "float16", "int8", "rd", "int4")
    made = [{"name": scheme, "scheme": scheme, "shift": index} for index, scheme in enumerate(schemes)]
    return [*made, unusable("broken")]


CASES = {
    "all there is": {},
    "no labels": {"labels": False},
    "no clips": {"clips": False},
    "nothing but photos": {"labels": False, "clips": False},
    "six variants": {"variants": six_variants()},
    "an unusable variant alone": {"variants": [unusable("broken")]},
    "a lost person": {"variants": [{"name": "small", "lost": (1,)}]},
    "the same as the float model": {"variants": [{"name": "same", "scheme": "float32", "shift": 0.0}]},
    "other keypoints": {"count": 5, "labels": False},
    "one photo": {"photos": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_was_found_is_shown(case, tmp_path):
    result = validation(**CASES[case])
    page, _ = written(result, tmp_path / "report")
    assert result.verdict.upper() in page.text, "the verdict is a word, not a colour alone"
    for variant in result.variants:
        assert variant.candidate.name in page.text
        for check in variant.checks:
            assert check.verdict in page.text
    measured = any(variant.agreement for variant in result.variants)
    assert ("labels" in page.sections) == any(variant.keypoints for variant in result.variants)
    assert ("clips" in page.sections) == any(variant.motions for variant in result.variants)
    assert ("photos" in page.sections) == ("body" in page.sections) == measured
    assert ("frontier" in page.sections) == (len(result.variants) > 1), "one dot alone compares nothing"
    assert "None" not in page.text and "nan" not in page.text.split() and "undefined" not in page.text.lower()
    anchors = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert anchors <= {f"#{section}" for section in page.sections}, "links lead to sections that are there"
    assert json.loads((tmp_path / "report/report.json").read_text())["verdict"] == result.verdict


@pytest.mark.parametrize("labels", [True, False])
def test_the_first_of_several_panels_is_spoken_of_where_there_are_several(tmp_path, labels):
    page, _ = written(validation(variants=six_variants(), labels=labels), tmp_path / "report")
    assert ("in the first panel" in page.text) == labels


def test_intervals_stand_in_brackets_as_the_page_says(tmp_path):
    page, source = written(validation(), tmp_path / "report")
    assert "In brackets: 95 % intervals" in page.text
    small = [text for text in re.findall(r"<small>([^<]*)</small>", source) if re.search(r"\d.* to .*\d", text)]
    assert len(small) > 5 and all(re.search(r"\([^)]* to [^)]*\)", text) for text in small), small


def test_it_is_one_file_that_asks_for_nothing(tmp_path):
    page, source = written(validation(), tmp_path / "report")
    assert not {"script", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?://", source)
    policy = next(entry["content"] for tag, entry in page.tags if entry.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    assert len(source) < 1_000_000


def test_names_and_messages_stay_text(tmp_path):
    variants = validation(variants=[{"name": HOSTILE, "lost": (0, 1)}]).variants
    failed = replace(variants[0], runs=(RuntimeRun("node", "failed", HOSTILE),))
    result = validation(
        variants=[failed],
        names=[f"{key}{HOSTILE}" for key in range(3)],
        reference=HOSTILE,
        command=HOSTILE,
        notes=(HOSTILE,),
        skipped=(Skipped(HOSTILE, HOSTILE),),
        environment={HOSTILE: HOSTILE},
    )
    result = replace(result, benchmark=replace(result.benchmark, name=HOSTILE))
    page, _ = written(result, tmp_path / "report")
    assert page.count("script") == 0
    assert all(entry["src"].startswith("data:") for tag, entry in page.tags if tag == "img")
    assert "<script>alert('x')</script>" in page.text, "shown as it is written"


def test_the_same_result_gives_the_same_bytes(tmp_path):
    for run in ("first", "second"):
        written(validation(variants=six_variants()), tmp_path / run)
    for name in ("report.html", "report.json", "manifest.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_no_folder_of_the_machine_is_named(tmp_path):
    directory = tmp_path / "home of jane" / "small"
    result = validation(labels=False)
    candidate = replace(result.variants[0].candidate, directory=directory)
    message = f"{directory}/model.json failed at file:///home/jane/app/page.mjs:3 (http://127.0.0.1:40123/model)."
    variant = replace(result.variants[0], candidate=candidate, runs=(RuntimeRun("node", "failed", message),))
    skipped = (Skipped("dir/my photo.jpg", "The image /home/jane/my photos/dir/my photo.jpg is empty."),)
    page, source = written(replace(result, variants=(variant,), skipped=skipped), tmp_path / "report")
    for text in (source, (tmp_path / "report/report.json").read_text()):
        assert "jane" not in text and "40123" not in text
    assert "small/model.json failed at page.mjs:3" in page.text
    assert "The image my photo.jpg is empty." in page.text


def test_the_worst_photos_come_first_and_no_others_are_read(tmp_path):
    result = validation(photos=20, variants=[{"name": "small", "shift": 6.0, "lost": (7,)}], clips=False)
    page, source = written(result, tmp_path / "report")
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', source)
    assert len(pictures) == 12 and all(base64.b64decode(picture)[:2] == b"\xff\xd8" for picture in pictures)
    first = page.text.index("Worst photos")
    assert re.search(r"OKS 0\.000 small lost photo7\.jpg; the variant has nobody here", page.text[first:])
    assert page.text.index("photo7.jpg") < page.text.index("photo0.jpg")
    reads = [key for photo in result.benchmark.photos for key in photo.reads]
    assert len(reads) == len(set(reads)) == 12, "each of the worst once, no other"


def test_both_skeletons_are_in_the_picture(tmp_path):
    _, source = written(validation(variants=[{"name": "small", "shift": 8.0}]), tmp_path / "report")
    picture = re.search(r'src="data:image/jpeg;base64,([^"]+)"', source)[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).astype(int)
    for colour in ((0x3D, 0xA5, 0xFF), (0xFF, 0x9E, 0x1B)):
        assert (np.abs(pixels - colour).sum(axis=2) < 90).sum() > 50


def test_a_photo_that_is_gone_leaves_a_gap(tmp_path):
    result = validation(names=["damaged0.jpg", "photo1.jpg", "photo2.jpg"], variants=[{"name": "a", "shift": 6.0}])
    page, _ = written(result, tmp_path / "report")
    assert page.text.count("cannot be read any more") == 1


def test_photos_without_a_difference_are_left_out(tmp_path):
    page, _ = written(validation(variants=[{"name": "same", "shift": 0.0}]), tmp_path / "report")
    assert "there is nothing to see" in page.text


def test_a_body_shows_every_keypoint_and_other_sets_are_bars(tmp_path):
    page, _ = written(validation(), tmp_path / "body")
    dots = [entry for tag, entry in page.tags if tag == "circle" and re.match(r"dot\d|unseen", entry.get("class", ""))]
    assert len(dots) == 17 + 5, "17 on the body, 5 in the legend"
    page, _ = written(validation(count=5, labels=False), tmp_path / "bars")
    assert "keypoint 4" in page.text and page.count("ellipse") == 0


def test_figures_that_are_no_number_are_said_so(tmp_path):
    result = validation()
    run = replace(result.variants[0].runs[1], pixels=float("inf"), score=float("inf"))
    checks = check_limits({"runtime_pixels": 0.1}, {"runtime_pixels": exact(float("inf"))}, 3)
    variant = replace(result.variants[0], runs=(run,), checks=checks)
    page, _ = written(replace(result, variants=(variant,)), tmp_path / "report")
    assert "no number" in page.text and "FAIL" in page.text
    document = json.loads((tmp_path / "report/report.json").read_text(), parse_constant=pytest.fail)
    assert document["variants"][0]["runtimes"][0]["pixels"] is None


def test_long_lists_and_messages_are_cut_and_counted(tmp_path):
    skipped = tuple(Skipped(f"photo{index}.jpg", "It is empty.") for index in range(47))
    result = validation(skipped=skipped)
    variant = replace(result.variants[0], runs=(RuntimeRun("node", "failed", "word " * 500),))
    page, _ = written(replace(result, variants=(variant,)), tmp_path / "report")
    assert page.text.count("It is empty.") == 20 and "And 27 more" in page.text
    assert 0 < page.text.count("word ") < 100
    assert len(json.loads((tmp_path / "report/report.json").read_text())["benchmark"]["skipped"]) == 47


def test_force_replaces_a_report_and_nothing_else(tmp_path):
    result = validation()
    for _ in range(2):
        with staged_directory(tmp_path / "report", force=True) as directory:
            write_report(result, readable(result.benchmark), directory)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.html", "report.json", "manifest.json"}


def test_a_missing_jinja2_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingComponentError, match="jinja2") as raised:
        require_jinja2()
    assert "pip install" in raised.value.fix


@pytest.mark.browser
def test_a_phone_shows_it_from_disk_without_a_network(tmp_path):
    from playwright.sync_api import sync_playwright

    variants = [*six_variants(), {"name": "a-very-long-name-" * 5, "lost": (0,)}]
    written(validation(variants=variants, names=["x" * 90, "y" * 90, "z.jpg"]), tmp_path / "report")
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, find_browser(), software_rendering=True)
        page = browser.new_page(viewport={"width": 360, "height": 740})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url[:60]))
        page.goto((tmp_path / "report/report.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).length")
        browser.close()
    assert width <= 360, "nothing reaches over the edge"
    assert said == [] and broken == 0
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "report/report.html").as_uri()[:60]]
