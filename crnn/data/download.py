"""Fashion-MNIST from elsewhere: torchvision's mirrors, failing these Debian's package.

Nothing here waits for ever: `Sources` says how long a mirror has to answer, and how long all of
them together have, whatever trickles in, and apt.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from crnn.data import idx
from crnn.data.idx import DataError

ANSWER_SECONDS = 20.0
DOWNLOAD_SECONDS = 300.0
APT_SECONDS = 300.0
MOST_BYTES = 64 * 2**20  # the largest file has 25 MiB, and something else may be answering
CHUNK_BYTES = 64 * 2**10
PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
APT_SETTINGS = (
    f"Acquire::http::Timeout={ANSWER_SECONDS:.0f}",
    f"Acquire::https::Timeout={ANSWER_SECONDS:.0f}",
    "Acquire::Retries=0",
    "DPkg::Lock::Timeout=60",
)
REINSTALL = f"mend it with: sudo apt-get install --reinstall {PACKAGE}"


@dataclass(frozen=True)
class Sources:
    """Where Fashion-MNIST is looked for and fetched from, and what each source may take.

    Attributes:
        mirrors: addresses that the files' names follow, in the order in which they are asked;
            torchvision's unless given.
        package_folder: where Debian's package puts the files.
        answer_seconds: until a mirror has answered.
        download_seconds: of all mirrors together.
        apt_seconds: of apt and dpkg together.
        most_bytes: of a file from a mirror.
    """

    mirrors: Sequence[str] | None = None
    package_folder: Path = PACKAGE_FOLDER
    answer_seconds: float = ANSWER_SECONDS
    download_seconds: float = DOWNLOAD_SECONDS
    apt_seconds: float = APT_SECONDS
    most_bytes: int = MOST_BYTES


class _Deadline:
    """The end of so many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.at = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(self.at - time.monotonic(), 0)

    @property
    def missed(self) -> str:
        """What is said of something that has taken longer."""
        return f"not finished after {self.seconds:g} s"


def fetch(
    folder: Path, say: Callable[[str], None], sources: Sources = Sources()
) -> dict[str, bytes]:
    """The verified content of the four files, by name, from the first source that has it.

    Args:
        folder: Where the files can be put by hand, for the error's text; nothing is written.
        say: Called with a line for each step.
        sources: Where from.

    Raises:
        DataError: No source could be reached; says what was tried, and which files to put where.
    """
    failures = []
    for source in (from_mirrors, from_debian):
        try:
            return source(say, sources)
        except DataError as error:
            failures.append(str(error))
    names = ", ".join(f"{name}.gz" for name in idx.SHA256)
    raise DataError(
        f"Fashion-MNIST could not be fetched: {'; '.join(failures)}; "
        f"put {names} (packed or not) into {folder} and run the same command again"
    )


def from_mirrors(say: Callable[[str], None], sources: Sources = Sources()) -> dict[str, bytes]:
    """The four files from the first of the mirrors that works.

    Raises:
        DataError: None does; says why not, for each.
    """
    deadline = _Deadline(sources.download_seconds)
    failures = []
    for mirror in _mirrors(sources):
        say(f"Fetching Fashion-MNIST (30 MB) from {mirror}")
        try:
            return {name: _download(mirror, name, deadline, sources) for name in idx.SHA256}
        except (OSError, HTTPException, DataError) as error:
            reason = str(error).removeprefix("<urlopen error ").removesuffix(">")
            failures.append(f"{mirror}: {reason}")
            say(f"That did not work: {reason}")
    raise DataError("; ".join(failures))


def _mirrors(sources: Sources) -> Iterator[str]:
    mirrors = sources.mirrors
    if mirrors is None:
        # Imported here because it takes seconds, and only a first run needs it.
        from torchvision.datasets import FashionMNIST

        mirrors = FashionMNIST.mirrors
    for mirror in mirrors:
        # S3's website hosts speak HTTP only; the REST host of the same bucket has HTTPS.
        if ".s3-website." in mirror:
            yield mirror.replace("http://", "https://").replace(".s3-website.", ".s3.")
        yield mirror


