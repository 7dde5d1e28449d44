# SPDX-License-Identifier: MIT
"""What is started for a Server: the command lines, and the scripts around the programs."""
from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Optional, Union

Arg = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Environment = Union[Mapping[str, str], Mapping[bytes, bytes]]

SBIN = ("/usr/sbin", "/usr/local/sbin")

# Not for a coprocd of our own: what is meant for the program that we are, or for the one behind it.
NOT_FOR_COPROCD = re.compile(r"LD_|NOTIFY_SOCKET$|LISTEN_|WATCHDOG_|RUNTIME_DIRECTORY$|"
                             r"JOURNAL_STREAM$|INVOCATION_ID$|COPROCD_")

# Variables that a shell could understand as its own are set by env(1) instead.
PLAIN_NAME = re.compile(rb"(?!(?:_|IFS|PPID|UID|EUID|OPTIND|LINENO|ENV|MAIL.*|PS[0-9]|BASH.*|"
                        rb"SHELLOPTS|HISTSIZE|POSIXLY_CORRECT)$)[A-Za-z_][A-Za-z0-9_]*$")

# Ends coprocd when told to, which is when our process has died at the latest: then the kernel
# sends what setpriv has said, perhaps for several of our threads in turn. Removes the directory
# behind it. Nobody may be left to read what it says.
GUARD = """\
trap 'stop=1; [ -z "$daemon" ] || kill -TERM "$daemon" 2>/dev/null' TERM INT HUP
directory=$2
[ "$PPID" = "$1" ] || { rm -rf -- "$directory"; exit 0; }
shift 2
"$@" &
daemon=$!
[ -z "$stop" ] || kill -TERM "$daemon"
while wait "$daemon"; status=$?; [ "$status" -gt 128 ] && kill -0 "$daemon" 2>/dev/null; do :; done
trap '' TERM INT HUP
rm -rf -- "$directory"
exit "$status"
"""


def command_of(args: Union[Arg, Sequence[Arg]]) -> list[bytes]:
    """The program and its arguments, as Popen takes them."""
    if isinstance(args, (str, bytes, os.PathLike)):
        args = [args]
    command = [os.fsencode(arg) for arg in args]
    if not command:
        raise ValueError("there is no program in args")
    return command


def environment_of(env: Optional[Environment]) -> dict[bytes, bytes]:
    """The whole environment of the program: ours, unless another is given."""
    source: Environment = env if env else os.environb
    return {os.fsencode(name): os.fsencode(value) for name, value in source.items()}


def check_program(name: bytes, env: Mapping[bytes, bytes]) -> None:
    """Raise what Popen raises for a program that cannot be started."""
    if os.path.dirname(name):
        places = [name]
    else:
        path = env.get(b"PATH", os.fsencode(os.defpath))
        places = [os.path.join(place, name) for place in path.split(b":")]
    found = [place for place in places if os.path.exists(place)]
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(name))
    if not any(os.path.isfile(place) and os.access(place, os.X_OK) for place in found):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(found[0]))


def find_tool(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(SBIN))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, "not installed (it is part of util-linux)", name)
    return path


def find_coprocd() -> str:
    """What COPROCD names, else what is in PATH, else what is where it is installed."""
    named = os.environ.get("COPROCD")
    path = shutil.which(named or "coprocd") or (
        None if named else shutil.which("coprocd", path=os.pathsep.join(SBIN)))
    if path is None:
        where = "COPROCD names it, but there is no such program" if named else (
            f"looked in PATH and in {' and '.join(SBIN)}; the variable COPROCD can name it")
        raise FileNotFoundError(errno.ENOENT, where, named or "coprocd")
    return os.path.abspath(path)


def coprocd_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not NOT_FOR_COPROCD.match(name)}


def quoted(word: bytes) -> bytes:
    return b"'" + word.replace(b"'", b"'\\''") + b"'"


def program_script(command: Sequence[bytes], env: Mapping[bytes, bytes], stderr: str) -> bytes:
    """A script for sh that becomes the program, with this environment and stderr.

    In a file of its own, as what is in an environment is nobody else's business, and the
    command line of a process can be seen by all. So coprocd's own libraries are not those
    of an LD_LIBRARY_PATH that is meant for the program.
    """
    lines = [b"unset PWD OLDPWD SHLVL", b"exec 2>" + quoted(os.fsencode(stderr))]
    special = []
    for name, value in env.items():
        if PLAIN_NAME.match(name):
            lines.append(b"export " + name + b"=" + quoted(value))
        else:
            special.append(quoted(name + b"=" + value))
    words = [b"exec", *([b"env", *special] if special else []), *map(quoted, command)]
    return b"\n".join([*lines, b" ".join(words), b""])


def config_text(stop_seconds: int) -> str:
    """The defaults of a Server: the recipe's class has no limits, and recv() says how long."""
    return ("request-timeout = 0s\nhang-timeout = 0s\nmax-request = 16M\nmax-reply = 256M\n"
            "client-buffer = 16M\nrestart-limit = 5\ndrain-timeout = 1ms\n"
            f"stop-timeout = {stop_seconds}s\nlog-target = stderr\nclear-env = yes\n"
            "request-bytes = any\n")


def guard_command(directory: str, daemon: Sequence[str]) -> list[str]:
    """The guard, and behind it coprocd; GUARD is in the directory's file `guard`."""
    setpriv = [find_tool("setpriv"), "--pdeathsig", "TERM", "--"]
    return [*setpriv, "/bin/sh", f"{directory}/guard", str(os.getpid()), directory,
            *setpriv, *daemon]
