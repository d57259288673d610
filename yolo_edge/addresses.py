"""Addresses on the web that a user gives, checked at the door. One that may hold a secret is not repeated."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from yolo_edge.errors import UsageError

_MAY_HIDE_A_SECRET = re.compile("[@?#]")  # a password, or a token of a signed address


def web_address(text: str, *, fix: str) -> SplitResult:
    """Return the parts of an http or https address.

    Args:
        text: what was given.
        fix: what to give instead, for the message.

    Raises:
        UsageError: it is something else, or holds a user name.
    """
    told = told_address(text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        reason = f": {error}" if told == text else ""  # the reason repeats a part of the address
        raise UsageError(f"{told} is no address{reason}.", fix=fix) from error
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{told} is not an http or https address.", fix=fix)
    if "@" in parts.netloc:
        raise UsageError("The address holds a user name, which is not sent.", fix="Leave it out.")
    if re.search(r"[\s\\]", text):
        raise UsageError(f"{told!r} is no address: it has a space or a backslash.", fix=fix)
    return parts


def site_address(text: str) -> str:
    """Return the address of a site unchanged: one that a key can be put after.

    Raises:
        UsageError: it is no http or https address, or has a user name, a query or a fragment.
    """
    fix = "Give https://host or https://host/path."
    web_address(text, fix=fix)
    if _MAY_HIDE_A_SECRET.search(text):
        raise UsageError("The address of a site has no query, no fragment and no @.", fix=fix)
    return text


def safe_site_address(text: str) -> str:
    """Return the address of a site unchanged: one from which files arrive as they were sent.

    Raises:
        UsageError: it is no :func:`site_address`, or of plain http and another machine.
    """
    refuse_plain_http(urlsplit(site_address(text)), fix="Give the https address of the site.")
    return text


def refuse_plain_http(parts: SplitResult, *, fix: str) -> None:
    """Refuse plain http of another machine: what arrives may have been changed on its way.

    Args:
        parts: of the address.
        fix: what to give instead, for the message.

    Raises:
        UsageError: it is such.
    """
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        raise UsageError(
            f"{told_address(parts.geturl())} is plain http: what arrives may have been changed on its way, the "
            "manifest included.",
            fix=fix,
        )


def is_this_machine(host: str) -> bool:
    """Whether a host is the loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def told_address(text: str) -> str:
    """Return an address as a message may repeat it."""
    return "What was given" if _MAY_HIDE_A_SECRET.search(text) else text
