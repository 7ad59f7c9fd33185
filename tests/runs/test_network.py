"""Owners of machines in the network: operators, programmes, and labs that rent."""

import networkx as nx
import numpy as np
import pytest
from helpers.sizes import FEW

from abm import MarketModel
from abm.runs.network import firms_and_regulators
from abm.scenarios.scenario import Scenario

PROGRAMME = {"kind": "capex_programme", "month": 0, "amount": 1_000.0, "months": 12}


def after_two_months(scenario, **parameters):
    model = MarketModel(parameters, scenario, rng=1, months=3, **FEW)
    model.run_for(2)
    return model


@pytest.fixture(scope="module")
def financed():
    events = [PROGRAMME | {"id": "gigafactory"}, PROGRAMME | {"id": "leader"}, PROGRAMME | {"id": "late", "month": 2}]
    return after_two_months(Scenario(name="three", events=events), lenders_cover=0.0)


def test_programmes_are_nodes_from_their_announcement_on(financed):
    """A programme has the name of its event, unless somebody else has it."""
    roles = nx.get_node_attributes(financed.network(), "role")
    assert [name for name, role in roles.items() if role == "programmes"] == ["gigafactory", "programme_2"]
    assert roles["leader"] == "vendors"
    assert firms_and_regulators(financed.market, financed.setup)["programmes"][:4] == [
        "gigafactory", "programme_2", "programme_3", "programme_4",
    ]  # fmt: skip


def test_a_programme_that_was_never_financed_is_no_node():
    refused = after_two_months(
        Scenario(name="one", events=[PROGRAMME]), lenders_cover=10.0, lenders_spread=0.0, programme_patience=1.0
    )
    assert bool(np.asarray(refused.market.programmes.cancelled)[0])
    assert "programme_1" not in refused.network()


def test_another_scenario_does_not_rename_a_programme(financed):
    branch = financed.branch(scenario=Scenario(name="other", events=[PROGRAMME | {"id": "other", "amount": 1.0}]))
    assert firms_and_regulators(branch.market, branch.setup)["programmes"][0] == "programme_1"


def test_vendors_supply_the_owners_of_machines(financed):
    market = financed.market
    edges = list(financed.network(("supply",)).edges(data="weight"))
    owners = ("operators", "programmes", "labs")
    bought = sum(float(getattr(market, role).bought.sum()) for role in owners)
    assert sum(weight for *_, weight in edges) == pytest.approx(bought) and bought > 0
    assert {"platform_1", "neocloud"} <= {head for _, head, _ in edges}


def test_labs_rent_what_they_use_beyond_their_own_from_a_parent_or_in_the_market(financed):
    labs, edges = financed.market.labs, list(financed.network("rental").edges(data=True))
    channels = {head: (tail, data["channel"]) for tail, head, data in edges}
    assert channels["closed_1"] == ("platform_2", "market")
    assert channels["closed_2"] == ("platform_1", "parent")
    used = float(labs.training[1] + labs.serving[1]) - float(labs.machines[1].sum())
    assert [data["weight"] for _, head, data in edges if head == "closed_2"] == [pytest.approx(used)]
    assert not any(head.startswith("entrant") for head in channels)
