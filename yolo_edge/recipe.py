"""Recipes: the yaml files of ``configs/``, which say what a release must be.

Each value is checked as it is read, by the rules of the room that it is for, so a recipe that is read can be run. Paths
are kept as they are written; :meth:`Recipe.located` says where they lead. ``docs/releasing.md`` explains every field.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from yolo_edge.checkpoint.image_size import parse_image_size
from yolo_edge.errors import InputError, UsageError, YoloEdgeError
from yolo_edge.publication.layout import check_name, check_version
from yolo_edge.quantization.budget import parse_bytes
from yolo_edge.quantization.photos import DEFAULT_SAMPLES, FEWEST_PHOTOS
from yolo_edge.quantization.scheme import (
    BUILTIN_PHOTOS,
    NO_PHOTOS,
    QuantizationRequest,
    check_request,
    find_scheme,
)
from yolo_edge.runtime.base import ALIASES, RUNTIMES
from yolo_edge.validation.gate import METRICS

GUIDE = "docs/releasing.md has every field."

_REFUSED = "yolo_edge"
_Value = TypeVar("_Value")


def _checked(check: Callable[[Any], _Value]) -> BeforeValidator:
    """Make a check of the house one of pydantic's, which adds the place; the advice comes along."""

    def validate(value: Any) -> _Value:
        try:
            return check(value)
        except YoloEdgeError as error:
            raise _refusal(error.what, error.fix) from error

    return BeforeValidator(validate)


def _refusal(what: str, fix: str | None) -> PydanticCustomError:
    return PydanticCustomError(_REFUSED, "{what}", {"what": what, "fix": fix or GUIDE})


