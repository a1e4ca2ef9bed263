"""A headless Chromium that tests drive through its debugging pipe, with nothing but the standard library."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    # The sandbox needs rights that a container does not give; the pages are the tests' own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0
# Chromium wants the pipe to be its descriptors 3 and 4.
_PLACE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def find():
    """Find a browser; None where there is none, or no pipes of POSIX to drive it by."""
    if os.name != "posix":
        return None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class BrowserError(AssertionError):
    """The browser or a page of it did not do what it was told."""


class Browser:
    """One process; pages are opened in it one after the other."""

    def __init__(self, program):
        self._profile = tempfile.mkdtemp(prefix="tracecheck-browser-")
        profile = f"--user-data-dir={self._profile}"
        read, self._to = _pipe()
        self._from, write = _pipe()

        self.process = subprocess.Popen(
            [sys.executable, "-c", _PLACE, str(read), str(write), program, *_FLAGS, profile, "about:blank"],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self._number = 0
        self._buffer = b""
        self.events = []

    def close(self):
        """End the process and forget its profile."""
        with suppress(BrowserError, OSError):
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        """Call a method of the protocol and give its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        end = time.monotonic() + _PATIENCE
        while True:
            found = self._receive(end)
            if found.get("id") == self._number:
                if "error" in found:
                    raise BrowserError(f"{method}: {found['error']}")
                return found["result"]
            if "method" in found:
                self.events.append(found)

    def _receive(self, end):
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], max(end - time.monotonic(), 0))[0]:
                raise BrowserError("the browser does not answer")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise BrowserError("the browser has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, address="", *, width=1280, height=900, dark=False):
        """Open a file as a new page and wait until it shows something."""
        return Tab(self, Path(path).resolve().as_uri() + address, width, height, dark)


class Tab:
    """An open page."""

    def __init__(self, browser, url, width, height, dark):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.url = url
        self.call("Page.navigate", url=url)
        self.wait(
            "performance.getEntriesByName('shown').length || !document.querySelector('#notice')?.hidden"
            " && !/Reading/.test(document.querySelector('#notice')?.textContent ?? 'Reading')"
        )

    def call(self, method, **parameters):
        """Call a method for this page."""
        return self.browser.call(method, self.session, **parameters)

    def resize(self, width, height):
        """Set the size of the window."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def run(self, script):
        """Give the value of an expression, awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, condition):
        """Wait until an expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"never came true: {condition}; {self.troubles()}")
            time.sleep(0.02)

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.run(
            "new Promise((done) => setTimeout(() => requestAnimationFrame("
            "() => requestAnimationFrame(done)), 30))"
        )

    def key(self, key, text=None):
        """Press a key."""
        common = {"key": key, **({"text": text or key} if len(key) == 1 else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def mouse(self, kind, x, y, **more):
        """Send an event of the mouse."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def go(self, address):
        """Change the address, as following a link does."""
        self.run(f"void (location.hash = {json.dumps(address)})")
        self.settle()

    def text(self, selector):
        """Give the text of the first element that a selector finds."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def number(self, selector):
        """Count the elements that a selector finds and that are shown."""
        return self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].filter((n) => n.offsetParent).length"
        )

    def troubles(self):
        """List errors of the console, exceptions, and requests for anything but the page itself."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            method, what = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(what["exceptionDetails"].get("exception", {}).get("description"))
            elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning"):
                found.append(what)
            elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                found.append(what["entry"])
            elif (
                method == "Network.requestWillBeSent"
                and what["request"]["url"].partition("#")[0] != self.url.partition("#")[0]
            ):
                found.append(what["request"]["url"])
        return found

    def screenshot(self, path):
        """Save what is shown."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def pdf(self, path):
        """Print."""
        data = self.call("Page.printToPDF", printBackground=True)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        """Close the page."""
        self.browser.call("Target.closeTarget", targetId=self.target)


def _pipe():
    """Make a pipe whose ends are not where Chromium wants them to be."""
    import fcntl

    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved
