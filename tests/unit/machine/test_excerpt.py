"""Which lines of a tool's output a person is shown."""

from __future__ import annotations

import pytest

from espalier_machine.common.excerpt import error_line, excerpt

IMPORT = """\
Traceback (most recent call last):
  File "<string>", line 9, in <module>
    django.setup()
    ~~~~~~~~~~~~^^
  File "/srv/shop/releases/r1/venv/lib/python3.13/site-packages/django/__init__.py", line 19
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
  File "<frozen importlib._bootstrap>", line 1387, in _gcd_import
  File "/srv/shop/releases/r1/overlay/espalier_overlay/settings.py", line 22, in <module>
    _project = importlib.import_module(_name)
  File "/srv/shop/releases/r1/code/shop/settings.py", line 15, in <module>
    STRIPE = os.environ["STRIPE_KEY"]
             ~~~~~~~~~~^^^^^^^^^^^^^^
  File "<frozen os>", line 717, in __getitem__
KeyError: 'STRIPE_KEY'
"""
MIGRATION = """\
  File "/srv/shop/releases/r1/code/garden/migrations/0003_broken.py", line 5, in count_trees
    editor.execute("INSERT INTO nowhere VALUES (%s)", [Tree.objects.count()])
    ~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/releases/r1/venv/lib/python3.13/site-packages/psycopg/cursor.py", line 117
    raise ex.with_traceback(None)
django.db.utils.ProgrammingError: relation "nowhere" does not exist
LINE 1: INSERT INTO nowhere VALUES (12)
                    ^
"""
UV = """\
Using Python 3.13.5 environment at: /srv/shop/venvs/f620ad288eadd5c0
error: No solution found when resolving dependencies
  cause: Because zzz was not found in the package registry and you require zzz==9
"""
ONE_REQUEST = """\
ERROR django.request: Internal Server Error: /
Traceback (most recent call last):
  File "/srv/shop/releases/r1/code/garden/views.py", line 46, in tree_list
    raise ValueError("a broken view")
ValueError: a broken view
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (IMPORT, "KeyError: 'STRIPE_KEY'"),
        # The last line is a mark below it.
        (MIGRATION, 'django.db.utils.ProgrammingError: relation "nowhere" does not exist'),
        (ONE_REQUEST * 2, "ValueError: a broken view"),
        (
            "SystemCheckError: System check identified some issues:\n\nERRORS:\n"
            "shop.Tree.name: (fields.E120) CharFields must define a 'max_length'.\n\n"
            "System check identified 1 issue (0 silenced).\n",
            "shop.Tree.name: (fields.E120) CharFields must define a 'max_length'.",
        ),
        ("one\nE: two\n\n", "E: two"),
        ("", "no output"),
    ],
)
def test_error_has_a_line(output: str, line: str) -> None:
    assert error_line(output) == line


def test_traceback_is_the_frames_of_the_projects_own_code() -> None:
    frame = [
        '  File "shop/settings.py", line 15, in <module>',
        '    STRIPE = os.environ["STRIPE_KEY"]',
    ]
    assert excerpt(IMPORT) == [*frame, "KeyError: 'STRIPE_KEY'"]
    assert excerpt(IMPORT, "it does not load: KeyError: 'STRIPE_KEY' (a hint)") == frame


def test_message_of_several_lines_is_kept_whole() -> None:
    assert excerpt(MIGRATION)[2:] == [
        'django.db.utils.ProgrammingError: relation "nowhere" does not exist',
        "LINE 1: INSERT INTO nowhere VALUES (12)",
    ]


def test_same_traceback_of_several_requests_is_told_once() -> None:
    assert excerpt(ONE_REQUEST * 8) == [
        '  File "garden/views.py", line 46, in tree_list',
        '    raise ValueError("a broken view")',
        "ValueError: a broken view",
    ]


def test_a_traceback_that_is_cut_off_is_not_told_if_a_whole_one_is_there() -> None:
    cut = "\n".join(IMPORT.splitlines()[:7]) + "\n"
    assert error_line(IMPORT + cut) == "KeyError: 'STRIPE_KEY'"
    assert excerpt(IMPORT + cut) == excerpt(IMPORT)
    assert error_line(cut).startswith("File ")


def test_traceback_without_the_projects_code_has_its_last_frames() -> None:
    output = 'Traceback:\n  File "/usr/lib/python3.13/x.py", line 1, in f\n    g()\nOSError: no\n'
    assert excerpt(output) == [
        '  File "/usr/lib/python3.13/x.py", line 1, in f',
        "    g()",
        "OSError: no",
    ]


def test_what_the_sentence_says_is_left_out() -> None:
    cause = "Because zzz was not found in the package registry and you require zzz==9"
    assert excerpt(UV, f"they cannot be met: {cause}") == [
        "error: No solution found when resolving dependencies"
    ]


def test_long_output_is_the_lines_that_tell_of_an_error() -> None:
    noise = "".join(f"Get:{number} http://deb.debian.org/ nginx\n" for number in range(40))
    output = f"{noise}E: Failed to fetch http://deb.debian.org/\n{noise}W: Some index files\n"
    assert excerpt(output) == ["E: Failed to fetch http://deb.debian.org/"]
    assert excerpt(noise) == noise.splitlines()[-10:]


def test_short_output_is_shown_as_it_is() -> None:
    refusal = "garden.0003_rootstock: NOT NULL constraint\n    instead: give it a default\n"
    assert excerpt(refusal) == refusal.splitlines()
