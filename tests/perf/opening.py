"""How long a page takes to stand in Chromium: it tells a server on this machine itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
_POLICY = '<meta http-equiv="Content-Security-Policy"'
_BEACON = """<script>
(() => {
  const times = {};
  const root = document.documentElement;
  const watch = () => {
    for (const name of ["opened", "drawn"]) {
      if (root.dataset[name] === undefined || name in times) continue;
      times[name] = 0;
      // Two frames on, what was made has been laid out and painted.
      requestAnimationFrame(() => requestAnimationFrame(() => { times[name] = performance.now(); }));
    }
    if (!times.opened || !times.drawn) { setTimeout(watch, 4); return; }
    new Image().src = `http://127.0.0.1:%d/?opened=${times.opened}&drawn=${times.drawn}`;
  };
  watch();
})();
</script>"""


def find_chromium() -> str | None:
    """Path of a Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@dataclass(frozen=True)
class Opening:
    """[s] from the start of navigation until the first screen and the table, and until all charts are painted.

    `busy` is the CPU time of the page's main thread until then: what the clock would say if nobody else computed.
    """

    opened: float
    drawn: float
    busy: float


def _busiest_renderer(group: int) -> float:
    """[s] CPU time of the main thread of that process of a group which has computed most among the renderers."""
    tick = os.sysconf("SC_CLK_TCK")
    most = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            renderer = b"--type=renderer" in (folder / "cmdline").read_bytes()
            fields = (folder / "task" / folder.name / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if renderer and int(fields[2]) == group:
            most = max(most, (int(fields[11]) + int(fields[12])) / tick)
    return most


class _Listener(HTTPServer):
    """Keeps what the first request says."""

    def __init__(self) -> None:
        """Listens on a free port of this machine."""
        super().__init__(("127.0.0.1", 0), _Answer)
        self.found: dict[str, float] = {}
        self.group = 0
        self.heard = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Keep the figures of the query; anything else, such as a favicon, is ignored."""
        query = parse_qs(urlsplit(self.path).query)
        self.send_response(204)
        self.end_headers()
        if "drawn" in query and isinstance(self.server, _Listener):
            self.server.found = {name: float(values[0]) / 1e3 for name, values in query.items()}
            self.server.found["busy"] = _busiest_renderer(self.server.group)
            self.server.heard.set()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def opening_seconds(chromium: str, page: str, folder: Path, timeout: float = 60.0) -> Opening:
    """Open a page once.

    Parameters
    ----------
    chromium : path
    page : HTML of a report; its policy is taken out of the copy that is opened, as it forbids telling anybody
    folder : empty, for the copy and the browser's profile

    Raises
    ------
    TimeoutError : the page did not stand within `timeout` [s]
    """
    server = _Listener()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    start = page.index(_POLICY)
    copy = page[:start] + page[page.index(">", start) + 1 :]
    target = folder / "page.html"
    end = copy.rindex("</body>")
    target.write_text(copy[:end] + _BEACON % server.server_port + copy[end:], errors="replace")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
    command += ["--disable-background-networking", "--window-size=1380,1000", f"--user-data-dir={folder / 'profile'}"]
    command += ["--remote-debugging-port=0", target.as_uri()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    server.group = process.pid
    try:
        if not server.heard.wait(timeout):
            raise TimeoutError(f"the page did not stand within {timeout:g} s")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        server.shutdown()
        server.server_close()
    return Opening(**server.found)
