# SPDX-License-Identifier: MIT
"""The recipes of spelling checkers, calculators, SQLite, ed, Git, MeCab, jq and line filters."""
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

from recipes_base import Pair, Poison, Recipe

LONG_NUMBER = str(2 ** 300).encode() + b"\n"
CONSONANTS = "bcdfghjklmnpqrstvwxz"


def unknown_word(number: int) -> bytes:
    """A word of consonants that no dictionary has, another one for each number."""
    letters = ""
    while number or not letters:
        number, digit = divmod(number, len(CONSONANTS))
        letters += CONSONANTS[digit]
    return f"zq{letters}qz".encode()


def spell_words(number: int) -> Pair:
    count = 1 + number // 64 % 61
    return b"hello " * count, b"*\n" * count + b"\n"


def spell_unknown(number: int) -> Pair:
    word = unknown_word(number)
    return word, re.compile(rb"(# " + word + rb" 1|& " + word + rb" \d+ 1: .*)\n\n")


def spell_plain(number: int) -> Pair:
    word = unknown_word(number)
    return word, re.compile(rb"(# " + word + rb" 0|& " + word + rb" \d+ 0: .*)\n")


# With `reply = line` only a request without a word is answered; one with a word has two lines
# (but one, an empty line, is what a word has that is right, once `!` has got through).
SPELL_PLAIN = [pair for n in range(40) for pair in [(b"   ", b"\n")] * 7
               + [spell_plain(n), (b"hello", b"*\n")]]
SPELL_COMMANDS = [Poison(b"*foo", expect=b"*\n\n"), Poison(b"!", expect=b"\n"),
                  Poison(b"@hello", expect=b"*\n\n", plain=False),
                  Poison(b"#", expect=b"\n", plain=False)]

HUNSPELL = Recipe(
    name="hunspell", package="hunspell hunspell-en-us", version=["hunspell", "--version"],
    requests=[(b"hello", b"*\n\n"), (b"", b"\n"), (b"hello there world", b"*\n*\n*\n\n"),
              (b"hello wrld", re.compile(rb"\*\n& wrld \d+ 7: .*\n\n")),
              (b"$$cr x", re.compile(rb"\*\n(.*\n)?\n")), (b"^hello", b"*\n\n")],
    numbered=[spell_words] * 4 + [spell_unknown],  # a word it does not know takes it 50 ms
    odd=[b"   ", b"na\xc3\xafve", b"a" * 8000, b"a\tb\x01c\x7f", b"hello\r"],
    poison=[*SPELL_COMMANDS, Poison(b"x" * 9000, expect="too-long")],
    plain_requests=SPELL_PLAIN)

ASPELL = Recipe(
    name="aspell", package="aspell aspell-en", version=["aspell", "--version"],
    requests=[(b"hello", b"*\n\n"), (b"", b"\n"), (b"hello there world", b"*\n*\n*\n\n"),
              (b"hello wrld", re.compile(rb"\*\n& wrld \d+ 7: .*\n\n")), (b"12345", b"\n")],
    numbered=[spell_words, spell_unknown],
    odd=[b"   ", b"na\xc3\xafve", b"a" * 16000, b"a\tb\x01c\x7f", b"hello\r"],
    poison=[*SPELL_COMMANDS, Poison(b"", expect=b"\n"),
            Poison(b"$$l", expect=b"*\n\n", plain=False)],
    plain_requests=SPELL_PLAIN)


def bc_sum(number: int) -> Pair:
    return b"%d+%d" % (number, number), b"%d\n" % (2 * number)


def bc_three(number: int) -> Pair:
    return (b"%d;%d;x=1;-%d" % (number, number + 1, number),
            b"%d\n%d\n-%d\n" % (number, number + 1, number))


BC_FORBIDDEN = [b"\"abc\"", b"/* abc", b"{", b"read()", b"quit", b"halt", b"print 1",
                b"define e(x)"]
