#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The web demo, served as people serve it, over HTTP; in a browser: webdemo_pages. TAP.

environment: FAKE_COPROC, SOURCE_ROOT (paths), and what webdemo_rig names
"""
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

from tap import adopt_orphans, is_alive, run_all
from webdemo_rig import GREETS, PATIENCE, RUN, Demo, Visitor, ask_path, demo, held, wait_until

FAKE = os.environ["FAKE_COPROC"]
NORMALIZER = os.environ["NORMALIZER"]
STOPWORDS = Path(os.environ["SOURCE_ROOT"]) / "contrib/normalizer/stopwords.txt"
USERS = 200
BOM = b"\xef\xbb\xbf"


def right_answers(lines: list[str]) -> list[str]:
    """What the normalizer itself says."""
    done = subprocess.run([NORMALIZER, str(STOPWORDS)], input="".join(x + "\n" for x in lines),
                          text=True, capture_output=True, timeout=PATIENCE, check=True)
    return done.stdout.splitlines()


def together(count: int, work: Callable[[int], None]) -> None:
    """Run the work in so many threads that begin at one time; raises what one has raised."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            barrier.wait(PATIENCE)
            work(number)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{len(failures)} of {count} failed") from failures[0]


def test_one_command_starts_both_and_ctrl_c_stops_both(directory: Path) -> None:
    here = Demo(directory, STARTUP_DELAY="0")
    here.wait_for_url()
    daemon, web = here.pids("coprocd.sock"), here.pids("gunicorn")
    assert len(daemon) == 1 and len(web) == 1, (daemon, web)
    program = Visitor(here.url).state()["pid"]
    assert Visitor(here.url).ask("Alisa")["reply"] == "alisa"
    assert here.interrupt() == 0, here.output
    for pid in (*daemon, *web, program):
        wait_until(f"the end of {pid}", lambda: not is_alive(pid))
    assert not list(directory.iterdir()), list(directory.iterdir())


def test_nothing_is_left_when_the_command_is_killed(directory: Path) -> None:
    here = Demo(directory, STARTUP_DELAY="0")
    here.wait_for_url()
    pids = [*here.pids("coprocd.sock"), *here.pids("gunicorn"), Visitor(here.url).state()["pid"]]
    assert len(pids) == 3
    here.process.kill()
    here.interrupt()
    for pid in pids:
        wait_until(f"the end of {pid}", lambda: not is_alive(pid))


