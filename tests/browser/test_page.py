"""The page in a real browser, compared with the same calls in Python."""

from __future__ import annotations

import pandas as pd
import pytest

from abm.analysis.counterfactual import Counterfactual, numbers
from abm.dashboard.inspector import as_text
from abm.runs.mesa_model import MarketModel

pytestmark = pytest.mark.browser

SHORT = "seeds=10&months=36"
STRICT = Counterfactual(levers={"ip_strength": 0.9, "distillation_rate": 0.0}, seeds=10, months=36)


def table(page, change=None):
    """Differences of the last month shown on the page, once the runs are finished (and the first differs from `change`)."""
    page.wait_for_selector(".abm-table tr[data-observable]")
    if change is not None:
        page.wait_for_function(
            """before => { const row = document.querySelector('tr[data-observable]');
            return row && document.querySelector('.abm-done') && row.dataset.difference !== before; }""",
            arg=change,
        )
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.abm-table tr[data-observable]')].map(
            row => [row.dataset.observable, Number(row.dataset.difference)]))"""
    )


def first_difference(page):
    return page.locator(".abm-table tr[data-observable]").first.get_attribute("data-difference")


def enter(page, name, text):
    field = page.locator(f".abm-field-{name} input")
    field.fill(text)
    field.press("Enter")


def expected(counterfactual):
    """Differences of the last month, computed in Python."""
    last = numbers(counterfactual.run())
    last = last[last["month"] == last["month"].max()]
    return last.set_index("observable")["difference"]


def assert_same(shown, counterfactual):
    differences = expected(counterfactual)
    assert shown == pytest.approx({name: differences[name] for name in shown}, rel=1e-9, abs=1e-12)


@pytest.fixture(scope="module")
def strict(server, browser):
    """Address and numbers of a session after two levers were moved."""
    page = browser.new_page()
    page.set_default_timeout(240_000)
    page.goto(f"{server}/?{SHORT}")
    unchanged = table(page)
    assert set(unchanged.values()) == {0.0}  # no lever has been moved: the changed world is the baseline
    enter(page, "ip_strength", "0.9")
    table(page, "0.0")
    before = first_difference(page)
    enter(page, "distillation_rate", "0")
    shown = table(page, before)
    yield page.url, shown
    page.close()


def test_a_lever_gives_the_numbers_of_the_same_call_in_python(strict):
    assert_same(strict[1], STRICT)


def test_an_address_restores_the_settings(strict, page):
    address, shown = strict
    page.goto(address)
    assert table(page) == shown
    assert page.locator(".abm-field-ip_strength input").input_value() == "0.9"
    assert page.locator(".abm-field-distillation_rate input").input_value() == "0"
    assert page.locator(".abm-picture").count() == 2


def test_downloads_reproduce_the_page(strict, page, tmp_path):
    page.goto(strict[0])
    table(page)
    paths = {}
    for label in ("Figure", "CSV", "Spec"):
        with page.expect_download() as waited:
            page.get_by_role("button", name=label).click()
        paths[label] = tmp_path / waited.value.suggested_filename
        waited.value.save_as(paths[label])
    assert paths["Figure"].read_bytes().startswith(b"%PDF")
    assert Counterfactual.load(paths["Spec"]) == STRICT
    downloaded = pd.read_csv(paths["CSV"])
    computed = numbers(STRICT.run())
    assert list(downloaded["observable"]) == list(computed["observable"])
    assert downloaded["difference"].to_numpy() == pytest.approx(computed["difference"].to_numpy(), nan_ok=True)


@pytest.mark.parametrize("text", ["abc", "-3", "1e99", "nan", ""])
def test_an_invalid_value_gives_a_message_and_the_page_still_works(server, page, text):
    page.goto(f"{server}/?{SHORT}&distillation_rate=1")
    shown = table(page)
    enter(page, "distillation_rate", text)
    if text:
        assert "distillation_rate" in page.locator(".abm-wrong").inner_text()
        assert table(page) == shown  # the results of the last valid settings
        before = first_difference(page)
        enter(page, "distillation_rate", "0")
        assert_same(table(page, before), Counterfactual(levers={"distillation_rate": 0.0}, seeds=10, months=36))
    else:  # an empty field resets the value
        assert set(table(page, first_difference(page)).values()) == {0.0}
    assert page.locator(".abm-wrong").count() == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("scenario=nosuch", "unknown scenario 'nosuch'"),
        ("ip_strenght=0.5", "did you mean 'ip_strength'?"),
        ("since=2040-01-01", "must not be after the last month"),
        ("since=soon", "must be a date"),
        ("seeds=1", "must be a whole number from 2"),
        ("scenario=export_ban&since=2025-06-01", "choose 2025-02-01 or earlier"),
        ("scenario=../../etc/passwd.toml", "unknown scenario"),
        ("of=nosuch", "no observable 'nosuch'"),
        ("ip_strength=nan", "must be a number"),
        ("scenario=article_bundle", "set since = 2023-01-01"),
        ("task_value=3", "acts in the first month only"),
        ("seeds=100000", "the page runs up to"),
        ("<script>alert(1)</script>=2", "no parameter"),
        ("ip_strength=0.2&ip_strength=0.9", "ip_strength = '0.2 and 0.9'"),
        ("ip_clarity=1&" + "&".join(f"x{i}=1" for i in range(70)), "the address is too long"),
        ("seeds=1600", "lower seeds to"),
        ("ip_strength=%1B%5D0;evil%07", r"\x1b]0;evil\x07"),
    ],
)
def test_an_invalid_address_gives_a_message(server, page, query, words):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: pytest.fail("a script in the address has run"))
    page.goto(f"{server}/?months=36&seeds=10&{query}" if "seeds" not in query else f"{server}/?months=36&{query}")
    page.get_by_text(words).first.wait_for()
    if not query.startswith("of="):
        page.get_by_text("Nothing has been run").wait_for()
    assert page.get_by_text("Traceback").count() == 0
    assert errors == []


def policy(page):
    """Rows of the table of policy changes."""
    rows = page.locator(".abm-policy tr").all_inner_texts()[1:]
    return [row.split("\t") for row in rows]


def test_the_last_change_takes_precedence_and_is_explained(server, page):
    """Set a lever that the scenario also sets, then choose the scenario again: page, table, address and numbers agree."""
    page.goto(f"{server}/?{SHORT}&scenario=ip_strict")
    table(page)
    assert page.locator(".abm-field-ip_strength input").input_value() == "0.9", "where the scenario puts it"
    before = first_difference(page)
    enter(page, "ip_strength", "0.2")
    low = Counterfactual(scenario="ip_strict", levers={"ip_strength": 0.2}, seeds=10, months=36)
    assert_same(table(page, before), low)
    assert policy(page)[0] == ["ip_strength", "0.4", "0.2", "January 2025", "user"]
    assert policy(page)[1] == [
        "enforcement_effort",
        "0.2",
        "0.4",
        "February 2025",
        "scenario ip_strict (ip_strict_effort)",
    ]
    page.get_by_text("event ip_strict_strength does not change it", exact=False).wait_for()
    with page.expect_download() as waited:
        page.get_by_role("button", name="CSV").click()
    downloaded = pd.read_csv(waited.value.path())
    assert set(downloaded["policy"]) == {"; ".join(map(str, low.policy()))}
    before = first_difference(page)
    choose(page, "scenario", "heavy_regulation")
    table(page, before)
    assert "ip_strength=0.2" in page.url, "heavy_regulation does not set it"
    before = first_difference(page)
    choose(page, "scenario", "ip_strict")
    assert_same(table(page, before), Counterfactual(scenario="ip_strict", seeds=10, months=36))
    page.get_by_text("ip_strength is reset: scenario ip_strict sets it to 0.9", exact=False).wait_for()
    assert "ip_strength" not in page.url
    assert page.locator(".abm-field-ip_strength input").input_value() == "0.9"


def choose(page, name, value):
    page.locator(f".abm-choice-{name}").first.click()
    page.locator(".menuable__content__active").get_by_text(value, exact=True).click()


def test_a_note_explains_a_scenario_whose_events_come_after_the_runs(server, page):
    page.goto(f"{server}/?seeds=10&months=25&scenario=ip_strict")
    table(page)
    page.get_by_text("scenario ip_strict is identical to the baseline here", exact=False).wait_for()
    assert page.locator(".abm-field-ip_strength input").input_value() == "0.4"


def test_the_page_responds_while_runs_are_computed(server, page):
    page.goto(f"{server}/?seeds=310&months=36&ip_clarity=0.9")
    page.wait_for_function("document.querySelector('.abm-progress')?.innerText.includes('of 310 runs')")
    enter(page, "ip_strength", "7")
    page.locator(".abm-wrong").wait_for()
    assert page.locator(".abm-done").count() == 0  # still running
    enter(page, "ip_strength", "0.4")
    page.locator(".abm-wrong").wait_for(state="detached")
    page.goto(f"{server}/?{SHORT}")  # leaves the page; its runs are no longer needed
    table(page)


def test_ten_sessions_do_not_mix(server, browser):
    values = [round(0.05 + 0.1 * i, 2) for i in range(10)]
    contexts = [browser.new_context() for _ in values]
    pages = [context.new_page() for context in contexts]
    for page, value in zip(pages, values, strict=True):
        page.set_default_timeout(240_000)
        page.goto(f"{server}/?{SHORT}&ip_strength={value}&of=open_token_share", wait_until="commit")
    for page, value in zip(pages, values, strict=True):
        shown = table(page)
        assert page.locator(".abm-field-ip_strength input").input_value() == str(value)
        assert_same(shown, Counterfactual(levers={"ip_strength": value}, seeds=10, months=36))
    for context in contexts:
        context.close()


def test_month_by_month_shows_the_run_and_inspects_agents(server, page):
    page.goto(f"{server}/?months=36&seeds=10")
    page.get_by_role("tab", name="Month by month").click()
    page.locator(".abm-month", has_text="December 2024, the baseline").wait_for()
    model = MarketModel(rng=1, months=36)
    model.run_for(24)
    inspector = page.locator(".abm-inspector")

    def price(lab):
        names = list(model.setup.cast.labs)
        flagship, efficient, subscription = model.market.labs.price[names.index(lab)]
        return f"flagship {as_text(flagship)}, efficient {as_text(efficient)}, subscription {as_text(subscription)}"

    assert price("closed_1") in inspector.inner_text()
    page.get_by_role("button", name="open 2, open lab").click()
    inspector.get_by_text("open 2: OpenLab").wait_for()
    assert price("open_2") in inspector.inner_text()
    node = page.get_by_role("button", name="closed 3, closed lab")
    node.focus()
    node.press("Enter")
    inspector.get_by_text("closed 3: ClosedLab").wait_for()
    page.get_by_role("button", name="A month", exact=True).click()
    page.locator(".abm-month", has_text="January 2025").wait_for()
    model.run_for(1)
    assert price("closed_3") in inspector.inner_text()
    assert "January 2025" in inspector.inner_text()  # its decisions


def test_a_different_seed_gives_a_different_run(server, page):
    page.goto(f"{server}/?months=30&seeds=10")
    page.get_by_role("tab", name="Month by month").click()
    page.locator(".abm-month", has_text="seed 1").wait_for()
    field = page.locator(".abm-seed input")
    field.fill("-1")
    field.press("Enter")
    page.get_by_text("a whole number, 0 or more").wait_for()
    field.fill("7")
    field.press("Enter")
    page.locator(".abm-month", has_text="seed 7").wait_for()
    model = MarketModel(rng=7, months=30)
    model.run_for(24)
    first = as_text(model.market.labs.price[0][0])
    assert f"flagship {first}" in page.locator(".abm-inspector").inner_text()


def test_runs_of_a_page_that_was_closed_hold_nobody_up(server, browser, page):
    left = browser.new_page()
    left.goto(f"{server}/?seeds=900&months=60&ip_clarity=0.8")
    left.wait_for_function(
        "document.querySelector('.abm-progress')?.innerText.includes('of 900 runs')", timeout=240_000
    )
    left.close(run_before_unload=False)
    page.goto(f"{server}/?{SHORT}&ip_clarity=0.7")
    table(page)  # within the four minutes that a page has here; nine hundred runs twice take longer


def test_the_keyboard_is_enough(server, page):
    page.goto(f"{server}/?{SHORT}")
    table(page)
    slider = page.locator(".abm-slider-ip_strength [role=slider]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.abm-field-ip_strength input').value === '0.45'")
    assert_same(table(page, "0.0"), Counterfactual(levers={"ip_strength": 0.45}, seeds=10, months=36))


def test_the_browser_goes_back(server, page):
    page.goto(f"{server}/?{SHORT}&ip_strength=0.8")
    before = table(page)
    enter(page, "ip_strength", "0.1")
    after = table(page, first_difference(page))
    assert after != before
    page.go_back()
    page.wait_for_function("document.querySelector('.abm-field-ip_strength input').value === '0.8'")
    assert table(page, repr(after["lerner_closed"])) == before


def test_a_phone_needs_no_horizontal_scrolling_and_no_other_server_is_contacted(server, page):
    requested, failed = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server}/?{SHORT}")
    table(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".abm-picture").first.bounding_box()["width"] > 300
    page.get_by_role("button", name="Settings").click()
    enter(page, "ip_strength", "0.9")
    table(page, "0.0")
    page.get_by_role("tab", name="Month by month").click()
    page.locator(".abm-network").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [url for url in requested if not url.startswith((server, "data:", "blob:"))] == []
    assert failed == []
