#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The completions for bash and zsh, by the real shells; TAP.

environment: COPROCD, COPROCCTL, SOURCE_ROOT
"""
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tap import DEADLINE, need, run_all
from terminal import Terminal

COPROCD = os.environ["COPROCD"]
CTL = os.environ["COPROCCTL"]
ROOT = Path(os.environ["SOURCE_ROOT"])
FOLDER = ROOT / "contrib" / "completions"
COMMANDS = {"ask", "repl", "bench", "status", "clients", "top", "pause", "drain", "resume", "restart",
            "reload", "upgrade", "probe"}


def output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, (argv, done)
    return done.stdout


def help_options(program: str, *words: str) -> set[str]:
    """The options that start a line of the summary, or stand behind a short one."""
    text = output(program, *words, "--help")
    found = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.M))
    return found | set(re.findall(r"^  --\w+, (--\w+)", text, re.M))


def bash(program: str, *words: str, number: int | None = None) -> set[str]:
    """What is offered for the last of the words, or for that with this number."""
    line = ["coprocd" if program == "coprocd" else "coprocctl", *words]
    script = (f"source {FOLDER / program}.bash\n"
              f"COMP_WORDS=({' '.join(map(shlex.quote, line))})\n"
              f"COMP_CWORD={len(line) - 1 if number is None else number}\n"
              f"_{program}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
    done = subprocess.run([need("bash"), "--norc", "-uc", script], capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    assert done.returncode == 0 and not done.stderr, (words, done)
    return set(filter(None, done.stdout.split("\n")))


def zsh_specs(program: str, *words: str) -> set[str]:
    """The options that the function of zsh describes when these words stand behind it."""
    state = f"state=argument words=({' '.join(words)})" if words else ":"
    script = (f"_arguments() {{ {state}; print -rl -- \"$@\"; [[ -z $words ]] }}\n"
              f"_describe() {{ print -rl -- \"${{(P@)2}}\" }}\nwords=()\n"
              f"source {FOLDER / ('_' + program)}\n")
    done = subprocess.run([need("zsh"), "-fc", script], capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    assert not done.stderr, done
    return set(re.findall(r"(?:^|\))\*?(--[a-z-]+)=?\[", done.stdout, re.M))


# ---- coprocd ----

def test_bash_completes_every_option_of_the_daemon(_: Path) -> None:
    options = help_options(COPROCD)
    assert len(options) > 50, options
    assert bash("coprocd", "--") == options


def test_zsh_describes_every_option_of_the_daemon(_: Path) -> None:
    assert zsh_specs("coprocd") == help_options(COPROCD)


def test_bash_completes_words_that_an_option_takes(_: Path) -> None:
    assert bash("coprocd", "--overload", "") == {"reject", "wait"}
    assert bash("coprocd", "--reply", "unt") == {"until:", "until-match:"}
    assert bash("coprocd", "--log-level", "w") == {"warning"}
    assert bash("coprocd", "--end", "=", "st") == {"strip"}
    assert bash("coprocd", "--end", "=") == {"strip", "keep"}
    assert "root" in bash("coprocd", "--user", "roo")
    assert bash("coprocd", "--window", "4", "--end", "=", "keep", "--log-t") == {"--log-target"}


def test_bash_words_are_those_of_the_help(_: Path) -> None:
    text = " ".join(output(COPROCD, "--help").split())
    for option in ("reply", "end", "banner", "ready", "overload", "request-bytes", "log-level",
                   "log-target"):
        match = re.search(rf"--{option} [A-Z]+ .*?\[[^]]*\] (.*?)(?= --|$)", text)
        assert match, option
        allowed = {re.sub(r"(:).*", r"\1", word) for word in
                   re.sub(r" \([^)]*\)", "", match.group(1)).replace(" or ", ", ").split(", ")}
        assert bash("coprocd", f"--{option}", "") == allowed, option


def test_bash_completes_files_and_folders(directory: Path) -> None:
    (directory / "one.conf").touch()
    (directory / "two words").mkdir()
    assert bash("coprocd", "--config", f"{directory}/o") == {f"{directory}/one.conf"}
    assert bash("coprocd", "--directory", f"{directory}/") == {f"{directory}/two words"}


def test_bash_completes_the_program_behind_the_options(_: Path) -> None:
    for words in (["seq"], ["--window", "4", "seq"], ["--pty", "--", "seq"], ["--end=keep", "seq"],
                  ["--end", "=", "keep", "seq"]):
        assert "seq" in bash("coprocd", *words), words
    # What stands behind the program is not the daemon's.
    assert "--config" not in bash("coprocd", "cat", "--con")
    assert bash("coprocd", "--listen", "s", "--conf", number=3) == {"--config"}


# ---- coprocctl ----

def test_bash_completes_commands_and_options_of_the_tool(_: Path) -> None:
    assert bash("coprocctl", "") == COMMANDS
    assert bash("coprocctl", "-s", "x", "re") == {"repl", "resume", "restart", "reload"}
    found = set().union(*(bash("coprocctl", *([c] if c else []), "--") for c in COMMANDS | {""}))
    assert found - {"--"} == help_options(CTL) | help_options(CTL, "probe") | {"--version",
                                                                            "--help"}, found
    assert bash("coprocctl", "status", "--j") == {"--json"}
    assert bash("coprocctl", "restart", "--j") == set()
    assert bash("coprocctl", "ask", "word", "--j") == set()


def test_zsh_describes_options_of_the_tool(_: Path) -> None:
    found = set().union(zsh_specs("coprocctl"), *(zsh_specs("coprocctl", c) for c in COMMANDS))
    assert found == help_options(CTL) | help_options(CTL, "probe") | {"--version", "--help"}, found


def test_help_and_manual_of_the_tool_name_the_same_options_and_commands(_: Path) -> None:
    text = (ROOT / "daemon" / "coprocctl.1").read_text()
    manual = {"--" + name for name in re.findall(r"Fl -([a-z-]+)", text)} - {"--"}
    assert manual == help_options(CTL) | help_options(CTL, "probe") | {"--version", "--help"}
    assert set(re.findall(r"^\.(?:It )?Cm (?:[a-z]+ \| )*([a-z]+)", text, re.M)) >= {"ask", "top"}
    for command in COMMANDS:
        assert re.search(rf"\bCm (?:\w+ \| )*{command}\b", text), command
        assert re.search(rf"\b{command}\b", output(CTL, "--help")), command


def test_bash_completes_the_program_to_probe(_: Path) -> None:
    assert "seq" in bash("coprocctl", "probe", "--request", "x", "seq")
    assert "seq" in bash("coprocctl", "probe", "--", "seq")
    assert bash("coprocctl", "probe", "--time-limit", "1") == {"1s", "10s", "1m"}


# ---- as typed ----

def test_zsh_completes_what_is_typed(directory: Path) -> None:
    (directory / "file.conf").touch()
    with Terminal([need("zsh"), "-f", "-i"], env={"PS1": "$ ", "HOME": str(directory),
                                                  "TERM": "dumb"}) as shell:
        shell.type(f"fpath=({FOLDER} $fpath); autoload -U compinit; compinit -D -u\n")
        shell.type("echo go''on\n")
        shell.expect("goon")
        for typed, becomes in (("coprocd --log-l\t", "coprocd --log-level="),
                               ("coprocd --overload=rej\t", "coprocd --overload=reject"),
                               (f"coprocd --config={directory}/fi\t", r"/file\.conf"),
                               ("coprocctl stat\t", "coprocctl status"),
                               ("coprocctl bench --cli\t", "coprocctl bench --clients="),
                               ("coprocctl probe --time-l\t", "probe --time-limit=")):
            shell.type(typed)
            shell.expect(becomes)
            shell.type("\x15")
        shell.type("exit\n")
        shell.finish()


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
