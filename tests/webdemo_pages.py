# SPDX-License-Identifier: MIT
"""The pages of the web demo in a real browser; TAP when it is run.

environment: FAKE_COPROC, and what webdemo_rig names
"""
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tap import adopt_orphans, run_all
from webdemo_look import accessible, check_looks, is_narrow_enough, tab_order
from webdemo_rig import GREETS, Browser, Demo, Visitor, browser, demo, held, wait_until

FAKE = os.environ["FAKE_COPROC"]
ANSWERS = {"在云端": "云端", "云梯": "云梯", "摩萨德": "摩萨德", "Alisa": "alisa", "iDB": "idb",
           "阿里大数据": "阿里大数据"}

# Requests for queries that begin with "late" come back late, whoever has given them up.
DELAY_SOME = """
    const real = window.fetch;
    window.asked = [];
    window.fetch = (url, options = {}) => {
        if (url !== "/api/ask") return real(url, options);
        window.asked.push(JSON.parse(options.body).q);
        if (!options.body.includes("late")) return real(url, options);
        window.isLate = false;
        return real(url, { ...options, signal: undefined }).then((answer) => new Promise(
            (resolve) => setTimeout(() => { resolve(answer); setTimeout(() => {
                window.isLate = true; }, 50); }, 1000)));
    };
"""


def history(page: Browser) -> list[str]:
    rows: list[str] = page.script(
        "return [...document.querySelectorAll('#history .h-query')].map((row) => row.textContent)")
    return rows


def fact(page: Browser, name: str) -> str:
    return str(page.driver.find_element(By.CSS_SELECTOR, f'#state [data-fact="{name}"]').text)


def test_answers_come_as_one_types(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="0") as here, browser(here.url) as page:
        assert page.text("answer") == "Nothing asked yet."
        page.type("在云端 Alisa")
        wait_until("the answer", lambda: page.text("answer") == "云端 alisa")
        assert page.text("latency").startswith("Answered in ")
        wait_until("the history", lambda: history(page) == ["在云端 Alisa"])
        wait_until("the count", lambda: int(fact(page, "served")) >= 1)
        assert page.text("pill-text") == "Ready" and fact(page, "warm").startswith("for ")
        page.clear()
        wait_until("it is cleared", lambda: page.text("answer") == "Nothing asked yet.")
        page.script("document.querySelector('#history button').click()")
        wait_until("the same again", lambda: page.text("answer") == "云端 alisa")
        page.driver.refresh()
        wait_until("the history after a reload", lambda: history(page) == ["在云端 Alisa"])
        page.click("clear-history")
        assert not history(page)


def test_a_stale_answer_never_replaces_a_newer_one(directory: Path) -> None:
    with demo(directory, FAKE) as here, browser(here.url) as page:
        page.script(DELAY_SOME)
        page.type("late one" + Keys.ENTER)
        wait_until("it is asked", lambda: page.script("return window.asked") == ["late one"])
        page.clear()
        page.type("newer" + Keys.ENTER)
        wait_until("the newer answer", lambda: page.text("answer") == "newer")
        wait_until("the stale one", lambda: page.script("return window.isLate"))
        assert page.text("answer") == "newer"
        page.clear()
        page.type("late two" + Keys.ENTER)
        wait_until("it is asked", lambda: "late two" in page.script("return window.asked"))
        page.clear()
        wait_until("the stale one", lambda: page.script("return window.isLate"))
        assert page.text("answer") == "Nothing asked yet."


def test_a_slow_program_is_not_asked_every_letter(directory: Path) -> None:
    text = "slow and steady"
    with demo(directory, FAKE, "--delay-ms", "800") as here, browser(here.url) as page:
        page.script(DELAY_SOME)
        begun = time.monotonic()
        for letter in text:
            page.type(letter)
            time.sleep(0.16)  # slower than the page's own pause
        wait_until("the answer to all of it", lambda: page.text("answer") == text)
        # The next one waits for the one before, which takes that long.
        most = (time.monotonic() - begun) / 0.8 + 1
        asked = page.script("return window.asked")
        assert len(asked) <= most and asked[-1] == text, (most, asked)
        wait_until("the history", lambda: history(page) == [text])


