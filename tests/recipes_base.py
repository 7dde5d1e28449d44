# SPDX-License-Identifier: MIT
"""What a recipe of contrib/recipes is to its test: requests, replies, and what is to do no harm."""
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional, Sequence, Union

# What the reply to a request must be: these bytes, each line with its LF (b"" is no line at
# all, an LF is put behind a last line without one); a pattern that matches all of them; a
# predicate of them; or, as str, the code of an error ("bad-request").
Expect = Union[bytes, "re.Pattern[bytes]", Callable[[bytes], bool], str]
Pair = tuple[bytes, Expect]

RECIPES_DIR = Path(__file__).resolve().parent.parent / "contrib" / "recipes"
# What the plain configuration keeps of a recipe: how to start the program and to speak to it.
# Where its replies end, and which requests it must not get, are the recipe's own.
PLAIN_KEYS = ("command", "env", "clear-env", "directory", "line-buffered", "pty", "banner", "ready",
              "start-timeout", "request-suffix")


@dataclass(frozen=True)
class Poison:
    """A request that harms others where replies are matched by position alone."""
    text: bytes
    restart: bool = False  # under the recipe it may cost the process, and others an error
    expect: Optional[Expect] = None  # what its own reply is under the recipe; None: anything
    plain: bool = True  # to be tried with the plain configuration too
    times: int = 0  # that it is sent; 0: as often as the others of its recipe


@dataclass(frozen=True)
class Recipe:
    """One program and its configuration, contrib/recipes/NAME.conf."""
    name: str
    package: str  # of Debian
    version: Sequence[str]  # the command whose first line of output names the version
    requests: Sequence[Pair]
    # Requests made of a number that no other request has, so that each reply is unlike others.
    numbered: Sequence[Callable[[int], Pair]] = ()
    odd: Sequence[bytes] = ()
    poison: Sequence[Union[bytes, Poison]] = ()
    restart_ok: bool = False  # an odd request, or a poison given as bytes, may cost the process
    setup: Optional[Callable[[Path], None]] = None  # makes files in the directory of the test
    # Options for the command line, which win over the file; {dir} is the directory of the test.
    options: dict[str, str] = field(default_factory=dict)
    variant: str = ""  # for another test of the same file, as with another command
    command: Sequence[str] = ()  # in the place of the file's
    # Another program in the plain configuration, without the file's banner and ready.
    plain_command: str = ""
    plain_options: dict[str, str] = field(default_factory=dict)  # more for the plain configuration
    needs: Sequence[str] = ()  # programs or paths that must be there, beside version[0]
    # Requests with the plain configuration; without any: those above with one line of reply, or
    # the first lines of the replies if all have more.
    plain_requests: Sequence[Pair] = ()
    plain: bool = True  # to be tried with the plain configuration
    plain_fits: bool = True  # there are replies of one line, which come right then
    times: int = 10  # that each poison is sent
    kills: int = 3  # of its process
    pace: float = 1.0  # all time-outs of the test are so many times longer

    def title(self) -> str:
        return f"{self.name} ({self.variant})" if self.variant else self.name

    def path(self) -> Path:
        return RECIPES_DIR / f"{self.name}.conf"

    def missing(self) -> list[str]:
        return [what for what in (self.version[0], *self.needs)
                if not (os.path.exists(what) or shutil.which(what))]

    def version_line(self) -> str:
        done = subprocess.run(self.version, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        return lines[0].strip() if lines else "unknown"

    def poisons(self) -> list[Poison]:
        return [p if isinstance(p, Poison) else Poison(p, self.restart_ok) for p in self.poison]

    def all_odd(self) -> list[bytes]:
        return [b"", b"a" * 100_000, b"\xff\xfe\xc3(", *self.odd]

    def pair(self, turn: int, client: int = 0) -> Pair:
        """Request and reply of a client's turn: each kind in turn, no number twice."""
        kind = turn % (len(self.requests) + len(self.numbered))
        if kind < len(self.requests):
            return self.requests[kind]
        return self.numbered[kind - len(self.requests)](turn * 64 + client % 64)

    def for_plain(self) -> "Recipe":
        """The same program with the plain configuration: requests of which a line is the reply."""
        if self.plain_requests:
            return replace(self, requests=self.plain_requests, numbered=())
        for lines in (lambda n: n == 1, lambda n: n > 1):
            requests = [first_line(p) for p in self.requests if lines(line_count(p))]
            numbered = [one_line(make) for make in self.numbered if lines(line_count(make(1)))]
            if requests or numbered:
                return replace(self, requests=requests, numbered=numbered)
        raise AssertionError(f"{self.name}: plain_requests are needed")


def line_count(pair: Pair) -> int:
    """Of the reply; 0 where it is not known by the letter."""
    return pair[1].count(b"\n") if isinstance(pair[1], bytes) else 0


def first_line(pair: Pair) -> Pair:
    request, expect = pair
    assert isinstance(expect, bytes)
    return request, expect.partition(b"\n")[0] + b"\n"


def one_line(make: Callable[[int], Pair]) -> Callable[[int], Pair]:
    return lambda number: first_line(make(number))


def config_lines(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for line in path.read_text().splitlines():
        if line.strip() and line.lstrip()[0] not in "#;":
            key, _, value = line.partition("=")
            pairs.append((key.strip(), value.strip()))
    return pairs


def listen_details(path: Path) -> list[str]:
    """The details of the recipe's first socket that say how requests are made."""
    for key, value in config_lines(path):
        if key == "listen":
            return [d for d in value.split(",")[1:] if d.startswith("request=")]
    return []


def encoder(details: list[str]) -> Callable[[bytes], bytes]:
    """How a client sends a request to a socket of such details."""
    kind, _, text = details[0].removeprefix("request=").partition(":") if details else ("", "", "")
    if kind == "until":
        return lambda request: (request + b"\n" if request else b"") + text.encode() + b"\n"
    if kind == "nul":
        return lambda request: request + b"\0"
    if kind == "sized":
        return lambda request: b"%d\n" % len(request) + request
    return lambda request: request + b"\n"


def fits(reply: bytes, expect: Optional[Expect]) -> bool:
    if expect is None:
        return True
    if isinstance(expect, str):
        return False
    if isinstance(expect, bytes):
        return reply == expect
    if isinstance(expect, re.Pattern):
        return expect.fullmatch(reply) is not None
    return expect(reply)


def write_plain(recipe: Recipe, directory: Path) -> Path:
    """The configuration that only starts the program: a line in, a line out."""
    command = recipe.plain_command or shlex.join(recipe.command)
    others = {"command"} if command else set()
    if recipe.plain_command:
        others |= {"banner", "ready"}
    pairs = [(k, v) for k, v in config_lines(recipe.path()) if k in PLAIN_KEYS and k not in others]
    pairs += [("command", command)] if command else []
    pairs += recipe.plain_options.items()
    path = directory / "plain.conf"
    path.write_text("".join(f"{key} = {value}\n" for key, value in pairs))
    return path
