"""Pictures of pages for the documentation: ``python tests/reports/pictures.py GROUP [PATH …]``.

Paths are runs; of group "verdict" the folder of a check; none for "planned", which is drawn from the planned figures of
fake_apps.py. A headless Chromium opens the page once per picture, with all other parts hidden; pictures of charts that
the runs do not have are left out.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fake_apps import COSTS, full_runs

from clustermark.core.runfile import read_run
from clustermark.reports.html import render_html

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PLANNED, VERDICT = "planned", "verdict"
# Group → picture → (CSS of what is shown, "" for the page as it opens; width, height, scheme: 1 light, 0 dark).
GROUPS: dict[str, dict[str, tuple[str, int, int, int]]] = {
    "report": {"report-top": ("", 1280, 1180, 1)},
    PLANNED: {
        "report-speed-accuracy": ("#chart-speed_accuracy", 1120, 1420, 1),
        "report-scaling": ("#chart-strong_scaling, #chart-communication_share", 1120, 1330, 0),
        "report-rent-or-buy": ("#chart-rent_or_buy", 1120, 580, 1),
    },
    VERDICT: {"gate-verdict": ("", 1280, 900, 1)},
    "interconnects": {
        "interconnects-time": ("#chart-message_time", 1460, 1340, 1),
        "interconnects-bandwidth": ("#chart-message_bandwidth", 1260, 1000, 1),
        "interconnects-bus-bandwidth": ("#chart-bus_bandwidth", 1260, 630, 1),
        "interconnects-pairs": ("#chart-rank_pairs", 1120, 520, 1),
        "interconnects-share": ("#chart-communication_share", 1240, 545, 1),
    },
    "emulated": {"interconnects-emulated": ("#chart-message_bandwidth", 1260, 1060, 1)},
    "precisions": {
        "precisions-speed-accuracy": ("#chart-speed_accuracy", 1240, 2060, 1),
        "precisions-errors": ("#chart-precision_errors", 1160, 770, 1),
        "precisions-roofline": ("#chart-roofline", 1120, 760, 1),
    },
}
_ONLY = """<style>
.top, main > :not(section), main > section:not(:has(%(shown)s)):not(%(shown)s), figure:not(:has(%(shown)s)), h2,
details {
  display: none !important;
}
main { padding-top: 18px; max-width: none; }
</style>"""


def take(page: str, name: str, folder: Path, images: Path = IMAGES) -> Path:
    """One picture of any group, into `images`. Raises CalledProcessError if the browser fails."""
    shown, width, height, scheme = next(group[name] for group in GROUPS.values() if name in group)
    if shown:
        page = page.replace("</head>", _ONLY % {"shown": shown} + "</head>", 1)
    (folder / "page.html").write_text(page, errors="replace")
    target = images / f"{name}.png"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},{height}"]
    command += ["--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", f"--screenshot={target}"]
    subprocess.run([*command, (folder / "page.html").as_uri()], check=True, capture_output=True, timeout=120)
    return target


def page_of(group: str, paths: Sequence[Path]) -> str:
    """The page that the pictures of a group are taken from."""
    if group == VERDICT:
        return (paths[0] / "verdict.html").read_text()
    return render_html(full_runs() if group == PLANNED else [read_run(path) for path in paths], COSTS)


def main() -> None:
    """Write every picture of a group into docs/images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no chromium on the PATH: install one")
    if (options.group == PLANNED) == bool(options.paths):
        parser.error("name runs, or the folder of a check; and none for 'planned'")
    page = page_of(options.group, options.paths)
    for name, (shown, *_) in GROUPS[options.group].items():
        if not shown or any(f'id="{part.strip(" #")}"' in page for part in shown.split(",")):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                print(take(page, name, Path(folder)))


if __name__ == "__main__":
    main()
