"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const by = id => document.getElementById(id);
const cards = [...document.querySelectorAll("article")];
const slider = by("slider");
const fromFile = new Map(data.labels.map(([id, value, keep]) => [id, {value, keep}]));
let clicked = new Map();
try { clicked = new Map(JSON.parse(localStorage.getItem(data.store) || "[]")); } catch { /* a browser without memory */ }

// rows and hours
const keeps = (value, at) => value !== null && (data.keep === "below" ? value <= at : value >= at);
const nearest = at => data.thresholds.reduce((best, value, n) =>
  Math.abs(value - at) < Math.abs(data.thresholds[best] - at) ? n : best, 0);
const low = data.thresholds[0], high = data.thresholds[data.thresholds.length - 1];
const place = (at, width) => high > low ? width * (at - low) / (high - low) : width / 2;
const number = value => Number(value.toPrecision(6)).toString();
const show = () => {
  const n = Number(slider.value), at = data.thresholds[n], most = Math.max(...data.rows);
  by("at").textContent = number(at);
  by("rows").textContent = data.rows[n].toLocaleString("en");
  by("hours").textContent = data.hours ? data.hours[n].toLocaleString("en", {maximumFractionDigits: data.hours[n] < 10 ? 4 : 1}) + " hours" : "hours not known";
  by("share").textContent = most ? "(" + (100 * data.rows[n] / most).toFixed(1) + " % of the rows)" : "";
  for (const end of ["x1", "x2"]) by("mark").setAttribute(end, place(at, 100));
  for (const card of cards) {
    const kept = keeps(Number(card.dataset.value), at);
    card.classList.toggle("kept", kept);
    card.querySelector(".verdict").textContent = kept ? "kept" : "dropped";
  }
  agree(at);
};

// labels
const labels = () => {
  const every = new Map(fromFile);
  for (const [id, label] of clicked) label === null ? every.delete(id) : every.set(id, label);
  return every;
};
const rate = (threshold, right, kept, wanted) => ({
  threshold, precision: kept ? right / kept : 0, recall: wanted ? right / wanted : 0, f1: kept + wanted ? 2 * right / (kept + wanted) : 0,
});
const rates = (found, weights) => { // at every value, the strictest first; `found` is sorted so, those without a value last
  let right = 0, kept = 0;
  const wanted = found.reduce((sum, {keep}, n) => sum + (keep ? weights[n] : 0), 0), curve = [];
  found.forEach(({value, keep}, n) => {
    if (value === null) return;
    right += keep ? weights[n] : 0;
    kept += weights[n];
    if (n + 1 === found.length || found[n + 1].value !== value) curve.push(rate(value, right, kept, wanted));
  });
  return curve;
};
const strictFirst = (a, b) => (a.value === null) - (b.value === null) || (data.keep === "below" ? a.value - b.value : b.value - a.value);
const best = curve => curve.reduce((most, one) => one.f1 > most.f1 ? one : most);
const random = seed => () => { // mulberry32, so that the same labels give the same interval
  seed = seed + 0x6D2B79F5 | 0;
  let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
  return ((t ^ t >>> 14) >>> 0) / 4294967296;
};
const middle = values => {
  values.sort((a, b) => a - b);
  return [values[Math.round(0.025 * (values.length - 1))], values[Math.round(0.975 * (values.length - 1))]];
};
const resample = (found, chosen) => {
  const draw = random(0), thresholds = [], f1 = [], times = Math.max(50, Math.min(400, Math.floor(4e6 / found.length)));
  for (let time = 0; time < times; time++) {
    const weights = new Array(found.length).fill(0);
    for (let n = 0; n < found.length; n++) weights[Math.floor(draw() * found.length)] += 1;
    const curve = rates(found, weights);
    thresholds.push(best(curve).threshold);
    f1.push(curve.find(one => one.threshold === chosen).f1);
  }
  return {threshold: middle(thresholds), f1: middle(f1)};
};
let known = null;
const measure = () => {
  const found = [...labels().values()].sort(strictFirst), once = found.map(() => 1), curve = rates(found, once);
  const enough = curve.length && found.some(one => one.keep) && !found.every(one => one.keep);
  by("none").hidden = enough;
  by("some").hidden = !enough;
  known = null;
  if (!enough) return;
  const top = best(curve), same = data.scored && !clicked.size; // the command has resampled these, and more often
  known = {found, ...(same ? data.scored : {best: top, ...resample(found, top.threshold)})};
  curve.sort((a, b) => a.threshold - b.threshold);
  const line = name => `<polyline class="${name}" points="${curve.map(one => `${place(one.threshold, 300)},${100 - 100 * one[name]}`).join(" ")}"/>`;
  by("lines").innerHTML = ["precision", "recall", "f1"].map(line).join("");
  by("every").innerHTML = curve.map(one => `<tr>${[number(one.threshold), three(one.precision), three(one.recall), three(one.f1)].map(text => `<td>${text}</td>`).join("")}</tr>`).join("");
};
const three = value => value.toFixed(3);
const agree = at => {
  if (!known) return;
  const {found, best: top, threshold, f1} = known, kept = found.filter(one => keeps(one.value, at));
  const wanted = found.filter(one => one.keep).length, now = rate(at, kept.filter(one => one.keep).length, kept.length, wanted);
  by("now").textContent = `at ${number(at)}: precision ${three(now.precision)}, recall ${three(now.recall)}, F1 ${three(now.f1)}, by ${found.length} labels (${wanted} keep)`;
  by("best").textContent = `best F1 ${three(top.f1)} (${three(f1[0])} to ${three(f1[1])}) at ${number(top.threshold)} (${number(threshold[0])} to ${number(threshold[1])}), precision ${three(top.precision)}, recall ${three(top.recall)}; in brackets 95 % of resamples`;
  for (const end of ["x1", "x2"]) by("chosen").setAttribute(end, place(at, 300));
};
const cell = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const csv = () => "id,keep\n" + [...labels()].map(([id, {keep}]) => `${cell(id)},${keep ? 1 : 0}\n`).join("");
const mark = () => {
  for (const card of cards) {
    const label = labels().get(card.dataset.id);
    card.dataset.label = label === undefined ? "" : label.keep ? "1" : "0";
  }
  by("export").textContent = `export ${labels().size} labels (CSV)`;
  try { localStorage.setItem(data.store, JSON.stringify([...clicked])); } catch { /* as above */ }
  measure();
  show();
};
for (const card of cards) card.addEventListener("click", event => {
  const say = event.target.dataset.say, {id, value, label} = card.dataset;
  if (say === undefined) return;
  clicked.set(id, label === say ? null : {value: Number(value), keep: say === "1"}); // once more takes it back
  if (label === say && !fromFile.has(id)) clicked.delete(id);
  mark();
});
by("export").addEventListener("click", () => {
  by("export").download = data.file;
  by("export").href = URL.createObjectURL(new Blob([csv()], {type: "text/csv"}));
});
by("clear").addEventListener("click", () => { clicked = new Map(); mark(); });
slider.max = data.thresholds.length - 1;
slider.value = nearest(data.start);
slider.addEventListener("input", show);
mark();
