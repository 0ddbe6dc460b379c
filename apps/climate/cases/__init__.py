"""Analytic initial states: the table of test cases."""

from __future__ import annotations

from clustermark.apps.climate.cases.case import PrimitiveCase, ShallowCase
from clustermark.apps.climate.cases.galewsky import GALEWSKY, GALEWSKY_STEADY
from clustermark.apps.climate.cases.held_suarez import HELD_SUAREZ
from clustermark.apps.climate.cases.jablonowski_williamson import BAROCLINIC_STEADY, BAROCLINIC_WAVE
from clustermark.apps.climate.cases.polvani import POLVANI
from clustermark.apps.climate.cases.williamson import TC2, TC2_TILTED, TC5, TC6

Case = ShallowCase | PrimitiveCase

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        TC2,
        TC2_TILTED,
        TC5,
        TC6,
        GALEWSKY,
        GALEWSKY_STEADY,
        BAROCLINIC_WAVE,
        BAROCLINIC_STEADY,
        POLVANI,
        HELD_SUAREZ,
    )
}
