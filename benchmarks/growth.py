"""How cost grows with the model: ``python -m benchmarks.growth``; with the photos, see :mod:`benchmarks.validation`.

Builds yolo11 n, s and m from the model descriptions of the ultralytics package, untrained, and takes the price of
``convert`` (float32, and int8 with calibration) and of ``validate`` with Node. Scores of the untrained heads are spread
so that a few persons a photo are "found": validation refuses a model that finds nobody.

Prints a table, and for each command the exponent of the growth: the slope of a straight line through the logarithms.
1 is linear; below 1, a constant part weighs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx

from benchmarks.cost import Cost, cost_of, fresh_cache, least
from benchmarks.validation import cost_of_validation, make_photos
from tests.nets import photo_batch, save_untrained_net
from yolo_edge.checkpoint.export import export_checkpoint

SIDE = 640
SURE_SHARE, USUAL, SURE = 0.9995, -9.0, 0.7
"""Of the anchors, the share that is not sure of a person; logits of the median anchor, and of the last that is not."""


@dataclass(frozen=True)
class Grown:
    """A model, and what it costs.

    Attributes:
        name: of the model.
        parameters: how many it has.
        multiply_adds: of its convolutions, a frame at 640 px.
        costs: command → price.
    """

    name: str
    parameters: int
    multiply_adds: int
    costs: dict[str, Cost]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", default="n,s,m", help="of yolo11")
    parser.add_argument("--photos", type=int, default=24, help="of validate")
    parser.add_argument("--runs", type=int, default=2, help="the least of them is shown")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_photos(folder / "photos", given.photos)
        grown = []
        for scale in given.scales.split(","):
            grown.append(measured(folder, f"yolo11{scale}-pose", given.runs))
            print_row(grown[-1], is_first=len(grown) == 1)
    print_exponents(grown)


def measured(folder: Path, name: str, runs: int) -> Grown:
    """Build a model and measure what is done with it."""
    weights = save_untrained_net(folder / f"{name}.pt", f"{name}.yaml")
    spread_scores(weights)
    exported = export_checkpoint(weights, (SIDE, SIDE))
    parameters = sum(prod(tensor.dims) for tensor in exported.model.graph.initializer if len(tensor.dims) == 4)
    directory = folder / name
    convert = [sys.executable, "-m", "yolo_edge", "-q", "convert", str(weights), "--force", "--json"]
    calls = {
        "convert": [*convert, "-o", str(directory)],
        "convert --quantize int8 --samples 8": [
            *convert,
            "-o",
            str(folder / "int8"),
            "--quantize",
            "int8",
            "--samples",
            "8",
        ],
    }
    costs = {title: least([_priced(command) for _ in range(runs)]) for title, command in calls.items()}
    options = ("--reference", str(weights))
    validations = [cost_of_validation(directory, folder / "photos", *options) for _ in range(runs)]
    costs["validate"] = least(validations)
    return Grown(name, parameters, multiply_adds(exported.model), costs)


def _priced(command: list[str]) -> Cost:
    with fresh_cache():
        return cost_of(command)


def spread_scores(weights: Path) -> None:
    """Scale the last layer of the class scores so that a few anchors are sure of a person, and most of none."""
    import torch

    checkpoint = torch.load(weights, weights_only=False)
    model = checkpoint["model"].float().eval()
    photo = torch.from_numpy(photo_batch("bus.jpg", SIDE)).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = torch.logit(model(photo)[0][0, 4], eps=1e-12)
    usual, high = (float(np.quantile(logits.numpy(), share)) for share in (0.5, SURE_SHARE))
    factor = (SURE - USUAL) / (high - usual)
    for branch in model.model[-1].cv3:
        branch[-1].weight.data *= factor
        branch[-1].bias.data = factor * (branch[-1].bias.data - usual) + USUAL
    checkpoint["model"] = model.half()
    torch.save(checkpoint, weights)


def multiply_adds(model: onnx.ModelProto) -> int:
    """Count the multiplications with addition of the convolutions."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {info.name: [side.dim_value for side in info.type.tensor_type.shape.dim] for info in inferred.value_info}
    kernels = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    return sum(
        prod(shapes[node.output[0]]) * prod(kernels[node.input[1]][1:])
        for node in inferred.node
        if node.op_type == "Conv" and node.output[0] in shapes
    )


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Return the slope of the straight line through the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def print_row(model: Grown, *, is_first: bool) -> None:
    if is_first:
        print(f"| model | million parameters | million multiply-adds | {' | '.join(model.costs)} |")
        print(f"|---|---|---|{'---|' * len(model.costs)}")
    cells = [f"{cost.cpu_seconds:.1f} / {cost.wall_seconds:.1f} s" for cost in model.costs.values()]
    counts = f"{model.parameters / 1e6:.1f} | {model.multiply_adds / 1e6:,.0f}"
    print(f"| {model.name} | {counts} | {' | '.join(cells)} |", flush=True)


def print_exponents(grown: list[Grown]) -> None:
    print("\n(CPU / wall seconds; exponents are those of CPU seconds)\n")
    for title in grown[0].costs:
        spent = [model.costs[title].cpu_seconds for model in grown]
        by_parameters = exponent([model.parameters for model in grown], spent)
        by_work = exponent([model.multiply_adds for model in grown], spent)
        print(f"{title}: exponent {by_parameters:.2f} of parameters, {by_work:.2f} of multiply-adds")


if __name__ == "__main__":
    main()
