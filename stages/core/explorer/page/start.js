"use strict";
// Puts the page together.

const FEW_ROWS = 20000;

async function start() {
  const by = (id) => document.getElementById(id);
  const index = await load("index");
  const filters = new Filters(index);
  let place = 0; // of the open row among those that are shown
  let turn = 0; // raised by each change of the filters
  let drawn = 0; // the turn that is shown
  const view = new RowView(by("row"), index, (way) => {
    if (!way) return closed();
    const next = place + way;
    if (next >= 0 && next < grid.total) openPlace(next);
  });
  const grid = new Grid(by("grid"), by("scroll"), index, (row, at) => openPlace(at));

  function openPlace(at) {
    place = at;
    const row = grid.rows ? grid.rows[at] : at;
    history.replaceState(null, "", `#${row}`);
    return view.open(row).catch((error) => (by("count").textContent = error.message));
  }

  function closed() {
    history.replaceState(null, "", location.pathname + location.search);
    if (place >= grid.first && place < grid.first + grid.length) grid.focus(place - grid.first);
  }

  function show(rows, searched) {
    if (drawn === turn && turn) grid.extend(rows);
    else grid.show(rows);
    drawn = turn;
    by("count").textContent = describe(grid.total, index, searched);
    by("active").textContent = filters.active ? ` (${filters.active})` : "";
    by("scroll").dataset.turn = searched === null ? turn : "";
    fillPages(by("pages"), grid);
  }

  function changed() {
    const mine = ++turn;
    by("scroll").dataset.turn = "";
    filters
      .apply((rows, searched) => {
        if (mine === turn) show(rows, searched);
        return mine === turn;
      })
      .catch((error) => (by("count").textContent = error.message));
  }

  fillPanel(by("filters"), filters, changed);
  fillOrder(by("order"), index);
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("search").addEventListener("input", () => {
    filters.words = wordsOf(by("search").value);
    changed();
  });
  by("order").addEventListener("change", () => {
    filters.order = by("order").value;
    changed();
  });
  by("toggle").addEventListener("click", () => {
    const open = document.body.classList.toggle("filtering");
    by("toggle").setAttribute("aria-expanded", open);
    if (open) by("filters").querySelector("button").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || by("row").open || event.target.matches("input, select")) return;
    by("search").focus();
    event.preventDefault();
  });
  show(null, null);
  const asked = Number(location.hash.slice(1));
  if (location.hash.length > 1 && asked < index.rows) openPlace(asked);
  if (index.rows <= FEW_ROWS) prefetch(filters);
}

// Of few rows all that filters look at is loaded as soon as there is time.
function prefetch(filters) {
  const { index } = filters;
  const later = window.requestIdleCallback || ((action) => setTimeout(action, 200));
  for (const { name } of [...index.facets, ...index.scores.filter((score) => score.judged)]) later(() => filters.column(name));
  for (let number = 0; number < Math.ceil(index.rows / index.texts); number++) later(() => loadNumbered("texts", number));
}

function describe(shown, index, searched) {
  const all = index.rows.toLocaleString("en");
  const what = shown === index.rows ? `${all} rows` : `${shown.toLocaleString("en")} of ${all} rows`;
  return searched === null ? what : `${what}, ${Math.floor(searched * 100)} % searched`;
}

function fillPages(nav, grid) {
  nav.hidden = grid.total <= PAGE_ROWS;
  const pages = Math.ceil(grid.total / PAGE_ROWS);
  const page = grid.first / PAGE_ROWS;
  const go = (to) => {
    grid.show(grid.rows, to * PAGE_ROWS);
    fillPages(nav, grid);
  };
  const button = (text, label, to) => el("button", { type: "button", "aria-label": label, disabled: to < 0 || to >= pages, onclick: () => go(to) }, text);
  nav.replaceChildren(button("‹", "Page before", page - 1), ` page ${page + 1} of ${pages} `, button("›", "Next page", page + 1));
}

start().catch((error) => (document.getElementById("count").textContent = error.message));
