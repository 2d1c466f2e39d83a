"use strict";
// Which rows are shown: by labels of texts, ranges of numbers, and words; and in which order.

const AHEAD = 3; // chunks of texts that are read while one is searched

class Filters {
  constructor(index) {
    this.index = index;
    this.labels = new Map(); // name of a facet → set of codes
    this.ranges = new Map(); // name of a score → [least, most]; an end may be null
    this.words = [];
    this.order = ""; // name of a score; -name: largest first
    this.columns = new Map(); // name → promise of its values
  }

  column(name) {
    if (!this.columns.has(name)) {
      const facet = this.index.facets.find((one) => one.name === name);
      const about = facet || this.index.scores.find((one) => one.name === name);
      const type = facet ? Uint16Array : Float32Array;
      this.columns.set(name, loadColumn(about.column, this.index.rows, this.index.chunk, type));
    }
    return this.columns.get(name);
  }

  get active() {
    return this.labels.size + this.ranges.size;
  }

  // The numbers of the rows that pass, in order. What a search finds comes bit by bit: `tell(rows, searched)`, which
  // gives whether to go on.
  async apply(tell) {
    let rows = this.active ? new Uint32Array(this.index.rows) : null;
    if (rows) for (let row = 0; row < rows.length; row++) rows[row] = row;
    for (const [name, codes] of this.labels) {
      const values = await this.column(name);
      rows = rows.filter((row) => codes.has(values[row]));
    }
    for (const [name, ends] of this.ranges) {
      const values = await this.column(name);
      const least = ends[0] === null ? -Infinity : Math.fround(ends[0]);
      const most = ends[1] === null ? Infinity : Math.fround(ends[1]);
      rows = rows.filter((row) => values[row] >= least && values[row] <= most); // no number (NaN) fails
    }
    if (this.order) {
      const values = await this.column(this.order.replace(/^-/, ""));
      if (!rows) rows = Uint32Array.from({ length: this.index.rows }, (_, row) => row);
      const sign = this.order.startsWith("-") ? -1 : 1;
      const [known, unknown] = [rows.filter((row) => values[row] === values[row]), rows.filter((row) => values[row] !== values[row])];
      known.sort((a, b) => sign * (values[a] - values[b]) || a - b);
      rows = Uint32Array.from([...parts(known, unknown)]);
    }
    if (this.words.length) await this.search(rows, tell);
    else tell(rows, null);
  }

  async search(rows, tell) {
    const { texts: size, rows: total } = this.index;
    const at = rows ? new Map() : null; // chunk → places in `rows` of those that it has
    if (rows) {
      rows.forEach((row, place) => {
        const number = Math.floor(row / size);
        if (!at.has(number)) at.set(number, []);
        at.get(number).push(place);
      });
    }
    const numbers = at ? [...at.keys()].sort((a, b) => a - b) : Array.from({ length: Math.ceil(total / size) }, (_, n) => n);
    const hits = [];
    let told = performance.now();
    for (const [done, number] of numbers.entries()) {
      for (const next of numbers.slice(done + 1, done + 1 + AHEAD)) loadNumbered("texts", next).catch(() => null);
      const texts = await loadNumbered("texts", number);
      const places = at ? at.get(number) : texts.keys();
      for (const place of places) {
        const row = at ? rows[place] : number * size + place;
        const text = texts[row - number * size];
        if (this.words.every((word) => text.includes(word))) hits.push(at ? place : row);
      }
      if (performance.now() - told > 300 && done + 1 < numbers.length) {
        if (!tell(inOrder(hits, rows), (done + 1) / numbers.length)) return;
        told = performance.now();
      }
    }
    tell(inOrder(hits, rows), null);
  }
}

function inOrder(hits, rows) {
  const places = Uint32Array.from(hits).sort();
  return rows ? places.map((place) => rows[place]) : places;
}

function* parts(...lists) {
  for (const list of lists) yield* list;
}

function wordsOf(text) {
  return text.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
}
