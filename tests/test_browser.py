"""report.html in a real browser, headless Chromium, with the network switched off."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_run
import pytest
from rich.console import Console

from recipes.report_page import write_page

pytestmark = pytest.mark.slow

SCENES = 167
SAMPLES = 6
"""Twice 167 x 6 are 2,004 rollouts."""
OPEN_S = 3.0
HOSTILE = 'stop <script>window.owned = 1</script></script><img src=x onerror="window.owned = 2"> for the red light'
INSTALL = "requirements/browser.sh installs Debian's chromium and chromium-driver"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = page_run.make(tmp_path_factory.mktemp("browser") / "run", SCENES, SAMPLES, trace=HOSTILE)
    shown = page_run.Shown("after", 40, "synthetic/test/0/3", 0)
    flags = [page_run.Raised("length_drift", "From 14 to 40 words <b>", (shown,))]
    return write_page(folder, Console(quiet=True), scenes=SCENES, flags=flags)


def chromium(*switches: str) -> Any:
    """A driver; where there is no browser the test fails under CI=true and is skipped elsewhere."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"under CI=true the tests of the page must run; {INSTALL}")
        pytest.skip(f"no chromium and chromedriver here; {INSTALL}")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000", *switches):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = chromium()
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, report: Path) -> Any:
    """The page, freshly opened."""
    browser.get("about:blank")
    browser.get(report.as_uri())
    return browser


def script(driver: Any, code: str) -> Any:
    return driver.execute_script(f"return {code}")


