"""Each chart as SVG and PNG, drawn without a browser."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clustermark.core.errors import ClustermarkError
from clustermark.core.files import atomic_write, cannot_write
from clustermark.core.runfile import Run
from clustermark.reports.charts import style
from clustermark.reports.costs import Costs
from clustermark.reports.drawing import drawings, vega_lite_version
from clustermark.reports.rows import report_rows

IMAGES = ("svg", "png")
_SCALE = 2.0


def write_images(
    runs: Sequence[Run], folder: Path, kinds: Sequence[str] = IMAGES, costs: Costs | None = None
) -> list[Path]:
    """Write ``<chart>.svg`` and ``<chart>.png`` of every chart that has data, dark ink on white.

    Parameters
    ----------
    runs : at least one
    folder : made if it is not there
    kinds : of `IMAGES`
    costs : what the user's machine costs

    Returns
    -------
    list of Path : the files written

    Raises
    ------
    StoreError : the folder cannot be made or written
    ClustermarkError : a chart cannot be drawn
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    written = []
    for name, spec in drawings(report_rows(runs, costs)).items():
        for kind in kinds:
            target = folder / f"{name}.{kind}"
            atomic_write(target, _drawn(name, spec, kind))
            written.append(target)
    return written


def _drawn(name: str, spec: Mapping[str, Any], kind: str) -> bytes:
    import vl_convert

    paper = {**spec, "config": style.config("#24292f", "sans-serif") | {"background": "#ffffff"}}
    version = vega_lite_version()
    try:
        if kind == "png":
            return vl_convert.vegalite_to_png(paper, vl_version=version, scale=_SCALE)
        return vl_convert.vegalite_to_svg(paper, vl_version=version).encode()
    except ValueError as error:
        raise ClustermarkError(
            f"chart {name}: cannot be drawn as {kind} ({error!s:.120}); report.html draws it in a browser"
        ) from error
