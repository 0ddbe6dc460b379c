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

  const specs = JSON.parse(document.getElementById("specs").textContent);
  const drawn = Object.entries(specs).map(([id, spec]) => {
    const place = document.getElementById(`chart-${id}`);
    const actions = { export: true, source: false, compiled: false, editor: false };
    return vegaEmbed(place, spec, { renderer: "svg", actions, downloadFileName: id }).catch((error) => {
      place.textContent = `This chart could not be drawn (${error.message}); its figures are in the table of cases.`;
      place.classList.add("failed");
    });
  });
  Promise.all(drawn).then(() => { root.dataset.drawn = String(drawn.length); });

  const table = document.getElementById("cases-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const collator = new Intl.Collator("en", { numeric: true });
  const value = (row, column) => {
    const cell = row.cells[column];
    const figure = cell.dataset.v;
    if (figure === undefined) return cell.textContent.trim();
    return figure === "" ? null : Number(figure);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));

  const sort = (header, column) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b)));
    body.append(...keyed.map(([, row]) => row));
  };
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => sort(header, column));
  });

  const text = document.getElementById("filter");
  const status = document.getElementById("status");
  const count = document.getElementById("shown");
  const haystack = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let kept = 0;
    rows.forEach((row, index) => {
      const fits = words.every((word) => haystack[index].includes(word)) && (!status.value || row.dataset.status === status.value);
      row.hidden = !fits;
      kept += fits ? 1 : 0;
    });
    count.textContent = `${kept} of ${rows.length} shown`;
  };
  text.addEventListener("input", filter);
  status.addEventListener("change", filter);
  filter();

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
})();
