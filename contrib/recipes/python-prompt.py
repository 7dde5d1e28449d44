# SPDX-License-Identifier: MIT
"""A Python shell for programs: one line in, its output and a prompt out.

No line can swallow the next one: what is incomplete is an error, standard input is
empty for it, and its variables go with it. Output is handed on as a whole; a line of
it that starts like the prompt gets a blank in front.
"""
import builtins
import code
import contextlib
import io
import os
import re
import sys

PROMPT = ">>> "


def run(line: str) -> str:
    """What a line prints, tracebacks included."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            shell = code.InteractiveInterpreter({"__name__": "__main__"})
            if shell.runsource(line + "\n"):
                print("SyntaxError: incomplete input")
        except BaseException as error:  # pylint: disable=broad-except
            print(f"{type(error).__name__}: {error}")
    vars(builtins).pop("_", None)
    text = output.getvalue()
    return text + "\n" if text and not text.endswith("\n") else text


def main() -> None:
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdin = open(0, encoding="utf-8")
    text = ""
    while True:
        text = re.sub(f"(?m)^(?={PROMPT})", " ", text)
        replies.write((text + PROMPT).encode(errors="backslashreplace"))
        replies.flush()
        line = requests.readline()
        if not line:
            return
        text = run(line.decode(errors="replace").rstrip("\n"))


main()
