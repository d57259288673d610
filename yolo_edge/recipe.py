"""Recipes: the yaml files of ``configs/``, which say what a release must be.

A recipe has a ``gate`` section, metric → bound; see :data:`yolo_edge.validation.gate.METRICS`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yolo_edge.errors import InputError


class Recipe(BaseModel):
    """A whole recipe.

    Attributes:
        gate: metric → the bound that a variant must keep, in place of its scheme's default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: dict[str, float] = Field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: it is missing, no yaml, or holds something else than a recipe.
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
        raise InputError(f"{path} is no recipe: {where}: {first['msg']}.", fix="See configs/gate.yaml.") from error
