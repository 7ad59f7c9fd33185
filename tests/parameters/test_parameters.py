"""Parameters: what is refused, and that they are fixed once they are made."""

import copy
import json
import pickle
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.parameters import ParameterError, Parameters
from abm.support.axes import INSTRUMENTS, JURISDICTIONS


def test_an_unknown_name_of_a_parameter_says_which_there_are():
    for said, told in (
        ({"foo": 1}, "foo: no such parameter; `abm list --parameters` has them all"),
        (
            {"ip_strength": {"mars": 0.2}},
            "ip_strength.mars: no such jurisdiction (one of: us, china, eu, row, default)",
        ),
        ({"ip_strength": {}}, "ip_strength = {}: is an empty table; give a number, or some of us, china, eu, row"),
    ):
        with pytest.raises(ParameterError) as caught:
            Parameters(**said)
        assert str(caught.value) == told


anything = st.one_of(
    st.floats(), st.integers(), st.text(max_size=8), st.booleans(), st.none(), st.lists(st.floats(), max_size=2),
    st.dictionaries(
        st.sampled_from([*JURISDICTIONS, "default", "mars"]), st.one_of(st.floats(), st.text(max_size=3)), max_size=3
    ),
)  # fmt: skip


names = st.one_of(
    st.sampled_from([*INSTRUMENTS, *Parameters.names()[-20:]]),
    st.text(string.ascii_lowercase + "_", min_size=1, max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(said=st.dictionaries(names, anything, max_size=4))
def test_any_values_are_parameters_or_a_parameter_error(said):
    found, told = Parameters(), []
    try:
        found = Parameters(**said)
    except ParameterError as error:
        told = str(error).split("\n")
    assert all(any(name in line for name in said) and "validation error" not in line for line in told)
    for name, array in found.values().items():
        extra = Parameters.model_fields[name].json_schema_extra
        assert (array >= extra["low"]).all(), name
        assert (array <= extra["high"]).all(), name


def test_all_wrong_parameters_are_reported_at_once():
    with pytest.raises(ValueError) as error:
        Parameters(ip_strength=2, copying_rate=float("nan"), nonsense=1)
    assert "nonsense" in str(error.value)
    with pytest.raises(ValueError) as error:
        Parameters(ip_strength=2, copying_rate=float("nan"))
    assert "ip_strength" in str(error.value) and "copying_rate" in str(error.value)


def test_parameters_are_fixed_with_their_tables():
    own = {"us": 0.9, "default": 0.2}
    given = Parameters(ip_strength=own)
    own["us"] = 0.1
    for change in (
        lambda: given.ip_strength.update(us=7.0),
        lambda: given.ip_strength.__setitem__("us", 7.0),
        lambda: given.ip_strength.pop("us"),
        given.replace(ip_clarity=0.1).ip_strength.clear,
        lambda: copy.deepcopy(given).ip_strength.setdefault("eu", 7.0),
        pickle.loads(pickle.dumps(given)).ip_strength.popitem,
    ):
        with pytest.raises(TypeError, match=r"make others with parameters\.replace"):
            change()
    table = given.ip_strength
    with pytest.raises(TypeError, match=r"make others with parameters\.replace"):
        table |= {"us": 7.0}
    assert given.values()["ip_strength"].tolist() == [0.9, 0.2, 0.2, 0.2]
    assert given == copy.deepcopy(given) == pickle.loads(pickle.dumps(given))
    assert json.loads(given.model_dump_json(exclude_unset=True)) == {"ip_strength": {"us": 0.9, "default": 0.2}}
    plain = given.model_dump(exclude_unset=True)["ip_strength"]
    plain["us"] = 0.3  # a dump is the user's own