BC = Recipe(
    name="bc", package="bc", version=["bc", "--version"],
    requests=[(b"1/3", b".33333333333333333333\n"), (b"x=5", b""), (b"1/0", b""),
              (b"2^300", LONG_NUMBER),
              (b"scale=3;1/3", b".333\n"), (b"obase=2;10", b"1010\n"), (b"ibase=16;FF", b"255\n"),
              (b"", b""), (b"foo(", b""), (b"1+\\", b""), (b"while(0)", b""),
              (b"for(i=0;i<3;i++)i", b"0\n1\n2\n"), (b"1/3", b".33333333333333333333\n"),
              *((text, "bad-request") for text in BC_FORBIDDEN)],
    numbered=[bc_sum, bc_three],
    odd=[b"if(1)", b"else", b"1 2", b"@", b"))((", b"return", b"e(1,2)", b"a" * 16000, b"9" * 16000,
         b"1+1\r", b"#x", b"\x1e\x01"],
    poison=[Poison(b"1;2", expect=b"1\n2\n"), Poison(b"2^300", expect=LONG_NUMBER),
            Poison(b"x=5", expect=b""), Poison(b"1/0", expect=b"", plain=False),
            Poison(b"scale=3", expect=b"", plain=False),
            Poison(b"obase=2", expect=b""),
            Poison(b"/*", expect="bad-request"), Poison(b"\"", expect="bad-request"),
            Poison(b"read()", expect="bad-request"), Poison(b"while(1)1", restart=True)],
    plain_requests=[(b"%d+1" % n, b"%d\n" % (n + 1)) for n in range(1000, 1100)])


def dc_sum(number: int) -> Pair:
    return b"%d d + p" % number, b"%d\n" % (2 * number)


def dc_three(number: int) -> Pair:
    return (b"%d p 1 + p [xyz] p" % number, b"%d\n%d\nxyz\n" % (number, number + 1))


DC_FORBIDDEN = [b"!echo hi", b"[!echo hi]x", b"[abc", b"?", b"q", b"5Q", b"[q]x", b"33ax",
                b"[abc]P",
                b"5 n", b"[[]", b"ss!echo hi", b"#x", b"]"]
DC = Recipe(
    name="dc", package="dc", version=["dc", "--version"],
    requests=[(b"1 3/p", b"0\n"), (b"5 sa", b""), (b"2 300^p", LONG_NUMBER), (b"f", b""),
              (b"5k 1 3/p", b".33333\n"), (b"16i FFp", b"255\n"), (b"2o10p", b"1010\n"),
              (b"+", b""),
              (b"y", b"'y' (0171) unimplemented\n"), (b"[1p]x 2p", b"1\n2\n"), (b"", b""),
              (b"[7p]sm 1 2<m 2 2!<m 2 1<m", b"7\n7\n"), (b"4 s] l] p", "bad-request"),
              *((text, "bad-request") for text in DC_FORBIDDEN)],
    numbered=[dc_sum, dc_three],
    odd=[b"Z", b"0 0/", b"[" * 500 + b"]" * 500, b"1 " * 8000, b"9" * 16000, b"\x01\x1e", b"(",
         b"s", b"l",
         b"<", b"[s]x", b":"],
    poison=[Poison(b"1p2p", expect=b"1\n2\n"), Poison(b"5 sa", expect=b""),
            Poison(b"y", expect=b"'y' (0171) unimplemented\n"),
            Poison(b"2 300^p", expect=LONG_NUMBER),
            Poison(b"!echo hi", expect="bad-request", plain=False),
            Poison(b"[abc", expect="bad-request"),
            Poison(b"?", expect="bad-request"), Poison(b"10k", expect=b"", plain=False),
            Poison(b"2o", expect=b""),
            Poison(b"[lax]salax", restart=True, plain=False)],
    plain_requests=[(b"%d 1+p" % n, b"%d\n" % (n + 1)) for n in range(1000, 1100)])


def sql_row(number: int) -> Pair:
    return b"select %d" % number, b"%d\n" % number


def sql_rows(number: int) -> Pair:
    return (b"select %d; values(%d),(%d)" % (number, number + 1, number + 2),
            b"%d\n%d\n%d\n" % (number, number + 1, number + 2))


SLOW = (b"with recursive c(x) as (select 1 union all select x+1 from c limit 4000000) "
        b"select count(*) from c")
ENDLESS = SLOW.replace(b" limit 4000000", b"")
SQL_FORBIDDEN = [b".shell echo hi", b".system echo hi", b".mode json", b".output /dev/null",
                 b"select 'a",
                 b"select \"a", b"/* abc", b"create trigger x after insert on t begin select 1;",
                 b"attach '/tmp/x' as y", b"vacuum into '/tmp/x'", b"begin", b"select [a",
                 b"select readfile('/etc/hostname')", b".print :1:"]