def test_the_command_says_what_is_wrong_with_its_arguments(directory: Path) -> None:
    def says(*words: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run([RUN, *words], env=dict(os.environ, BIND="127.0.0.1:0",
                                                      TMPDIR=str(directory), **environment),
                              text=True, capture_output=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stderr

    assert says("--fast") == (64, 'webdemo: there is no option "--fast"; see '
                              f'{RUN} --help\n')
    status, text = says(str(directory / "none"))
    assert status == 64 and "is no directory" in text
    status, text = says(str(directory), COPROCD="")
    assert status == 69 and "build it first" in text
    status, text = says("--")
    assert status == 64 and "has to be a command" in text
    status, text = says(COPROCD="/no/such")
    assert status == 69 and "/no/such" in text
    status, text = says("--", "true", COPROCD_OPTIONS="--window none")
    assert status == 69 and "window" in text
    assert not list(directory.iterdir()), list(directory.iterdir())


def test_a_query_is_taken_in_every_form_and_the_state_counts_it(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="0") as here:
        visitor = Visitor(here.url)
        form = "q=%E5%9C%A8%E4%BA%91%E7%AB%AF".encode()
        answers = [visitor.ask("在云端"), visitor.json("GET", ask_path("在云端")),
                   visitor.json("POST", "/api/ask", form,
                                Content_Type="application/x-www-form-urlencoded")]
        assert [answer["reply"] for answer in answers] == ["云端"] * 3, answers
        assert all(answer["ms"] > 0 for answer in answers)
        wait_until("the count", lambda: visitor.state()["served"] >= 3)
        state = visitor.state()
        assert state["state"] == "ready" and state["served"] == 3 and state["starts"] == 1, state
        assert state["warm_ms"] > 0 and is_alive(state["pid"]) and state["waiting"] == 0, state


def error_of(visitor: Visitor, query: str, path: str = "/api/ask") -> tuple[int, dict[str, object]]:
    response, body = visitor.fetch("POST", path, json.dumps({"q": query}).encode(),
                                   Content_Type="application/json")
    error = json.loads(body)["error"]
    assert error["title"] and error["happened"] and error["advice"], error
    if error["retry_after_ms"]:
        seconds = -(-error["retry_after_ms"] // 1000)
        assert response.getheader("Retry-After") == str(seconds), response.getheaders()
    return response.status, error


def test_every_error_of_a_query_is_told_in_words(directory: Path) -> None:
    options = "--request-timeout 1s --hang-timeout 3s --max-reply 1K --forbid ^evil " \
        "--restart-delay 1ms --restart-delay-max 2ms"
    with demo(directory, FAKE, COPROCD_OPTIONS=options) as here:
        visitor = Visitor(here.url)
        for query, status, code in (
                ("!sleep 1100 late", 504, "timeout"),
                ("!die 3", 502, "crashed"),
                ("!big 5000", 502, "reply-too-long"),
                ("!twice " + "x" * 800, 502, "desync"),
                ("x" * 70000, 413, "too-long"),
                ("y" * (2 << 20), 413, "too-long"),
                ("evil", 400, "bad-request"),
                ("two\nlines", 400, "bad-request"),
                ("half \ud800", 400, "bad-request"),
                ("a NUL \0", 400, "bad-request")):
            got, error = error_of(visitor, query)
            assert (got, error["code"]) == (status, code), (query[:50], error)
        crashed = error_of(visitor, "!die 3")[1]
        assert "status 3" in str(crashed["text"]) and "started again" in str(crashed["happened"])
        for body in (b"", b"[]", b'{"q": 1}', b"nonsense"):
            response, text = visitor.fetch("POST", "/api/ask", body,
                                           Content_Type="application/json")
            assert response.status == 400 and b"there is no query" in text, text
        assert visitor.ask("still here")["reply"] == "still here"
        response, text = visitor.fetch("GET", "/?q=!die+3")
        assert response.status == 502 and b"The program ended while it worked" in text


def test_every_code_that_the_client_knows_has_words(_: Path) -> None:
    root = Path(os.environ["SOURCE_ROOT"]) / "contrib"
    sys.path[:0] = [str(root / "python"), str(root / "webdemo")]
    codes = importlib.import_module("coproc.errors").BY_CODE
    meanings = importlib.import_module("webdemo.errors").MEANINGS
    assert set(codes) <= set(meanings), set(codes) - set(meanings)
    for code, meaning in meanings.items():
        assert meaning.title and meaning.happened and meaning.advice, code
        assert code == "offline" or 400 <= meaning.status < 600, code


def test_errors_of_the_service_are_told_in_words(directory: Path) -> None:
    with demo(directory, "/no/such/program",
              COPROCD_OPTIONS="--restart-limit 1 --restart-delay 1ms") as here:
        visitor = Visitor(here.url)
        wait_until("failed", lambda: visitor.state()["state"] == "failed")
        assert error_of(visitor, "x")[0] == 503
        assert error_of(visitor, "x")[1]["code"] == "unavailable"
        assert "No such file" in visitor.state()["last_failure"]
        for path in ("/", "/api/ask?q=x"):
            response, text = visitor.fetch("GET" if "?" in path else "POST", path, b"q=x",
                                           Sec_Fetch_Site="cross-site")
            assert response.status == 403 and b"page of another site" in text
        assert visitor.fetch("GET", "/", Sec_Fetch_Site="cross-site")[0].status == 200
        response, text = visitor.fetch("GET", "/nowhere")
        assert response.status == 404 and b"There is nothing at this address" in text
        assert visitor.json("GET", "/api/nowhere")["error"]["code"] == "not-found"


def test_a_full_queue_and_a_stopping_daemon_say_when_to_come_back(directory: Path) -> None:
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS + " --queue 1",
              WEB_WORKERS="1") as here:
        visitor = Visitor(here.url)
        assert visitor.ask("x")["reply"] == "x"
        slow = [threading.Thread(target=Visitor(here.url).ask, args=("hold",)) for _ in range(2)]
        for number, thread in enumerate(slow):
            thread.start()
            wait_until("the queue", lambda: visitor.state()["in_flight"] == 1
                       and visitor.state()["waiting"] == number)
        status, error = error_of(visitor, "one too many")
        assert (status, error["code"]) == (503, "overloaded"), error
        os.kill(here.pids("coprocd.sock")[0], signal.SIGTERM)
        wait_until("stopping", lambda: visitor.state()["state"] == "stopping")
        status, error = error_of(visitor, "too late")
        assert (status, error["code"]) == (503, "stopping"), error
        (directory / "go").touch()
        for thread in slow:
            thread.join()


def test_200_users_at_once_each_get_their_own_answers(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="1s") as here:
        times: list[float] = []

        def use(user: int) -> None:
            visitor = Visitor(here.url)
            assert visitor.fetch("GET", "/")[0].status == 200
            for number in range(10):
                begun = time.monotonic()
                answer = visitor.ask(f"User {user} Query {number}")
                times.append(time.monotonic() - begun)
                assert answer.get("reply") == f"user {user} query {number}", answer
                visitor.state()

        together(USERS, use)
        times.sort()
        print(f"# {len(times)} queries of {USERS} users: median {times[len(times) // 2]:.3f} s, "
              f"longest {times[-1]:.3f} s")
        assert len(times) == 10 * USERS
        state = Visitor(here.url).state()
        assert state["starts"] == 1 and state["clients"] <= 2 * 256, state


def test_the_page_and_the_state_stay_at_hand_while_200_queries_wait(directory: Path) -> None:
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS) as here:
        looks: list[float] = []

        def look() -> None:
            visitor = Visitor(here.url)
            wait_until("all wait", lambda: visitor.state()["waiting"] == USERS - 1)
            for _ in range(10):
                begun = time.monotonic()
                assert visitor.state()["waiting"] == USERS - 1
                assert visitor.fetch("GET", "/")[0].status == 200
                looks.append(time.monotonic() - begun)

        def use(user: int) -> None:
            if user == USERS:
                try:
                    look()
                finally:
                    (directory / "go").touch()
                return
            query = f"hold {user}"
            assert Visitor(here.url).ask(query).get("reply") == query

        together(USERS + 1, use)
        print(f"# {len(looks)} looks, the longest took {max(looks):.3f} s")


def test_more_queries_than_a_web_worker_has_room_for_are_told_to_come_back(
        directory: Path) -> None:
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS, WEB_WORKERS="1",
              WEBDEMO_THREADS="36") as here:
        visitor = Visitor(here.url)
        replies: list[str] = []
        waiting = [threading.Thread(
            target=lambda: replies.append(Visitor(here.url).ask("hold").get("reply")))
            for _ in range(4)]
        for thread in waiting:
            thread.start()
        wait_until("four wait", lambda: visitor.state()["waiting"] == 3)
        for _ in range(6):
            assert error_of(visitor, "x")[1]["code"] == "overloaded"
        (directory / "go").touch()
        for thread in waiting:
            thread.join()
        assert replies == ["hold"] * 4 and visitor.ask("x")["reply"] == "x"


