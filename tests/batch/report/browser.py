"""A page in a real browser, and how to look at it."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DESK, PHONE = (1280, 800, 1), (390, 760, 3)


class Browser:
    """A page, and how to look at it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, file: Path, screen: tuple[int, int, int] = DESK, **features: str) -> "Browser":
        width, height, scale = screen
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale}
        phone = screen == PHONE
        self.cdp("Emulation.setDeviceMetricsOverride", mobile=phone, **metrics)
        media = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": features.get(name, otherwise)}
            for name, otherwise in (("color_scheme", "light"), ("reduced_motion", "no-preference"))
        ]
        self.cdp("Emulation.setEmulatedMedia", features=media)
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(file.as_uri())
        return self

    def cdp(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {expression}", *arguments)

    def wait(self, expression: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 20, 0.05).until(lambda _: self.js(expression))

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def shown(self) -> list[str]:
        """The names of the photos that are shown, in order."""
        names: list[str] = self.js(
            "[...document.querySelectorAll('#photos > li:not([hidden]) .name')]"
            ".map(name => name.textContent)"
        )
        return names

    def requests(self) -> list[str]:
        """What the page asked for, and its policy did not refuse, since this was called last."""
        asked: dict[str, str] = {}
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            about = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                asked[about["requestId"]] = about["request"]["url"]
            elif about.get("blockedReason") == "csp":
                del asked[about["requestId"]]
        return list(asked.values())

    def text(self, selector: str) -> str:
        """The text of an element, also while it fades in."""
        content: str = self.js("document.querySelector(arguments[0]).textContent", selector)
        return content

    def complaints(self) -> list[Any]:
        return list(self.driver.get_log("browser"))

    def picture(self) -> np.ndarray:
        """The frame of the viewer as it is on the screen, once its pictures are there."""
        self.wait("[...document.querySelectorAll('#frame img')].every(i => i.complete)")
        with Image.open(io.BytesIO(self.find("#frame").screenshot_as_png)) as shot:
            return np.asarray(shot.convert("RGB")).astype(int)

    def wide(self, selector: str) -> bool:
        """Whether something scrolls sideways."""
        wide: bool = self.js(
            "(e => e.scrollWidth > e.clientWidth)(document.querySelector(arguments[0]))", selector
        )
        return wide