SQLITE = Recipe(
    name="sqlite3", package="sqlite3", version=["sqlite3", "--version"],
    requests=[(b"select 'a;b', \"c\", 'it''s' -- 'x", b"a;b|c|it's\n"), (b"select 1 where 0;", b""),
              (b"create table if not exists t(a);", b""), (b"selec", b""), (b"", b""),
              (b"select * from nowhere;", b""), (b"select 1;;;;select 5 /* x */", b"1\n5\n"),
              (b"select 'x' as [a b]", b"x\n"), (b"/", b""), (b"go", b""),
              *((text, "bad-request") for text in SQL_FORBIDDEN)],
    numbered=[sql_row, sql_rows],
    odd=[b"select " + b"a" * 60000, b"\x01\x1e", b";", b"explain select 1",
         b"pragma user_version=3",
         b" .print x", b"select 1\r", b"-", b"--", b"]", b"end;"],
    poison=[Poison(b"select 1; select 2", expect=b"1\n2\n"),
            Poison(b"select 1 where 0;", expect=b""),
            Poison(SLOW, expect=b"4000000\n", times=4),
            Poison(b"select 'a", expect="bad-request"),
            Poison(b".mode json", expect="bad-request"),
            Poison(ENDLESS, restart=True, plain=False),
            Poison(b"select \"readfile\"('x')", expect="bad-request", plain=False)],
    plain_requests=[(b"select %d;" % n, b"%d\n" % n) for n in range(1000, 1100)])


def make_lines(directory: Path) -> None:
    (directory / "lines").write_text("".join(f"line {n}\n" for n in range(1, 65)))


def ed_line(number: int) -> Pair:
    number = 1 + number // 64 % 64
    return b"%dp" % number, b"line %d\n" % number


def ed_lines(number: int) -> Pair:
    number = 1 + number // 64 % 62
    return (b"/ %d$/;+2p" % number,
            b"".join(b"line %d\n" % n for n in range(number, number + 3)))


ED_FORBIDDEN = [b"", b"!id", b"1!id", b"r !id", b"w !id", b"w x", b"e !id", b"f x", b"a", b"1i",
                b"c", b"q", b"Q", b"s/l/m/", b"1d", b"H", b"P", b"kx", b"1t2", b"u", b"g/x/d",
                b"v/x/p", b"g/x/p\\", b"G/x/", b"1z9", b"#", b"/x", b"1p!id", b"\\!id"]
ED = Recipe(
    name="ed", package="ed", version=["ed", "--version"], setup=make_lines,
    command=["ed", "-s", "lines"], options={"directory": "{dir}"},
    requests=[(b"$=", b"64\n"), (b"/line/", b"line 1\n"), (b"?line?n", b"64\tline 64\n"),
              (b"g/6$/p", b"".join(b"line %d\n" % n for n in range(6, 64, 10))),
              (b"g/nothing/p", b""), (b"/nothing/", b"?\n"), (b"99p", b"?\n"), (b"p", b"?\n"),
              (b"1,2l", b"line 1$\nline 2$\n"), (b"/\\/!x/p", b"?\n"),
              (b"/[/]!x/p", "bad-request"),
              *((text, "bad-request") for text in ED_FORBIDDEN)],
    numbered=[ed_line, ed_lines],
    odd=[b"/" + b"\\(" * 1000 + b"/p", b"99999999999999999999p", b"1;2;3p", b"/\x01/p",
         b"1" * 4000, b"/[/p"],
    poison=[Poison(b"1,2p", expect=b"line 1\nline 2\n"), Poison(b"g/nothing/p", expect=b""),
            Poison(b"33", expect=b"line 33\n"), Poison(b"!echo 5", expect="bad-request"),
            Poison(b"a", expect="bad-request"), Poison(b"1,60d", expect="bad-request"),
            Poison(b"q", expect="bad-request", plain=False)],
    plain_requests=[ed_line(n * 64) for n in range(64)])


def make_repository(directory: Path) -> None:
    """With files 1 to 64, whose names of objects depend on nothing else."""
    work = directory / "work"
    work.mkdir()
    for number in range(1, 65):
        (work / str(number)).write_bytes(git_file(number))
    moment = "2001-02-03T04:05:06Z"
    env = {**os.environ, "HOME": str(directory), "GIT_AUTHOR_DATE": moment,
           "GIT_COMMITTER_DATE": moment}
    identity = ["-c", "user.name=A", "-c", "user.email=a@localhost"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=work, env=env, check=True, capture_output=True)


def git_file(number: int) -> bytes:
    """Contents in which a blank line, a header and a missing last LF are."""
    return (b"%d\n\n" % number + b"a" * 39 + b"0 blob 7\n") * (number * number) + b"end %d" % number


def git_check(number: int) -> Pair:
    number = 1 + number // 64 % 64
    return b"HEAD:%d" % number, re.compile(rb"[0-9a-f]{40} blob %d\n" % len(git_file(number)))


def git_missing(number: int) -> Pair:
    return b"no %d" % number, b"no %d missing\n" % number


def git_contents(number: int) -> Pair:
    number = 1 + number // 64 % 64
    text = git_file(number)
    return (b"HEAD:%d" % number,
            re.compile(rb"[0-9a-f]{40} blob %d\n" % len(text) + re.escape(text) + b"\n"))


GIT_FORBIDDEN = [b"HEAD@{99}", b"@{u}", b"HEAD:../x", b"HEAD:./x", b":0:./x"]
GIT_ODD = [b"x" * 60000, b"a" * 40 + b" blob 7", b":/[", b"HEAD:" + b"x/" * 4000, b"HEAD~999999999",
           b"HEAD^{/[}", b"HEAD..HEAD", b"--batch", b"HEAD:1\r", b":5:a"]
GIT_CHECK = Recipe(
    name="git-batch-check", package="git", version=["git", "--version"], setup=make_repository,
    options={"directory": "{dir}/work"},
    requests=[(b"", b" missing\n"), (b"HEAD:", re.compile(rb"[0-9a-f]{40} tree \d+\n")),
              *((text, "bad-request") for text in GIT_FORBIDDEN)],
    numbered=[git_check, git_missing], odd=GIT_ODD,
    poison=[Poison(b"HEAD@{99}", expect="bad-request"), Poison(b"HEAD:../x", expect="bad-request")])
GIT = Recipe(
    name="git-batch", package="git", version=["git", "--version"], setup=make_repository,
    options={"directory": "{dir}/work"},
    requests=[(b"", b" missing\n"), (b"HEAD",
              re.compile(rb"[0-9a-f]{40} commit \d+\ntree [^\0]*\nx\n\n")),
              (b"a" * 40 + b" blob 7", b"a" * 40 + b" blob 7 missing\n"),
              *((text, "bad-request") for text in GIT_FORBIDDEN)],
    numbered=[git_contents, git_missing], odd=GIT_ODD,
    poison=[Poison(b"HEAD:64"), Poison(b"HEAD"), Poison(b"HEAD@{99}", expect="bad-request")])


def mecab_word(number: int) -> Pair:
    word = b"w%dw" % number
    return word, lambda reply: reply.endswith(b"\nEOS\n") and word == b"".join(
        line.split(b"\t")[0] for line in reply.splitlines()[:-1])


MECAB = Recipe(
    name="mecab", package="mecab mecab-ipadic-utf8", version=["mecab", "--version"],
    requests=[("本を".encode(), re.compile("本\t名詞,.*\nを\t助詞,.*\nEOS\n".encode())), (b"", b"EOS\n"),
              (b"EOS", re.compile(rb"EOS\t.*\nEOS\n")), (b"   ", b"EOS\n")],
    numbered=[mecab_word], odd=[b"a" * 32768, "日本語".encode() * 3000, b"a\tb", b"x\r", b"\x01"],
    poison=[Poison(b"x" * 9000, expect=lambda reply: reply.count(b"EOS\n") == 1),
            Poison("本を".encode(), expect=re.compile("本\t.*\nを\t.*\nEOS\n".encode()))],
    plain_command="mecab", plain_requests=[(b"", b"EOS\n")])


def jq_next(number: int) -> Pair:
    return b'{"n":%d}' % number, b"[%d]\n" % (number + 1)


def jq_nonsense(number: int) -> Pair:
    return b"x%d" % number, re.compile(rb'\{"error":"Invalid .*\'x%d\'\)"\}\n' % number)


