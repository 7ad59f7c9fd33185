"""Names of parameters, right and wrong, for property tests."""

import string

from hypothesis import strategies as st

from abm.parameters import Parameters
from abm.support.axes import INSTRUMENTS

NAMES = st.one_of(
    st.sampled_from([*INSTRUMENTS, *Parameters.names()[-20:]]),
    st.text(string.ascii_lowercase + "_", min_size=1, max_size=12),
)
