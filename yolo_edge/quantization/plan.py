"""``quantization.yaml``: the decisions behind an artifact, saved beside it.

Law: ``read_plan`` gives back the plan that ``write_plan`` was given, and quantizing the same model by it, with the same
calibration photos and library versions, gives the same bytes without searching again.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolo_edge.errors import InputError, ModelError

PLAN_FILE = "quantization.yaml"


class CalibrationRecord(BaseModel):
    """Which photos a plan was made with.

    Attributes:
        photos: name of the set.
        count: how many were used.
        samples: the most that were asked for.
        seed: of the choice of photos and of the method.
        digest: sha256 over model, photos and method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: str
    count: int
    samples: int
    seed: int = Field(ge=0)
    digest: str


class LayerPlan(BaseModel):
    """How one kernel was quantized.

    Attributes:
        bits: bits a code: 4, 8 or 16.
        steps: weight units a code, one value an output channel, or a single one for the tensor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: int
    steps: list[float]


class Plan(BaseModel):
    """How each layer was quantized.

    Attributes:
        scheme: name of the scheme.
        model: sha256 of the ONNX graph that it is for.
        calibration: the photos.
        layers: kernel initializer → its bits and steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: str
    model: str
    calibration: CalibrationRecord
    layers: dict[str, LayerPlan]


def write_plan(plan: Plan, directory: Path) -> None:
    """Write ``quantization.yaml`` into a directory."""
    import yaml

    text = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, width=120, default_flow_style=None)
    (directory / PLAN_FILE).write_text(text, encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Args:
        path: the file, or the converted directory that holds it.

    Raises:
        InputError: it is missing or damaged.
    """
    import yaml

    file = path / PLAN_FILE if path.is_dir() else path
    try:
        return Plan.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"The plan {file} cannot be read: {error.strerror}.", fix="Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file} is not a quantization plan: {reason}.", fix="Give a quantization.yaml.") from error


def check_plan(plan: Plan, scheme: str, model: str) -> None:
    """Refuse a plan that was made for something else.

    Args:
        plan: the plan to repeat.
        scheme: the scheme that was asked for.
        model: sha256 of the ONNX graph it is to be used on.

    Raises:
        ModelError: another scheme, model or image size.
    """
    if plan.scheme != scheme:
        raise ModelError(f"The plan is for --quantize {plan.scheme}, not {scheme}.", fix=f"Use {plan.scheme}.")
    if plan.model != model:
        raise ModelError(
            f"The plan is for another model (graph sha256 {plan.model[:16]}…, this one has {model[:16]}…).",
            fix="Use it with the same weights, image size and library versions, or leave --plan out.",
        )


def check_plan_photos(plan: Plan, digest: str) -> None:
    """Refuse a plan that was made with other photos, or by another version of the method.

    Raises:
        ModelError: the calibration's digest is not the plan's.
    """
    if plan.calibration.digest != digest:
        raise ModelError(
            f"The plan was made with other photos ({plan.calibration.photos}, {plan.calibration.count} of them).",
            fix="Give the same --calibration, or leave --plan out.",
        )