def _download(mirror: str, name: str, deadline: _Deadline, sources: Sources) -> bytes:
    url = f"{mirror}{name}.gz"
    body = bytearray()
    with _open(url, sources.answer_seconds) as response:
        # read1 returns what has come, so the clock is looked at however slowly it comes.
        while chunk := response.read1(CHUNK_BYTES):
            body += chunk
            if not deadline.left:
                raise TimeoutError(deadline.missed)
            if len(body) > sources.most_bytes:
                raise DataError(f"{url} is too large to be Fashion-MNIST's")
    return idx.unpack(name, bytes(body), url, "another source is needed")


def _open(url: str, seconds: float) -> HTTPResponse:
    """``urlopen``, given up after so many seconds in all.

    Its own timeout holds for each of a host's addresses and each header line anew, and not for
    the look-up of the name; so it is left to a thread that nobody need wait for.
    """
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urlopen(url, timeout=seconds))
        except Exception as error:  # handed on to the caller, whatever it is
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(answer, HTTPError):
        answer.close()  # a 404's page, which nobody reads
    if isinstance(answer, Exception):
        raise answer
    return answer


def from_debian(say: Callable[[str], None], sources: Sources = Sources()) -> dict[str, bytes]:
    """The four files from Debian's package: installed as root, else only unpacked.

    Raises:
        DataError: There is no apt here, or it failed; says how.
    """
    if shutil.which("apt-get") is None:
        raise DataError(f"Debian's package {PACKAGE}: no apt-get on this machine")
    deadline = _Deadline(sources.apt_seconds)
    if os.geteuid() == 0:
        say(f"Installing Debian's package {PACKAGE}")
        _install(deadline)
        return _read_package(sources.package_folder)
    say(f"Downloading Debian's package {PACKAGE} (no root, so it is not installed)")
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(Path(scratch), deadline)
        return _read_package(Path(scratch) / PACKAGE_FOLDER.relative_to("/"))


def _install(deadline: _Deadline) -> None:
    install = ["install", "-y", "--no-install-recommends", PACKAGE]
    try:
        _apt(install, Path("/"), deadline)
    except DataError:  # a machine whose package lists are missing or old
        _apt(["update"], Path("/"), deadline)
        _apt(install, Path("/"), deadline)


def _unpack(scratch: Path, deadline: _Deadline) -> None:
    # Package lists of its own: the system's may be missing, and only root can fetch those.
    lists, cache = scratch / "lists", scratch / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    private = (f"Dir::State::Lists={lists}", f"Dir::Cache={cache}")
    _apt(["update"], scratch, deadline, private)
    _apt(["download", PACKAGE], scratch, deadline, private)
    for package in scratch.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(scratch)], "dpkg -x", scratch, deadline)


def _apt(
    words: list[str], folder: Path, deadline: _Deadline, settings: tuple[str, ...] = ()
) -> None:
    options = [word for setting in APT_SETTINGS + settings for word in ("-o", setting)]
    _run(["apt-get", *options, *words], f"apt-get {' '.join(words)}", folder, deadline)


def _run(command: list[str], what: str, folder: Path, deadline: _Deadline) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline.left,
            check=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{what}: {deadline.missed}") from None
    except subprocess.CalledProcessError as error:
        last_line = error.stdout.strip().rpartition("\n")[2] or f"exit status {error.returncode}"
        raise DataError(f"{what}: {last_line}") from error


def _read_package(folder: Path) -> dict[str, bytes]:
    files = idx.find(folder)
    if len(files) < len(idx.SHA256):
        raise DataError(f"Debian's package {PACKAGE} left no complete set in {folder}")
    return idx.read(files, REINSTALL)
