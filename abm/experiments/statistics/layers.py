"""Returns of layers compared with those observed on 27 January 2025."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abm.experiments.sampling import Finding, bootstrap_interval, select_runs
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import WORDS, statistic

if TYPE_CHECKING:
    import pandas as pd


@statistic(needed={"layers": WORDS, "groups": WORDS}, gives=("low", "high", "signs"), scale=False)
def cross_section(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Rank correlation of the mean returns of layers with those observed on 27 January 2025, for each group of runs.

    y: outcomes, one per layer, in the order of `options.layers`. `options.groups`: columns that define the groups; the
    finding with the highest correlation comes first. `more.signs`: number of layers with the observed sign.
    """
    from scipy.stats import spearmanr

    observed = observed_returns(test.options["layers"])
    rows = select_runs(table, test.where)
    groups = list(test.options["groups"])
    findings = []
    for key, runs in rows.groupby(groups, sort=False):
        returns = runs.groupby("replication")[list(test.y)].mean().to_numpy(float)  # (replications, layers)

        def correlation(sample: np.ndarray, returns: np.ndarray = returns) -> float:
            return float(spearmanr(returns[sample].mean(0), observed).statistic)

        low, high = bootstrap_interval(len(returns), correlation)
        names = key if isinstance(key, tuple) else (key,)
        signs = float((np.sign(returns.mean(0)) == np.sign(observed)).sum())
        findings.append(
            Finding(
                ", ".join(f"{name:g}" if isinstance(name, float) else str(name) for name in names),
                correlation(np.arange(len(returns))),
                low,
                high,
                number=len(returns),
                more={"signs": signs},
            )
        )
    return sorted(findings, key=lambda finding: (-finding.value, -finding.more["signs"]))


def observed_returns(layers: list[str]) -> np.ndarray:
    """Abnormal returns of layers on 27 January 2025, raw ones where no abnormal return is known; "leader" is NVIDIA."""
    from abm.runs import event_study

    by_layer = event_study.observed()
    by_layer = by_layer[by_layer["day"] == 0].set_index("layer")
    by_ticker = event_study.tickers()
    by_ticker = by_ticker[by_ticker["day"] == 0].set_index("ticker")
    returns = []
    for layer in layers:
        if layer == "leader":
            returns.append(float(by_ticker.loc["NVDA", "abnormal"]))
            continue
        value = float(by_layer.loc[layer, "abnormal"])
        returns.append(value if np.isfinite(value) else float(by_layer.loc[layer, "raw"]))
    return np.array(returns)
