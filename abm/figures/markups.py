"""Pricing power before and after the shock: its measures, with and without R1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abm.charts import fans, style
from abm.charts.labels import PRICING_POWER

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

FIRST_MONTH = fans.FIRST_MONTH


def pricing_power_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: observable, scenario, month, q05 ... q95, mean."""
    table = fans.fan_chart_numbers({"baseline": baseline, "no_r1": without}, PRICING_POWER, FIRST_MONTH)
    return table.rename(columns={"ensemble": "scenario"})


def pricing_power(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """Draw the measures of pricing power over time, with R1 and without; `axes`: one for each of your own."""
    looks = style.SCENARIOS
    both = {looks["baseline"]["label"]: baseline, looks["no_r1"]["label"]: without}
    return fans.fan_chart(both, PRICING_POWER, axes, first=FIRST_MONTH)


def pricing_power_caption(runs: int) -> str:
    """Caption of `pricing_power`."""
    return (
        f"{len(PRICING_POWER)} measures of the closed labs' pricing power, {runs} paired runs. Lines are medians over runs, dark"
        " bands the middle 50 % of runs, light bands 90 % of runs. Profit is after research and before payments for chips;"
        " profit per $ of training is profit over the rental value of the machines used for training."
        " No single measure captures pricing power: when customers leave for whom rivals are as good, those who stay have fewer"
        " alternatives, and the sales-weighted Lerner index may stay constant or rise."
    )


def pricing_power_change_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: observable, month, difference (with R1 minus without), low, high, variance_reduction."""
    from abm.runs.results import compare

    return fans.paired_difference_numbers(compare(baseline, without), PRICING_POWER, FIRST_MONTH)


def pricing_power_change(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """Draw the effect of R1: mean paired difference of each measure with its 95 % interval; `axes`: one for each of your own."""
    from abm.runs.results import compare

    paired = compare(baseline, without)
    return fans.paired_difference(paired, PRICING_POWER, axes, label="with R1 minus without", first=FIRST_MONTH)


def pricing_power_change_caption(runs: int) -> str:
    """Caption of `pricing_power_change`."""
    return (
        f"Effect of R1: the value with R1 minus that of the same seed without it; mean over {runs}"
        " pairs with its 95 % confidence interval. Before January 2025 both scenarios are identical and the"
        " difference is zero."
    )
