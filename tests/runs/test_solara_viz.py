"""Mesa's own page, `SolaraViz`, with a `MarketModel`: rendered as on its server, and operated through its widgets."""

import copy

import ipyvuetify
import pytest
import solara
from helpers.sizes import FEW
from mesa.visualization import Slider, SolaraViz, make_plot_component

from abm import MarketModel, simulate

PARAMETERS = {
    "ip_strength": Slider("IP strength", 0.4, 0.0, 1.0, 0.1),
    "scenario": {"type": "Select", "value": "baseline", "values": ["baseline", "no_r1"], "label": "Scenario"},
    "seed": {"type": "InputText", "value": 5, "label": "Random seed"},
    "months": 3,
    **FEW,
}


class Page:
    """The page of a model, with widgets found by their labels."""

    def __init__(self, model, parameters):
        self.reactive = solara.reactive(model)

        @solara.component
        def whole():
            with solara.AppLayout():
                SolaraViz(self.reactive, components=[make_plot_component("hhi")], model_params=parameters)

        _, self.rendered = solara.render(whole(), handle_error=False)

    @property
    def model(self):
        return self.reactive.value

    def press(self, name):
        button = next(button for button in self.rendered.find(ipyvuetify.Btn).widgets if button.children == [name])
        button.click()

    def put(self, kind, label, value):
        widget = next(widget for widget in self.rendered.find(kind).widgets if widget.label == label)
        widget.v_model = value
        if kind is ipyvuetify.TextField:
            widget.fire_event("keyup.enter", {})  # the text is submitted with the Enter key


@pytest.fixture(scope="module")
def _fresh():
    return MarketModel(rng=3, months=3, **FEW)


@pytest.fixture
def fresh(_fresh):
    return copy.deepcopy(_fresh)


def test_the_page_steps_and_resets_with_new_parameters(fresh):
    page = Page(fresh, PARAMETERS)
    page.press("Step")
    assert page.model.hhi == simulate(seed=3, months=3, **FEW)["hhi"][0]
    page.put(ipyvuetify.Slider, "IP strength", 0.9)
    page.put(ipyvuetify.TextField, "Random seed", "43")
    page.put(ipyvuetify.Select, "Scenario", "no_r1")
    page.press("Reset")
    assert page.model.month == 0
    assert repr(page.model) == "<MarketModel with seed 43: scenario 'no_r1', 0 of 3 months simulated, 40 agents>"
    assert page.model.setup.parameters.ip_strength == 0.9
    page.press("Step")
    page.press("Step")
    result = simulate({"ip_strength": 0.9}, "no_r1", seed=43, months=3, **FEW)
    assert page.model.frame()["price_index"].tolist() == result["price_index"][:2].tolist()


def test_a_reset_without_a_seed_draws_a_new_one(fresh):
    page = Page(fresh, {"months": 3, **FEW})
    page.press("Reset")
    first = page.model.seed
    page.press("Reset")
    assert len({3, first, page.model.seed}) == 3


def test_an_unknown_parameter_is_refused_when_the_model_is_created(fresh):
    page = Page(fresh, {"ip_strenght": 0.4, "months": 3, **FEW})
    with pytest.raises(TypeError, match="did you mean 'ip_strength'"):
        page.press("Reset")
