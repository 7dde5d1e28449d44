# SPDX-License-Identifier: MIT
"""The recipes of programs with prompts, handshakes, ids, NUL, and requests of several lines."""
import re
import zlib
from dataclasses import replace
from pathlib import Path

from recipes_base import RECIPES_DIR, Pair, Poison, Recipe, first_line

PYTHON3 = "/usr/bin/python3"  # of Debian, whatever else there is


def script(interpreter: str, name: str, *words: str) -> list[str]:
    """The command of a recipe whose program is in its directory."""
    return [interpreter, str(RECIPES_DIR / name), *words]


def size_of(number: int) -> bytes:
    return b"%dx%d\n" % (number + 1, 3 * number + 7)


def make_pictures(directory: Path) -> None:
    """The headers of 64 GIF files, each of another size."""
    for number in range(64):
        width, height = (int(n).to_bytes(2, "little") for n in size_of(number).split(b"x"))
        (directory / f"{number}.gif").write_bytes(b"GIF89a" + width + height + b"\0\0\0;")


def exif_size(number: int) -> Pair:
    number %= 64
    return b"-s3\n-ImageSize\n%d.gif" % number, size_of(number)


def exif_two(number: int) -> Pair:
    number = number * 5 % 64
    return (b"-s3\n-FileName\n-ImageSize\n%d.gif" % number, b"%d.gif\n" % number + size_of(number))


EXIF_FORBIDDEN = [b"-Comment=x\n1.gif", b"-o\nx\n1.gif", b"-", b"-if\nsystem('id')\n1.gif",
                  b"-ver\n-execute5\n-ver", b"-ver\n-EXECUTE9\n-ver", b"-stay_open\nFalse",
                  b"-k\n1.gif",
                  b"-p\n${ImageSize;die}\n1.gif", b"-common_args\n-s3", b" -execute", b"/dev/stdin",
                  b"-config\nx", b"-@\nx", b"-echo1\nx", b"/proc/self/fd/0", b"#[CSTR]-ver",
                  b"../../dev/fd/0",
                  b"-tagsFromFile\nx\n1.gif", b"-overwrite_original_in_place", b"ls |",
                  b"1.gif\n-d", b"1.gif\n-wext",
                  b"1.gif\n-exclude", b"-require"]
EXIFTOOL = Recipe(
    name="exiftool", package="libimage-exiftool-perl", version=["exiftool", "-ver"],
    setup=make_pictures, options={"directory": "{dir}", "stop-timeout": "50ms"},
    requests=[(b"-s3\n-ImageSize\nmissing.gif", b""), (b"", b""),
              (b"-q\n-q\n-s3\n-ImageSize\n1.gif", b"2x10\n"),
              (b"-j\n-ImageSize\n1.gif",
               b'[{\n  "SourceFile": "1.gif",\n  "ImageSize": "2x10"\n}]\n'),
              (b"-b\n-Comment\n1.gif", b""), *((text, "bad-request") for text in EXIF_FORBIDDEN)],
    numbered=[exif_size, exif_two],
    odd=[b"x\n" * 5000, b"{ready1}", b"-ver\r", b"--ImageSize\n1.gif", b"."],
    poison=[Poison(b"-execute77\n-execute78", expect="bad-request"),
            Poison(b"-", expect="bad-request", plain=False),
            Poison(b"-stay_open\nFalse", expect="bad-request", plain=False),
            Poison(b"-q\n1.gif\n-s3\n-FileName", expect=b"1.gif\n", plain=False),
            Poison(b"missing.gif", expect=b"", plain=False)],
    plain_requests=[(b"-execute%d" % n, b"{ready%d}\n" % n) for n in range(1000, 1100)], times=5)


def gtp_version(number: int) -> Pair:
    return b"%d protocol_version" % number, b"=%d 2\n\n" % number


def gtp_unknown(number: int) -> Pair:
    return b"%d foo%d" % (number, number), b"?%d unknown command\n\n" % number


