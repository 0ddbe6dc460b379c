"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");

  // Charts are drawn in currentColor, so that a change of theme, or paper, needs no second drawing.
  const shown = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const name = () => { button.textContent = shown() === "dark" ? "Light theme" : "Dark theme"; };
  const remember = (theme) => { try { localStorage.setItem("clustermark-theme", theme); } catch { /* no storage for files */ } };
  try {
    const kept = localStorage.getItem("clustermark-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage for files */ }
  button.addEventListener("click", () => {
    root.dataset.theme = shown() === "dark" ? "light" : "dark";
    remember(root.dataset.theme);
    name();
  });
  dark.addEventListener("change", name);
  name();

  // The charts on the first screen are drawn at once, the others one after another: the page answers in between.
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const draw = ([id, spec]) => {
    const place = document.getElementById(`chart-${id}`);
    const actions = { export: true, source: false, compiled: false, editor: false };
    const drawing = place.appendChild(document.createElement("div"));
    return vegaEmbed(drawing, spec, { renderer: "svg", actions, downloadFileName: id }).catch((error) => {
      place.textContent = `This chart could not be drawn (${error.message}); its figures are in the table of cases.`;
    });
  };
  const onScreen = ([id]) => document.getElementById(`chart-${id}`).getBoundingClientRect().top < innerHeight;
  const charts = Object.entries(specs);
  const later = charts.filter((chart) => !onScreen(chart));
  const whenIdle = (act) => (window.requestIdleCallback ? requestIdleCallback(act, { timeout: 500 }) : setTimeout(act, 100));
  const nextChart = () => {
    if (later.length) draw(later.shift()).then(() => whenIdle(nextChart));
    else root.dataset.drawn = String(charts.length);
  };
  Promise.all(charts.filter((chart) => !later.includes(chart)).map(draw)).then(() => {
    root.classList.remove("reading");
    root.dataset.opened = "";
    whenIdle(nextChart); // after the first screen is painted
  });

  // Of a folded table, rows beyond the first hundreds are text until it is opened.
  const unfold = (details) => {
    for (const kept of details.querySelectorAll("script[data-rows]")) {
      kept.parentElement.querySelector("tbody").insertAdjacentHTML("beforeend", kept.textContent);
      kept.remove();
    }
  };
  const folds = document.querySelectorAll("details");
  folds.forEach((details) => details.addEventListener("toggle", () => { if (details.open) unfold(details); }));
  addEventListener("beforeprint", () => folds.forEach((details) => { unfold(details); details.open = true; }));

  const table = document.getElementById("cases-table");
  if (!table) return;
  const body = table.tBodies[0];
  let rows = [...body.rows];
  const collator = new Intl.Collator("en", { numeric: true });
  const value = (row, column) => {
    const cell = row.cells[column];
    const figure = cell.dataset.v;
    if (figure === undefined) return cell.textContent.trim();
    return figure === "" ? null : Number(figure);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));

  // Rows beyond the first hundreds are text until somebody sorts or filters, and are shown on a click: making tens of
  // thousands takes seconds.
  const text = document.getElementById("filter");
  const status = document.getElementById("status");
  const count = document.getElementById("shown");
  const all = document.getElementById("all");
  let most = 300;
  let haystack = null;
  const whole = () => {
    if (haystack) return;
    const folded = document.querySelector("script[data-cases]");
    if (folded) {
      body.insertAdjacentHTML("beforeend", folded.textContent);
      folded.remove();
    }
    rows = [...body.rows];
    haystack = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  };
  const suits = (row) => {
    if (!status.value) return true;
    const [wanted, doubt] = status.value.split(", ");
    return row.dataset.status === wanted && (!doubt || ("doubt" in row.dataset) === (doubt === "in doubt"));
  };
  const filter = () => {
    whole();
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const row of rows) {
      const fits = words.every((word) => haystack.get(row).includes(word)) && suits(row);
      matching += fits ? 1 : 0;
      row.hidden = !fits || matching > most;
    }
    all.hidden = matching <= most;
    count.textContent = matching > most ? `first ${most} of ${matching} shown` : `${matching} of ${rows.length} shown`;
  };
  // The text of the other rows ends the page: who is faster than its reading waits for it.
  const onceRead = (act) => (document.readyState === "loading" ? addEventListener("DOMContentLoaded", act, { once: true }) : act());
  text.addEventListener("focus", () => onceRead(whole));
  text.addEventListener("input", () => onceRead(filter));
  status.addEventListener("change", () => onceRead(filter));
  all.addEventListener("click", () => { most = Infinity; onceRead(filter); });

  const sort = (header, column) => {
    whole();
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b)));
    rows = keyed.map(([, row]) => row);
    body.append(...rows);
    filter();
  };
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => onceRead(() => sort(header, column)));
  });
})();
