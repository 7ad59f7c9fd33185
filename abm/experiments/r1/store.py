"""Finished ensembles on disk, so that interrupted work can be resumed.

A file is reused only if its key is that of the requested ensemble. The key is a hash of everything that decides the
numbers: parameters, timeline, sizes and classes, networks, seeds, recorded outputs, and the model's own source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.market.populations import CLASS_OF_ROLE
from abm.runs.results import Ensemble
from abm.support.files import write_whole
from abm.support.provenance import DECIDING, source_hash, versions

if TYPE_CHECKING:
    from abm.runs.setup import Setup


def key_of(setup: Setup, seeds: Sequence[int], daily: Sequence[int], products: bool) -> str:
    """Hash of the full specification of an ensemble."""
    spec = {
        "months": setup.months,
        "seeds": list(map(int, seeds)),
        "daily": list(daily),
        "products": products,
        "price_form": setup.equations,
        "sizes": [(role, list(setup.populations.kinds(role))) for role in CLASS_OF_ROLE],
        "rules": str(setup.program_key.rules),
        "world": repr(setup.cast),
        "parameters": {name: value.tolist() for name, value in setup.values.items()},
        "packages": versions(DECIDING),
    }
    digest = hashlib.sha256(source_hash().encode() + json.dumps(spec, sort_keys=True, default=repr).encode())
    for name, array in sorted(setup.timeline.items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for layer in (setup.networks.information, setup.networks.peers):
        digest.update(np.ascontiguousarray(layer).tobytes())
    return digest.hexdigest()


def save(path: Path, key: str, ensemble: Ensemble) -> None:
    """Write an ensemble atomically: a reader finds the old file or the complete new one."""
    observables = ensemble.out["observables"]  # as one array: hundreds of small ones take seconds to read
    arrays: dict[str, Any] = {"observables": np.stack(list(observables.values())), "names": np.array(list(observables))}
    for name in ("daily", "leader"):
        arrays[name] = ensemble.out[name]
    if "products" in ensemble.out:
        arrays |= {f"products/{name}": values for name, values in ensemble.out["products"]._asdict().items()}
    write_whole(path, lambda file: np.savez(file, key=np.array(key), **arrays))


def load(path: Path, key: str, setup: Setup, seeds: Sequence[int], daily: Sequence[int]) -> Ensemble | None:
    """Load the ensemble stored at `path`; None if the file is missing, damaged, or has another key."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError):
        return None
    except Exception as error:  # zipfile has no common base class for the errors of a damaged file
        if type(error).__module__ in ("zipfile", "zlib"):
            return None
        raise
    out: dict[str, Any] = {"observables": dict(zip(arrays["names"].tolist(), arrays["observables"], strict=True))}
    out |= {"daily": arrays["daily"], "leader": arrays["leader"]}
    products = {name.removeprefix("products/"): values for name, values in arrays.items() if "/" in name}
    if products:
        from abm.market.observables import ProductRecord

        out["products"] = ProductRecord(**products)
    return Ensemble(setup, list(map(int, seeds)), out, tuple(daily))
