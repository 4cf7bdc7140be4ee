"""Static files."""

from __future__ import annotations

import gzip
import os

from espalier_machine.release.compress import compress_static, drop_larger
from espalier_machine.release.static import publish_static, static_files

from .fakes import archive, deploy, run_json


def test_static_files_are_compressed_for_nginx(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/big.css").write_text("a{}" * 1000)
    (tmp_path / "small.css").write_text("a{}")
    (tmp_path / "big.png").write_bytes(b"a" * 5000)
    (tmp_path / "random.js").write_bytes(os.urandom(2000))
    os.chmod(tmp_path / "sub/big.css", 0o600)
    os.utime(tmp_path / "sub/big.css", (1000, 1000))
    left = [tmp_path / "random.js", tmp_path / "sub/big.css"]
    assert compress_static(tmp_path, tmp_path / "store") == left
    names = ["big.png", "random.js", "small.css", "sub/big.css", "sub/big.css.gz"]
    assert list(static_files(tmp_path)) == names
    packed = tmp_path / "sub/big.css.gz"
    assert gzip.decompress(packed.read_bytes()) == b"a{}" * 1000
    assert packed.read_bytes()[4:8] == b"\0\0\0\0"
    assert packed.stat().st_mtime == 1000
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in names} == {"0o644"}


def test_what_the_store_has_compressed_is_not_compressed_again(tmp_path):
    new, store = tmp_path / "new", tmp_path / "store"
    for folder in (new, store):
        folder.mkdir()
        (folder / "a.css").write_text("a{}" * 1000)
    for name in ("a.css.gz", "a.css.br"):
        (store / name).write_text("compressed before")
    assert compress_static(new, store) == []
    assert (new / "a.css.br").stat().st_ino == (store / "a.css.br").stat().st_ino
    assert (new / "a.css.gz").read_text() == "compressed before"
    (new / "a.css.br").unlink()
    (new / "a.css").write_text("b{}" * 1000)
    assert compress_static(new, store) == [new / "a.css"]
    assert not (new / "a.css.br").exists()


def test_a_br_is_kept_where_it_is_smaller(tmp_path):
    for name, size in (("a.css", 2000), ("a.css.br", 100), ("b.js", 2000), ("b.js.br", 2001)):
        (tmp_path / name).write_bytes(os.urandom(size))
    os.utime(tmp_path / "a.css", (1000, 1000))
    drop_larger([tmp_path / "a.css", tmp_path / "b.js", tmp_path / "no-brotli-here.js"])
    assert list(static_files(tmp_path)) == ["a.css", "a.css.br", "b.js"]
    assert (tmp_path / "a.css.br").stat().st_mtime == 1000


def test_the_store_gets_new_files_at_once_and_changed_ones_at_the_switch(tmp_path):
    new, store = tmp_path / "new", tmp_path / "store"
    for path, text in ((new / "js/a.1.js", "one"), (new / "a.js", "new"), (store / "a.js", "old")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (store / "of-an-older-release.js").write_text("kept")
    assert publish_static(new, store, replace=False) == 1
    assert (store / "a.js").read_text() == "old"
    assert (store / "js/a.1.js").stat().st_ino == (new / "js/a.1.js").stat().st_ino
    assert publish_static(new, store, replace=True) == 1
    assert (store / "a.js").read_text() == "new"
    assert publish_static(new, store, replace=True) == 0
    assert sorted(static_files(store)) == ["a.js", "js/a.1.js", "of-an-older-release.js"]


def test_a_compressed_file_never_stands_beside_another_content(tmp_path):
    new, store = tmp_path / "new", tmp_path / "store"
    new.mkdir()
    store.mkdir()
    packed = [(f"site.css{ending}", "new packed") for ending in (".gz", ".br")]
    for path, text in (("site.css", "new"), *packed, ("old.css", "shrunk")):
        (new / path).write_text(text)
    for path, text in (("site.css", "old"), ("old.css", "large"), ("old.css.br", "large packed")):
        (store / path).write_text(text)
    publish_static(new, store, replace=False)
    assert not (store / "site.css.gz").exists()
    assert not (store / "site.css.br").exists()
    publish_static(new, store, replace=True)
    assert (store / "site.css.gz").read_text() == "new packed"
    assert (store / "old.css").read_text() == "shrunk"
    assert not (store / "old.css.br").exists()


def test_what_a_package_ships_collected_is_served_and_compressed_too(machine, tmp_path, capsys):
    shipped = tmp_path / "static.dist"
    for name, text in {"vite/app.js": "built", "site.css": "as built for others"}.items():
        (shipped / name).parent.mkdir(parents=True, exist_ok=True)
        (shipped / name).write_text(text)
    (tmp_path / "shipped").write_text(str(shipped))
    (tmp_path / "compress").touch()
    assert deploy(capsys, tmp_path, "r1", "1" * 16)[0] == 0
    assert (machine.static / "vite/app.js").read_text() == "built"
    assert (machine.static / "site.css").read_text() == "a{}" * 1000
    assert (machine.static / "CACHE/out.css").read_text() == "c{}\n"


def test_static_files_of_dropped_releases_are_removed_and_others_kept(machine, tmp_path, capsys):
    for number in range(1, 5):
        files = {f"code/static/deep/only-{number}.css": f"a{number}" * 1000}
        path = archive(tmp_path / f"{number}.tar.gz", identity=f"{number}" * 16, files=files)
        assert run_json(capsys, "deploy", str(path), "--id", f"r{number}")[0] == 0
    kept = {one.id for one in machine.all()}
    assert kept == {"r3", "r4"}
    there = set(static_files(machine.static))
    assert {name for name in there if "only" in name} == {
        *("deep/only-3.css", "deep/only-3.css.gz", "deep/only-4.css", "deep/only-4.css.gz")
    }
    assert {"site.css", "site.css.gz"} <= there
