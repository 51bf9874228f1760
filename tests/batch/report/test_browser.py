"""The report in a real browser: what a person sees, does and hears."""

from pathlib import Path

import numpy as np
import pytest

from tests.batch.report.browser import DESK, PHONE, Browser


def test_the_page_shows_all_and_asks_for_nothing_else(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert (
        browser.find("#lead").text
        == "6 of 8 photos restored. The run ended early; the same command goes on from here."
    )
    assert [e.text for e in browser.driver.find_elements("css selector", "#facts dd")] == [
        "6", "1", "1", "1 min 15 s", "4.0 s", "6.0 s",
    ]  # fmt: skip
    assert browser.shown()[0] == "broken.jpg" and len(browser.shown()) == 8
    assert "damaged <b>file</b>" in browser.find(".failed").text
    browser.wait("[...document.images].filter(i => i.src).every(i => i.complete && i.naturalWidth)")
    browser.find("button.card").click()
    browser.picture()
    asked = browser.requests()
    assert len(asked) > 8
    assert all(url.startswith(report.parent.as_uri() + "/") for url in asked), asked
    assert browser.complaints() == []


def test_names_are_text(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert "day 1/<script>alert(1)<\\script>.jpg" in browser.shown()
    assert "day 2/عربي\\u202egpj.tif" in browser.shown()
    assert browser.js("document.scripts.length") == 2 and not browser.js(
        "document.querySelectorAll('b').length"
    )
    browser.find("#search").send_keys("alert")
    browser.find("li:not([hidden]) button.card").click()
    assert browser.text("#viewer-name") == "day 1/<script>alert(1)<\\script>.jpg"
    assert browser.js("document.scripts.length") == 2 and browser.complaints() == []


def test_the_policy_keeps_the_page_from_the_network(browser: Browser, report: Path) -> None:
    """Were a script to get in all the same, it would neither run nor reach anything."""
    browser.open(report)
    browser.driver.execute_script(
        "window.blocked = []; addEventListener('securitypolicyviolation',"
        " e => blocked.push(e.effectiveDirective));"
        "const s = document.createElement('script'); s.textContent = 'window.ran = true';"
        "document.body.append(s); new Image().src = 'https://example.invalid/a.png';"
        "fetch('https://example.invalid/').catch(() => 0);"
    )
    browser.wait("blocked.length >= 3")
    assert set(browser.js("blocked")) == {"script-src-elem", "img-src", "connect-src"}
    assert browser.js("window.ran") is None
    assert not [url for url in browser.requests() if "example.invalid" in url]


def test_search_filter_and_order(browser: Browser, report: Path) -> None:
    browser.open(report)
    search = browser.find("#search")
    search.send_keys("cafe day")
    assert browser.shown() == ["day 2/Café.jpg"]
    assert browser.find("#count").text == "1 of 8 photos"
    search.clear()
    search.send_keys("damaged")
    assert browser.shown() == ["broken.jpg"]
    search.send_keys(" nothing like it")
    assert browser.shown() == [] and browser.find("#none").is_displayed()
    search.clear()
    search.send_keys(" ")
    browser.find("#filters input[value=failed]").click()
    assert browser.shown() == ["broken.jpg"]
    browser.find("#filters input[value=waiting]").click()
    assert browser.shown() == ["later.jpg"]
    browser.find("#filters input[value=done]").click()
    browser.find("#sort option[value=slow]").click()
    assert browser.shown()[0] == "day 2/Café.jpg" and browser.shown()[-1] == "small.jpg"


def test_the_slider_moves_between_before_and_after(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.find("#search").send_keys("small")
    browser.find("li:not([hidden]) button.card").click()

    def red_part() -> float:
        """How much of a row, from its left, is the photo before."""
        row = browser.picture()[60]  # below the tags, above the handle
        return float((row[:, 0] > row[:, 2]).mean())

    assert red_part() == pytest.approx(0.5, abs=0.03)
    browser.press(*["\ue014"] * 20)  # the arrow to the right
    assert red_part() == pytest.approx(0.7, abs=0.03)
    assert browser.find("#split").get_attribute("aria-valuetext") == "70 % before, 30 % after"
    browser.find("#views input[value=after]").click()
    assert red_part() == 0
    browser.find("#views input[value=before]").click()
    assert red_part() == 1

    from selenium.webdriver.common.action_chains import ActionChains

    frame = browser.find("#frame")
    quarter = -frame.size["width"] // 4
    drag = ActionChains(browser.driver).move_to_element(frame).click_and_hold()
    drag.move_by_offset(quarter, 30).release().perform()
    assert red_part() == pytest.approx(0.25, abs=0.03)
    assert browser.complaints() == []


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_100_percent_is_pixel_for_pixel(
    browser: Browser, report: Path, screen: tuple[int, int, int]
) -> None:
    browser.open(report, screen)
    for search, size in (("large", (1024, 1024)), ("small", (300, 200))):
        browser.find("#search").clear()
        browser.find("#search").send_keys(search)
        browser.find("li:not([hidden]) button.card").click()
        fit = browser.js("document.querySelector('#frame').getBoundingClientRect().width")
        assert fit <= browser.js("document.querySelector('#stage').clientWidth")
        browser.find("#zooms input[value=full]").click()
        browser.wait("document.querySelector('#after').complete")
        width, height = size
        assert (
            browser.js(
                "['before', 'after'].map(id => [document.getElementById(id).naturalWidth,"
                " document.getElementById(id).naturalHeight])"
            )
            == [[width, height]] * 2
        )
        box = browser.js("document.querySelector('#after').getBoundingClientRect().width")
        assert box * screen[2] == pytest.approx(width, abs=0.1)
        browser.find("#zooms input[value=fit]").click()
        browser.press("\ue00c")
        browser.wait("!document.querySelector('#viewer').open")


def test_everything_works_by_keyboard(browser: Browser, report: Path) -> None:
    tab, enter, escape, right = "\ue004", "\ue007", "\ue00c", "\ue014"

    def focused() -> str:
        where: str = browser.js(
            "(e => e.id || e.name || e.className || e.localName)(document.activeElement)"
        )
        return where

    browser.open(report)
    browser.press(tab)
    assert focused() == "skip" and browser.js("document.activeElement.offsetLeft") == 0
    order = []
    for _ in range(6):
        browser.press(tab)
        order.append(focused())
    assert order == ["summary", "search", "filters", "sort", "card done", "card done"]
    name = browser.js("document.activeElement.querySelector('.name').textContent")
    browser.press(enter)
    assert focused() == "split" and browser.text("#viewer-name") == name
    browser.press(right)
    assert browser.find("#split").get_attribute("value") == "51"
    browser.press("a")
    assert browser.find("#split").get_attribute("value") == "0"
    browser.press("z")
    assert browser.js("document.querySelector('#zooms input:checked').value") == "full"
    browser.press("z", "n")
    assert browser.text("#viewer-name") != name
    for _ in range(12):  # the dialog keeps the focus, though the browser's own parts get theirs
        browser.press(tab)
        assert browser.js(
            "document.activeElement === document.body"
            " || document.querySelector('#viewer').contains(document.activeElement)"
        )
    browser.find("#split").click()
    browser.press("p", escape)
    browser.wait("!document.querySelector('#viewer').open")
    assert browser.js("document.activeElement.querySelector('.name').textContent") == name
    browser.press("/")
    assert focused() == "search" and browser.complaints() == []


def test_the_back_button_closes_the_viewer(browser: Browser, report: Path) -> None:
    browser.open(report, PHONE)
    browser.find("button.card").click()
    browser.driver.back()
    browser.wait("!document.querySelector('#viewer').open")
    assert browser.driver.current_url == report.as_uri()
    browser.find("button.card").click()
    browser.find("#close").click()
    browser.wait("history.state === null")


def test_every_control_has_a_name(browser: Browser, report: Path) -> None:
    browser.open(report)
    roles = {"button", "radio", "slider", "searchbox", "combobox", "link", "dialog"}
    seen = set()
    for opens in (True, False):
        for node in browser.cdp("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if role in roles and not node["ignored"]:
                seen.add(role)
                assert node["name"]["value"].strip(), node
        if opens:
            browser.find("button.card").click()
    assert roles - seen == set()
    assert browser.js("document.querySelectorAll('fieldset > legend').length") == 3
    assert browser.js("[...document.images].every(i => i.hasAttribute('alt'))")
    assert browser.js("document.documentElement.lang") == "en"
    assert browser.js("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Browser, report: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text on what is behind it."""
    browser.open(report, color_scheme=scheme)
    browser.find("button.card").click()
    pairs: list[tuple[str, list[int], list[int]]] = browser.js(
        """(() => {
        const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
        const behind = (e) => {
          for (; e; e = e.parentElement) {
            const colour = numbers(getComputedStyle(e).backgroundColor);
            if (colour.length === 3) return colour;
          }
          return [255, 255, 255];
        };
        return [...document.querySelectorAll("body *")]
          .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
          .filter((e) => !e.closest("script, style, noscript, .tag, :disabled"))
          .map((e) => [e.className || e.localName, numbers(getComputedStyle(e).color), behind(e)]);
        })()"""
    )
    assert len(pairs) > 40

    def luminance(colour: list[int]) -> float:
        unit = np.array(colour[:3]) / 255
        linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for name, text, back in pairs:
        darker, lighter = sorted((luminance(text), luminance(back)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (name, text, back)
    page = luminance(pairs[0][2])
    assert page > 0.8 if scheme == "light" else page < 0.05


@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_who_wants_that(
    browser: Browser, report: Path, wish: str, moves: bool
) -> None:
    browser.open(report, reduced_motion=wish)
    browser.find("button.card").click()
    assert browser.js("getComputedStyle(document.querySelector('#viewer')).animationName") == (
        "appear" if moves else "none"
    )


def test_a_phone_scrolls_downwards_only(browser: Browser, report: Path) -> None:
    browser.open(report, PHONE)
    assert not browser.wide("html")
    browser.find("summary").click()
    assert not browser.wide("html")
    for button in browser.driver.find_elements("css selector", "button.card"):
        button.click()
        for zoom in ("full", "fit"):
            browser.find(f"#zooms input[value={zoom}]").click()
            assert not browser.wide("#viewer")
        assert browser.js(
            "[...document.querySelectorAll('#viewer button, #viewer label')].every(e =>"
            " e.getBoundingClientRect().right <= innerWidth && e.getBoundingClientRect().left >= 0)"
        )
        browser.press("\ue00c")
        browser.wait("!document.querySelector('#viewer').open && history.state === null")


def test_2000_photos_scroll_and_load_as_they_come_into_sight(
    browser: Browser, large_report: Path
) -> None:
    browser.open(large_report)
    assert len(browser.shown()) == 2000
    browser.wait("document.querySelector('.card img').complete")
    at_first = [url for url in browser.requests() if url.endswith(".jpg")]
    assert 0 < len(at_first) < 300
    browser.driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    browser.wait("scrollY > 10000 && document.querySelector('li:last-child img').naturalWidth > 0")
    later = [url for url in browser.requests() if url.endswith(".jpg")]
    assert 0 < len(later) < 600
    browser.find("#sort option[value=change]").click()
    assert browser.shown()[0] == "IMG_0857.jpg"  # 857 * 7 = 5999
    browser.find("#search").send_keys("img_199")
    assert len(browser.shown()) == 10
    browser.find("li:not([hidden]) button.card").click()
    assert browser.text("#viewer-place") == "1 of 10"
    assert browser.picture().size and browser.complaints() == []
