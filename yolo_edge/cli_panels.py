"""The panels of ``yolo-edge --help``: the commands in the order in which a model needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

MAKE, PROVE, WEIGH, PUBLISH, KEEP = PANELS = (
    "Make a model",
    "Prove that it works",
    "Weigh size against speed and quality",
    "Publish it",
    "Look after a store",
)


class CommandPanels(TyperGroup):
    """A group that lists its commands by their ``rich_help_panel``, and tells the whole of what each does.

    In place of rich's own panels, which at 80 columns cut the help of options off, and give flags a value.
    """

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section a panel."""
        width = max(map(len, self.commands))
        for panel in PANELS:
            with formatter.section(panel):
                formatter.write_dl(
                    [
                        (name.ljust(width), command.help or "")
                        for name, command in self.commands.items()
                        if getattr(command, "rich_help_panel", None) == panel
                    ]
                )
