"""The results of the R1 job as sentences, with computed numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts.labels import LAYERS, MECHANISMS, PRICING_POWER
from abm.experiments.html import number
from abm.experiments.r1.sentences import Findings, direction, in_percent, listed
from abm.figures.chips import jevons_terms
from abm.figures.crash import TOGETHER, only_raw
from abm.runs import event_study
from abm.scenarios.calendar import date_of

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Ensemble

EROSION_IS_UP = ("contestable_share",)
"""Measures of pricing power that rise when pricing power falls."""
IN_TEXT = {
    "lerner_closed": "the closed labs' Lerner index",
    "lerner_leader": "the leading closed lab's Lerner index",
    "lerner_rest": "that of the other closed labs",
    "lerner_basket": "the Lerner index on the pre-shock basket of customers",
    "closed_premium": "the closed price premium over equal open models",
    "contestable_share": "the share of spending that open models contest",
    "rent_half_life": "the half-life of a rent",
    "closed_profit": "closed profit after research",
    "closed_profit_per_training": "closed profit per $ of training",
}


@dataclass
class Narrative:
    """The sentences by topic, and the table of the numbers in them."""

    power: list[str]
    crash: list[str]
    chips: list[str]
    beliefs: list[str]
    misses: list[str]
    numbers: pd.DataFrame


def tell(
    runs: dict[str, Ensemble],
    paired: pd.DataFrame,
    day0: pd.DataFrame,
    ranks: pd.DataFrame,
    window: pd.DataFrame,
    targets: pd.DataFrame | None,
) -> Narrative:
    """Write all sentences, from the runs and the tables that `abm.experiments.r1.report.write` makes of them."""
    numbers = Findings()
    rows = paired.set_index(["comparison", "observable", "year"])
    power = _power(numbers, rows)
    crash = _crash(numbers, runs["baseline"], day0, ranks, window)
    chips = _chips(numbers, rows, runs)
    beliefs = _beliefs(numbers, rows)
    misses = _misses(numbers, window, targets)
    return Narrative(power, crash, chips, beliefs, misses, numbers.table())


def _power(numbers: Findings, rows: pd.DataFrame) -> list[str]:
    years = [year for year in ("2025", "2027") if ("no_r1", PRICING_POWER[0], year) in rows.index]
    sentences = []
    for year in years:
        lost: list[str] = []
        gained: list[str] = []
        unclear: list[str] = []
        for name in PRICING_POWER:
            sign = direction(rows.loc[("no_r1", name, year)])
            sign = -sign if name in EROSION_IS_UP else sign
            (gained if sign > 0 else lost if sign < 0 else unclear).append(IN_TEXT[name])
        verdict = (
            "weakened" if lost and not gained else "strengthened" if gained and not lost else "had mixed effects on"
        )
        if not lost and not gained:
            verdict = "did not clearly change"
        first = (
            f"In {year} R1 {verdict} the closed labs' pricing power: of its {len(PRICING_POWER)} measures"
            f" {numbers.count(f'measures weaker {year}', len(lost))} weakened,"
            f" {numbers.count(f'measures stronger {year}', len(gained))} strengthened and"
            f" {numbers.count(f'measures unclear {year}', len(unclear))} did not clearly change."
        )
        parts = [first]
        if lost and len(lost) < len(PRICING_POWER):
            parts.append(f"Weaker according to {listed(lost)}.")
        if gained and len(gained) < len(PRICING_POWER):
            parts.append(f"Stronger according to {listed(gained)}.")
        sentences.append(" ".join(parts))
    sentences += [_ranks(numbers, rows, year) for year in years]
    year = years[0] if years else ""
    if years:
        lerner = numbers.change("lerner_closed points", rows.loc[("no_r1", "lerner_closed", year)], "points", 100)
        premium = numbers.percent("closed_premium", rows.loc[("no_r1", "closed_premium", year)])
        contest = numbers.change("contestable points", rows.loc[("no_r1", "contestable_share", year)], "points", 100)
        profit = numbers.change("closed_profit", rows.loc[("no_r1", "closed_profit", year)], "$ M a month", digits=3)
        sentences.append(
            f"Effect in {year} (with R1 minus without; mean and 95 % interval): Lerner index {lerner}; ratio"
            f" of prices to those of open models at equal capability {premium};"
            f" share of spending that open models contest {contest}; closed profit after research {profit}."
        )
        cheapest = "the price of the cheapest model of about R1's capability (3 nats)"
        price = numbers.moved("price_at_k3", in_percent(rows.loc[("no_r1", "price_at_k3", year)]), what=cheapest)
        dearest = "the list price of the frontier model"
        frontier = numbers.moved(
            "frontier_price", in_percent(rows.loc[("no_r1", "frontier_price", year)]), what=dearest
        )
        row = rows.loc[("no_r1", "open_token_share", year)]
        share = numbers.moved("open_token_share points", row, "points", 100, what="the open share of tokens")
        sentences.append(f"In {year} R1 {price}, {frontier} and {share}.")
        bought = {"api_revenue": "spending on tokens", "subscription_revenue": "spending on subscriptions"}
        bought |= {"adoption": "the part of tasks for which models are used"}
        moved = [
            numbers.moved(f"{name} {year}", in_percent(rows.loc[("no_r1", name, year)]), what=what)
            for name, what in bought.items()
        ]
        sentences.append(f"In {year} R1 {listed(moved)}.")
    return sentences


def _ranks(numbers: Findings, rows: pd.DataFrame, year: str) -> str:
    """Effects on margins by rank, and on the life of a rent; what these runs do not define is named as such."""
    subjects = {
        "lerner_leader": "the leader's Lerner index",
        "lerner_rest": "that of the other closed labs",
        "lerner_followers": "that of followers (counted as far as they owe their flagship to others)",
        "lerner_leader_nash": "the leader's index at each month's Nash prices",
        "lerner_rest_nash": "that of the others at Nash prices",
        "rent_half_life": "the time in which a flagship's rent halves",
    }
    known, undefined = [], []
    for name, what in subjects.items():
        row = rows.loc[("no_r1", name, year)]
        if not np.isfinite(float(row["difference"])):
            undefined.append(what)
        elif name == "rent_half_life":
            known.append(numbers.moved(f"{name} {year}", in_percent(row), what=what))
        else:
            known.append(numbers.moved(f"{name} points {year}", row, "points", 100, what=what))
    parts = [f"By rank, in {year} R1 {listed(known)}." if known else "", _not_defined(undefined, year)]
    return " ".join(part for part in parts if part)


def _not_defined(what: list[str], year: str) -> str:
    return f"Not defined in these runs of {year}: {listed(what)}." if what else ""


def _crash(
    numbers: Findings, baseline: Ensemble, day0: pd.DataFrame, ranks: pd.DataFrame, window: pd.DataFrame
) -> list[str]:
    returns = day0.set_index(["mechanism", "layer"])
    parts = []
    for layer, name in LAYERS.items():
        model, observed = returns.loc[(TOGETHER, layer)], returns.loc[("observed", layer)]
        mean = numbers.say(f"day 0 {layer}, model", 100 * model["mean"], "%", signed=True)
        low, high = (numbers.say(f"day 0 {layer}, model {q}", 100 * model[q], signed=True) for q in ("q05", "q95"))
        real = numbers.say(f"day 0 {layer}, observed", 100 * observed["mean"], "%", signed=True)
        kind = ", a raw return" if layer in only_raw() else ""
        parts.append(f"{name.lower()} {mean} (90 % of runs {low} to {high}; observed {real}{kind})")
    by_mechanism = ranks.set_index("mechanism")
    together = by_mechanism.loc[TOGETHER]
    right = numbers.count("signs right, together", together["signs_right"])
    first = (
        f"Abnormal returns on 27 January 2025 in the model, by layer: {'; '.join(parts)}. With all four mechanisms"
        f" {right} of {numbers.count('layers', together['layers'])} layers have the observed sign."
    )
    alone = [name for name in MECHANISMS if name in by_mechanism.index]
    complete = [
        MECHANISMS[name] for name in alone if by_mechanism.loc[name, "signs_right"] == by_mechanism.loc[name, "layers"]
    ]
    falls = {name: returns.loc[(name, "compute"), "mean"] for name in alone}
    biggest = min(alone, key=lambda name: falls[name])
    fall = numbers.moved("largest fall of chips by one mechanism", {"difference": falls[biggest]}, scale=100)
    total = numbers.say("four alone, chips, summed", 100 * sum(falls.values()), "%", signed=True)
    second = (
        f"All observed signs are reproduced by {listed(complete)} alone."
        if complete
        else "None of the mechanisms alone reproduces all observed signs."
    )
    second += (
        f" Among the four alone, {MECHANISMS[biggest]} has the largest effect on chips, which {fall}; the four returns of"
        f" chips sum to {total}."
    )
    if 100 * returns.loc[(TOGETHER, "compute"), "mean"] < 1.2 * 100 * sum(falls.values()):
        second += " Together the four have a larger effect than that sum."
    observed_chips = returns.loc[("observed", "compute"), "mean"]
    around, day = event_study.around(baseline), -event_study.WINDOW[0]
    chips = around.abnormal["compute"][:, day]
    model_leader = {"difference": around.abnormal["leader"][:, day].mean()}
    leader = numbers.moved("day 0 leading vendor, model", model_leader, scale=100)
    observed_leader = _nvidia()
    nvidia = numbers.moved("day 0 leading vendor, observed", {"difference": observed_leader["abnormal"]}, scale=100)
    raw = numbers.say("day 0 leading vendor, observed raw", 100 * observed_leader["raw"], "%", signed=True)
    as_low = numbers.say(
        "share of runs with chips as low as observed", 100 * float((chips <= observed_chips).mean()), "%"
    )
    cumulative = window[(window["layer"] == "compute") & (window["measure"] == "cumulative_abnormal")].set_index("day")
    model = numbers.say("chips day 0 to 9, model", 100 * cumulative.loc[9, "q50"], "%", signed=True)
    real = numbers.say("chips day 0 to 9, observed", 100 * cumulative.loc[9, "observed"], "%", signed=True)
    third = (
        f"The leading vendor alone {leader} in the model, and NVIDIA {nvidia}: abnormal returns, net of what the market"
        f" model predicts (NVIDIA's raw return was {raw}). In {as_low} of runs chips fall at least as far as they did on that"
        f" day. Over days 0 to 9 the model's median for chips is {model}, against {real} observed."
    )
    return [first, second, third]


def _nvidia() -> pd.Series:
    """NVIDIA's row of day 0, with its raw and abnormal returns."""
    single = event_study.tickers()
    return single[(single["ticker"] == "NVDA") & (single["day"] == 0)].iloc[0]


