"""Fetching Fashion-MNIST from servers on the loopback and with stand-ins for apt."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets import FashionMNIST

from crnn.data import download, idx
from crnn.data.download import Sources
from crnn.data.idx import DataError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class DrippingHandler(QuietHandler):
    """Sends a byte each 20 ms: never silent, never done."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"\x1f")
                time.sleep(0.02)
        except OSError:  # the other side has had enough
            pass


class FloodingHandler(QuietHandler):
    """Sends zeros as fast as they are taken."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(2**20))
        except OSError:
            pass


class Mirrors:
    """Servers on the loopback in place of torchvision's mirrors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.urls: list[str] = []
        self.servers: list[ThreadingHTTPServer] = []
        monkeypatch.setenv("no_proxy", "127.0.0.1")

    @property
    def sources(self) -> Sources:
        """These and no other mirrors."""
        return Sources(mirrors=self.urls)

    def add(self, handler: type[QuietHandler], folder: Path) -> str:
        bound = partial(handler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.servers.append(server)
        self.urls.append(f"http://127.0.0.1:{server.server_port}/")
        return self.urls[-1]

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    mirrors = Mirrors(monkeypatch)
    yield mirrors
    mirrors.close()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that hides the system's apt-get and dpkg, for scripts that stand in for them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cp", "mkdir", "touch", "sleep", "echo", "tail"):
        (folder / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.slow
def test_mirror_that_works_is_used_and_named(mirrors: Mirrors, packed: Path) -> None:
    url = mirrors.add(QuietHandler, packed)
    said: list[str] = []
    contents = download.fetch(Path("/nowhere"), said.append, mirrors.sources)
    assert idx.decode(contents).shape == (70_000, 785)
    assert said == [f"Fetching Fashion-MNIST (30 MB) from {url}"]


def test_next_mirror_is_tried_after_missing_and_damaged_files(
    mirrors: Mirrors, packed: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b but no gzip")
    mirrors.add(QuietHandler, empty)
    mirrors.add(QuietHandler, damaged)
    mirrors.add(QuietHandler, packed)
    said: list[str] = []
    assert download.from_mirrors(said.append, mirrors.sources).keys() == idx.SHA256.keys()
    assert "404" in said[1]
    assert "it does not unpack" in said[3]
    assert len(said) == 5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose addresses were asked for, on a machine without a network."""
    hosts: list[str] = []

    def refuse(host: str, *_: object) -> None:
        hosts.append(host)
        raise OSError("no network here")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return hosts


def test_s3_websites_are_asked_by_https_first(asked: list[str]) -> None:
    said: list[str] = []
    websites = Sources(mirrors=["http://x.s3-website.eu-1.amazonaws.com/"])
    with pytest.raises(DataError, match="no network here"):
        download.from_mirrors(said.append, websites)
    assert asked == ["x.s3.eu-1.amazonaws.com", "x.s3-website.eu-1.amazonaws.com"]
    assert [line.rpartition(" ")[2] for line in said[::2]] == [
        "https://x.s3.eu-1.amazonaws.com/",
        "http://x.s3-website.eu-1.amazonaws.com/",
    ]


def test_unless_others_are_given_torchvisions_mirrors_are_asked(asked: list[str]) -> None:
    with pytest.raises(DataError) as refused:
        download.from_mirrors(lambda line: None)
    assert len(asked) >= len(FashionMNIST.mirrors)
    assert all(
        f"{mirror}: no network here" in str(refused.value) for mirror in FashionMNIST.mirrors
    )


def test_mirror_that_never_answers_is_given_up(mirrors: Mirrors) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirrors.urls.append(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(DataError, match=r"no answer within|timed out"):
            download.from_mirrors(lambda line: None, replace(mirrors.sources, answer_seconds=0.2))


def test_name_that_is_never_resolved_is_given_up(
    mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = threading.Event()

    def look_up(*args: object, **kwargs: object) -> list[object]:
        resolved.wait()
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    mirrors.urls.append("http://mirror.invalid/")
    with pytest.raises(DataError, match=r"no answer within 0\.2 s"):
        download.from_mirrors(lambda line: None, replace(mirrors.sources, answer_seconds=0.2))
    resolved.set()


@pytest.mark.parametrize(
    ("handler", "limits", "message"),
    [
        (DrippingHandler, {"download_seconds": 0.2}, r"not finished after 0\.2 s"),
        (FloodingHandler, {"most_bytes": 2**21}, "too large to be Fashion-MNIST's"),
    ],
)
def test_mirror_that_never_ends_is_given_up(
    mirrors: Mirrors,
    tmp_path: Path,
    handler: type[QuietHandler],
    limits: dict[str, Any],
    message: str,
) -> None:
    mirrors.add(handler, tmp_path)
    with pytest.raises(DataError, match=message):
        download.from_mirrors(lambda line: None, replace(mirrors.sources, **limits))


def test_package_is_installed_by_root_after_an_update(
    programs: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, updated = tmp_path / "installed", tmp_path / "updated"
    script(
        programs,
        "apt-get",
        f"""for word; do case $word in
update) touch '{updated}' ;;
install) if [ -e '{updated}' ]; then cp -r '{packed}' '{installed}'
  else echo 'E: Unable to locate package'; exit 100; fi ;;
esac; done""",
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said: list[str] = []
    sources = Sources(package_folder=installed)
    assert download.from_debian(said.append, sources).keys() == idx.SHA256.keys()
    assert said == ["Installing Debian's package dataset-fashion-mnist"]


def test_package_is_only_unpacked_without_root(
    programs: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(programs, "apt-get", 'for last; do :; done; [ "$last" = update ] || touch "$last.deb"')
    script(
        programs,
        "dpkg",
        f"""[ "$1" = -x ] && [ -e "$2" ] && mkdir -p "$3/usr/share/datasets"
cp -r '{packed}' "$3/usr/share/datasets/fashion-mnist" """,
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said: list[str] = []
    assert download.from_debian(said.append).keys() == idx.SHA256.keys()
    assert said == [
        "Downloading Debian's package dataset-fashion-mnist (no root, so it is not installed)"
    ]


def test_apt_that_never_ends_is_given_up(programs: Path) -> None:
    script(programs, "apt-get", "exec sleep 60")
    with pytest.raises(DataError, match=r"^apt-get .*: not finished after 0\.2 s$"):
        download.from_debian(lambda line: None, Sources(apt_seconds=0.2))


def test_where_nothing_works_all_tries_and_the_fix_are_named(
    mirrors: Mirrors, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed_port = server.getsockname()[1]
    mirrors.urls.append(f"http://127.0.0.1:{closed_port}/")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DataError) as without_apt:
        download.fetch(Path("/my/data"), lambda line: None, mirrors.sources)
    script(programs, "apt-get", "echo 'Reading...'; echo 'E: no such package'; exit 100")
    with pytest.raises(DataError) as apt_fails:
        download.fetch(Path("/my/data"), lambda line: None, mirrors.sources)
    for error in (without_apt, apt_fails):
        text = str(error.value)
        assert f"http://127.0.0.1:{closed_port}/" in text
        assert "Connection refused" in text
        assert all(f"{name}.gz" in text for name in idx.SHA256)
        assert "into /my/data and run the same command again" in text
        assert "\n" not in text
    assert "no apt-get on this machine" in str(without_apt.value)
    assert "apt-get update: E: no such package" in str(apt_fails.value)