def test_an_input_method_is_left_alone_until_it_is_done(directory: Path) -> None:
    with demo(directory, FAKE) as here, browser(here.url) as page:
        page.script(DELAY_SOME + """
            const q = document.getElementById("q");
            q.value = "yun";
            q.dispatchEvent(new InputEvent("input", {isComposing: true, bubbles: true}));
            setTimeout(() => {
                q.value = "云";
                q.dispatchEvent(new CompositionEvent("compositionend", {bubbles: true}));
            }, 600);
        """)
        wait_until("the answer", lambda: page.text("answer") == "云")
        assert page.script("return window.asked") == ["云"]


def test_a_killed_process_is_explained_and_comes_back(directory: Path) -> None:
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS) as here:
        visitor = Visitor(here.url)
        wait_until("ready", lambda: visitor.state()["state"] == "ready")
        with browser(here.url) as page:
            page.type("hold this" + Keys.ENTER)
            wait_until("it is at work", lambda: visitor.state()["in_flight"] == 1)
            wait_until("it waits", lambda: page.text("latency").startswith("Waiting… "))
            (directory / "up").unlink()
            os.kill(visitor.state()["pid"], signal.SIGKILL)
            page.sees("answer", "The program ended while it worked on this query")
            page.sees("answer", "Ask again.")
            page.sees("answer", "killed by signal 9")
            page.sees("pill-text", "Starting")
            page.shoot("crashed-desk")
            page.click("again")
            page.sees("latency", "Waiting for the program to start")
            page.sees("answer", "Asked again; waiting for the answer.")
            page.shoot("starting-desk")
            (directory / "go").touch()
            (directory / "up").touch()
            wait_until("the recovery", lambda: page.text("answer") == "hold this")
            page.sees("pill-text", "Ready")
            wait_until("another start", lambda: int(fact(page, "starts")) > 1)
            page.sees("last-failure", "signal 9")
            assert page.script("return document.activeElement.id") == "q"
            assert not page.get("again-line").is_displayed()
            assert history(page) == ["hold this"]


def test_a_full_queue_is_asked_again_by_itself(directory: Path) -> None:
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS, WEB_WORKERS="1",
              WEBDEMO_THREADS="33") as here:
        with browser(here.url) as page:
            page.script("fetch('/api/ask?q=hold')")
            wait_until("it is busy", lambda: Visitor(here.url).state()["in_flight"] == 1)
            page.type("patience")
            page.sees("answer", "Too many queries at this moment")
            page.sees("again-hint", "asked again by itself in ")
            (directory / "go").touch()
            wait_until("the answer", lambda: page.text("answer") == "patience")


def test_a_lost_server_is_noticed_and_found_again(directory: Path) -> None:
    with demo(directory, FAKE) as here, browser(here.url) as page:
        page.sees("pill-text", "Ready")
        assert here.interrupt() == 0
        page.sees("pill-text", "No connection")
        assert fact(page, "warm") == "not known"
        page.type("anybody?")
        page.sees("answer", "The page has lost its server")
        page.shoot("offline-desk")
        with demo(directory, FAKE, BIND=here.url.removeprefix("http://").rstrip("/")):
            page.sees("pill-text", "Ready")
            page.click("again")
            wait_until("the answer", lambda: page.text("answer") == "anybody?")


def test_the_sample_queries_run_at_one_press(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="0") as here, browser(here.url) as page:
        page.click("run-samples")
        page.sees("samples-said", "All 6 samples are answered")
        rows = page.driver.find_elements(By.CSS_SELECTOR, "#samples tbody tr")
        cells = [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
                 for row in rows]
        assert {query: answer for query, answer, _ in cells} == ANSWERS, cells
        assert all(time.endswith(" ms") for _, _, time in cells), cells
        assert history(page) == list(ANSWERS)


