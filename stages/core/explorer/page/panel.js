"use strict";
// The panel with the filters. `changed` is called after each change.

const OPEN_FACETS = 3;
const MORE_SCORES = 8; // those behind them are hidden until asked for

function fillPanel(form, filters, changed) {
  const { facets } = filters.index;
  const scores = filters.index.scores.filter((score) => score.least < score.most);
  const clear = el("button", { type: "button", class: "clear" }, "Clear all filters");
  clear.addEventListener("click", () => {
    filters.labels.clear();
    filters.ranges.clear();
    form.reset();
    changed();
  });
  form.append(clear);
  facets.forEach((facet, place) => form.append(facetOf(facet, filters, changed, place < OPEN_FACETS)));
  if (!scores.length) return;
  const near = scores.filter((score) => score.judged).length || MORE_SCORES;
  form.append(el("h2", {}, "Scores"), ...scores.slice(0, near).map((score) => rangeOf(score, filters, changed)));
  if (scores.length > near) {
    const rest = el("details", {}, el("summary", {}, `${scores.length - near} more`));
    rest.addEventListener("toggle", () => {
      if (rest.children.length === 1) rest.append(...scores.slice(near).map((score) => rangeOf(score, filters, changed)));
    });
    form.append(rest);
  }
}

function facetOf(facet, filters, changed, open) {
  const list = el("ul", { role: "list" });
  const box = el("details", { open }, el("summary", {}, named(facet.name)), list);
  const fillList = () => {
    if (list.children.length) return;
    for (const [code, label, rows] of facet.labels) {
      const check = el("input", { type: "checkbox", name: facet.name, value: code });
      check.addEventListener("change", () => {
        const codes = filters.labels.get(facet.name) || new Set();
        if (check.checked) codes.add(code);
        else codes.delete(code);
        if (codes.size) filters.labels.set(facet.name, codes);
        else filters.labels.delete(facet.name);
        changed();
      });
      const text = el("span", { class: facet.name === "outcome" ? `dot ${label}` : null }, label);
      list.append(el("li", {}, el("label", {}, check, text, el("span", { class: "soft n" }, rows.toLocaleString("en")))));
    }
  };
  box.addEventListener("toggle", fillList);
  box.addEventListener("focusin", () => filters.column(facet.name));
  if (open) fillList();
  return box;
}

function rangeOf(score, filters, changed) {
  const most = Math.max(...score.bins, 1);
  const bars = score.bins.map((rows, place) => svg("rect", { x: place, y: 1 - rows / most, width: 0.9, height: rows / most }));
  const picture = svg("svg", { viewBox: `0 0 ${bars.length} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, bars);
  const ends = ["least", "most"].map((end) =>
    el("input", {
      type: "number", step: "any", name: `${score.name} ${end}`, placeholder: number(score[end]),
      "aria-label": `${named(score.name)}: ${end}`,
    }),
  );
  const read = () => {
    const values = ends.map((input) => (Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber));
    if (values.some((value) => value !== null)) filters.ranges.set(score.name, values);
    else filters.ranges.delete(score.name);
    changed();
  };
  for (const input of ends) {
    input.addEventListener("input", read);
    input.addEventListener("focus", () => filters.column(score.name));
  }
  return el("fieldset", { class: "range" }, el("legend", {}, named(score.name)), picture, el("div", {}, ends[0], " to ", ends[1]));
}

function fillOrder(select, index) {
  select.append(el("option", { value: "" }, "kept first"));
  for (const { name } of index.scores) {
    select.append(el("option", { value: `-${name}` }, `${named(name)} ↓`), el("option", { value: name }, `${named(name)} ↑`));
  }
}
