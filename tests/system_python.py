#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python client for threads, against the real daemon; TAP.

environment: see python_rig.py
"""
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

from python_rig import NORMALIZER, SAMPLES, SLOW, STOPWORDS, in_threads, running
from tap import run_all, wait_until

import coproc  # pylint: disable=wrong-import-order
from coproc.errors import BY_CODE
from coproc.protocol import ReplyParser


def raised(kind: type[Exception], call: Any, *args: Any, **options: Any) -> Any:
    """The exception of this kind that the call raises."""
    try:
        result = call(*args, **options)
    except kind as error:  # pylint: disable=broad-except
        return error
    raise AssertionError(f"no {kind.__name__} but {result!r:.100}")


# ---- replies ----

def test_the_parser_finds_the_same_replies_however_the_bytes_are_cut(_: Path) -> None:
    stream = b"+one\n*0\n*3\na\n\n-c\n-crashed exited with status 3\n+\n-overloaded full, " \
             b"retry after 250 ms\n+" + b"x" * 300 + b"\n"
    whole = [str(ending) for ending in ReplyParser(True).feed(stream)]
    assert whole[:3] == ["b'one'", "b''", "b'a\\n\\n-c'"] and len(whole) == 7, whole
    for size in (1, 2, 3, 7, 100):
        parser = ReplyParser(True)
        pieces = [parser.feed(stream[at:at + size]) for at in range(0, len(stream), size)]
        assert [str(ending) for piece in pieces for ending in piece] == whole
    for junk in (b"hello\n", b"*x\n", b"\n", b"*\n", b"*-1\n", b"x"):
        parser = ReplyParser(True)
        good, bad = parser.feed(b"+a\n" + junk)
        assert good == b"a" and isinstance(bad, coproc.ProtocolError) and parser.broken


def test_text_and_bytes_come_back_as_they_were_asked(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        for request in ("hello", "", "在云端", "a\rb", "ends in CR\r", "\r", b"\xff\xfe", b"", "\udcff"):
            assert c.ask(request) == request
        assert c.ask("!big 200000") == "x" * 200000
        assert c.ask("x" * 60000) == "x" * 60000


def test_a_plain_listener_serves_too(directory: Path) -> None:
    with running(directory) as d, coproc.Client(str(d.plain), status=False) as c:
        assert c.ask("hello") == "hello" and c.ask("") == ""
        error = raised(coproc.CrashedError, c.ask, "!die 3")
        assert error.text == "exited with status 3", error
        assert list(c.ask_many(["a", "b"])) == ["a", "b"]
        error = raised(coproc.ProtocolError, coproc.Client(d.plain).ask, "x")
        assert "status=False" in str(error)


def test_what_is_no_request_is_refused_with_a_reason(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        assert "one line" in str(raised(ValueError, c.ask, "two\nlines"))
        assert "str or bytes" in str(raised(TypeError, c.ask, 7))
        assert "pool" in str(raised(ValueError, coproc.Client, d.socket, pool=0))
        assert c.ask("well") == "well" and not d.seen("two")


def test_the_normalizer_answers_the_sample_queries(directory: Path) -> None:
    with running(directory, command=(NORMALIZER, STOPWORDS)) as d, coproc.Client(d.socket) as c:
        assert {query: c.ask(query) for query in SAMPLES} == SAMPLES
        assert list(c.ask_many(list(SAMPLES) * 100)) == list(SAMPLES.values()) * 100


# ---- errors ----

def errors_of(directory: Path, *options: str, requests: tuple[str, ...] = ("x",),
              command: tuple[str, ...] = ()) -> list[Any]:
    directory.mkdir()
    with running(directory, *options, command=command) as d, coproc.Client(d.socket) as c:
        return [e for e in c.ask_many(requests, return_exceptions=True)
                if isinstance(e, Exception)]


def check_error(errors: list[Any], code: str, text: str) -> None:
    assert errors, f"no error {code}"
    for error in errors:
        assert type(error) is BY_CODE[code] and error.code == code, repr(error)
        assert text in error.text and str(error) == f"{code}: {error.text}", repr(error)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.args, again.retry_after_ms) == (
            type(error), error.args, error.retry_after_ms)


def test_each_code_is_an_exception_of_its_own(directory: Path) -> None:
    check_error(errors_of(directory / "1", "--request-timeout", "100ms",
                          requests=("!sleep 300 x",)), "timeout", "100 ms")
    check_error(errors_of(directory / "2", requests=("!die 3",)), "crashed", "status 3")
    check_error(errors_of(directory / "4", "--restart-limit", "1", command=("false",),
                          requests=("x",) * 2)[-1:], "unavailable", "status 1")
    check_error(errors_of(directory / "5", "--max-request", "10", requests=("x" * 11,)),
                "too-long", "10")
    check_error(errors_of(directory / "6", "--max-reply", "100", requests=("!big 200",)),
                "reply-too-long", "100")
    check_error(errors_of(directory / "7", requests=("!twice " + "x" * 800,)), "desync", "no request")
    check_error(errors_of(directory / "8", "--forbid", "^rm", requests=("rm x",)),
                "bad-request", "rm")
    missing = set(BY_CODE) - {"timeout", "crashed", "unavailable", "too-long", "reply-too-long",
                              "desync", "bad-request"}
    assert missing == {"overloaded", "denied", "stopping"}, missing  # each has a test below


def test_overloaded_says_when_to_ask_again(directory: Path) -> None:
    errors = errors_of(directory / "d", "--queue", "1", requests=("!sleep 300 x",) * 5)
    check_error(errors, "overloaded", "are waiting")
    assert len(errors) >= 3 and all(e.retry_after_ms > 0 for e in errors), errors


def test_denied_is_told_from_a_lost_connection(directory: Path) -> None:
    path = directory / "denied"
    with running(directory, "--listen", f"{path},replies=status,allow-user=nobody"):
        with coproc.Client(path) as c:
            # Again and again: what was sent unread must not cost the client the answer.
            for _ in range(50):
                check_error([raised(coproc.CoprocError, c.ask, "x" * 5000)], "denied", "")


def test_stopping_is_what_a_late_request_gets(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        in_threads(3, lambda n: c.ask(f"!sleep {100 * SLOW} x"))  # now three are connected
        replies: list[str] = []
        slow = threading.Thread(target=lambda: replies.append(c.ask(f"!sleep {500 * SLOW} y")))
        slow.start()
        wait_until("it runs", lambda: bool(d.seen(f"!sleep {500 * SLOW} y")))
        assert d.process is not None
        d.process.terminate()
        wait_until("it stops", lambda: "stopping" in d.log())
        check_error([raised(coproc.CoprocError, c.ask, "late")], "stopping", "")
        slow.join()
        assert replies == ["y"]
        d.process.wait()
        raised(coproc.ConnectError, c.ask, "later")


# ---- connections ----

def test_a_late_reply_reaches_no_other_call(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket, pool=2) as c:
        for number in range(10):
            error = raised(TimeoutError, c.ask, f"!sleep {60 * SLOW} late", timeout=0.02)
            assert isinstance(error, coproc.RequestTimeoutError) and "0.02 s" in error.text
            assert c.ask(f"next {number}") == f"next {number}"


def test_without_a_daemon_it_is_a_connect_error(directory: Path) -> None:
    c = coproc.Client(directory / "none")
    error = raised(ConnectionError, c.ask, "x")
    assert isinstance(error, coproc.ConnectError) and error.errno == 2 and "none" in error.text
    assert error.code == "unavailable"
    endings = list(c.ask_many("abc", return_exceptions=True))
    assert len(endings) == 3 and all(isinstance(e, coproc.ConnectError) for e in endings)
    c.close()
    assert "closed" in str(raised(coproc.ConnectionLostError, c.ask, "x"))


def test_a_restarted_daemon_costs_pooled_connections_nothing(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        for number in range(5):
            in_threads(8, lambda n: check_numbered(c, n, 5))
            d.stop()
            d.start()
            assert c.ask(f"after {number}") == f"after {number}"
        in_threads(8, lambda n: check_numbered(c, n, 5))
        d.stop()
        d.start()
        assert list(c.ask_many(map(str, range(200)))) == list(map(str, range(200)))


def check_numbered(client: coproc.Client, thread: int, count: int) -> None:
    for number in range(count):
        request = f"thread {thread} request {number}"
        assert client.ask(request) == request


def test_50_threads_get_their_own_replies(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        in_threads(50, lambda n: check_numbered(c, n, 200))


def test_what_may_have_been_taken_is_never_sent_again(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        assert c.ask("warm") == "warm"
        caller = threading.Thread(
            target=lambda: errors.append(raised(coproc.ConnectionLostError, c.ask, "!hang")))
        errors: list[coproc.ConnectionLostError] = []
        caller.start()
        wait_until("it runs", lambda: d.seen("!hang") == 1)
        d.kill()
        d.start()
        caller.join()
        assert "may have been taken" in errors[0].text
        assert c.ask("next") == "next" and d.seen("!hang") == 1


def test_a_batch_goes_on_behind_a_lost_connection_and_sends_nothing_twice(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        requests = [f"a{n}" for n in range(100)] + ["!hang"] + [f"b{n}" for n in range(300)]
        endings = c.ask_many(requests, return_exceptions=True)
        got = [next(endings) for _ in range(100)]
        wait_until("it hangs", lambda: d.seen("!hang") == 1)
        d.kill()
        d.start()
        got += endings
        lost = [n for n, e in enumerate(got) if isinstance(e, coproc.ConnectionLostError)]
        assert lost == list(range(100, 100 + len(lost))) and 1 <= len(lost) <= 64, lost
        assert [e for n, e in enumerate(got) if n not in lost] == [
            r for n, r in enumerate(requests) if n not in lost]
        assert all(d.seen(r) <= 1 for r in requests)


def test_what_a_lost_connection_has_not_taken_is_asked_again(directory: Path) -> None:
    with running(directory, "--client-requests", "4") as d, coproc.Client(d.socket) as c:
        requests = ["!hang"] + [f"{n} " + "x" * 60000 for n in range(63)]
        got: list[Any] = []
        back = threading.Event()

        def take() -> None:
            for ending in c.ask_many(requests, return_exceptions=True):
                got.append(ending)
                back.wait()

        taker = threading.Thread(target=take)
        taker.start()
        wait_until("it hangs", lambda: d.seen("!hang") == 1)
        time.sleep(0.2)  # until the daemon reads no more, and the socket is full
        d.kill()
        d.start()
        back.set()
        taker.join()
        lost = [n for n, e in enumerate(got) if isinstance(e, coproc.ConnectionLostError)]
        assert lost == list(range(len(lost))) and 1 <= len(lost) < 30, lost
        right = [n for n, r in enumerate(requests) if got[n] == r]
        assert right == list(range(len(lost), len(requests))), (len(got), [str(e)[:90] for e in got])
        assert d.seen("!hang") == 1, d.seen("!hang")


def test_a_killed_program_ends_only_what_it_had(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        pid = int(c.ask("!pid"))
        errors: list[coproc.CoprocError] = []
        caller = threading.Thread(
            target=lambda: errors.append(raised(coproc.CrashedError, c.ask, "!hang")))
        caller.start()
        wait_until("it hangs", lambda: d.seen("!hang") == 1)
        others = threading.Thread(target=in_threads, args=(20, lambda n: check_numbered(c, n, 5)))
        others.start()
        os.kill(pid, signal.SIGKILL)
        caller.join()
        others.join()
        assert "signal 9" in errors[0].text and int(c.ask("!pid")) != pid


def test_callers_beyond_the_pool_wait_within_their_time(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket, pool=1) as c:
        slow = threading.Thread(target=c.ask, args=(f"!sleep {300 * SLOW} x",))
        slow.start()
        wait_until("it runs", lambda: bool(d.seen(f"!sleep {300 * SLOW} x")))
        assert "in use" in raised(TimeoutError, c.ask, "y", timeout=0.05).text
        assert c.ask("z") == "z"
        slow.join()


def test_a_forked_child_uses_no_connection_of_its_parent(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        in_threads(4, lambda n: check_numbered(c, n, 5))
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    check_numbered(c, 100 + number, 200)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(pid)
        in_threads(4, lambda n: check_numbered(c, n, 200))
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4


def test_a_batch_is_lazy_and_may_be_left(directory: Path) -> None:
    def endless() -> Iterator[str]:
        number = 0
        while True:
            yield str(number)
            number += 1

    with running(directory) as d, coproc.Client(d.socket, pool=1) as c:
        for number, reply in enumerate(c.ask_many(endless())):
            assert reply == str(number)
            if number == 500:
                break
        assert c.ask("after") == "after"
        mixed = list(c.ask_many(["a", "b\nc", b"d", "!die 4", "e"], return_exceptions=True))
        assert mixed[0] == "a" and mixed[2] == b"d" and mixed[4] == "e"
        assert isinstance(mixed[1], ValueError) and isinstance(mixed[3], coproc.CrashedError)
        replies = c.ask_many(["a", "!die 4", "e"])
        assert next(replies) == "a" and isinstance(
            raised(coproc.CrashedError, next, replies), coproc.CrashedError)
        assert c.ask("after") == "after"
        assert sum(map(len, c.ask_many(["!big 200000"] * 50))) == 10_000_000


def test_a_batch_that_times_out_ends_and_leaves_nothing_behind(directory: Path) -> None:
    with running(directory) as d, coproc.Client(d.socket) as c:
        assert c.ask("warm") == "warm"
        endings = list(c.ask_many(["!sleep 400 x", "b"], timeout=0.05, return_exceptions=True))
        assert isinstance(endings[0], coproc.RequestTimeoutError), endings
        assert c.ask("c") == "c"


if __name__ == "__main__":
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
