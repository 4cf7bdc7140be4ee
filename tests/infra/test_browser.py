"""The site as a person sees it: a real browser loads the pages, logs in, writes and uploads.

Debian's chromium, led by Playwright; nothing is downloaded, and it resolves no name but the site's.
``ESPALIER_SCREENSHOTS=<directory> pytest …`` also writes pictures of what was seen.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 20_000
HASHED = re.compile(r"\.[0-9a-f]{12}\.css$")

# The addresses of the style sheets without which the page would look different.
STYLED_BY = """() => {
  const look = () => {
    const style = getComputedStyle(document.body);
    return [style.backgroundColor, style.color, style.fontFamily, style.margin].join("|");
  };
  const styled = look();
  return [...document.styleSheets].filter((sheet) => {
    if (!sheet.href) return false;
    sheet.disabled = true;
    const differs = look() !== styled;
    sheet.disabled = false;
    return differs;
  }).map((sheet) => sheet.href);
}"""


# --- the browser ----------------------------------------------------------------------------------


@dataclass
class Tab:
    """A page of the browser, with all that was received and all that went wrong."""

    page: Page
    origin: str
    received: list[Response] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Browsers ask for it unasked where a page, such as Django's admin, names no icon.
    harmless: str = r"/favicon\.ico\b"

    def __post_init__(self) -> None:
        """Listen from the beginning, so that nothing is missed."""
        self.page.on("response", self._on_response)
        self.page.on("requestfailed", lambda r: self._problem(f"{r.failure}: {r.url}"))
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._problem(f"script: {error}"))

    def open(self, path: str) -> None:
        """Go to a page and wait until all that belongs to it is loaded."""
        self.page.goto(self.origin + path)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being loaded any more."""
        self.page.wait_for_load_state("networkidle")

    def press(self, selector: str) -> None:
        """Click on what sends a form, and wait for the page that follows."""
        with self.page.expect_navigation():
            self.page.click(selector)
        self.settle()

    @property
    def path(self) -> str:
        """Where the browser is."""
        return urlsplit(self.page.url).path

    def answer(self, path: str) -> Response:
        """Give the last answer to a request for ``path``."""
        return [r for r in self.received if urlsplit(r.url).path == path][-1]

    def _on_response(self, response: Response) -> None:
        self.received.append(response)
        if response.status >= 400:
            self._problem(f"{response.status}: {response.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._problem(f"console: {message.text} ({message.location['url']})")

    def _problem(self, what: str) -> None:
        if not re.search(self.harmless, what):
            self.problems.append(what)


@pytest.fixture(scope="module")
def chromium(site: Any) -> Iterator[Browser]:
    """Start the browser; it finds the site's machine whatever DNS says, and no other."""
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("chromium is not installed")
    rules = f"MAP {site.domain} {site.address}, MAP * ~NOTFOUND, EXCLUDE {site.address}"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*FLAGS, f"--host-resolver-rules={rules}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser, site: Any) -> Iterator[Tab]:
    """Open a tab of a browser that was never here; in the end nothing may have gone wrong in it."""
    context = chromium.new_context(
        # The lab's certificate is self-signed.
        ignore_https_errors=True,
        viewport={"width": 1280, "height": 800},
        color_scheme="light",
    )
    context.set_default_timeout(TIMEOUT_MS)
    tab = Tab(context.new_page(), f"https://{site.domain}")
    yield tab
    context.close()
    assert not tab.problems


@pytest.fixture
def photograph(tab: Tab, project: str) -> Callable[[str], None]:
    """Write a picture of what the browser shows, if pictures were asked for."""

    def write(name: str) -> None:
        if directory := os.environ.get("ESPALIER_SCREENSHOTS"):
            tab.page.screenshot(path=Path(directory, f"{project}{name}.png"))

    return write


# --- the project on its machine -------------------------------------------------------------------


@dataclass
class Account:
    """A superuser made for these tests."""

    name: str
    password: str
    shell: Callable[[str], str]


@pytest.fixture(scope="module")
def account(app: Any, project: str, site: Any) -> Iterator[Account]:
    """Make a superuser with the live release's own manage.py; remove it in the end.

    The password is made on the machine and reaches Django by an environment file: it is in no
    process list and no log.
    """
    if site.get("/admin/login/")[0].status != 200:
        pytest.skip("the project has no login page at /admin/")
    name = f"browser-{uuid.uuid4().hex[:12]}"
    secret = f"/run/{name}"
    current = app.check_output("readlink -f %s", f"/srv/{project}/current")
    build = json.loads(app.file(f"{current}/build.json").content_string)
    command = ["systemd-run", "--pipe", "--wait", "--quiet", "--collect", f"--uid={project}"]
    for file in (f"/etc/espalier/{project}/environment", f"{current}/release.env", secret):
        command.append(f"--property=EnvironmentFile={file}")
    command.append(f"--working-directory={current}/{build['workdir']}")
    command += [f"{current}/venv/bin/python", build["manage"]]

    def manage(*arguments: str) -> str:
        words = [*command, *arguments]
        return app.check_output(" ".join(["%s"] * len(words)), *words)

    def shell(code: str) -> str:
        return manage("shell", "--verbosity=0", "--command", code)

    try:
        make = "import secrets; print('DJANGO_SUPERUSER_PASSWORD=' + secrets.token_hex(24))"
        line = app.check_output("umask 077 && python3 -c %s > %s && cat %s", make, secret, secret)
        manage("createsuperuser", "--noinput", f"--username={name}", "--email=nobody@example.org")
        yield Account(name, line.partition("=")[2], shell)
        shell(
            "from django.contrib.auth import get_user_model as model; "
            f"model().objects.get(username='{name}').delete()"
        )
    finally:
        app.run("rm -f %s", secret)


@pytest.fixture
def example(project: str) -> None:
    """Only the example project has these pages."""
    if project != "orchard":
        pytest.skip("only the example project has these pages")


@pytest.fixture
def tree(example: None, account: Account) -> Iterator[str]:
    """Plant a tree for one test; gives the path of its page. Its notes and photo go with it."""
    key = account.shell(
        "from garden.models import Tree, Variety; "
        f"print(Tree.objects.create(name='Tree of {account.name}', planted_on='2020-01-01', "
        "variety=Variety.objects.first()).pk)"
    )
    yield f"/trees/{key}/"
    account.shell(
        f"from garden.models import Tree; tree = Tree.objects.get(pk={key}); "
        "tree.photo.delete(save=False); tree.delete()"
    )


def log_in(tab: Tab, account: Account) -> None:
    """Fill in the form that the admin greets strangers with."""
    tab.open("/admin/")
    assert tab.path == "/admin/login/"
    tab.page.fill("[name=username]", account.name)
    tab.page.fill("[name=password]", account.password)
    tab.press("form [type=submit]")
    assert tab.path == "/admin/"


def assert_styled(tab: Tab) -> None:
    """Check that the page would look different without a style sheet with a hash in its name."""
    sheets = tab.page.evaluate(STYLED_BY)
    assert any(HASHED.search(urlsplit(sheet).path) for sheet in sheets), sheets


def png(width: int, height: int) -> bytes:
    """Draw a picture: a sky that turns into a meadow."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = b""
    for y in range(height):
        share = y / height
        rows += b"\0" + bytes((int(150 - 40 * share), 190, int(230 - 150 * share))) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# --- the example project --------------------------------------------------------------------------


def test_front_page_is_styled_and_complete(
    example: None, tab: Tab, photograph: Callable[[str], None]
) -> None:
    tab.open("/")
    photograph("")
    assert_styled(tab)
    paths = [urlsplit(response.url).path for response in tab.received]
    # The style sheet's own picture was found under its hashed name too.
    assert any(re.search(r"/espalier\.[0-9a-f]{12}\.svg$", path) for path in paths), paths
    # The script ran: only it reveals the search field, which then hides what does not match.
    shown = tab.page.locator("#trees > li:visible")
    assert shown.count() > 0
    tab.page.fill("[type=search]", uuid.uuid4().hex)
    assert shown.count() == 0


def test_admin_lets_in_keeps_and_lets_go(
    example: None, tab: Tab, account: Account, photograph: Callable[[str], None]
) -> None:
    log_in(tab, account)
    assert_styled(tab)
    assert tab.page.locator(".app-garden").is_visible()
    photograph("-admin")
    cookies = {c["name"]: c for c in tab.page.context.cookies()}
    assert cookies["sessionid"]["secure"]
    assert cookies["sessionid"]["httpOnly"]
    tab.page.reload()
    tab.settle()
    assert tab.path == "/admin/"
    tab.press("#logout-form button")
    tab.open("/admin/")
    assert tab.path == "/admin/login/"


def test_note_that_is_written_is_shown(tab: Tab, tree: str) -> None:
    text = f"Seen by a browser: {uuid.uuid4()} <b>äpfel & more</b>"
    tab.open(f"{tree}note/")
    tab.page.fill("[name=text]", text)
    tab.press("form.panel button")
    assert tab.path == tree
    assert tab.page.locator(".note p").all_inner_texts() == [text]
    assert tab.page.locator(".message").count() == 1
    tab.page.reload()
    tab.settle()
    assert tab.page.locator(".note").count() == 1
    assert tab.page.locator(".message").count() == 0


def test_photo_that_is_uploaded_is_shown_but_never_run(
    tab: Tab, tree: str, photograph: Callable[[str], None]
) -> None:
    tab.open(f"{tree}photo/")
    picture = {"name": "meadow.png", "mimeType": "image/png", "buffer": png(640, 480)}
    tab.page.set_input_files("[name=photo]", picture)
    tab.press("form.panel button")
    assert tab.path == tree
    image = tab.page.locator("img.picture")
    image.scroll_into_view_if_needed()
    tab.settle()
    photograph("-tree")
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [640, 480]
    address = urlsplit(image.evaluate("image => image.currentSrc"))
    assert address.path.startswith("/media/")
    headers = tab.answer(address.path).all_headers()
    assert headers["content-type"] == "image/png"
    assert headers.get("x-content-type-options") == "nosniff"
    assert "script-src 'none'" in headers.get("content-security-policy", "")


# --- a project that uses Wagtail ------------------------------------------------------------------


def test_wagtail_s_admin_lets_in_and_is_styled(
    site: Any, tab: Tab, account: Account, photograph: Callable[[str], None]
) -> None:
    if b"wagtailadmin" not in site.get("/admin/login/")[1]:
        pytest.skip("the project does not use Wagtail")
    # It asks other people's servers for news and avatars; they are out of reach on purpose.
    tab.harmless += r"|\breleases\.wagtail\.org\b|\bgravatar\.com\b"
    log_in(tab, account)
    assert_styled(tab)
    # Drawn by Wagtail's scripts, from pieces that they load.
    tab.page.locator("#wagtail-sidebar nav").first.wait_for()
    photograph("-admin")
    tab.page.reload()
    tab.settle()
    assert tab.path == "/admin/"


# --- a project whose frontend is built by Vite ----------------------------------------------------


def test_what_vite_built_is_what_the_page_runs(
    project: str, tab: Tab, photograph: Callable[[str], None]
) -> None:
    if project != "vineyard":
        pytest.skip("needs the page of examples/vineyard")
    tab.open("/")
    photograph("")
    # Of assets/vines.js, which only a bundle brings to the page.
    vines = tab.page.locator("#vines li").all_inner_texts()
    assert vines == ["Riesling", "Silvaner", "Trollinger"]
    # Nested rules and variables of assets/main.css, as Vite wrote them.
    color = tab.page.evaluate("() => getComputedStyle(document.body).color")
    assert color == "rgb(38, 84, 40)"
    paths = [urlsplit(response.url).path for response in tab.received]
    built = [path for path in paths if re.search(r"/main-[\w-]{8}\.[0-9a-f]{12}\.(js|css)$", path)]
    assert len(built) == 2, paths
    for path in built:
        assert "immutable" in tab.answer(path).all_headers()["cache-control"]