GTP_FORBIDDEN = [b"quit", b"loadsgf /etc/hostname", b"9 printsgf /tmp/x", b"echo x", b" echo_err x",
                 b"qu\x01it", b"start_sgftrace", b"quit#"]
GNUGO = Recipe(
    name="gnugo", package="gnugo", version=["/usr/games/gnugo", "--version"],
    requests=[(b"name", b"= GNU Go\n\n"), (b"", b""), (b"# a comment", b""), (b"17", b""),
              (b"  5  ", b""),
              (b"known_command play # x", b"= true\n\n"),
              (b"play black Z99", re.compile(rb"\? .*\n\n")),
              (b"list_commands",
               re.compile(rb"= aa_confirm_safety\n([a-z0-9_-]+\n)+worm_stones\n\n")),
              (b"clear_board", b"= \n\n"), (b"x" * 999, b"? unknown command\n\n"),
              *((text, "bad-request") for text in GTP_FORBIDDEN)],
    numbered=[gtp_version, gtp_unknown],
    odd=[b"   ", b"99999999999 name", b"5#", b"\t", b"play", b"boardsize 1", b"-1 name", b"name\r"],
    poison=[Poison(b"x" * 5000, expect="too-long"), Poison(b"# x", expect=b""),
            Poison(b"", expect=b""),
            Poison(b"echo x", expect="bad-request"), Poison(b"quit", expect="bad-request"),
            Poison(b"boardsize 9", expect=b"= \n\n")],
    plain_fits=False)

MOVES = [file + b"2" + file + rank for file in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h")
         for rank in (b"3", b"4")]


