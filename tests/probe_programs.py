# SPDX-License-Identifier: MIT
"""Real programs, and what they must answer when served as `coprocctl probe` says."""
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SHORT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a",
         "GIT_COMMITTER_EMAIL": "a", "PATH": "/usr/bin:/bin"}


@dataclass
class Program:
    command: tuple[str, ...]
    dialogue: list[tuple[str, str]]  # what a client sends, and all that it gets
    options: dict[str, str | None] = field(default_factory=dict)  # printed in any case
    loose: bool = False  # the reply must be in what comes


def prepare(directory: Path) -> None:
    """What the programs need: a repository, a file to run."""
    for words in (["init", "-q"], ["add", "known"], ["commit", "-qm", "x"]):
        (directory / "known").write_text("hello\n")
        subprocess.run(["git", *words], cwd=directory, env=SHORT, check=True)
    (directory / "prompt.py").write_text(
        "import sys\n"
        "print('welcome\\n> ', end='', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print(line.upper() + 'done\\n> ', end='', flush=True)\n")
    (directory / "words.pl").write_text("while (<>) { print scalar(split), \"\\n\"; }\n")


BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"

PROGRAMS = [
    Program(("cat",), [("a\n", "a\n"), ("\n", "\n")],
            {"reply": "line", "line-buffered": None, "pty": None, "max-request": None}),
    Program(("tr", "a-z", "A-Z"), [("abc\n", "ABC\n"), ("\n", "\n")],
            {"reply": "line", "line-buffered": "yes"}),
    Program(("sed", "s/^/it's \"/"), [("a\n", "it's \"a\n"), ("b\n", "it's \"b\n")],
            {"line-buffered": "yes"}),
    Program(("bc", "-lq"), [("6*7\n", "+42\n"), ("x=5\n", "*0\n"), ("1;2\n", "*2\n1\n2\n"),
                            ("1/0\n", "*0\n")], {"env": "BC_LINE_LENGTH=0"}),
    Program(("sqlite3", ":memory:"),
            [("select 6*7;\n", "+42\n"), ("values (1), (2);\n", "*2\n1\n2\n"),
             ("select 1 where 0;\n", "*0\n"), ("nonsense;\n", "*0\n")]),
    Program(("jq", "-c", "."), [("[1,  2]\n", "[1,2]\n"), ('{"a": 1}\n', '{"a":1}\n')],
            {"reply": "line", "line-buffered": "yes", "no-reply": "^$"}),
    Program(("hunspell", "-a", "-d", "en_US"),
            [("hello world\n", "*\n*\n\n"), ("\n", "\n"), ("*hello\n", "*\n\n")],
            {"reply": "until:", "banner": "lines:1", "request-prefix": "^"}),
    Program(("mecab", "-O", "wakati"), [("東京に住む\n", "東京 に 住む \n")], {"reply": "line"}),
    Program(("mecab",), [("東京\n", "\nEOS\n"), ("\n", "EOS\n")], {"reply": "until:EOS"}, True),
]

OTHERS = [
    Program(("aspell", "-a"), [("hello world\n", "*\n*\n\n"), ("*hello\n", "*\n\n")],
            {"reply": "until:", "banner": "lines:1"}),
    Program(("dc",), [("6 7*p\n", "+42\n"), ("1 2pp\n", "*2\n2\n2\n"), ("5 sx\n", "*0\n")]),
    Program(("git", "cat-file", "--batch-check"),
            [("HEAD:known\n", f"{BLOB} blob 6\n"), ("nothing\n", "nothing missing\n")],
            {"reply": "line"}),
    Program(("git", "cat-file", "--batch"),
            [("HEAD:known\n", f"{BLOB} blob 6\nhello\n\n"), ("nothing\n", "nothing missing\n")],
            {"reply": "sized:^\\S+ \\S+ (\\d+)$"}),
    Program(("gnugo", "--mode", "gtp"),
            [("7 name\n", "=7 GNU Go\n\n"), ("nonsense\n", "? unknown command\n\n")],
            {"reply": "until:"}),
    Program(("mawk", "{print NF}"), [("a b c\n", "3\n"), ("\n", "0\n")]),
    Program(("gawk", "{print NF}"), [("a b c\n", "3\n"), ("\n", "0\n")]),
    Program(("perl", "words.pl"), [("a b c\n", "3\n"), ("\n", "0\n")],
            {"env": "PERLIO=:unix"}),
    Program(("perl", "-ne", "print uc"), [("abc\n", "ABC\n"), ("\n", "\n")]),
    Program(("python3", "prompt.py"), [("abc\n", "*3\nABC\ndone\n> \n")],
            {"reply": "prompt:>\\x20", "banner": "prompt:>\\x20"}),
    Program(("python3", "-u", "-q", "-i"), [("6*7\n", "+42\n"), ("x = 5\n", "*0\n")]),
    Program(("/usr/lib/squid/url_fake_rewrite",), [("http://a.example/\n", "ERR\n")],
            {"reply": "channel", "max-request": "8100"}),
    Program(("link-parser", "en"), [("Dogs bark.\n", "Linkage 1"), ("This is it.\n", "Linkage")],
            {"line-buffered": "yes"}, True),
    Program(("gdb", "-q", "-nx", "--interpreter=mi2"),
            [("7-gdb-show confirm\n", '7^done,value="on"\n(gdb) \n')]),
    Program(("exiftool", "-stay_open", "True", "-@", "-"),
            [("-ver\n-execute\n", "+12."), ("-echo\na\n-ver\n-execute\n", "*2\na\n12.")],
            {"stop-timeout": "500ms"}, True),
    Program(("stockfish",),
            [("position startpos\ngo depth 3\n\n", "bestmove "), ("isready\n\n", "readyok\n")],
            {"ready": "probe:isready=>readyok"}, True),
    Program(("lt-proc", "-z", "/usr/share/apertium/apertium-eng-spa/eng-spa.automorf.bin"),
            [("cats\n", "^cats/cat<n><pl>")], {"reply": "nul"}, True),
    Program(("octave", "-q", "--no-gui", "--no-line-editing"),
            [("6*7\n", "+ans = 42\n"), ("x = 5;\n", "*0\n")]),
]
