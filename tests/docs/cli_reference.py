"""Writes the tables of docs/cli.md from the command line itself: python -m tests.docs.cli_reference."""

from __future__ import annotations

from pathlib import Path

import typer.main

from yolo_edge.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"


def reference() -> str:
    """Every command with its arguments, options, defaults and help texts."""
    program = typer.main.get_command(app)
    parts = ["## Options before the command", "", *_table(program.params), ""]
    for name, command in _commands(program.commands):
        arguments = [param for param in command.params if param.param_type_name == "argument"]
        words = [f"{param.name.upper()}{'…' if param.nargs == -1 else ''}" for param in arguments]
        parts += [f"## yolo-edge {' '.join([name, *words])}", "", command.help.strip(), "", *_table(command.params), ""]
    return "\n".join(parts)


def _commands(commands, before: str = ""):
    """Every command with its words, those of a group after the group's name."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command.commands, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


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
    )


def _default(param) -> str:
    if param.required:
        return "required"
    return "" if param.default in (None, False) else f"`{param.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page_with(text: str) -> str:
    """The page with the part between its marks replaced."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(reference()), encoding="utf-8")