def _text(value: Any) -> str:
    """Take a plain value as text: yaml reads ``640`` and ``1.0`` as numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{value!r} is no text.", fix=GUIDE)
    return str(value)


def _size(value: Any) -> str:
    height, width = parse_image_size(_text(value))
    return size_name((height, width))


def _scheme(value: Any) -> str:
    return find_scheme(_text(value)).name


def _metrics(value: Any) -> Any:
    unknown = sorted(set(value) - set(METRICS)) if isinstance(value, dict) else []
    if unknown:
        raise UsageError(f"{', '.join(map(str, unknown))} is not measured.", fix=f"Bound: {', '.join(METRICS)}.")
    return value


def _runtime(value: Any) -> str:
    name = ALIASES.get(_text(value), _text(value))
    fitting = [kind.name for kind in RUNTIMES.values() if kind.takes == "directory"]
    if name not in fitting:
        raise UsageError(f"There is no runtime {name!r} for converted models.", fix=f"Use: {', '.join(fitting)}.")
    return name


ModelName = Annotated[str, _checked(lambda value: check_name(_text(value), "model"))]
ChannelName = Annotated[str, _checked(lambda value: check_name(_text(value), "channel"))]
VariantName = Annotated[str, _checked(lambda value: check_name(_text(value), "variant"))]
Version = Annotated[str, _checked(lambda value: check_version(_text(value)))]
ImageSize = Annotated[str, _checked(_size)]
SchemeName = Annotated[str, _checked(_scheme)]
Budget = Annotated[int, _checked(lambda value: parse_bytes(_text(value)))]
RuntimeName = Annotated[str, _checked(_runtime)]
Text = Annotated[str, _checked(_text)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantRecipe(_Section):
    """One form that the weights are published in.

    Attributes:
        scheme: ``float32``, ``float16``, ``int8``, ``int4`` or ``rd``.
        name: what the variant is called; its scheme by default.
        max_bytes: ``rd``: budget on the wire for the whole model, ``1.4MB`` or bytes.
        bits: ``rd``: the same as bits on the wire a parameter.
    """

    scheme: SchemeName
    name: VariantName = ""
    max_bytes: Budget | None = None
    bits: float | None = None

    @model_validator(mode="after")
    def _budget_fits(self) -> Self:
        try:
            check_request(find_scheme(self.scheme), QuantizationRequest(max_bytes=self.max_bytes), self.bits)
        except UsageError as error:
            fix = "Give an rd variant one of max_bytes: 1.4MB and bits: 4, and no other variant any."
            raise _refusal(f"scheme {self.scheme}, max_bytes {self.max_bytes}, bits {self.bits}.", fix) from error
        return self

    @property
    def title(self) -> str:
        """The name, or the scheme where none is given."""
        return self.name or self.scheme


class ValidationRecipe(_Section):
    """How the variants are judged.

    Attributes:
        benchmark: photos: ``builtin``, a path, or the name of a set that was fetched.
        runtimes: what runs the variants, the first one on all photos; none named: ``node``, and the browser backends
            that are there.
        limit: the most photos to take.
        timing: take times beside a float32 graph model.
    """

    benchmark: Text = BUILTIN_PHOTOS
    runtimes: tuple[RuntimeName, ...] = ()
    limit: int | None = Field(default=None, ge=1)
    timing: bool = True


class Recipe(_Section):
    """A whole recipe. Paths are relative to the folder that it lies in.

    Attributes:
        name: of the model in the store.
        version: a semantic version; the command line may give another.
        source: a name of the catalogue, or the path of a ``.pt`` or ``.onnx``.
        sizes: input sizes, ``640`` or height x width as ``384x640``, without repetition.
        variants: what is made at each size.
        calibration: photos for the schemes that are calibrated: ``builtin``, a path, or ``none`` for int8 alone.
        samples: how many calibration inputs are composed, and the most photos to read.
        seed: of the choice of photos, of the calibration and of the intervals.
        validation: how the variants are judged.
        gate: metric → the bound that every variant must keep, in place of its scheme's default.
        store: where to publish: a path, ``file://…`` or ``s3://…``.
        channel: what points to the version then.
        sign: path of a private key.
        precompress: store shards as Brotli; by default in S3 stores.
    """

    name: ModelName | None = None
    version: Version | None = None
    source: Text | None = None
    sizes: tuple[ImageSize, ...] = Field(default=("640",), min_length=1)
    variants: tuple[VariantRecipe, ...] = ()
    calibration: Text = BUILTIN_PHOTOS
    samples: int = Field(default=DEFAULT_SAMPLES, ge=FEWEST_PHOTOS)
    seed: int = Field(default=0, ge=0)
    validation: ValidationRecipe = ValidationRecipe()
    gate: Annotated[dict[str, float], _checked(_metrics)] = Field(default_factory=dict)
    store: Text | None = None
    channel: ChannelName | None = None
    sign: Text | None = None
    precompress: bool | None = None

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        for field, values in (("sizes", self.sizes), ("variants", [variant.title for variant in self.variants])):
            twice = sorted({value for value in values if list(values).count(value) > 1})
            if twice:
                raise _refusal(f"{field} has {twice[0]} twice.", "Name each variant and list each size once.")
        calibrated = [variant.title for variant in self.variants if variant.scheme in ("int4", "rd")]
        if self.calibration == NO_PHOTOS and calibrated:
            raise _refusal(
                f"calibration is none, and {calibrated[0]} needs photos.", "Leave calibration out, or name photos."
            )
        return self

    def located(self, value: str, folder: Path) -> str:
        """Return a value that may be a path: below the recipe's folder if there is something, else unchanged.

        Args:
            value: as the recipe has it.
            folder: where the recipe lies.
        """
        path = folder / Path(value).expanduser()
        try:
            return str(path) if path.exists() else value
        except OSError:  # too long for a path
            return value


def size_name(size: tuple[int, int]) -> str:
    """Write height and width as recipes and published names do: ``640``, ``384x640``."""
    height, width = size
    return str(height) if height == width else f"{height}x{width}"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: it is missing, no yaml, or holds something else than a recipe; the message names the field.
    """
    import yaml

    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.", fix="Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not yaml: {str(error).splitlines()[0]}.", fix="Mend the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        what, fix = _explained(first)
        raise InputError(f"{path} is no recipe: {where}: {what}", fix=fix) from error


def _explained(error: ErrorDetails) -> tuple[str, str]:
    """Say what is wrong with a field, and what to do."""
    if error["type"] == _REFUSED:
        return error["ctx"]["what"], error["ctx"]["fix"]
    if error["type"] == "extra_forbidden":
        sections: dict[str, type[_Section]] = {"validation": ValidationRecipe, "variants": VariantRecipe}
        section: type[_Section] = sections.get(str(error["loc"][0]), Recipe) if error["loc"][1:] else Recipe
        return "There is no such field.", f"Use: {', '.join(section.model_fields)}."
    return f"{error['msg']}.", GUIDE
