"""The network of a month: owners of machines, and links between labs with their dates."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from helpers.sizes import FEW

from abm import MarketModel
from abm.runs.network import USED, firms_and_regulators
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


# --- links between labs: closed_1, closed_2, open_1, open_2, entrant_1 ---


def edges_of(model, layer, channel=None):
    """Edges of a layer, by tail and head."""
    rows = model.network(layer).edges(data=True)
    return {(tail, head): data for tail, head, data in rows if channel in (None, data.get("channel"))}


def play_eager(model):
    """A month in which a nat is worth much to all labs."""
    labs = model.market.labs
    model.market = model.market.replace(labs=labs.replace(nat_value=jnp.full(labs.size, 500.0)))
    model.run_for(1)


def taught(months=3, **columns):
    """A model whose labs want to learn from whoever is ahead, after some months; `columns` are set before the first month."""
    model = MarketModel({"detection_rate": 0.0, "release_hazard": 0.01}, rng=1, months=8, **FEW)
    labs = model.market.labs
    eager = {
        "capability": labs.capability.at[:, 0].set(jnp.array([6.0, 5.0, 4.0, 1.0, 0.0])),
        "untaught": jnp.array([6.0, 5.0, 4.0, 1.0, 0.0]),
        "efficiency": jnp.full(labs.size, -9.0),
        "gross_profit": jnp.zeros(labs.size),
        "access_cut": jnp.zeros((labs.size, labs.size)),
        "vigilance": jnp.full((labs.size, labs.size), 2.0),  # quotas, for which students need more than one teacher
    }
    given = {name: jnp.asarray(value) for name, value in (eager | columns).items()}
    history = jnp.broadcast_to(given["capability"][:, 0], model.market.accounts.capability_history.shape)
    accounts = model.market.accounts.replace(capability_history=history)
    model.market = model.market.replace(labs=labs.replace(**given), accounts=accounts)
    for _ in range(months):
        play_eager(model)
    return model


@pytest.fixture(scope="module")
def school():
    return taught()


def test_links_of_students_carry_exchanges_dates_and_what_teachers_do_about_them(school):
    links = edges_of(school, "access", "distillation")
    labs, names = school.market.labs, list(school.setup.cast.labs)
    exchanges = np.asarray(labs.exchanges)
    assert {(names[t], names[s]) for s, t in np.argwhere(exchanges > 0)} == set(links)
    first = set(edges_of(taught(months=1), "access", "distillation"))
    assert {("closed_1", "open_2"), ("closed_2", "open_2")} <= first, "several teachers, while quotas bind"
    for (tail, head), data in links.items():
        teacher, student = names.index(tail), names.index(head)
        assert data["weight"] == float(exchanges[student, teacher])
        assert data["vigilance"] == float(labs.vigilance[teacher, student])
        assert data["hidden"] == float(labs.hidden[teacher, student])
    assert {data["since"] for data in links.values()} <= {0, 1, 2}
    assert links["closed_1", "open_2"]["since"] == 0, "since the first month"


def test_a_link_that_is_cut_is_gone_and_comes_back_with_a_later_date():
    cut = jnp.zeros((5, 5)).at[3, 0].set(2.0)
    model = taught(months=1, access_cut=cut)
    began = []
    for _ in range(4):
        links = edges_of(model, "access", "distillation")
        began.append([links.get((teacher, "open_2"), {}).get("since") for teacher in ("closed_1", "closed_2")])
        play_eager(model)
    assert [first for first, _ in began] == [None, None, 2, 2]
    assert [second for _, second in began[:2]] == [0, 0], "it learns from the next best meanwhile"


def test_links_of_forks_last_and_say_when_they_began():
    model = taught(months=1, licence=np.array([0.0, 0.0, 0.9, 0.9, 0.0]))
    first = edges_of(model, "access", "fork")
    assert ("open_1", "open_2") in first and first["open_1", "open_2"]["since"] == 0
    assert first["open_1", "open_2"]["weight"] == 1.0
    model.run_for(3)
    assert edges_of(model, "access", "fork")["open_1", "open_2"]["since"] == 0
    closed = taught(months=2, licence=np.zeros(5))  # nobody's licence permits it
    assert not edges_of(closed, "access", "fork")


def test_a_change_of_parent_dates_the_new_link():
    rows = {"licence": np.array([0.0, 0.0, 0.9, 0.9, 0.0]), "copied_from": np.array([-1, 3, -1, -1, -1])}
    model = taught(months=1, **rows, fork_age=np.full(5, 9.0))
    labs = model.market.labs
    assert int(labs.copied_from[1]) == 3, "closed_2 is past all open weights, and keeps its old parent"
    assert edges_of(model, "access", "fork")["open_2", "closed_2"]["since"] == -9
    ahead = labs.capability.at[2, 0].set(9.0)
    model.market = model.market.replace(labs=labs.replace(capability=ahead))
    model.step()
    links = edges_of(model, "access", "fork")
    assert links["open_1", "closed_2"]["since"] == 1 and ("open_2", "closed_2") not in links


def test_descent_is_the_share_of_a_flagship_that_is_owed_to_others_weights(school):
    lineage = jnp.eye(5).at[1].set(jnp.array([0.0, 0.4, 0.35, 0.25 - 0.5 * USED, 0.5 * USED]))
    labs = school.market.labs
    market = school.market
    school.market = market.replace(labs=labs.replace(lineage=lineage))
    edges = {pair: data["weight"] for pair, data in edges_of(school, "descent").items()}
    school.market = market
    assert edges == {
        ("open_1", "closed_2"): pytest.approx(0.35),
        ("open_2", "closed_2"): pytest.approx(0.25 - 0.5 * USED),
    }


def test_a_fork_descends_from_its_parent_once_it_is_released():
    model = taught(months=1, licence=np.array([0.0, 0.0, 0.9, 0.9, 0.0]), access_cut=np.full((5, 5), 99.0))
    assert not edges_of(model, "descent")
    sure = MarketModel({"release_hazard": 1.0, "distillation_rate": 0.0}, rng=1, months=8, **FEW)
    sure.market = model.market
    sure.run_for(2)
    edges = edges_of(sure, "descent")
    assert 0.3 < edges["open_1", "open_2"]["weight"] <= 1.0
    lineage = np.asarray(sure.market.labs.lineage)
    np.testing.assert_allclose(lineage[np.asarray(sure.market.labs.active)].sum(1), 1.0)
