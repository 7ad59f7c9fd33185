"""Counterfactuals: shared history, common draws, and the runs of the dashboard."""

import contextlib
import datetime as dt
import io
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from abm import simulate
from abm.analysis.counterfactual import EXPORTS, Counterfactual, CounterfactualError, numbers
from abm.charts.labels import HEADLINES
from abm.cli.app import app
from abm.dashboard.levers import every
from abm.parameters import Parameters

STRICT = Counterfactual(levers={"ip_strength": 0.9, "distillation_rate": 0.0}, seeds=4, months=30)


@pytest.fixture(scope="module")
def strict():
    return STRICT.run()


def test_worlds_share_their_history_and_differ_afterwards(strict):
    assert strict.a.seeds == strict.b.seeds == list(range(4))
    for name in ("welfare", "open_token_share", "distillation_volume"):
        assert np.array_equal(strict.a[name][:, :24], strict.b[name][:, :24])
    assert (strict.a["distillation_volume"][:, 25:] != strict.b["distillation_volume"][:, 25:]).any()
    assert (strict.a["ip_strength"][:, -1] > strict.b["ip_strength"][:, -1]).all()


def test_without_changes_both_worlds_are_the_baseline():
    same = Counterfactual(seeds=2, months=26).run()
    assert all(np.array_equal(same.a[name], same.b[name], equal_nan=True) for name in same.a.names)


def test_the_table_has_the_means_and_the_paired_differences(strict):
    table = numbers(strict, ["welfare"])
    row = table.iloc[-1]
    assert row["baseline"] == pytest.approx(strict.b["welfare"][:, -1].mean())
    assert row["difference"] == pytest.approx(row["changed"] - row["baseline"])
    assert row["low"] <= row["difference"] <= row["high"]
    assert str(row["month"].date()) == "2025-06-01"


@pytest.mark.slow
def test_export_rules_are_lifted_or_closed_from_the_given_month():
    lifted, closed = (
        Counterfactual(exports=which, seeds=2, months=36).run().difference("leader_revenue") for which in EXPORTS[1:]
    )
    assert not lifted[:, :24].any()
    assert not closed[:, :24].any()
    assert (lifted[:, 30:].mean(axis=1) > 0).all()  # vendors that were excluded sell more, in the half-year as a whole
    assert lifted[:, 30:].sum() > closed[:, 30:].sum()


@pytest.mark.slow
def test_the_page_gives_the_same_numbers_and_runs_each_world_once(strict):
    from abm.dashboard.runs import Runs, Superseded

    runs, reports, shown = Runs(), [], []
    counterfactual = Counterfactual(levers=STRICT.levers, seeds=13, months=26)

    def progress(cast, done, total, so_far):
        reports.append((cast, done, total))
        ensemble = so_far()
        assert len(ensemble.seeds) >= done  # a chunk may have come since
        shown.append(ensemble)

    comparison, plain = runs.run(counterfactual, progress), counterfactual.run()
    for name in plain.a.names:
        assert np.array_equal(comparison.a[name], plain.a[name], equal_nan=True)
        assert np.array_equal(comparison.b[name], plain.b[name], equal_nan=True)
    assert [(world, total) for world, _, total in reports] == [("baseline", 13)] * 2 + [("changed world", 13)] * 2
    assert reports[1] == ("baseline", 13, 13)
    for ensemble in shown[:2]:  # what is shown on the way are these runs, whichever chunk comes first
        rows = plain.b["welfare"][ensemble.seeds]
        assert np.array_equal(ensemble["welfare"], rows)
    assert runs.run(counterfactual, progress) is comparison
    assert len(reports) == 4
    other = Counterfactual(exports="lifted", seeds=13, months=26)
    runs.run(other, progress)
    assert len(reports) == 6  # the baseline was reused

    def nobody_waits(cast, done, total, so_far):
        raise Superseded

    with pytest.raises(Superseded):
        runs.run(Counterfactual(levers={"ip_clarity": 1.0}, seeds=13, months=26), nobody_waits)
    assert runs.run(other, progress).a.seeds == list(range(13))  # and the next one runs


