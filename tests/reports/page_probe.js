// Runs inside a copy of the page, once its charts stand, and leaves its findings as JSON in <pre id="probe">.
"use strict";
(() => {
  const root = document.documentElement;

  const outside = (inner, outer) =>
    inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
  const luminance = (colour) => {
    const linear = channels(colour).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  const sheet = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };

  const charts = () => [...document.querySelectorAll(".chart")].map((place) => {
    const svg = place.querySelector("svg");
    if (!svg) return { id: place.id, svg: false };
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => text.getBoundingClientRect());
    const overlapping = [];
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
      if (overlap(a, b)) overlapping.push(`${texts[i].textContent} / ${texts[i + 1 + j].textContent}`);
    }));
    return {
      id: place.id,
      svg: true,
      label: place.getAttribute("aria-label"),
      marks: svg.querySelectorAll("path, line, rect").length,
      texts: texts.map((text) => text.textContent),
      clipped: texts.filter((_, i) => outside(boxes[i], frame)).map((text) => text.textContent),
      overlapping,
      scrolls: place.scrollWidth > place.clientWidth + 1,
      contrast: Math.min(...texts.map((text) => contrast(getComputedStyle(text).fill, sheet(svg)))),
    };
  });

  const words = () => [...document.querySelectorAll("h1, h2, h3, p, dt, dd, li, td, th, small, summary, .mark, output")]
    .filter((element) => element.textContent.trim() && element.getClientRects().length)
    .map((element) => contrast(getComputedStyle(element).color, sheet(element)));

  const table = document.getElementById("cases-table");
  const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const sorted = (name) => {
    const header = [...table.tHead.rows[0].cells].find((cell) => cell.textContent === name);
    header.querySelector("button").click();
    const column = header.cellIndex;
    return { aria: header.getAttribute("aria-sort"), values: shown().map((row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim()) };
  };
  const filtered = (text, status) => {
    const box = document.getElementById("filter");
    const choice = document.getElementById("status");
    box.value = text;
    box.dispatchEvent(new Event("input"));
    choice.value = status;
    choice.dispatchEvent(new Event("change"));
    return { rows: shown().map((row) => row.querySelector(".case code").textContent), count: document.getElementById("shown").textContent };
  };

  const tooltip = () => {
    const point = document.querySelector(".chart g.mark-symbol.role-mark path");
    if (!point) return "";
    const { x, y } = point.getBoundingClientRect();
    for (const kind of ["pointerover", "pointermove", "mouseover", "mousemove"]) {
      point.dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: x + 2, clientY: y + 2 }));
    }
    const shown = document.getElementById("vg-tooltip-element");
    return shown ? { text: shown.textContent, elements: [...new Set([...shown.querySelectorAll("*")].map((e) => e.tagName))] } : "";
  };

  const probe = () => {
    const found = {
      tooltip: tooltip(),
      background: getComputedStyle(document.body).backgroundColor,
      owned: root.dataset.owned ?? null,
      pageScrolls: root.scrollWidth > root.clientWidth + 1,
      charts: charts(),
      contrast: Math.min(...words()),
    };
    if (table) {
      found.sort = { up: sorted("time"), down: sorted("time"), status: sorted("status") };
      found.buttons = [...table.tHead.rows[0].cells].every((cell) => cell.querySelector("button").tabIndex === 0);
      found.filter = { words: filtered("TCP fp32", ""), wrong: filtered("", "wrong"), doubt: filtered("", "ok, in doubt"), sure: filtered("", "ok, no doubt"), none: filtered("no such case", ""), all: filtered("", "") };
    }
    const ranked = document.querySelector("#ranking details");
    if (ranked) {
      const lines = () => ranked.querySelectorAll("tbody tr").length;
      found.ranking = { closed: lines() };
      ranked.open = true;
    }
    document.getElementById("theme").click();
    found.toggled = getComputedStyle(document.body).backgroundColor;
    found.toggledContrast = Math.min(...words(), ...charts().map((chart) => chart.contrast ?? 99));
    return found;
  };

  const wait = (turns) => {
    if (root.dataset.drawn === undefined && turns > 0) {
      setTimeout(() => wait(turns - 1), 50);
      return;
    }
    let found;
    try {
      found = probe();
    } catch (error) {
      found = { broken: String(error.stack) };
    }
    setTimeout(() => tell(found), 50); // after the events of what the probe opened
  };

  const tell = (found) => {
    if (found.ranking) found.ranking.open = document.querySelectorAll("#ranking tbody tr").length;
    const place = document.createElement("pre");
    place.id = "probe";
    place.textContent = JSON.stringify({ ...found, drawn: root.dataset.drawn ?? null, errors: window.caught });
    document.body.replaceChildren(place);
  };
  setTimeout(() => wait(200), 300); // late enough for errors that come after the charts
})();
