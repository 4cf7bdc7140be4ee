"""Make the terminal pictures of the docs anew: what `espalier` shows, as a terminal shows it.

    python docs/terminal.py INVENTORY       of a lab machine that has no site yet

`espalier site` runs for the first time, then a release fails. Both run for real, from ~/shop in a
home directory of their own, on a pseudo-terminal; the final state of its screen becomes an SVG.
"""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from espalier.paths import KIT

COLUMNS, ROWS = 96, 60
PROJECT = """\
project:
  name: shop
  directory: .
  domains: [shop.example]
"""
# rich's own, without the font that it would load from a web server.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
        font-variant-ligatures: none;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})"
      clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


class Terminal(pyte.Screen):
    """A terminal that shows what is faint in grey, as pyte knows no faint text."""

    def select_graphic_rendition(self, *attrs: int, **kwargs: bool) -> None:
        """Take colours and the like."""
        super().select_graphic_rendition(*(90 if one == 2 else one for one in attrs), **kwargs)


def screen_of(command: list[str], home: Path, directory: Path) -> pyte.Screen:
    """Run a command on a pseudo-terminal; gives the screen at its end."""
    screen = Terminal(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[1m$ {' '.join(command)}\x1b[0m\r\n".encode())
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(directory)
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm-256color"}
        for name in ("NO_COLOR", "XDG_STATE_HOME"):
            environment.pop(name, None)
        program = Path(sys.executable).with_name(command[0])
        os.execve(program, command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    while True:
        try:
            stream.feed(os.read(terminal, 65536))
        except OSError:  # it has ended
            break
    os.waitpid(process, 0)
    return screen


def text_of(screen: pyte.Screen) -> Text:
    """What a screen shows, with its colours, without the empty lines at its end."""
    lines = []
    for row in range(screen.cursor.y):
        line = Text()
        for column in range(COLUMNS):
            char = screen.buffer[row][column]
            colour = None if char.fg == "default" else char.fg.replace("bright", "bright_")
            line.append(char.data, Style(color=colour, bold=char.bold))
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)


def save(screen: pyte.Screen, title: str, path: Path) -> None:
    """Write a screen as an SVG."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(text_of(screen))
    console.save_svg(str(path), title=title, theme=DIMMED_MONOKAI, code_format=SVG)


def main(inventory: Path) -> None:
    """Run both commands, and write both pictures."""
    images = KIT / "docs/images"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shop = home / "shop"
        shutil.copytree(KIT / "examples/orchard", shop, ignore=shutil.ignore_patterns("*.pyc"))
        production = shop / "deploy/production"
        shutil.copytree(inventory, production, ignore=shutil.ignore_patterns(".secrets"))
        (production / "group_vars/all/project.yml").write_text(PROJECT)
        # Where the key of lab machines is.
        (home / ".cache").mkdir()
        (home / ".cache/espalier").symlink_to(Path.home() / ".cache/espalier")
        save(screen_of(["espalier", "site"], home, shop), "~/shop", images / "site.svg")
        settings = shop / "orchard/settings.py"
        settings.write_text(
            settings.read_text().replace(
                "from pathlib import Path",
                "import os\nfrom pathlib import Path\n\nSTRIPE_KEY = os.environ['STRIPE_KEY']",
            )
        )
        save(screen_of(["espalier", "release"], home, shop), "~/shop", images / "release.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