def upload(page: Browser, directory: Path, lines: list[str]) -> None:
    path = directory / "ten thousand lines.txt"
    path.write_text("".join(line + "\n" for line in lines))
    page.get("file").send_keys(str(path))
    page.click("start-batch")


def test_10000_lines_go_up_with_a_bar_and_come_down_answered(directory: Path) -> None:
    lines = ["hold here" if n == 6000 else f"line {n}" for n in range(10000)]
    with demo(directory, *held(directory), COPROCD_OPTIONS=GREETS) as here, \
            browser(here.url) as page:
        page.script("""
            window.bar = [];
            const bar = document.getElementById("bar");
            new MutationObserver(() => window.bar.push(bar.value)).observe(
                bar, {attributes: true, attributeFilter: ["value"]});
        """)
        upload(page, directory, lines)
        page.sees("batch-text", " of 10,000 lines, ")
        wait_until("some of the bar", lambda: int(page.get("bar").get_attribute("value")) > 999)
        wait_until("it holds", (directory / "holds").exists)
        assert int(page.get("bar").get_attribute("value")) <= 6000
        page.shoot("batch-desk")
        page.type("meanwhile")
        page.sees("latency", "Waiting… ")
        (directory / "go").touch()
        wait_until("an answer meanwhile", lambda: page.text("answer") == "meanwhile")
        page.sees("batch-text", "All 10,000 lines done in ")
        seen = page.script("return window.bar")
        assert seen == sorted(seen) and seen[-1] == 10000 and len(set(seen)) > 2, seen
        assert not page.get("cancel").is_displayed()
        assert "All 10,000 lines done" in page.script(
            "return document.getElementById('batch-said').textContent")
        assert download(page, directory) == lines


def download(page: Browser, directory: Path) -> list[str]:
    """What a click on the link saves."""
    page.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(directory))
    assert page.text("download") == "Download 10,000 answers"
    page.click("download")
    path = directory / "answers.txt"
    # The browser takes the name first, with an empty file.
    wait_until("the file", lambda: path.exists() and path.stat().st_size > 0)
    return path.read_text().splitlines()


def test_a_batch_outlives_a_reload_and_can_be_cancelled(directory: Path) -> None:
    with demo(directory, FAKE) as here, browser(here.url) as page:
        upload(page, directory, ["!sleep 20 x"] * 10000)
        page.sees("batch-text", " of 10,000 lines, ")
        page.driver.refresh()
        page.sees("batch-text", " of 10,000 lines, ")
        assert not page.get("start-batch").is_enabled()
        page.click("cancel")
        wait_until("it is gone", lambda: not page.get("batch").is_displayed())
        wait_until("it is cancelled", lambda: Visitor(here.url).state()["in_flight"] == 0)
        assert page.get("start-batch").is_enabled()
        assert page.script("return document.activeElement.id") == "file"
        page.driver.refresh()
        assert not page.get("batch").is_displayed()


def test_it_works_without_a_script(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="0") as here, browser(here.url, script=False) as page:
        page.type("在云端 ＡＢＣ" + Keys.ENTER)
        wait_until("the answer", lambda: page.text("answer") == "云端 abc")
        assert page.get("q").get_attribute("value") == "在云端 ＡＢＣ"
        assert " ms" in page.text("latency") and fact(page, "title") == "Ready"
        assert not page.get("history-card").is_displayed()
        page.click("run-samples")
        wait_until("the samples", lambda: "idb" in page.text("samples"))
        page.shoot("no-script-desk")
        upload(page, directory, [f"Line {n}" for n in range(10000)])
        link = "main > .card a.button"
        wait_until("the batch's end", lambda: bool(page.driver.find_elements(By.CSS_SELECTOR, link)))
        page.shoot("no-script-batch-desk")
        address = page.driver.find_element(By.CSS_SELECTOR, link).get_attribute("href")
        text = Visitor(here.url).fetch("GET", urljoin(here.url, address).removeprefix(here.url[:-1]))
        assert text[1].decode().splitlines() == [f"line {n}" for n in range(10000)]
        page.driver.get(here.url + "?q=" + "x" * 5000)
        assert page.get("answer").text == "x" * 5000


