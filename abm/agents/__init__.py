"""The agents: chip vendors, closed and open labs, adopters, investors, regulators, and listed infrastructure firms."""

from abm.agents.adopter import Adopter
from abm.agents.chip_vendor import ChipVendor
from abm.agents.closed_lab import ClosedLab
from abm.agents.infrastructure import InfrastructureFirm
from abm.agents.investor import Investor
from abm.agents.lab import Lab
from abm.agents.open_lab import OpenLab
from abm.agents.operator import Operator
from abm.agents.owner import Owner
from abm.agents.programme import Programme
from abm.agents.regulator import Regulator

__all__ = [
    "Adopter", "ChipVendor", "ClosedLab", "InfrastructureFirm", "Investor", "Lab",
    "OpenLab", "Operator", "Owner", "Programme", "Regulator",
]  # fmt: skip