def _chips(numbers: Findings, rows: pd.DataFrame, runs: dict[str, Ensemble]) -> list[str]:
    terms = jevons_terms(runs["baseline"], runs["no_r1"])
    last = min(36, runs["baseline"].setup.months)
    year = {name: _interval(values[:, 24:last].mean(1)) for name, values in terms.items()}
    subjects = {
        "work": "the demand for tokens",
        "efficiency": "compute per token",
        "serving": "the compute that serves tokens",
    }
    work, saved, serving = (
        numbers.moved(f"{name} 2025", in_percent(year[name]), what=what) for name, what in subjects.items()
    )
    verdict = {
        1: "use grew by more than was saved per token (Jevons)",
        -1: "more was saved per token than use grew (no Jevons)",
        0: "growth of use and saving per token roughly offset each other",
    }[direction(year["serving"])]
    first = f"Serving tokens in 2025: R1 {work}, {saved}, and so {serving}: {verdict}."
    if year["efficiency"]["high"] < 0:
        ratio = {"difference": -year["work"]["difference"] / year["efficiency"]["difference"]}
        rebound = numbers.moved("rebound", ratio, "log points")
        first += f" For each log point of compute saved per token, use {rebound}."
    early = _interval(terms["chip_orders"][:, 25 : min(28, last)].mean(1))
    orders = numbers.moved("chip orders, first quarter after", in_percent(early), what="chip orders")
    sentences = [first]
    later = [y for y in ("2025", "2026", "2027") if ("no_r1", "chip_orders", y) in rows.index]

    def effect(key: str, comparison: str, observable: str, year: str, what: str) -> str:
        return numbers.moved(key, in_percent(rows.loc[(comparison, observable, year)]), what=what)

    by_year = [f"{effect(f'chip orders {y}', 'no_r1', 'chip_orders', y, 'them')} in {y}" for y in later]
    end = later[-1]
    installed = effect(f"compute installed {end}", "no_r1", "compute_installed", end, "compute installed")
    revenue = effect(f"chip revenue {end}", "no_r1", "chip_revenue", end, "the vendors' revenue")
    sentences.append(
        f"R1 {orders} in the quarter after the crash, and {listed(by_year)}; in {end} it {installed} and {revenue}."
    )
    if ("no_stargate", "chip_orders", end) in rows.index:
        stargate = effect("Stargate on installed", "no_stargate", "compute_installed", end, "compute installed")
        revenue = effect("Stargate on revenue", "no_stargate", "chip_revenue", end, "the vendors' revenue")
        rent = effect("Stargate on rent", "no_stargate", "rental_price", end, "the rent of machines")
        added = numbers.say(
            "additionality of programmes", 100 * _mean_in(runs["baseline"], "additionality", last - 1), "%"
        )
        sentences.append(
            f"In {end} Stargate, announced a day after R1, {stargate}, {rent} and {revenue}. In {date_of(last - 1):%B %Y}"
            f" {added} of the places of announced programmes are places that others would not have built."
        )
    return sentences