def test_a_batch_is_answered_line_by_line_while_others_ask(directory: Path) -> None:
    words = ["在云端", "云梯", "摩萨德", "Alisa", "iDB", "阿里大数据", "ＦＵＬＬ", ""]
    lines = [f"{words[n % 8]} Line {n}" if n % 8 != 7 else "" for n in range(50001)]
    with demo(directory, STARTUP_DELAY="0") as here:
        visitor = Visitor(here.url)
        body = "\r\n".join(lines[:49000]).encode() + b"\n" + \
            "\n".join(lines[49000:]).encode()
        response, text = visitor.fetch("POST", "/api/batch?name=lines.txt", body,
                                       Content_Type="text/plain")
        batch = json.loads(text)
        assert response.status == 202 and batch["lines"] == len(lines), batch
        assert response.getheader("Location") == batch["url"]
        times = []
        while visitor.json("GET", batch["url"])["state"] != "done":
            begun = time.monotonic()
            assert visitor.ask("Meanwhile")["reply"] == "meanwhile"
            times.append(time.monotonic() - begun)
        print(f"# {len(times)} queries beside the batch, the longest took {max(times):.3f} s")
        assert len(times) > 2, "the queries had to wait for the batch"
        end = visitor.batch_ends(batch["url"])
        assert end["done"] == len(lines) and end["failed"] == {}, end
        response, text = visitor.fetch("GET", end["result_url"])
        assert "answers.txt" in (response.getheader("Content-Disposition") or "")
        assert text.decode().splitlines() == right_answers(lines)


