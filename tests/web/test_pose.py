"""``PoseModel`` in Chromium: sources, dropped frames, the ladder, fallback, progressive loading, a lost GPU."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nets import shipped_photo
from tests.web import site as behaviour
from tests.web.conftest import BOTH_BACKENDS
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.pose.decode import detect
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHANNEL = "models/yolo-lite/channels/stable.json"
LINK = 2_000_000
"""Bytes a second of the link on which two visits are compared."""


def test_persons_of_a_photo_are_those_of_python_also_on_a_second_visit(new_visit, site, releases, web_directory):
    import onnxruntime

    releases.publish("2.0.0", {"int8": web_directory})
    releases.promote("2.0.0")
    site.rules[".bin"] = site.rules["int8/model.json"] = behaviour.slow(LINK)
    first = new_visit()
    slow = first.load(CHANNEL, backend="auto")
    site.requests.clear()
    second = new_visit()
    quick = second.load(CHANNEL, backend="auto")
    assert not [path for path, _ in site.requests if "/2.0.0/" in path], "no model bytes over the network"
    assert slow["capabilities"]["backend"] == quick["capabilities"]["backend"] == "wasm"
    reasons = slow["capabilities"]["reasons"]
    assert "webgl: software" in reasons and any(reason.startswith("wasm: ") for reason in reasons)

    head = read_manifest(web_directory).head
    images, at = letterbox(read_image(shipped_photo("bus.jpg")), head.image_size)
    session = onnxruntime.InferenceSession(str(web_directory / "model.onnx"), providers=["CPUExecutionProvider"])
    persons = detect(session.run(None, {"images": images.transpose(0, 3, 1, 2)})[0], head, at)
    found = second.run("url => lab.detect(url)", f"{site.url}media/bus.jpg")
    assert len(found) == len(persons) >= 3
    for person, other in zip(persons[:2], found, strict=False):
        points = np.array([[point["x"], point["y"]] for point in other["keypoints"]])
        # The model is int8 here and float there: a hundredth of the person, not more.
        assert np.median(np.abs(points - person.keypoints[:, :2])) < 0.01 * np.ptp(person.box[1::2])


def test_all_sources_give_the_same_persons_in_their_own_pixels(visit):
    answers = visit.run(
        """async (url) => {
          await lab.load(url);
          const canvas = Object.assign(document.createElement('canvas'), {width: 128, height: 96});
          const context = canvas.getContext('2d');
          context.fillRect(0, 0, 50, 50);
          const image = new Image(8, 6);
          image.src = canvas.toDataURL();
          document.body.append(image);
          await image.decode();
          const offscreen = new OffscreenCanvas(128, 96);
          offscreen.getContext('2d').fillRect(0, 0, 1, 1);
          const sources = {
            canvas, image, offscreen, data: context.getImageData(0, 0, 128, 96),
            bitmap: await createImageBitmap(canvas),
            blob: await new Promise((resolve) => canvas.toBlob(resolve)),
          };
          const answers = {};
          for (const name in sources) answers[name] = await lab.pose.detect(sources[name]);
          return answers;
        }""",
        f"{visit.site.url}store/{CHANNEL}",
    )
    assert len(answers) == 6
    for name, persons in answers.items():
        assert [person["box"] for person in persons] == [{"x": 32, "y": 0, "width": 64, "height": 96}], name


def test_a_source_without_pixels_and_a_model_that_is_disposed_of_are_named(visit):
    visit.load(CHANNEL)
    codes = visit.run("""async () => {
      const codes = [];
      const canvas = Object.assign(document.createElement('canvas'), {width: 0});
      const sources = [document.createElement('video'), canvas, null, 'x'];
      for (const source of sources) codes.push(await lab.pose.detect(source).then(() => null, ({code}) => code));
      const before = tf.memory().numTensors;
      lab.pose.dispose();
      codes.push(await lab.pose.detect(new ImageData(9, 9)).then(() => null, ({code}) => code));
      return [codes, before, tf.memory().numTensors];
    }""")
    assert codes[0] == ["source"] * 4 + ["disposed"]
    assert codes[1] > 0 and codes[2] == 0


@BOTH_BACKENDS
def test_frames_are_dropped_and_never_queued(visit):
    visit.load(CHANNEL)
    answers = visit.run("""async () => {
      const frame = new ImageData(64, 64);
      const calls = Array.from({length: 50}, () => lab.pose.detect(frame));
      return [await Promise.all(calls), await lab.pose.detect(frame)];
    }""")
    assert len(answers[0][0]) == 1 and answers[0][1:] == [None] * 49
    assert len(answers[1]) == 1


SERVER = """async ([url, options, script]) => {
  const calls = {count: 0, broken: false, time: 1e12};
  const fallback = async (frame) => {
    calls.count++;
    if (calls.broken) throw new Error('the server is down');
    return [{score: 0.1, box: null, keypoints: [], width: frame.width}];
  };
  const clock = () => calls.time;
  const circuit = {random: () => 1};
  await lab.load(url, {...options, fallback, clock, circuit});
  const detect = async () => (await lab.pose.detect(new ImageData(64, 64)))?.map(({score}) => score) ?? null;
  return eval(script)(calls, detect);
}"""


def with_server(visit, script, **options):
    return visit.run(SERVER, [f"{visit.site.url}store/{CHANNEL}", options, script])


@pytest.mark.parametrize("ladder", ["auto", "webgl"])
def test_where_no_backend_is_fast_enough_the_server_answers_until_its_breaker_opens(visit, ladder):
    answers = with_server(
        visit,
        """async (calls, detect) => {
          const told = [lab.pose.capabilities.tier, await detect()];
          calls.broken = true;
          for (let n = 0; n < 5; n++) told.push(await detect());
          told.push(calls.count, lab.pose.capabilities.circuit);
          calls.broken = false;
          calls.time += 1001;
          told.push(await detect(), lab.pose.capabilities.circuit.state);
          return told;
        }""",
        backend=ladder,
        slowest=0,
    )
    assert answers[:2] == ["server", [0.1]]
    assert answers[2:7] == [[0.875]] * 5, "this device stands in, slow as it is"
    assert answers[7] == 4, "after three failures the server is left alone"
    assert answers[8] == {"state": "open", "failures": 3, "lastError": "the server is down"}
    assert answers[9:] == [[0.1], "closed"]


@BOTH_BACKENDS
def test_a_model_that_cannot_be_had_leaves_the_work_to_the_server(visit, site):
    site.rules[".bin"] = behaviour.tampered
    tier, reasons, scores = with_server(
        visit, "async (calls, detect) => [lab.pose.capabilities.tier, lab.pose.capabilities.reasons, await detect()]"
    )
    assert (tier, scores) == ("server", [0.1])
    assert any("SHA-256 differs" in reason for reason in reasons)


@BOTH_BACKENDS
def test_the_better_variant_takes_over_without_a_gap_or_a_frame_twice(visit, site):
    site.rules["large/model.json"] = lambda answer: setattr(answer, "seconds", 0.7)
    first, frames, variant = visit.run(
        """async (url) => {
          const {capabilities} = await lab.load(url, {variant: 'progressive'});
          const frames = [];
          let settled = false;
          lab.pose.settled.then(() => (settled = true));
          for (let more = 5; more > 0; more -= settled) {
            frames.push((await lab.pose.detect(new ImageData(64, 64)))?.map(({score}) => score));
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
          return [capabilities.variant, frames, lab.pose.capabilities.variant];
        }""",
        f"{site.url}store/{CHANNEL}",
    )
    assert (first, variant) == ("small", "large")
    assert all(len(frame) == 1 for frame in frames), "no frame is dropped, none has both answers"
    scores = [frame[0] for frame in frames]
    assert scores == sorted(scores) and set(scores) == {0.75, 0.875}


def test_a_failed_upgrade_leaves_the_first_variant(visit, site):
    site.rules["large/model.json"] = behaviour.missing
    reasons = visit.run(
        """async (url) => {
          await lab.load(url, {variant: 'progressive'});
          await lab.pose.settled;
          return lab.pose.capabilities.reasons;
        }""",
        f"{site.url}store/{CHANNEL}",
    )
    assert any(reason.startswith("large: ") and "404" in reason for reason in reasons)
    assert visit.scores() == [0.75]


WRONG_WEBGL = """() => {
  const kernel = tf.getKernel('Add', 'webgl');
  tf.unregisterKernel('Add', 'webgl');
  const kernelFunc = ({inputs: {a}, ...others}) => kernel.kernelFunc({inputs: {a, b: a}, ...others});
  tf.registerKernel({...kernel, kernelFunc});
}"""


def test_a_backend_that_computes_wrongly_is_passed_over(visit):
    visit.run(WRONG_WEBGL)
    refused = visit.load(CHANNEL, backend="webgl")["error"]
    assert refused["code"] == "no-backend" and "computes wrongly, boxes by" in refused["message"]
    # Without wasm, software WebGL is all that is left, and it is refused too.
    assert visit.load(CHANNEL, backend="auto")["capabilities"]["backend"] == "wasm"
    assert visit.scores() == [0.875]


def test_models_on_two_backends_take_turns(visit):
    scores = visit.run(
        """async (url) => {
          const poses = [];
          for (const [backend, variant] of [['webgl', 'small'], ['wasm', 'large']]) {
            await lab.load(url, {backend, variant});
            poses.push(lab.pose);
          }
          const scores = [];
          for (let n = 0; n < 3; n++) {
            const found = await Promise.all(poses.map((pose) => pose.detect(new ImageData(64, 64))));
            scores.push(found.map(([{score}]) => score));
          }
          return scores;
        }""",
        f"{visit.site.url}store/{CHANNEL}",
    )
    assert scores == [[0.75, 0.875]] * 3


LOSE = """async (again) => {
  const lose = () => tf.backend().gpgpu.gl.getExtension('WEBGL_lose_context').loseContext();
  const detect = async () => [(await lab.pose.detect(new ImageData(64, 64)))[0].score, lab.pose.capabilities.backend];
  const answers = [await detect()];
  const running = detect();
  lose();
  answers.push(await running, await detect());
  HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext, {
    apply: (target, self, words) => (words[0] === 'webgl2' ? null : Reflect.apply(target, self, words)),
  });
  OffscreenCanvas.prototype.getContext = () => null;
  lose();
  answers.push(await detect());
  return answers;
}"""


def test_a_lost_gpu_is_made_anew_from_the_cache_and_else_wasm_takes_over(visit, site):
    visit.load(CHANNEL, backend="webgl")
    site.requests.clear()
    answers = visit.run(LOSE)
    assert answers == [[0.875, "webgl"]] * 3 + [[0.875, "wasm"]]
    assert site.sent() == 0


def test_webgpu_finds_the_same_persons_and_a_lost_device_is_made_anew(visit, site):
    visit.page.add_script_tag(url=f"{site.url}tfjs/tf-backend-webgpu.min.js")
    chosen = visit.load(CHANNEL, backend="webgpu")["capabilities"]
    assert chosen["backend"] == "webgpu"
    assert visit.scores() == [0.875]
    site.requests.clear()
    answers = visit.run("""async () => {
      const detect = async () => (await lab.pose.detect(new ImageData(64, 64))).map(({score}) => score);
      const running = detect();
      tf.backend().device.destroy();
      const answers = [await running, await detect()];
      Object.defineProperty(navigator, 'gpu', {value: undefined});
      tf.backend().device.destroy();
      return [...answers, await detect()];
    }""")
    assert answers == [[0.875]] * 3
    assert visit.run("() => lab.pose.capabilities.backend") == "wasm", "no second device could be had"
    assert site.sent() == 0


NOTHING_RUNS = """() => {
  WebAssembly.validate = () => false;
  HTMLCanvasElement.prototype.getContext = () => null;
}"""


def test_without_webgl_and_simd_the_message_names_both_and_the_server_answers(visit):
    visit.run(NOTHING_RUNS)
    refused = visit.load(CHANNEL, backend="auto")["error"]
    assert refused["code"] == "no-backend"
    assert "webgl: no float textures" in refused["message"] and "wasm: no SIMD" in refused["message"]
    script = "async (calls, detect) => [lab.pose.capabilities.tier, await detect()]"
    assert with_server(visit, script, backend="auto") == ["server", [0.1]]


def test_tensors_stay_as_many_frame_by_frame(visit):
    visit.load(CHANNEL)
    counts = visit.run("""async () => {
      const counts = [];
      for (let n = 0; n < 200; n++) {
        await lab.pose.detect(new ImageData(64, 64));
        counts.push(tf.memory().numTensors);
      }
      return [...new Set(counts)];
    }""")
    assert len(counts) == 1


@pytest.mark.long
def test_a_soak_leaves_tensors_and_heap_as_they_were(visit):
    from benchmarks.web import soak

    visit.load(CHANNEL, smoothing=True)
    result = soak(visit, 60, pause=30)
    assert result["frames"] > 600
    assert len(result["tensors"]) == 1
    assert result["growth"] <= 0.05
