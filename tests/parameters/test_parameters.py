"""Parameters: invalid values are rejected, and valid ones are immutable."""

import copy
import json
import pickle

import pytest
from helpers.parameters import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.parameters import ParameterError, Parameters
from abm.support.axes import JURISDICTIONS


@pytest.mark.parametrize(
    ("given", "key", "choices"),
    [
        ({"foo": 1}, "foo: ", "`abm list --parameters`"),
        ({"ip_strength": {"mars": 0.2}}, "ip_strength.mars: ", "us, china, eu, row, default"),
        ({"ip_strength": {}}, "ip_strength = {}: ", "us, china, eu, row"),
    ],
)
def test_the_error_for_an_unknown_name_lists_the_choices(given, key, choices):
    with pytest.raises(ParameterError) as caught:
        Parameters(**given)
    (line,) = str(caught.value).split("\n")
    assert line.startswith(key)
    assert choices in line


anything = st.one_of(
    st.floats(), st.integers(), st.text(max_size=8), st.booleans(), st.none(), st.lists(st.floats(), max_size=2),
    st.dictionaries(
        st.sampled_from([*JURISDICTIONS, "default", "mars"]), st.one_of(st.floats(), st.text(max_size=3)), max_size=3
    ),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(fields=st.dictionaries(NAMES, anything, max_size=4))
def test_any_values_give_parameters_or_a_parameter_error(fields):
    parameters, lines = Parameters(), []
    try:
        parameters = Parameters(**fields)
    except ParameterError as error:
        lines = str(error).split("\n")
    assert all(any(name in line for name in fields) and "validation error" not in line for line in lines)
    for name, array in parameters.values().items():
        extra = Parameters.model_fields[name].json_schema_extra
        assert (array >= extra["low"]).all(), name
        assert (array <= extra["high"]).all(), name


def test_all_invalid_parameters_are_reported_together():
    with pytest.raises(ValueError) as error:
        Parameters(ip_strength=2, copying_rate=float("nan"), nonsense=1)
    assert "nonsense" in str(error.value)
    with pytest.raises(ValueError) as error:
        Parameters(ip_strength=2, copying_rate=float("nan"))
    assert "ip_strength" in str(error.value) and "copying_rate" in str(error.value)


def test_parameters_and_their_tables_are_immutable():
    own = {"us": 0.9, "default": 0.2}
    parameters = Parameters(ip_strength=own)
    own["us"] = 0.1
    for change in (
        lambda: parameters.ip_strength.update(us=7.0),
        lambda: parameters.ip_strength.__setitem__("us", 7.0),
        lambda: parameters.ip_strength.pop("us"),
        parameters.replace(ip_clarity=0.1).ip_strength.clear,
        lambda: copy.deepcopy(parameters).ip_strength.setdefault("eu", 7.0),
        pickle.loads(pickle.dumps(parameters)).ip_strength.popitem,
    ):
        with pytest.raises(TypeError, match=r"parameters\.replace"):
            change()
    table = parameters.ip_strength
    with pytest.raises(TypeError, match=r"parameters\.replace"):
        table |= {"us": 7.0}
    assert parameters.values()["ip_strength"].tolist() == [0.9, 0.2, 0.2, 0.2]
    assert parameters == copy.deepcopy(parameters) == pickle.loads(pickle.dumps(parameters))
    assert json.loads(parameters.model_dump_json(exclude_unset=True)) == {"ip_strength": {"us": 0.9, "default": 0.2}}
    dump = parameters.model_dump(exclude_unset=True)["ip_strength"]
    dump["us"] = 0.3  # a dump belongs to the user
    assert parameters.ip_strength["us"] == 0.9
