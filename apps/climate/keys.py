"""Every key of an input file, once: its kind, default, unit and meaning. Documentation and checks are made from it."""

from __future__ import annotations

from clustermark.apps.console.devices import DEVICE_KEY
from clustermark.apps.console.keys import Key

SHALLOW_WATER = ("tc2", "tc5", "tc6", "galewsky", "galewsky_steady")
PRIMITIVE = ("held_suarez", "baroclinic_wave", "baroclinic_steady", "polvani")
NO_TRACER = "none"
TRACER_SHAPES = ("cosine_bell", "slotted_cylinder", "uniform")
AUTO = "auto"

# Kinds beside the general ones (`input_file.CHECKS`): "timestep" (a number or "auto").
KEYS: dict[str, Key] = {
    "case": Key("choice", "held_suarez", "", "initial state, and with it the equations", (*PRIMITIVE, *SHALLOW_WATER)),
    "precision": Key(
        "choice",
        "double",
        "",
        "mixed: float32 winds and temperature, float64 surface pressure and sums; shallow water: double or single",
        ("double", "mixed", "single"),
    ),
    "device": DEVICE_KEY,
    "overlap": Key("boolean", True, "", "compute the interior while the halo moves"),
    "threads": Key("whole", 0, "", "per rank; 0: all cores that the rank may use", low=0, high=4096),
    "fixer": Key("boolean", True, "", "scale the mass back to its start after every step; false: drift and report"),
    "flux_matching": Key("boolean", True, "", "the mass that leaves one panel along the seam enters the other"),
    "tracer": Key("choice", NO_TRACER, "", "passive tracer, shape at the start", (NO_TRACER, *TRACER_SHAPES)),
    "grid.resolution": Key(
        "number", 2.0, "degrees", "width of a cell; 90/resolution must be whole", low=0.01, high=7.5
    ),
    "grid.levels": Key("whole", None, "", "σ levels of equal mass; default: those of the case", low=2, high=1000),
    "layout.py": Key("whole", 0, "", "blocks of a panel in latitude; 0: chosen", low=0, high=10_000),
    "layout.px": Key("whole", 0, "", "blocks of a panel in longitude; 0: chosen", low=0, high=10_000),
    "run.days": Key("number", None, "days", "simulated time to make; default: usual length of the case", low=0.0),
    "run.timestep": Key(
        "timestep", AUTO, "s", "auto: the longest stable one that meets the output times", low=0.01, high=86400.0
    ),
    "tc2.angle": Key("number", 0.0, "degrees", "tc2: between the axes of flow and planet", low=0.0, high=90.0),
    "damping.hours": Key(
        "number",
        None,
        "hours",
        "e-folding time of the shortest wave under ∇⁴; 0: no damping; default: of the case",
        low=0.0,
    ),
    "damping.every": Key("whole", 4, "", "steps from one damping to the next", low=1, high=1000),
    "output.file": Key("text", "run.nc", "", "netCDF-4 file of all fields; empty: none"),
    "output.interval": Key("number", 24.0, "hours", "from one row and one frame to the next", low=0.01),
    "output.lat_lon": Key("boolean", True, "", "the fields on a latitude–longitude grid too"),
    "restart.write": Key("text", "", "", "file for going on later, written at the end too; empty: none"),
    "restart.interval": Key("number", None, "hours", "from one restart file to the next", low=0.01),
    "restart.read": Key("path", "", "", "go on from this restart file, on any number of ranks"),
}
