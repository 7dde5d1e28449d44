# SPDX-License-Identifier: MIT
"""The web demo as its one command starts it, and a real browser before it.

environment: WEBDEMO, COPROCD, NORMALIZER (paths)
             WEBDEMO_SHOTS  a directory for screenshots; without it none are made
"""
import atexit
import base64
import http.client
import json
import os
import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterator, Optional
from urllib.parse import quote, urlsplit

from selenium import webdriver
from selenium.common.exceptions import (NoSuchElementException, StaleElementReferenceException,
                                        WebDriverException)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tap import DEADLINE, need
from tap import wait_until as wait_in_tap

# A browser and web workers on a busy machine: what is waited for comes, but late.
PATIENCE = 4 * DEADLINE
RUN = os.environ["WEBDEMO"]
SHOTS = os.environ.get("WEBDEMO_SHOTS")
NO_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}

# Greets once the file "up" is there, and answers what begins with "hold" once "go" is; that
# it waits for it, the file "holds" tells.
HELD = """
until [ -e "$0/up" ]; do sleep 0.02; done
echo hello
while IFS= read -r line; do
    case $line in hold*) : >"$0/holds"; until [ -e "$0/go" ]; do sleep 0.02; done ;; esac
    printf '%s\\n' "$line"
done
"""
GREETS = "--banner lines:1 --ready banner"


def held(directory: Path) -> tuple[str, ...]:
    """A program that waits for a test, not for a time; it is up, and holds."""
    (directory / "up").touch()
    return "sh", "-c", HELD, str(directory)


def wait_until(what: str, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """As tap's, with more patience."""
    wait_in_tap(what, condition, seconds)


class Visitor:
    """One connection to the page, kept open, for programs."""

    def __init__(self, url: str) -> None:
        self.link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)

    def fetch(self, method: str, path: str, body: Optional[bytes] = None,
              **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.link.request(method, path, body, named)
        response = self.link.getresponse()
        return response, response.read()

    def json(self, method: str, path: str, body: Optional[bytes] = None, **headers: str) -> Any:
        return json.loads(self.fetch(method, path, body, **headers)[1])

    def ask(self, query: str) -> Any:
        return self.json("POST", "/api/ask", json.dumps({"q": query}).encode(),
                         Content_Type="application/json")

    def state(self) -> Any:
        return self.json("GET", "/api/state")

    def batch_ends(self, url: str) -> Any:
        wait_until("the batch's end",
                   lambda: self.json("GET", url)["state"] in ("done", "failed"))
        return self.json("GET", url)


class Demo:
    """contrib/webdemo/run and what it prints."""

    def __init__(self, directory: Path, *command: str, **environment: str) -> None:
        env = {**os.environ, "BIND": "127.0.0.1:0", "TMPDIR": str(directory),
               "PYTHONDONTWRITEBYTECODE": "1", "WEBDEMO_TIMEOUT": "100", **environment}
        env["COPROCD_OPTIONS"] = "--request-timeout 90s " + environment.get("COPROCD_OPTIONS", "")
        self.output = ""
        self.url = ""
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [RUN, *(["--", *command] if command else [])], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            found = re.match(r"webdemo: (http://\S+)", line)
            if found:
                self.url = found.group(1)

    def wait_for_url(self) -> None:
        wait_until("the page's address",
                   lambda: bool(self.url) or self.process.poll() is not None)
        assert self.url, self.output

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(timeout=PATIENCE)
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def pids(self, program: str) -> list[int]:
        """The children of the command that run the program."""
        done = subprocess.run([need("pgrep"), "-P", str(self.process.pid), "-f", program],
                              capture_output=True, text=True, check=False)
        return [int(word) for word in done.stdout.split()]


@contextmanager
def demo(directory: Path, *command: str, **environment: str) -> Iterator[Demo]:
    here = Demo(directory, *command, **environment)
    try:
        here.wait_for_url()
        yield here
    except BaseException:
        print("\n".join("# " + line for line in here.output.splitlines()[-30:]))
        raise
    finally:
        if here.process.poll() is None:
            here.interrupt()


def start_chromium(script: bool) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = need("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--disable-dev-shm-usage", "--lang=en", "--no-first-run",
                     "--disable-background-networking", "--disable-extensions"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not script:
        options.add_experimental_option("prefs", NO_SCRIPT)
    return webdriver.Chrome(service=Service(need("chromedriver")), options=options)


@lru_cache(maxsize=None)
def chromium(script: bool) -> webdriver.Chrome:
    """Started once: that takes longer than most tests. Each demo is an origin of its own."""
    driver = start_chromium(script)
    atexit.register(driver.quit)
    return driver


class Browser:
    """Chromium without a window."""

    def __init__(self, url: str, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        self.driver = chromium(script)
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=800,
                     deviceScaleFactor=2 if width < 500 else 1, mobile=width < 500)
        self.set_dark(dark)
        self.driver.get_log("browser")  # what an earlier test has left there
        self.driver.get(url)

    def command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def set_dark(self, dark: bool) -> None:
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def get(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        """What is seen, or nothing while it is hidden or another page is coming."""
        try:
            return str(self.get(name).text)
        except (NoSuchElementException, StaleElementReferenceException):
            return ""
        except WebDriverException as failure:
            # What a stale element is called when the page goes during the very call.
            if "does not belong to the document" not in str(failure.msg):
                raise
            return ""

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def type(self, text: str, name: str = "q") -> None:
        self.get(name).send_keys(text)

    def clear(self) -> None:
        self.script("document.getElementById('q').select()")
        self.type("\ue017")  # the key Delete

    def click(self, name: str) -> None:
        self.get(name).click()

    def sees(self, name: str, text: str) -> None:
        wait_until(f"{name} shows {text!r}", lambda: text in self.text(name))

    def shoot(self, name: str) -> None:
        """The whole page as a picture."""
        if not SHOTS:
            return
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        (Path(SHOTS) / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))


@contextmanager
def browser(url: str, width: int = 1280, dark: bool = False, script: bool = True,
            ) -> Iterator[Browser]:
    here = Browser(url, width, dark, script)
    try:
        yield here
        faults = [entry for entry in here.driver.get_log("browser")
                  if "Failed to load resource" not in entry["message"]]
        assert not faults, faults
    finally:
        here.driver.get("about:blank")


def ask_path(query: str) -> str:
    return "/api/ask?q=" + quote(query)
