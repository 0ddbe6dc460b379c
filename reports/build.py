"""From run files to report files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from clustermark.core.errors import UsageError, nearest
from clustermark.core.files import atomic_write, cannot_write
from clustermark.core.runfile import Run, read_run
from clustermark.reports.costs import Costs
from clustermark.reports.export import export
from clustermark.reports.html import write_html
from clustermark.reports.images import write_images
from clustermark.reports.markdown import markdown

Writer = Callable[[Sequence[Run], Path, Costs | None], list[Path]]


def _html(runs: Sequence[Run], folder: Path, costs: Costs | None) -> list[Path]:
    target = folder / "report.html"
    write_html(runs, target, costs)
    return [target]


def _markdown(runs: Sequence[Run], folder: Path, costs: Costs | None) -> list[Path]:
    return _text(folder / "report.md", markdown(runs))


def _json(runs: Sequence[Run], folder: Path, costs: Costs | None) -> list[Path]:
    return _text(folder / "report.json", export(runs, "json"))


def _images(runs: Sequence[Run], folder: Path, costs: Costs | None) -> list[Path]:
    return write_images(runs, folder / "charts", costs=costs)


def _text(target: Path, text: str) -> list[Path]:
    atomic_write(target, text.encode("utf-8", "replace"))
    return [target]


FORMATS: dict[str, Writer] = {"html": _html, "markdown": _markdown, "json": _json, "images": _images}


def build(
    paths: Sequence[Path], target: Path | None = None, formats: Sequence[str] = ("html", "markdown")
) -> list[Path]:
    """Read runs and write a report over all of them.

    Parameters
    ----------
    paths : run folders or run.h5 files
    target : folder, made if it is not there; None for the folder of the first run
    formats : keys of `FORMATS`

    Returns
    -------
    list of Path : the files written

    Raises
    ------
    UsageError : no path, an unknown format, or a path that is no readable run
    StoreError : a file cannot be written
    """
    if not paths:
        raise UsageError("report: was given no run; name a run's folder or its run.h5")
    _check(formats)
    return write_report([read_run(path) for path in paths], target, formats)


def _check(formats: Sequence[str]) -> None:
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"report format '{name}': is not known{nearest(name, FORMATS)}; give one of these")


def write_report(
    runs: Sequence[Run],
    target: Path | None = None,
    formats: Sequence[str] = ("html", "markdown"),
    costs: Costs | None = None,
) -> list[Path]:
    """As `build`, for runs that were read already, with the costs that the charts of cost need.

    Raises UsageError for an unknown format, StoreError.
    """
    _check(formats)
    folder = target if target is not None else runs[0].path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return [written for name in formats for written in FORMATS[name](runs, folder, costs)]
