"""The few lines that matter of what a tool printed: of tracebacks, of uv, of anything else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

LIMIT = 10
FRAMES = 3  # of a traceback: where the error came from, and two steps towards it
MESSAGE = 4  # lines of the error itself

TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line \d+')
_CARETS = re.compile(r"^[\s~^]+$")
# The code of a release, in which paths are those of the project.
_OWN_CODE = re.compile(r"/\S*?/releases/[^/]+/code/")
_LIBRARY = re.compile(r"^<|^/usr/lib/|/(?:site|dist)-packages/|/overlay/espalier_overlay/")
# uv draws its causes with a cross, a corner and a line.
_TELLING = re.compile(
    r"error|fatal|fail|cause|cannot|can't|denied|not found|^E: |^\s*[\u00d7\u2570\u2502]", re.I
)
_RECORD = re.compile(r"\[|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b|During handling|The above exc")
_LABEL = re.compile(
    r"(?i)^\s*(?:(?:error|cause|caused by|fatal|E|hint):|[\u00d7\u2570\u2500\u25b6\u2502]+)\s*"
)


def error_line(output: str) -> str:
    """The line that names the error: of a traceback the one below its last frame, else the last.

    Of Django's system check it is the first error. "no output" where there is none.
    """
    lines = _lines(output)
    if "ERRORS:" in lines[:-1]:
        return lines[lines.index("ERRORS:") + 1].strip()
    if message := _message(lines):
        return message[0].strip()
    return lines[-1].strip() if lines else "no output"


def excerpt(output: str, known: str = "", limit: int = LIMIT) -> list[str]:
    """Choose the lines that matter.

    Args:
        output: what a tool printed.
        known: a sentence that is shown beside them; what it says already is left out.
        limit: how many lines.
    """
    lines = _lines(output)
    if frames := _frames(lines):
        chosen = [*frames, *_message(lines)]
    elif len(lines) > limit:
        chosen = [line for line in lines if _TELLING.search(line)] or lines
    else:
        # uv says first in which environment it works.
        begin = next((i for i, line in enumerate(lines) if line.startswith("error: ")), 0)
        chosen = lines[begin:]
    said = _flat(known)
    fresh = [line for line in dict.fromkeys(chosen) if _flat(_LABEL.sub("", line)) not in said]
    return fresh[-limit:]


def indented(lines: Sequence[str]) -> list[str]:
    """The lines of an excerpt as they stand below a sentence."""
    return textwrap.indent(textwrap.dedent("\n".join(lines)), "    ").splitlines()


def _lines(output: str) -> list[str]:
    """The lines that say something, without a last traceback that is cut off beside a whole one."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    begins = [i for i, line in enumerate(lines) if line.strip() == TRACEBACK]
    is_cut = bool(begins) and not _message(lines)
    return lines[: begins[-1]] if is_cut and _message(lines[: begins[-1]]) else lines


def _flat(text: str) -> str:
    return " ".join(text.split())


def _message(lines: Sequence[str]) -> list[str]:
    """The lines of a traceback's error: those below its last frame, which is indented."""
    last = max((i for i, line in enumerate(lines) if _FRAME.match(line)), default=None)
    if last is None:
        return []
    rest = iter(lines[last + 1 :])
    first = next((line for line in rest if not line.startswith(" ")), None)
    if first is None:
        return []
    own = [first]
    for line in rest:
        # What follows in a log is another record, or the same message once more.
        if line in first or len(own) == MESSAGE or _RECORD.match(line):
            break
        own.append(line)
    return [line for line in own if not _CARETS.match(line)]


def _frames(lines: Sequence[str]) -> list[str]:
    """The last frames of the project's own code, or of any code, without Python's markers."""
    frames: list[tuple[str, list[str]]] = []
    inside = False
    for line in lines:
        if found := _FRAME.match(line):
            frames.append((found["path"], [line]))
            inside = True
        elif inside and line.startswith(" "):
            if not _CARETS.match(line) and len(frames[-1][1]) == 1:
                frames[-1][1].append(line)
        else:
            inside = False
    own = [frame for path, frame in frames if _OWN_CODE.search(path)]
    others = [frame for path, frame in frames if not _LIBRARY.search(path)]
    wanted = (own or others or [frame for _, frame in frames])[-FRAMES:]
    texts = ["\n".join(frame) for frame in wanted]
    return [_OWN_CODE.sub("", line) for text in dict.fromkeys(texts) for line in text.splitlines()]