def press(driver: Any, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(keys).perform()


def choose(driver: Any, name: str, value: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(driver.find_element("id", f"filter-{name}")).select_by_value(value)


def open_scene(driver: Any) -> str:
    return script(driver, "document.querySelector('#list [aria-current]').dataset.id")


def shown(driver: Any) -> int:
    return script(driver, "document.querySelectorAll('#list li').length")


def wait_for(driver: Any, code: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not script(driver, code):
        assert time.monotonic() < deadline, f"not after {seconds} s: {code}"
        time.sleep(0.1)


def test_2000_rollouts_open_in_under_3_s(browser: Any, report: Path) -> None:
    browser.get("about:blank")
    began = time.monotonic()
    browser.get(report.as_uri())
    assert script(browser, "document.documentElement.dataset.ready") == "yes"
    assert script(browser, "document.querySelectorAll('#scene .above .driven').length") >= SAMPLES
    assert time.monotonic() - began < OPEN_S
    assert script(browser, "document.getElementById('shown').textContent").startswith("All 167 scenes are shown, with")


def test_nothing_is_asked_of_any_network_and_nothing_goes_wrong(opened: Any) -> None:
    script(opened, "document.getElementById('curves').scrollIntoView()")
    wait_for(opened, "document.querySelectorAll('.chart[data-drawn] .scatterlayer').length >= 3")
    fetched = "performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith('blob:')).length"
    assert script(opened, fetched) == 0
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_trace_with_script_tags_is_shown_as_text_and_does_nothing(opened: Any) -> None:
    script(opened, "document.querySelector('[data-id=\"synthetic/test/0/0\"]').click()")
    assert script(opened, "document.querySelector('.after .trace').textContent") == HOSTILE
    assert script(opened, "window.owned === undefined")
    assert script(opened, "document.querySelectorAll('main script, main img').length") == 0
    assert "<b>rubric" in script(opened, "document.querySelector('.after blockquote').textContent")


def test_a_script_that_got_in_all_the_same_would_not_run(opened: Any) -> None:
    added = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 3'}))"
    script(opened, f"({added}, window.owned === undefined)")
    assert script(opened, "window.owned === undefined")


def test_the_words_of_claims_are_highlighted_with_meta_actions_and_every_reward(opened: Any) -> None:
    marked = script(opened, "[...document.querySelectorAll('.after .trace mark')].map((mark) => mark.textContent)")
    trace = script(opened, "document.querySelector('.after .trace').textContent")
    assert marked and all(words in trace for words in marked)
    assert script(opened, "document.querySelectorAll('.after .claims li').length") >= len(set(marked))
    assert script(opened, "document.querySelectorAll('.after .action').length") >= 2
    rewards = script(opened, "[...document.querySelectorAll('.after .rewards th')].map((cell) => cell.textContent)")
    assert {name.rstrip("*") for name in rewards} == {
        "consistency",
        "critic",
        "imitation",
        "safety",
        "comfort",
        "format",
    }


def test_filters_narrow_the_list_and_clear_brings_all_back(opened: Any) -> None:
    assert shown(opened) == SCENES
    choose(opened, "kind", "red_light")
    kinds = script(opened, "[...document.querySelectorAll('#list b')].map((kind) => kind.textContent)")
    assert set(kinds) == {"red light"} and len(kinds) < SCENES
    assert script(opened, "document.querySelector('.scene-head h3').textContent").startswith("red light")
    choose(opened, "longitudinal", "set_speed_tracking")
    assert shown(opened) == 0 and "No scene fits" in script(opened, "document.getElementById('scene').textContent")
    script(opened, "document.getElementById('clear').click()")
    assert shown(opened) == SCENES
    choose(opened, "tag", "repaired")
    assert 0 < shown(opened) < SCENES
    assert shown(opened) == script(opened, "document.querySelectorAll('#list .tag.repaired').length")
    choose(opened, "tag", "changed")
    assert shown(opened) == 17, "a tenth of 167"
    choose(opened, "tag", "flagged")
    assert shown(opened) == 1 and open_scene(opened) == "synthetic/test/0/3"


def test_a_flag_leads_to_its_scene(opened: Any) -> None:
    assert "From 14 to 40 words <b>" in script(opened, "document.querySelector('.flag').textContent")
    script(opened, "document.querySelector('.flag a').click()")
    assert open_scene(opened) == "synthetic/test/0/3"


def test_the_biggest_change_comes_first(opened: Any) -> None:
    given = "JSON.parse(document.getElementById('content').textContent).scenes"
    biggest = script(opened, f"Math.max(...{given}.map((scene) => scene.change))")
    assert script(opened, f"{given}.find((scene) => scene.id === '{open_scene(opened)}').change") == biggest


def test_the_keys_walk_through_scenes_samples_themes_and_help(opened: Any) -> None:
    first = open_scene(opened)
    press(opened, "j")
    second = open_scene(opened)
    press(opened, "\ue014")  # right arrow
    assert len({first, second, open_scene(opened)}) == 3
    press(opened, "kk")
    assert open_scene(opened) == first
    press(opened, "3")
    chips = "[...document.querySelectorAll('.chip[aria-pressed=true]')].map((chip) => chip.dataset.sample)"
    assert script(opened, chips) == ["2", "2"]
    press(opened, "m")
    assert script(opened, chips) == ["0", "0"]
    press(opened, "?")
    assert script(opened, "document.getElementById('help').open")
    press(opened, "\ue00c")  # escape
    assert not script(opened, "document.getElementById('help').open")
    press(opened, "f")
    assert script(opened, "document.activeElement.id") == "filter-kind"


def test_the_theme_follows_the_system_and_can_be_switched(opened: Any) -> None:
    def paper() -> str:
        return script(opened, "getComputedStyle(document.body).backgroundColor")

    light = paper()
    dark_system = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", dark_system)
    dark = paper()
    press(opened, "t")
    assert paper() == light != dark
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    press(opened, "t")
    assert paper() == dark


def test_a_phone_has_nothing_wider_than_its_screen_and_both_sides_under_each_other(opened: Any) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        assert script(opened, "document.documentElement.scrollWidth") <= 390
        before, after = (
            script(opened, f"document.querySelector('.side.{s}').getBoundingClientRect().toJSON()")
            for s in ("before", "after")
        )
        assert before["bottom"] <= after["top"] and before["left"] == after["left"]
        assert script(opened, "parseFloat(getComputedStyle(document.querySelector('.trace')).fontSize)") >= 14
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
