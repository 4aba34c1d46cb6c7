"""Headless Chromium for pages of this repository: no network, an empty profile, and its own log."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
PATIENCE_SECONDS = 60.0


def find_programs() -> tuple[str, str] | None:
    """Return the paths of Chromium and of its driver; None where one is not installed."""
    found = [next(filter(None, map(shutil.which, names)), None) for names in PROGRAMS]
    return (found[0], found[1]) if found[0] and found[1] else None


class Browser:
    """A page in a browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def get(self, url: str) -> None:
        """Open a page; what was asked for before it is forgotten."""
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true.

        Raises:
            TimeoutException: It never was.
        """
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.02)
        wait.until(lambda driver: driver.execute_script(f"return {condition}"), condition)

    def type_into(self, name: str, text: str) -> None:
        """Set the text of a field at once, as pasting does."""
        self.run(
            "const field = document.getElementById(arguments[0]);"
            "field.value = arguments[1];"
            "field.dispatchEvent(new Event('input', {bubbles: true}));",
            name,
            text,
        )

    def choose(self, selector: str, value: str) -> None:
        """Choose an entry of a menu."""
        self.run(
            "const menu = document.querySelector(arguments[0]);"
            "menu.value = arguments[1];"
            "menu.dispatchEvent(new Event('change', {bubbles: true}));",
            selector,
            value,
        )

    def processor_seconds(self) -> float:
        """Return what the processes that show pages have worked, workers of the pages included."""
        import psutil

        found = psutil.Process(self.driver.service.process.pid).children(recursive=True)
        shown = [each for each in found if "--type=renderer" in each.cmdline()]
        times = [each.cpu_times() for each in shown]
        return sum(each.user + each.system for each in times)

    def log(self) -> list[str]:
        """Return what the page wrote to its console, errors and warnings included."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, by the browser's own account."""
        entries = self.driver.get_log("performance")
        sent = [json.loads(entry["message"])["message"] for entry in entries]
        asked = [each["params"] for each in sent if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in asked]

    def picture(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        self.driver.save_screenshot(str(path))


@contextmanager
def open_browser(width: int = 1280, height: int = 900, *, dark: bool = False) -> Iterator[Browser]:
    """Start a browser with an empty profile.

    Args:
        width: Of the window, in pixels; below 600 it is that of a phone.
        height: Of the window, in pixels.
        dark: Whether the reader prefers dark pages.

    Raises:
        FileNotFoundError: Chromium or its driver is not installed.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("chromium or chromedriver is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = programs[0]
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(programs[1]))
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1}
            size["mobile"] = width < 600
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            yield Browser(driver)
        finally:
            driver.quit()


def accessibility_violations(browser: Browser) -> list[str]:
    """Return what axe-core finds wrong in the open page: rule, severity, element and reason.

    The page's own policy forbids foreign scripts, so the checker comes in by the driver.
    """
    import axe_core_python

    script = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    browser.run(script)
    browser.run(
        "window.found = null; axe.run().then((all) => { window.found = all.violations.map((each) =>"
        "`${each.id} (${each.impact}): ${each.nodes[0].html.slice(0, 200)}`); })"
    )
    browser.wait("window.found !== null")
    return list(browser.run("return window.found"))