def chess_move(number: int) -> Pair:
    """A search that has no choice: its only move tells to whom the reply belongs."""
    move = MOVES[number // 64 % len(MOVES)]
    return (b"position startpos\ngo depth 1 searchmoves " + move,
            re.compile(rb"(info depth .*\n)*bestmove " + move + rb"( .*)?\n"))


BARE_KINGS = b"position fen k7/8/8/8/8/8/8/K7 w - - 0 1\ngo depth 2"
CHESS_FORBIDDEN = [b"setoption name Hash value 1", b"go", b"quit", b"go depth 1\nposition startpos",
                   b"stop", b"d", b"bench", b"export_net /tmp/x", b"position startpos\ngo",
                   b"position fen garbage\ngo depth 1",
                   b"position startpos\ngo depth 1\ngo depth 1",
                   b"position startpos\ngo ponder", b"position startpos\ngo perft 3",
                   b"position fen 8/8/8/8/8/8/8/8 w - - 0 1\ngo depth 1", b"isready\nisready"]

STOCKFISH = Recipe(
    name="stockfish", package="stockfish", version=["/usr/games/stockfish"],
    requests=[(b"isready", b"readyok\n"), (b"uci", re.compile(rb"id name (.*\n)+uciok\n")),
              (b"ucinewgame", b""), (BARE_KINGS.split(b"\n", maxsplit=1)[0], b""),
              (b"go depth 1 searchmoves b1c3", re.compile(rb"(info .*\n)*bestmove b1c3.*\n")),
              (BARE_KINGS, re.compile(rb"(info depth .*\n)+bestmove a1[ab][12].*\n")),
              (b"position startpos moves e2e4 e7e5\ngo nodes 10",
               re.compile(rb"(info depth .*\n)+bestmove .*\n")),
              (b"position fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1\ngo depth 2",
               b"info depth 0 score cp 0\nbestmove (none)\n"),
              *((text, "bad-request") for text in CHESS_FORBIDDEN)],
    numbered=[chess_move],
    odd=[b"position startpos moves" + b" e2e4" * 10000 + b"\ngo depth 1", b"uci\r",
         b"position startpos moves e2e5 a1a1\ngo movetime 5"],
    poison=[Poison(b"isready\nisready", expect="bad-request"),
            Poison(b"position startpos", expect=b"", plain=False),
            Poison(b"setoption name Hash value 1", expect="bad-request", plain=False),
            Poison(b"position startpos\ngo movetime 40",
                   expect=re.compile(rb"(info .*\n)+bestmove .*\n")),
            Poison(b"position startpos\ngo depth 1\ngo depth 1", expect="bad-request", plain=False),
            Poison(b"position fen garbage\ngo depth 1", expect="bad-request", plain=False)],
    plain_requests=[(b"isready", b"readyok\n")], times=5)


def python_sum(number: int) -> Pair:
    return b"%d + 1" % number, b"%d\n" % (number + 1)


def python_lines(number: int) -> Pair:
    return (b"for i in range(%d, %d): print(i)" % (number, number + 3),
            b"".join(b"%d\n" % n for n in range(number, number + 3)))


INCOMPLETE = b"SyntaxError: incomplete input\n"
PYTHON = Recipe(
    name="python", package="python3", version=[PYTHON3, "--version"],
    command=script(PYTHON3, "python-prompt.py"),
    requests=[(b"", b""), (b"x = 5", b""), (b"x", re.compile(rb"(?s)Traceback .*NameError: .*\n")),
              (b"def f():", INCOMPLETE), (b"(", INCOMPLETE), (b'"""', INCOMPLETE),
              (b"_", re.compile(rb"(?s)T.*")),
              (b"print('>>> ')", b" >>> \n"), (b"print('a\\n>>> b', end='')", b"a\n >>> b\n"),
              (b"exit()", b"SystemExit: None\n"), (b"print('\\ud800')", b"\\ud800\n"),
              (b"import sys; sys.stdin.read()", re.compile(rb"(?s).*"))],
    numbered=[python_sum, python_lines],
    odd=[b"a" * 60000, b"(" * 3000, b"raise SystemExit(3)", b"\x01",
         b"import os; os.write(1, b'x\\n')",
         b"lambda: 1", b"1\r"],
    poison=[Poison(b"print(1); print(2)", expect=b"1\n2\n"), Poison(b"x = 5", expect=b""),
            Poison(b"def f():", expect=INCOMPLETE),
            Poison(b"input()", expect=re.compile(rb"(?s)T.*")),
            Poison(b"print('>>> ' * 20000)", expect=b" " + b">>> " * 20000 + b"\n"),
            Poison(b"import os; os._exit(3)", restart=True, expect="crashed"),
            Poison(b"while 1: pass", restart=True)],
    # Its own prompt, which goes to stderr.
    plain_command=f"{PYTHON3} -u -q -i", plain_requests=[python_sum(n) for n in range(1000, 1100)],
    times=5)


def words_of(number: int) -> Pair:
    return b"w%d and w%d" % (number, number), b"2 w%d\n1 and\n" % number


PERL = Recipe(
    name="perl", package="perl", version=["perl", "-e", "print \"$^V\n\""],
    command=script("perl", "perl-prompt.pl"),
    requests=[(b"", b""), (b"...", b""), (b"b a b", b"2 b\n1 a\n"), (b"words>", b"1 words\n")],
    numbered=[words_of], odd=[b"a " * 30000, b"\x01\x1e"],
    poison=[Poison(b"b a", expect=b"1 a\n1 b\n"), Poison(b"", expect=b""), Poison(b"x" * 9000)],
    plain_requests=[(b"w%d" % n, b"1 w%d\n" % n) for n in range(100)], plain_fits=False)


def squid_mirror(number: int) -> Pair:
    return (b"http://m%d.cdn.example/%d" % (number % 9, number),
            b"OK store-id=http://cdn.example.squid.internal/%d\n" % number)


def squid_other(number: int) -> Pair:
    return (b"http://eu.mirror.example/%d" % number,
            b"OK store-id=http://mirror.squid.internal/%d/eu\n" % number)


STOREID, RULES = "/usr/lib/squid/storeid_file_rewrite", str(RECIPES_DIR / "squid-storeid.rules")
SQUID = Recipe(
    name="squid-rewrite", package="squid", version=["squid", "-v"],
    command=[STOREID, RULES], plain_command=f"{STOREID} {RULES}",
    requests=[(b"http://elsewhere/", b"ERR\n"), (b"", b"ERR\n"), (b"5", b"ERR\n")],
    numbered=[squid_mirror, squid_other],
    odd=[b"1 2 3", b" ", b"a\tb", b"http://m1.cdn.example/\xff"],
    poison=[Poison(b"x" * 20000, expect="too-long"), Poison(b"7 http://m1.cdn.example/x"),
            Poison(b"")])
SQUID_FAKE = Recipe(
    name="squid-rewrite", variant="url_fake_rewrite", package="squid", version=["squid", "-v"],
    command=["/usr/lib/squid/url_fake_rewrite"], plain_command="/usr/lib/squid/url_fake_rewrite",
    requests=[(b"http://elsewhere/", b"ERR\n"), (b"", b"ERR\n"), (b"5", b"ERR\n")],
    odd=[b"1 2 3", b" "], poison=[Poison(b"x" * 20000, expect="too-long"), Poison(b"5 6")])

HASH = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"  # of "secret"


def make_passwords(directory: Path) -> None:
    (directory / "passwd").write_text("".join(f"user{n}:{HASH}\n" for n in range(0, 64, 2)))


def ncsa_user(number: int) -> Pair:
    number %= 64
    return b"user%d secret" % number, b"ERR No such user\n" if number % 2 else b"OK \n"


def ncsa_wrong(number: int) -> Pair:
    return b"user2 secret%d" % number, b"ERR Wrong password\n"


NCSA_HELPER = "/usr/lib/squid/basic_ncsa_auth"
SQUID_NCSA = Recipe(
    name="squid-ncsa", package="squid", version=["squid", "-v"], setup=make_passwords,
    command=[NCSA_HELPER, "passwd"], plain_command=f"{NCSA_HELPER} passwd",
    options={"directory": "{dir}"},
    requests=[(b"", b"ERR \n"), (b"user2", b"ERR \n"), (b"0 user2 secret", b"ERR No such user\n"),
              (b"us%65r2 secret", b"OK \n")],
    numbered=[ncsa_user, ncsa_wrong], odd=[b"user2 secret\r", b" ", b"\x01", b"% %"],
    poison=[Poison(b"x" * 20000 + b" y", expect="too-long"), Poison(b"a\0b", expect="bad-request")])

HOUSE = b"^%s/house<n><sg>/house<vblex><inf>/house<vblex><pres>$"


def apertium_number(number: int) -> Pair:
    return b"w%dw house" % number, re.compile(rb"\^w%d.* \^house/house.*\$\n" % number)


APERTIUM_FORBIDDEN = [b"a[b", b"a]", b"^x/y$", b"{", b"a/b", b"<a>", b"a@", b"\\", b"a\\b",
                      b"a\0b", b"\xff"]
LT_PROC = Recipe(
    name="lt-proc", package="lttoolbox apertium-eng-spa", version=["lt-proc", "--version"],
    requests=[(b"house", HOUSE % b"house" + b"\n"), (b"", b"\n"), (b"   ", b"   \n"),
              (b"the cats", b"^the/the<det><def><sp>$ ^cats/cat<n><pl>$\n"),
              ("qé".encode(), "^qé/*qé$\n".encode()), (b"a\\[b", re.compile(rb"\^a/a<det>.*\n")),
              (b"x" * 9000, "too-long"), (b"a\\\\b", "bad-request"),
              *((text, "bad-request") for text in APERTIUM_FORBIDDEN)],
    numbered=[apertium_number],
    odd=[b"x" * 8000, b"\x01", b"a\\/b\\<c\\>\\^\\$\\@\\{\\}", b"x\r", "日本".encode()],
    poison=[Poison(text, expect="bad-request") for text in (b"a[b", b"a]b", b"^x/y$", b"a{",
                                                            b"a\0b")],
    plain_requests=[apertium_number(n) for n in range(100)], plain_fits=False)


def linkage(number: int) -> Pair:
    """The sentence is in the last line of its linkage."""
    return (b"the dog saw %d cats" % number,
            lambda reply: reply.startswith(b"Found ") and b"%d" % number in reply)


LINK_PARSER = Recipe(
    name="link-parser", package="link-grammar link-grammar-dictionaries-en",
    version=["link-parser", "--version"],
    requests=[(b"the cat sat",
               re.compile(rb"Found 2 linkages (.*\n)+LEFT-WALL the  cat\.n sat\.v-d\n\n")),
              (b"% a comment", b""),
              *((text, "bad-request") for text in (b"", b"  ", b"!help", b"!exit"))],
    numbered=[linkage], odd=[b". . .", b"a" * 200, b"\x01", b" !help", b"$", b"the cat sat\r"],
    poison=[Poison(b"", expect="bad-request"), Poison(b"!exit", expect="bad-request"),
            Poison(b"!width=7", expect="bad-request"), Poison(b"cat " * 600, expect="too-long"),
            Poison(b"% x", expect=b""), Poison(b"cat " * 40, expect=re.compile(rb"(?s)Found .*")),
            Poison(b"the cat sat", expect=re.compile(rb"(?s)Found .*"))],
    # A command's reply is one line.
    plain_requests=[(b"!debug=%d" % n, b"debug set to %d\n" % n) for n in range(100)], times=5)


def gdb_sum(number: int) -> Pair:
    return b"-data-evaluate-expression %d+1" % number, b'^done,value="%d"\n' % (number + 1)


GDB_FORBIDDEN = [b"", b"shell id", b"!id", b"define x", b"if 1", b"python",
                 b"source /etc/hostname", b"quit",
                 b"-gdb-exit", b"-interpreter-exec console \"shell id\"", b"-gdb-set width 3",
                 b"1-list-features",
                 b"-data-evaluate-expression $x=5", b"-data-evaluate-expression $_shell(\"id\")",
                 b"print 1",
                 b"-exec-run", b"-data-evaluate-expressions 1", b"pipe info line | sh",
                 b"-file-exec-file /bin/true"]
GDB = Recipe(
    name="gdb", package="gdb", version=["gdb", "--version"],
    requests=[(b'-data-evaluate-expression "sizeof(int)"', b'^done,value="4"\n'),
              (b"-data-evaluate-expression 1/0", b'^error,msg="Division by zero"\n'),
              (b"-gdb-version", re.compile(rb'(~".*\n)+\^done\n')),
              (b"-list-features", re.compile(rb"\^done,features=\[.*\]\n")),
              (b"-data-evaluate-expression (", re.compile(rb"\^error,msg=.*\n")),
              *((text, "bad-request") for text in GDB_FORBIDDEN)],
    numbered=[gdb_sum],
    odd=[b"-data-evaluate-expression " + b"1+" * 20000 + b"1", b"-data-evaluate-expression \"1",
         b"-data-evaluate-expression " + b"(" * 20000, b"-symbol-info-functions --max-results 2",
         b"-data-disassemble", b"-data-evaluate-expression 1\r", b"-data-evaluate-expression \xff"],
    poison=[Poison(text, expect="bad-request") for text in (b"define x", b"if 1", b"quit",
                                                            b"python")]
    + [Poison(b"-data-evaluate-expression \"", expect=re.compile(rb"\^error,msg=.*\n"))],
    plain_command="gdb -q -nx -nh --interpreter=mi2", plain_fits=False, times=5)


def pdns_host(number: int) -> Pair:
    name = b"host-%d.example.com" % number
    address = b"10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
    return (name + b"\tIN\tA\t%d\t127.0.0.1" % number,
            b"DATA\t%b\tIN\tA\t300\t%d\t%b\nEND\n" % (name, number, address))


def question(number: int) -> Pair:
    """As PowerDNS itself sends it."""
    request, reply = pdns_host(number)
    return b"Q\t" + request, reply


POWERDNS = Recipe(
    name="powerdns", package="python3", version=[PYTHON3, "--version"],
    command=script(PYTHON3, "powerdns-backend.py"),
    requests=[(b"nowhere\tIN\tANY\t-1\t127.0.0.1", b"END\n"),
              (b"", b"LOG\tthis is no question\nFAIL\n"),
              (b"www.example.com\tIN\tANY\t-1\t::1",
               b"DATA\twww.example.com\tIN\tA\t300\t-1\t192.0.2.80\n"
               b"DATA\twww.example.com\tIN\tAAAA\t300\t-1\t2001:db8::50\nEND\n")],
    numbered=[pdns_host], odd=[b"\t" * 1000, b"END", b"HELO\t1", b"AXFR\t1", b"x\tIN\tA\t-1\tEND"],
    poison=[Poison(b"HELO\t1", expect=b"LOG\tthis is no question\nFAIL\n"),
            Poison(b"www.example.com\tIN\tANY\t1\t::1",
                   expect=re.compile(rb"(DATA\t.*\n){2}END\n"))],
    plain_requests=[pair for n in range(100) for pair in [(b"Q\tno\tIN\tA\t1\t::1", b"END\n")] * 4
                    + [first_line(question(n))]])


def octave_sum(number: int) -> Pair:
    return b"disp(%d+1)" % number, b"%d\n" % (number + 1)


def octave_row(number: int) -> Pair:
    return b"for i=1:2, printf(\"%%d\\n\", i+%d); end" % number, b"%d\n%d\n" % (number + 1,
                                                                                number + 2)


OCTAVE_FORBIDDEN = [b"system('id')", b"input('')", b"keyboard", b"exit", b"eval('1')",
                    b"function answer(s)",
                    b"!id", b"fopen('/tmp/x')", b"global x", b"format long", b"clear all"]
OCTAVE_ERROR = re.compile(rb"(?s)parse error:\n.*")
OCTAVE = Recipe(
    name="octave", package="octave", version=["octave-cli", "--version"],
    requests=[(b"1+1", b"ans = 2\n"), (b"", b""), (b"x = 5;", b""),
              (b"x", re.compile(rb"'x' undefined.*\n")),
              (b"[1 2; 3 4]", b"ans =\n\n   1   2\n   3   4\n\n"), (b"for i=1:3", OCTAVE_ERROR),
              (b"[1 2", OCTAVE_ERROR), (b"'abc", OCTAVE_ERROR), (b"%{", b""),
              (b"error('x')", b"x\n"),
              (b"return", b""), (b"printf('x')", b"x\n"),
              *((text, "bad-request") for text in OCTAVE_FORBIDDEN)],
    numbered=[octave_sum, octave_row],
    odd=[b"a" * 16000, b"(" * 200, b"\x01", b"1 ...", b"ones(200)", b"disp(1)\r",
         b"unwind_protect", b"]"],
    poison=[Poison(b"for i=1:3", expect=OCTAVE_ERROR), Poison(b"%{", expect=b""),
            Poison(b"foo('x')"),
            Poison(b"disp(1), disp(2)", expect=b"1\n2\n"),
            Poison(b"input('')", expect="bad-request"),
            Poison(b"while true; end", restart=True)],
    plain_fits=False, times=4)


def model_reply(line: bytes) -> bytes:
    crc = zlib.crc32(line)
    return b"%s %08x %d\n" % (line, crc, crc % 256)


def model_line(number: int) -> Pair:
    line = b"line %d" % number
    return line, model_reply(line)


SLOW_START = Recipe(
    name="slow-start", package="python3", version=[PYTHON3, "--version"],
    command=script(PYTHON3, "slow-start.py", "0.5", "40"),
    requests=[(b"", model_reply(b"")), (b"\xff\xfe", model_reply(b"\xff\xfe"))],
    numbered=[model_line], odd=[b"a\tb\x01", b"\r"], poison=[b"", b"x" * 9000])
# The recipe to the letter: not for every day.
SLOW_START_REAL = replace(
    SLOW_START, variant="20 s, 800 MB", command=script(PYTHON3, "slow-start.py", "20", "800"),
    pace=4, kills=1, poison=[])

LONG = [SLOW_START_REAL]
RECIPES = [EXIFTOOL, GNUGO, STOCKFISH, PYTHON, PERL, SQUID, SQUID_FAKE, SQUID_NCSA, LT_PROC,
           LINK_PARSER,
           GDB, POWERDNS, OCTAVE, SLOW_START]
