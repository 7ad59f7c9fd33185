"""The files of a recovery: its table, its page and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abm.calibration.recovery import Recovered, summary
from abm.calibration.spec import Calibration
from abm.support.files import write_whole

if TYPE_CHECKING:
    pass


def write(recovered: Recovered, folder: Path, spec: Calibration, asked: str = "") -> list[Path]:
    """recovery.csv (one row a data set and parameter), recovery.md and recovery.png in `folder`.

    `asked` is what was asked for on the command line: the path of a file, where it was one.
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
        f"Written by `abm calibrate {asked or spec.name} --recover {sets}`; do not edit by hand.",
        "",
        f"{summary(recovered)}.",
        "",
        f"Generations after the prior's: {recovered.generations.min()} to {recovered.generations.max()}. As near to the data"
        f" as the last tolerance are {recovered.nearest.min():.1%} to {recovered.nearest.max():.1%} of histories drawn"
        f" from the prior (median {np.median(recovered.nearest):.1%}).",
        "",
        "| parameter | truth inside | correlation of median and truth | width of the interval over the prior's |",
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
