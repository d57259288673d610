"""Writes the tables of docs/cli.md from the command line itself: python -m tests.docs.cli_reference."""

from __future__ import annotations

from pathlib import Path

import typer.main

from tests.docs.markdown import anchor
from yolo_edge.cli import app
from yolo_edge.cli_panels import PANELS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"


def reference() -> str:
    """Every command with its arguments, options, defaults and help texts, in the panels of ``yolo-edge --help``."""
    program = typer.main.get_command(app)
    contents, parts = [], ["## Options before the command", "", *_table(program.params), ""]
    for panel in PANELS:
        linked = []
        for name, command in _commands(program.commands, panel):
            heading = _heading(name, command)
            linked.append(f"[{name}](#{anchor(heading)})")
            parts += [f"## {heading}", "", command.help.strip(), "", *_table(command.params), ""]
        contents.append(f"| {panel} | {', '.join(linked)} |")
    return "\n".join(["| | |", "|---|---|", *contents, "", *parts])


def _commands(commands, panel: str):
    """Every command of a panel with its words, those of a group after the group's name."""
    for name, command in commands.items():
        if command.rich_help_panel == panel:
            below = getattr(command, "commands", None)
            yield from ((f"{name} {word}", each) for word, each in below.items()) if below else [(name, command)]


def _heading(name: str, command) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    return " ".join(
        ["yolo-edge", name, *(f"{param.name.upper()}{'…' if param.nargs == -1 else ''}" for param in arguments)]
    )


def _table(params) -> list[str]:
    rows = [(_name(param), _cell(param.help or ""), _default(param)) for param in params]
    return ["| | what | default |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]


def _name(param) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    value = "" if param.is_flag else f" {(param.metavar or param.name).upper()}"
    return (
        ", ".join(f"`{name}`" for name in param.opts[:-1])
        + (", " if param.opts[1:] else "")
        + f"`{param.opts[-1]}{value}`"
        + "".join(f", `{name}`" for name in param.secondary_opts)
    )


def _default(param) -> str:
    if param.required:
        return "required"
    return "" if param.default is None or param.default is False else f"`{param.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page_with(text: str) -> str:
    """The page with the part between its marks replaced."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(reference()), encoding="utf-8")