def test_lines_of_a_batch_that_fail_stand_in_their_places(directory: Path) -> None:
    lines = [b"before", b"!die 7", b"after", b"a NUL \0", b"\xff\xfe no UTF-8", b"x" * 70000, b"end"]
    with demo(directory, FAKE) as here:
        visitor = Visitor(here.url)
        batch = visitor.json("POST", "/api/batch", BOM + b"\n".join(lines),
                             Content_Type="text/plain")
        end = visitor.batch_ends(batch["url"])
        assert end["failed"] == {"crashed": 1, "bad-request": 1, "too-long": 1}, end
        result = visitor.fetch("GET", end["result_url"])[1].split(b"\n")
        assert [bool(re.match(rb"coprocd: error: [a-z-]+: ", line)) for line in result] == \
            [False, True, False, True, False, True, False, False], result
        assert (result[0], result[2], result[4], result[6]) == (lines[0], lines[2], lines[4], b"end")


def test_a_batch_can_be_cancelled_and_only_its_owner_finds_it(directory: Path) -> None:
    with demo(directory, FAKE) as here:
        visitor = Visitor(here.url)
        batch = visitor.json("POST", "/api/batch", b"!sleep 50\n" * 1000, Content_Type="text/plain")
        assert visitor.fetch("GET", batch["url"] + "/result")[0].status == 409
        assert visitor.fetch("DELETE", batch["url"])[0].status == 204
        assert visitor.fetch("GET", batch["url"])[0].status == 404
        wait_until("the queue is empty", lambda: not visitor.state()["in_flight"]
                   and not visitor.state()["waiting"])
        assert visitor.state()["served"] < 900
        for path in ("/api/batch/../../etc", "/api/batch/%2e%2e", "/api/batch/AAAAAAAAAAAA"):
            assert visitor.fetch("GET", path)[0].status == 404, path


def test_what_is_no_batch_is_refused(directory: Path) -> None:
    with demo(directory, FAKE) as here:
        visitor = Visitor(here.url)
        response, text = visitor.fetch("POST", "/api/batch", b"", Content_Type="text/plain")
        assert response.status == 400 and b"the file is empty" in text
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
        response, text = visitor.fetch("POST", "/api/batch", form,
                                       Content_Type="multipart/form-data; boundary=x")
        assert response.status == 400 and b"no file was chosen" in text
        large = b"a line\n" * (9 << 20 >> 3)
        large += large[:1 << 20]
        response, text = Visitor(here.url).fetch("POST", "/api/batch", large,
                                                 Content_Type="text/plain")
        assert response.status == 413 and b"too-long" in text, text
        spool = next(directory.glob("webdemo.*/spool"))
        assert not list(spool.iterdir()), list(spool.iterdir())


def test_a_slow_sender_costs_the_others_nothing(directory: Path) -> None:
    with demo(directory, FAKE, WEB_WORKERS="1") as here:
        host, port = urlsplit(here.url).netloc.split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(20)]
        for link in slow:
            link.sendall(b"POST /api/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        assert Visitor(here.url).ask("quick")["reply"] == "quick"
        for link in slow:
            link.close()


if __name__ == "__main__":
    adopt_orphans()
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
