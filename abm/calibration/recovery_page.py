"""Files of a recovery exercise: table, page and figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abm.calibration.recovery import Recovered, summary
from abm.calibration.spec import Calibration
from abm.support.files import write_whole


def write(recovered: Recovered, folder: Path, spec: Calibration, source: str = "") -> list[Path]:
    """Write recovery.csv (one row per data set and parameter), recovery.md and recovery.png to `folder`; returns their paths.

    `source` is the argument of the command line: the name of a calibration or the path of its file.
    """
    import pandas as pd

    from abm.calibration.figures import recovery as draw

    sets, number = recovered.truth.shape
    columns = {"data_set": np.repeat(np.arange(sets), number), "parameter": np.tile(recovered.names, sets)}
    columns |= {name: getattr(recovered, name).reshape(-1) for name in ("truth", "low", "median", "high", "inside")}
    paths = [folder / f"recovery.{kind}" for kind in ("csv", "md", "png")]
    text = pd.DataFrame(columns).to_csv(index=False, float_format="%.5g", lineterminator="\n")
    write_whole(paths[0], lambda file: file.write(text.encode()))
    lines = [
        f"# Recovery of known parameters: `{spec.name}`",
        "",
        f"Written by `abm calibrate {source or spec.name} --recover {sets}`; do not edit by hand.",
        "",
        f"{summary(recovered)}.",
        "",
        f"Generations after the prior: {recovered.generations.min()} to {recovered.generations.max()}. Of the histories drawn"
        f" from the prior, {recovered.nearest.min():.1%} to {recovered.nearest.max():.1%} (median"
        f" {np.median(recovered.nearest):.1%}) are within the last tolerance of the data.",
        "",
        "| parameter | truth inside | correlation of median and truth | interval width relative to the prior |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{name}` | {row['inside']:.0%} | {row['correlation']:.2f} | {row['width']:.0%} |"
        for name, row in recovered.table().iterrows()
    ]
    lines += ["", "![Truth and intervals](recovery.png)", ""]
    write_whole(paths[1], lambda file: file.write("\n".join(lines).encode()))
    figure = draw(recovered, spec)
    write_whole(paths[2], lambda file: figure.savefig(file, format="png"))
    return paths