def fill(page: Browser, here: Demo, directory: Path) -> None:
    """All that the page can show, and words that are longer than a phone is wide."""
    page.sees("pill-text", "Ready")
    page.click("run-samples")
    page.sees("samples-said", "All 6 samples are answered")
    upload(page, directory, ["W" * 300] * 10000)
    page.sees("batch-text", "All 10,000 lines done")
    page.clear()
    page.type("https://example.org/" + "W" * 300 + Keys.ENTER)
    page.sees("answer", "w" * 300)
    os.kill(Visitor(here.url).state()["pid"], signal.SIGKILL)
    page.sees("last-failure", "signal 9")
    wait_until("the history", lambda: len(history(page)) == 8)
    page.sees("pill-text", "Ready")


def test_it_looks_right_on_a_phone_and_a_desk_by_day_and_night(directory: Path) -> None:
    for width, name in ((360, "phone"), (1280, "desk")):
        where = directory / name
        where.mkdir()
        with demo(where, STARTUP_DELAY="0") as here, browser(here.url, width) as page:
            page.sees("pill-text", "Ready")
            page.type("在云端 Alisa" + Keys.ENTER)
            page.sees("answer", "云端 alisa")
            wait_until("the history", lambda: len(history(page)) == 1)
            page.shoot(f"first-{name}")
            fill(page, here, where)
            for dark in (False, True):
                page.set_dark(dark)
                page.shoot(f"full-{name}-{'dark' if dark else 'light'}")
                check_looks(page, width)
            page.clear()
            page.script("const q = document.getElementById('q'); q.value = 'x'.repeat(70000);"
                        "document.getElementById('ask').requestSubmit()")
            page.sees("answer", "The query is too long")
            page.sees("answer", "too-long: ")
            wait_until("the history", lambda: history(page)[0].startswith("xxx"))
            for dark in (False, True):
                page.set_dark(dark)
                page.shoot(f"error-{name}-{'dark' if dark else 'light'}")
                check_looks(page, width)
            for narrow in (320, 480, 720, 960):
                page.command("Emulation.setDeviceMetricsOverride", width=narrow, height=800,
                             deviceScaleFactor=1, mobile=False)
                assert is_narrow_enough(page, narrow)


def test_all_can_be_done_with_the_keyboard(directory: Path) -> None:
    with demo(directory, STARTUP_DELAY="0") as here, browser(here.url) as page:
        page.sees("pill-text", "Ready")
        assert tab_order(page, 6) == ["brand", "q", "send", "run-samples", "file", "start-batch"]
        page.get("q").send_keys("iDB" + Keys.TAB + Keys.ENTER)
        wait_until("the answer", lambda: page.text("answer") == "idb")
        page.get("run-samples").send_keys(Keys.SPACE)
        page.sees("samples-said", "All 6 samples are answered")
        assert page.script("return document.activeElement.id") == "run-samples"
        wait_until("the history", lambda: len(history(page)) == 7)
        # Where the answer appears, it is said; what changes all the time, is not.
        assert page.get("answer").get_attribute("role") == "status"
        for quiet in ("latency", "batch-text", "again-hint"):
            assert not page.script("return document.getElementById(arguments[0])"
                                   ".closest('[aria-live], [role=status], [role=alert]')", quiet)
        assert {("textbox", "Your query"), ("button", "Ask"), ("status", "Answer"),
                ("button", "Run all 6"), ("table", "Sample queries"), ("region", "History"),
                ("button", "A text file, each line a query (up to 8 MiB)"),
                ("heading", "The program")} <= accessible(page), accessible(page)


if __name__ == "__main__":
    adopt_orphans()
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