@pytest.mark.slow
def test_waiting_for_the_baseline_reports_its_progress():
    from abm.dashboard.runs import Runs

    def beside(runs, prepared, counterfactual):
        """Progress reported to a request made while the baseline is being prepared."""
        reports = []
        thread = threading.Thread(target=runs.prepare, args=(prepared,))
        thread.start()
        while runs._current is None and thread.is_alive():
            time.sleep(0.001)
        runs.run(counterfactual, lambda *what: reports.append(what[:3]), lambda: reports.append("waits"))
        thread.join()
        return reports

    prepared, runs = Counterfactual(seeds=40, months=36), Runs()
    seen = beside(runs, prepared, Counterfactual(levers=STRICT.levers, seeds=40, months=36))
    assert "waits" not in seen
    assert any(cast == "baseline" and done < 40 for cast, done, _ in seen)
    assert seen[-1] == ("changed world", 40, 40)
    assert len(runs._baselines) == 1
    short = Counterfactual(levers=STRICT.levers, seeds=2, months=26)
    runs = Runs()
    assert "waits" in beside(runs, prepared, short)
    assert list(runs._baselines) == [(2, 26, 24)]  # the other was given up


def test_levers_that_act_only_in_the_first_month_are_rejected():
    """Found by tracing which parameters affect the market after a month."""
    import jax
    import jax.numpy as jnp
    from jax.interpreters import partial_eval

    from abm.analysis.counterfactual import FROM_THE_START
    from abm.engine import Draws
    from abm.market.month import month
    from abm.market.state import Values
    from abm.runs.months import first_market_of
    from abm.runs.setup import Setup

    setup = Setup.of(adopters=8, investors=12)
    values = {name: jnp.asarray(value) for name, value in setup.values.items()}
    market, events = first_market_of(setup, 1), jax.tree.map(jnp.asarray, setup.events(24))

    def after(market, *given):
        read = Values(dict(zip(values, given, strict=True)))
        return month(market, read, events, Draws.from_seed(1), setup.equations)[0]

    traced = jax.make_jaxpr(after)(market, *values.values()).jaxpr
    _, used = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
    unread = {name for name, is_used in zip(values, used[-len(values) :], strict=True) if not is_used}
    assert unread == set(FROM_THE_START)
    assert not unread & {lever.name for lever in every()}
    with pytest.raises(CounterfactualError, match="acts in the first month only"):
        Counterfactual(levers={"task_value": 3.0})


def test_lifting_rules_also_removes_news_of_them():
    lifted = [event.id for event in Counterfactual(exports="lifted").changed_scenario().all_events]
    assert not {"h20_licence", "h20_licence_news", "export_2024"} & set(lifted)
    assert "r1" in lifted
    closed = {event.id for event in Counterfactual(exports="closed to China").changed_scenario().all_events}
    assert {"closed_to_china", "closed_to_china_news", "export_2024"} <= closed


def test_a_scenario_with_its_own_parameters_names_the_date_it_needs():
    with pytest.raises(CounterfactualError, match=r"guarantee_share.*set since = 2023-01-01"):
        Counterfactual(scenario="article_bundle").changed_scenario()
    Counterfactual(scenario="article_bundle", since=dt.date(2023, 1, 1)).changed_scenario()


def test_the_page_limits_the_size_of_a_request():
    from abm.dashboard.runs import Runs

    with pytest.raises(CounterfactualError, match="up to 60,000"):
        Runs().run(Counterfactual(seeds=2000), lambda *_: None)
    with pytest.raises(CounterfactualError, match="2,000 seeds of 30 months .* MB: lower seeds to"):
        Runs().run(Counterfactual(seeds=2000, months=30), lambda *_: None)