JQ = Recipe(
    name="jq", package="jq", version=["jq", "--version"],
    requests=[(b"1 2", re.compile(rb'\{"error":"Unexpected extra JSON values .*\n')),
              (b"", re.compile(rb'\{"error":.*\n')),
              (b"[1]", re.compile(rb'\{"error":"Cannot index.*\n'))],
    numbered=[jq_next, jq_nonsense],
    odd=[b"[" * 20000, b"\"" + b"a" * 60000 + b"\"", b"nan", b"1e1000", b'{"n":"\xff"}',
         b'{"n":2}\r'],
    poison=[Poison(b"1 2", expect=re.compile(rb'\{"error":.*\n')),
            Poison(b'{"n":', expect=re.compile(rb'\{"error":.*\n')),
            Poison(b"nonsense", expect=re.compile(rb'\{"error":.*\n')),
            Poison(b"  ", expect=re.compile(rb'\{"error":.*\n'))],
    plain_command="jq --unbuffered -c .",
    plain_requests=[(b'{"n": %d}' % n, b'{"n":%d}\n' % n) for n in range(1000, 1100)])


def filter_pairs(make: str) -> list:
    """Of a filter of one line in, one line out; @make is a format with a number in it twice."""
    request, reply = make.encode().split(b"=>")
    return [lambda number: (request % number, reply % number + b"\n")]


SED = Recipe(
    name="sed", package="sed", version=["sed", "--version"],
    requests=[(b"", b"\n"), (b"a b", b"<a> <b>\n"), (b"\\", b"\\\n"), (b"&", b"&\n")],
    numbered=filter_pairs("ab %d=><ab> %d"), odd=[b"a" * 60000, b"\x01", b"p", b"$"],
    poison=[Poison(b"\xff\xfe", expect=b"\xff\xfe\n"),
            Poison(b"x" * 5000, expect=b"<" + b"x" * 5000 + b">\n")])
TR = Recipe(
    name="tr", package="coreutils", version=["tr", "--version"],
    requests=[(b"", b"\n"), (b"a b", b"A B\n")],
    numbered=filter_pairs("ab%d=>AB%d"), odd=[b"a" * 60000, b"\x01"],
    poison=[Poison(b"x" * 5000, expect=b"X" * 5000 + b"\n")])
TR_PTY = replace(TR, variant="pty", options={"pty": "yes"})
XARGS = Recipe(
    name="xargs", package="findutils", version=["xargs", "--version"],
    requests=[(b"a", b"a\n")], numbered=filter_pairs("n%d=>n%d"), odd=[b"\x01", b"a" * 10000],
    poison=[Poison(b"a b", expect="bad-request"), Poison(b"a\tb", expect="bad-request"),
            Poison(b"'a", expect="bad-request")])
AWK = Recipe(
    name="awk", package="mawk", version=["mawk", "-W", "version"],
    requests=[(b"", b"0 \n"), (b"a b c", b"3 A B C\n"), (b"\\", b"1 \\\n")],
    numbered=filter_pairs("a %d=>2 A %d"), odd=[b"a" * 60000, b"\x01", b"a " * 30000],
    poison=[Poison(b"a\0b", expect="bad-request"),
            Poison(b"x" * 5000, expect=b"1 " + b"X" * 5000 + b"\n")],
    plain_options={"request-bytes": "any"})  # or no NUL would get to it
GAWK = replace(AWK, variant="gawk", package="gawk", version=["gawk", "--version"],
               command=["gawk", "{ print NF, toupper($0); fflush() }"])
GAWK_STDIO = replace(GAWK, variant="gawk with line-buffered", options={"line-buffered": "yes"},
                     command=["gawk", "{ print NF, toupper($0) }"])
ORIGINAL_AWK = replace(GAWK, variant="original-awk", package="original-awk",
                       version=["original-awk", "--version"], options={"request-bytes": "utf8"},
                       command=["original-awk", "{ print NF, toupper($0); fflush() }"])
BUSYBOX_AWK = replace(GAWK, variant="busybox", package="busybox", version=["busybox"],
                      command=["busybox", "awk", "{ print NF, toupper($0) }"])

RECIPES = [HUNSPELL, ASPELL, BC, DC, SQLITE, ED, GIT_CHECK, GIT, MECAB, JQ, SED, TR, TR_PTY,
           XARGS, AWK, GAWK, GAWK_STDIO, ORIGINAL_AWK, BUSYBOX_AWK]