def _mean_in(runs: Ensemble, observable: str, month: int) -> float:
    """Mean of an observable over runs in a month; NaN where no run defines it."""
    values = runs[observable][:, month]
    known = np.isfinite(values)
    return float(values[known].mean()) if known.any() else np.nan


def _interval(values: np.ndarray) -> dict[str, Any]:
    """Mean and 95 % interval by Student's t, as a row of paired differences."""
    from scipy.special import stdtrit

    n = values.size
    half = float(stdtrit(n - 1, 0.975)) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    mean = float(values.mean())
    return {"difference": mean, "low": mean - half, "high": mean + half}


def _beliefs(numbers: Findings, rows: pd.DataFrame) -> list[str]:
    row, entropy = rows.loc[("no_r1", "belief_dispersion", "2025")], rows.loc[("no_r1", "winner_entropy", "2025")]
    effect = {1: "increased", -1: "reduced", 0: "did not clearly change"}[direction(row)]
    change = numbers.change("belief dispersion 2025", row, "nats")
    open_questions = numbers.change("entropy 2025", entropy, "nats")
    return [
        f"In 2025 R1 {effect} the disagreement among investors: dispersion {change}, entropy of the open questions"
        f" {open_questions}."
    ]


def _misses(numbers: Findings, window: pd.DataFrame, targets: pd.DataFrame | None) -> list[str]:
    sentences = []
    if targets is not None:
        missed = targets[~targets["within"].astype(bool)]
        within = numbers.count("targets within bounds", len(targets) - len(missed))
        names = [f"{row.description} ({_model_and_bounds(row)})" for row in missed.itertuples()]
        total = numbers.count("targets", len(targets))
        text = f"{within} of {total} calibration targets are within their bounds in these runs."
        sentences.append(text + (f" Missed: {'; '.join(names)}." if names else ""))
    days = window[(window["measure"] == "abnormal") & window["day"].between(0, 20) & window["observed"].notna()]
    inside = ((days["observed"] >= days["q05"]) & (days["observed"] <= days["q95"])).mean()
    sentences.append(
        f"{numbers.say('layer-days inside the 90 % band', 100 * inside, '%')} of the observed layer returns of days"
        " 0 to 20 lie inside the band of 90 % of runs (90 % would be expected)."
    )
    day0 = days[days["day"] == 0]
    outside = [LAYERS[row.layer].lower() for row in day0.itertuples() if not row.q05 <= row.observed <= row.q95]
    if outside:
        sentences.append(
            f"On the day of the crash itself the observed return lies outside that band for {listed(outside)}."
        )
    return sentences


def _model_and_bounds(row: Any) -> str:
    return f"model {number(float(row.model))}, bounds {number(float(row.low))} to {number(float(row.high))}"