@pytest.mark.slow
def test_the_estimated_memory_of_a_run_is_accurate():
    """State and stored results of both worlds agree with the estimate to 20 %; a request of the largest size is rejected."""
    from abm.dashboard.runs import BUDGET, Runs, bytes_of, too_much

    runs, counterfactual = Runs(), Counterfactual(levers=STRICT.levers, seeds=10, months=26)
    runs.run(counterfactual, lambda *_: None)
    assert runs.nbytes == pytest.approx(bytes_of(counterfactual.seeds, counterfactual.months), rel=0.2)
    assert too_much(Counterfactual(seeds=1000)) == too_much(Counterfactual(seeds=50, months=1200)) == ""
    what = too_much(Counterfactual(seeds=2000, months=30))
    fewer = int(what.partition("lower seeds to ")[2].partition(";")[0].replace(",", ""))
    assert bytes_of(fewer, 30) <= BUDGET < bytes_of(fewer + 1, 30)


@pytest.mark.slow
def test_long_runs_reuse_the_compiled_program():
    """The page keeps only a few months of a long run in memory, and no length needs another compilation."""
    import jax
    import jax.numpy as jnp

    from abm.dashboard.runs import _months, _program, _start
    from abm.engine import seed_words
    from abm.runs.programs import ROWS
    from abm.runs.simulate import PreparedSetting, Setting

    tiny = dict(closed_labs=1, open_labs=1, entrants=0, vendors=1, adopters=2, investors=2)
    member = PreparedSetting.of(Setting(scenario="fast_permits"), [5], ROWS + 2, tiny)
    with jax.enable_x64(True):
        words = jnp.asarray(seed_words(5)[None])
        markets = _start(member, member.values, words)
        markets, first = _months(member, markets, (member.values, words), 0, 24)
        _, rest = _months(member, markets, (member.values, words), 24, ROWS + 2)
    assert [part["observables"]["welfare"].shape for part in first + rest] == [(1, 24), (1, ROWS - 24), (1, 2)]
    shown = np.concatenate([part["observables"]["welfare"][0] for part in first + rest])
    plain = simulate(scenario="fast_permits", seed=5, months=ROWS + 2, **tiny)
    np.testing.assert_allclose(shown, plain["welfare"], rtol=1e-9)
    months = _program(member).months
    if hasattr(months, "_cache_size"):
        assert months._cache_size() == 1


# --- settings, files and addresses ---

levers = st.dictionaries(
    st.sampled_from(["ip_strength", "ip_clarity", "ip_strength.china", "distillation_rate"]),
    st.floats(0, 1, allow_nan=False),
    max_size=4,
)
counterfactuals = st.builds(
    Counterfactual,
    levers=levers,
    exports=st.sampled_from(EXPORTS),
    scenario=st.sampled_from(["baseline", "no_r1", "ip_strict"]),
    since=st.dates(dt.date(2023, 1, 1), dt.date(2025, 1, 31)),
    seeds=st.integers(2, 500),
)


@pytest.mark.parametrize(
    "query", ["seeds=1_0", "since=2025-W02-3", "since=20250105", "months=%2B31", "ip_strength=0_1"]
)
def test_an_address_accepts_only_plain_numbers_and_dates(query):
    with pytest.raises(CounterfactualError, match="must be"):
        Counterfactual.from_query(query)


@settings(max_examples=40)
@given(counterfactuals)
def test_files_and_addresses_round_trip(tmp_path_factory, one):
    path = tmp_path_factory.mktemp("spec") / "compare.toml"
    path.write_text(one.to_toml(), encoding="utf-8")
    assert Counterfactual.load(path) == one
    assert Counterfactual.from_query(one.to_query()) == one


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_any_address_is_parsed_or_rejected(text):
    with contextlib.suppress(CounterfactualError):
        Counterfactual.from_query(text)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levers": {"ip_strenght": 0.5}}, "did you mean 'ip_strength'"),
        ({"levers": {"ip_strength": 2}}, "from 0 to 1"),
        ({"levers": {"ip_strength": float("nan")}}, "must be a number"),
        ({"levers": {"ip_strength": True}}, "must be a number"),
        ({"levers": {"copying_rate.china": 1}}, "only policy levers"),
        ({"seeds": 1}, "from 2 to"),
        ({"months": 10}, "must not be after the last month"),
        ({"since": dt.date(2020, 1, 1)}, "from 2023-01-01 on"),
        ({"exports": "open"}, '"lifted"'),
        ({"scenario": "nosuch"}, "unknown scenario"),
    ],
)
def test_invalid_settings_are_rejected(settings, words):
    with pytest.raises(CounterfactualError, match=words):
        Counterfactual(**settings)


