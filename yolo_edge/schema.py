"""Documents with a ``schema_version``, of which a newer or damaged one is told apart."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from yolo_edge.errors import ModelError

_Form = TypeVar("_Form", bound=BaseModel)


def validated(form: type[_Form], document: Any, where: object, *, newest: int, fix: str) -> _Form:
    """Return a document as what it shall be.

    Args:
        form: what that is.
        document: what was read.
        where: path, key or address, for messages.
        newest: the highest ``schema_version`` that is read.
        fix: what to do about a damaged one.

    Raises:
        ModelError: it is damaged, of a newer schema, or something else.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > newest:
        raise ModelError(
            f"{where} has schema version {version}, this yolo-edge reads up to {newest}.",
            fix="Update yolo-edge: pip install -U yolo-edge.",
        )
    try:
        return form.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ModelError(f"{where} is damaged: {place}: {first['msg']}.", fix=fix) from error
