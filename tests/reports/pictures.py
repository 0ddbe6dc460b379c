"""Pictures of a report for the documentation.

    python tests/reports/pictures.py [--interconnects | --emulated] [RUN …]

With runs: their page as it opens, `report-top`, or with an option the charts that docs/interconnects.md shows, of those
that the runs have. Without: the charts that docs/reading-a-report.md explains, from the planned figures of
fake_apps.py. A headless Chromium opens the page once per picture, with all other parts hidden.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from fake_apps import COSTS, full_runs

from clustermark.core.runfile import read_run
from clustermark.reports.html import render_html

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOP = "report-top"
# Name → (CSS of what is shown, width, height, scheme: 1 light, 0 dark).
PICTURES = {
    TOP: ("", 1280, 1180, 1),
    "report-speed-accuracy": ("#chart-speed_accuracy", 1120, 1420, 1),
    "report-scaling": ("#chart-strong_scaling, #chart-communication_share", 1120, 1330, 0),
    "report-rent-or-buy": ("#chart-rent_or_buy", 1120, 580, 1),
}
INTERCONNECTS = {
    "interconnects-time": ("#chart-message_time", 1460, 1340, 1),
    "interconnects-bandwidth": ("#chart-message_bandwidth", 1260, 1000, 1),
    "interconnects-bus-bandwidth": ("#chart-bus_bandwidth", 1260, 630, 1),
    "interconnects-pairs": ("#chart-rank_pairs", 1120, 520, 1),
    "interconnects-share": ("#chart-communication_share", 1120, 545, 1),
}
EMULATED = {"interconnects-emulated": ("#chart-message_bandwidth", 1260, 1060, 1)}
_ONLY = """<style>
.top, main > :not(section), main > section:not(:has(%(shown)s)):not(%(shown)s), figure:not(:has(%(shown)s)), h2,
details {
  display: none !important;
}
main { padding-top: 18px; max-width: none; }
</style>"""


def take(page: str, name: str, folder: Path) -> Path:
    """One picture, of either table. Raises CalledProcessError if the browser fails."""
    shown, width, height, scheme = (PICTURES | INTERCONNECTS | EMULATED)[name]
    if shown:
        page = page.replace("</head>", _ONLY % {"shown": shown} + "</head>", 1)
    (folder / "page.html").write_text(page, errors="replace")
    target = IMAGES / f"{name}.png"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},{height}"]
    command += ["--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", f"--screenshot={target}"]
    subprocess.run([*command, (folder / "page.html").as_uri()], check=True, capture_output=True, timeout=120)
    return target


def main() -> None:
    """Write every picture into docs/images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--interconnects", action="store_true", help="the charts of docs/interconnects.md")
    parser.add_argument("--emulated", action="store_true", help="its chart of the emulated network")
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no chromium on the PATH: install one")
    page = render_html([read_run(path) for path in options.runs] if options.runs else full_runs(), COSTS)
    names = [TOP] if options.runs else [name for name in PICTURES if name != TOP]
    if options.interconnects or options.emulated:
        table = INTERCONNECTS if options.interconnects else EMULATED
        names = [name for name, (shown, *_) in table.items() if f'id="{shown.lstrip("#")}"' in page]
    for name in names:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            print(take(page, name, Path(folder)))


if __name__ == "__main__":
    main()