def test_a_scenario_that_differs_too_early_names_the_month():
    with pytest.raises(CounterfactualError, match="choose 2025-02-01 or earlier"):
        Counterfactual(scenario="export_ban", since=dt.date(2025, 6, 1)).changed_scenario()


def test_sliders_contain_the_default_and_stay_within_bounds():
    rows = {row["name"]: row for row in Parameters.table()}
    for lever in every():
        row = rows[lever.name]
        assert row["low"] <= lever.low < lever.high <= row["high"]
        assert lever.low <= row["default"] <= lever.high


# --- the command ---


def invoke(*words):
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def test_the_command_saves_settings_table_and_figure(tmp_path, strict):
    spec = tmp_path / "strict.toml"
    spec.write_text(STRICT.to_toml())
    result = invoke(spec, "--out", tmp_path / "out", "--of", "welfare")
    assert result.exit_code == 0, result.output
    import pandas as pd

    table = pd.read_csv(tmp_path / "out" / "compare.csv")
    last = table[table["observable"] == "welfare"].iloc[-1]
    assert last["difference"] == pytest.approx(numbers(strict, ["welfare"]).iloc[-1]["difference"])
    assert Counterfactual.load(tmp_path / "out" / "compare.toml") == STRICT
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5_000


@pytest.mark.parametrize("value", [-1.234e-5, 11_650.0, -123_456.0, 4.344e6, -0.000123, float("nan")])
def test_the_monthly_table_matches_that_of_run_and_fits_80_columns(value):
    import pandas as pd
    from rich.console import Console

    from abm.cli.app import headline_table
    from abm.cli.compare import month_table

    row = dict.fromkeys(("baseline", "changed", "difference", "low", "high"), value)
    table = pd.DataFrame([{"observable": name, "month": pd.Timestamp(2027, 12, 1)} | row for name in HEADLINES])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(month_table(table))
    lines = console.export_text().splitlines()
    run = pd.DataFrame({name: [value] for name in HEADLINES}, index=["2027-12"])
    console.print(headline_table(run, "run"))
    written = console.export_text().splitlines()[2].split()[4]  # Lerner index, closed labs
    numbers_of_a_row = 4 if value != value else 5  # an undefined interval is a single n/a
    assert " ".join(lines).split().count(written) == numbers_of_a_row * len(HEADLINES)
    assert max(map(len, lines)) <= 80
    assert all(unit in " ".join("\n".join(lines).split()) for unit in ("$ M per", "share of", "(nats)", "(H100e)"))


def test_a_settings_file_finds_its_scenario_from_another_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    scenario = tmp_path / "mine" / "late.toml"
    scenario.write_text('name = "late"\nextends = "baseline"\nremove = ["r1"]\n')
    spec = tmp_path / "spec.toml"
    spec.write_text(Counterfactual(scenario=str(scenario)).to_toml())
    assert Counterfactual.load(spec).changed_scenario().name == "late"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "ip_strength=7"], "ip_strength = 7.0: must be a number from 0 to 1"),
        (["--since", "soon"], "--since soon: is not a date"),
        (["--of", "welfar"], "did you mean 'welfare'"),
        (["nosuch.toml"], "nosuch.toml: cannot be read"),
        (["--exports", "none"], "choose"),
    ],
)
def test_mistakes_take_one_line(words, message):
    result = invoke(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = 100\nseed = 3\n", "unknown key 'seed'; did you mean 'seeds'"),
        ("levers = 3\n", "must be a table"),
        ("since = 2025\n", "must be a date"),
        ("= nothing", "spec.toml:1: TOML syntax: Invalid statement"),
        ('scenario = "../../etc/passwd"', "unknown scenario"),
        ('name = "x"\nextends = "baseline"', "is a scenario; run it with"),
    ],
)
def test_errors_in_a_file_name_the_file(tmp_path, text, words):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(CounterfactualError, match=words) as caught:
        Counterfactual.load(path)
    assert str(caught.value).startswith(str(path))
