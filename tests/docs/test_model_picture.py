"""The diagram of the model has the roles, colours and links of the network that a run exports."""

import importlib.util
from pathlib import Path

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch

import abm
from abm.figures.multilayer_network import LOOKS, network_numbers

DOCS = Path(__file__).parents[2] / "docs"


def drawing():
    """The module docs/draw_model.py."""
    spec = importlib.util.spec_from_file_location("draw_model", DOCS / "draw_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_box_has_the_colour_of_its_role():
    module = drawing()
    frame, *boxes = [patch for patch in module.model().axes[0].patches if isinstance(patch, FancyBboxPatch)]
    colours = [to_hex(box.get_edgecolor()) for box in boxes]
    assert dict(zip(module.BOXES, colours, strict=True)) == {r: look["color"].lower() for r, look in LOOKS.items()}


def test_its_arrows_are_the_links_of_the_network():
    module = drawing()
    arrows = {
        (flow.layer, tail, head) for flow in module.FLOWS if flow.layer for tail in flow.tails for head in flow.heads
    }
    run = abm.simulate(seed=1, months=31, adopters=24, investors=40)  # programmes are announced from month 24 on
    links = set()
    for month in (5, 9, 12, 30):
        nodes, edges = network_numbers(run.network(month))
        role = nodes.set_index("node")["role"]
        for edge in edges.itertuples():
            links.add((f"{edge.layer} {edge.channel}".strip(), role[edge.tail], role[edge.head]))
    assert arrows == links


def test_the_stored_picture_is_up_to_date(tmp_path):
    module = drawing()
    module.style.save(module.model(), tmp_path / "model.png")
    now, stored = (imread(path) for path in (tmp_path / "model.png", module.OUT))
    assert now.shape == stored.shape
    assert np.mean(np.abs(now - stored) > 0.1) < 0.02  # other fonts may move letters
