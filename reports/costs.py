"""What a user's machine costs, from the user's TOML file; no price stands anywhere in this project."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.core.errors import UsageError, nearest, plain

HOURS_PER_YEAR = 8766.0  # 365.25 days
JOULES_PER_KWH = 3.6e6
_HINT = "docs/reading-a-report.md shows the file"


@dataclass(frozen=True)
class Owning:
    """A bought node.

    Attributes
    ----------
    capex_per_node : price of a node with its share of network, racks and storage
    lifetime_years : until it is written off
    utilisation : share of its life in which it does paid work, 0 … 1
    yearly_per_node : hosting, administration and the like
    """

    capex_per_node: float
    lifetime_years: float
    utilisation: float
    yearly_per_node: float = 0.0

    def node_hour(self, utilisation: float | None = None) -> float:
        """Cost of an hour of paid work, without electricity: (capex ÷ life + yearly) ÷ (hours a year · utilisation)."""
        used = self.utilisation if utilisation is None else utilisation
        return (self.capex_per_node / self.lifetime_years + self.yearly_per_node) / (HOURS_PER_YEAR * used)


@dataclass(frozen=True)
class Costs:
    """Prices in one currency.

    Attributes
    ----------
    currency : what to write before a figure
    rent_node_hour : price of a rented node for an hour, electricity included
    own : what a bought node costs
    pue : power usage effectiveness, energy of the building ÷ energy of the nodes
    price_per_kwh, co2_g_per_kwh : of electricity, [g] of CO2 equivalent; used with stored energy only
    """

    currency: str
    rent_node_hour: float | None = None
    own: Owning | None = None
    pue: float = 1.0
    price_per_kwh: float | None = None
    co2_g_per_kwh: float | None = None

    def energy_cost(self, joules: float) -> float | None:
        """Price of energy that the nodes took, PUE included; None without a price."""
        return None if self.price_per_kwh is None else joules * self.pue / JOULES_PER_KWH * self.price_per_kwh

    def co2_grams(self, joules: float) -> float | None:
        """[g] CO2 equivalent of energy that the nodes took, PUE included; None where the grid's is not told."""
        return None if self.co2_g_per_kwh is None else joules * self.pue / JOULES_PER_KWH * self.co2_g_per_kwh


# Key → (least, most, needed).
_RENT = {"node_hour": (0.0, 1e9, True)}
_OWN = {
    "capex_per_node": (0.0, 1e12, True),
    "lifetime_years": (0.01, 100.0, True),
    "utilisation": (0.0001, 1.0, True),
    "yearly_per_node": (0.0, 1e12, False),
}
_ENERGY = {
    "pue": (1.0, 10.0, False),
    "price_per_kwh": (0.0, 1e6, False),
    "co2_g_per_kwh": (0.0, 1e5, False),
}
_TABLES = {"rent": _RENT, "own": _OWN, "energy": _ENERGY}


def read_costs(path: Path) -> Costs:
    """The costs in a TOML file.

    Raises
    ------
    UsageError : the file cannot be read or is no TOML; an unknown, missing or impossible key
    """
    where = plain(str(path), 200)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise UsageError(f"--costs {where}: cannot be read ({reason}); {_HINT}") from None
    try:
        return costs_of(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--costs {where}: is no TOML ({plain(str(error), 80)}); {_HINT}") from None


def costs_of(data: Mapping[str, Any], where: str) -> Costs:
    """The costs in a document that was read already; raises UsageError as `read_costs` does."""
    known = ("currency", *_TABLES)
    for key in data:
        if key not in known:
            raise UsageError(f"{where}: '{plain(key, 60)}' is no key of a cost file{nearest(key, known)}; {_HINT}")
    currency = data.get("currency", "")
    if not isinstance(currency, str) or not currency.strip() or len(currency) > 12:
        raise UsageError(f'{where}: currency is {_shown(currency)}, expected a short word such as "EUR"')
    rent, own, energy = (_table(data, name, where) for name in _TABLES)
    if not rent and not own and not energy:
        raise UsageError(f"{where}: has no prices; add a table [rent], [own] or [energy]; {_HINT}")
    return Costs(
        currency=plain(currency, 12).strip(),
        rent_node_hour=rent.get("node_hour"),
        own=Owning(**own) if own else None,
        pue=energy.get("pue", 1.0),
        price_per_kwh=energy.get("price_per_kwh"),
        co2_g_per_kwh=energy.get("co2_g_per_kwh"),
    )


def _table(data: Mapping[str, Any], name: str, where: str) -> dict[str, float]:
    if name not in data:
        return {}
    found, keys = data[name], _TABLES[name]
    if not isinstance(found, Mapping):
        raise UsageError(f"{where}: {name} is {_shown(found)}, expected a table [{name}]; {_HINT}")
    for key in found:
        if key not in keys:
            raise UsageError(f"{where}: '{plain(key, 60)}' is no key of [{name}]{nearest(key, keys)}; {_HINT}")
    values = {}
    for key, (least, most, needed) in keys.items():
        if key not in found:
            if needed:
                raise UsageError(f"{where}: [{name}] needs {key}; {_HINT}")
            continue
        value = found[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:  # a NaN is not between them
            raise UsageError(f"{where}: {name}.{key} is {_shown(value)}, expected a number from {least:g} to {most:g}")
        values[key] = float(value)
    return values


def _shown(value: object) -> str:
    return plain(repr(value), 40)
