"""What a check is, what it finds, and what to set where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from yolo_edge.publication.checks.subject import Need, Subject

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Remedy:
    """The setting that mends something, for each service or edge that it is known of.

    Attributes:
        settings: name as :attr:`Subject.service` or :func:`yolo_edge.publication.checks.site.edge_of` tells it →
            what to do, a sentence.
    """

    settings: Mapping[str, str]

    def at(self, place: str | None) -> str:
        """Return the setting of one place, or those of all if it is not a known one."""
        if place is not None and place in self.settings:
            setting = self.settings[place]
            return setting[0].upper() + setting[1:]
        return " ".join(f"{name}: {setting}" for name, setting in self.settings.items())


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        status: ``ok``, ``warning`` (works, but costs something), ``failed``, or ``skipped``.
        found: what was seen, in words.
        advice: what to do about it; None where there is nothing to do.
    """

    status: Status
    found: str
    advice: str | None = None


@dataclass(frozen=True)
class Check:
    """One question.

    Attributes:
        name: as it is shown.
        needs: what must be there for it to be asked.
        ask: looks at the subject. Whatever of the tree of errors it raises is a failure.
    """

    name: str
    needs: frozenset[Need]
    ask: Callable[[Subject], Finding]


ON_SERVICE = frozenset({Need.SERVICE, Need.CONTACT, Need.WRITING})
ON_SITE = frozenset({Need.URL, Need.WRITING, Need.SITE})
