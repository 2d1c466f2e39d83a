"use strict";
// The grid: of all rows only those that are seen are in the page, and only their chunks are loaded.

const CARD_PX = 210; // least width of a card
const TEXT_PX = 84; // height of what stands below the poster
const GAP_PX = 12;
const ACROSS = 4; // tiles in a line of a sheet of posters, and lines
const PAGE_ROWS = 50000; // browsers have a largest height of an element

class Grid {
  constructor(list, scroller, index, open) {
    Object.assign(this, { list, scroller, index, open });
    this.rows = null; // Uint32Array of row numbers; null: all of them
    this.first = 0; // place of the page's first row among `rows`
    this.focused = 0; // place on the page
    this.shown = new Map(); // place → element
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.lay()).observe(scroller);
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("focusin", (event) => this.focus(Number(event.target.closest("li").dataset.place), false));
  }

  get total() {
    return this.rows ? this.rows.length : this.index.rows;
  }

  get length() {
    return Math.min(PAGE_ROWS, this.total - this.first);
  }

  row(place) {
    return this.rows ? this.rows[this.first + place] : this.first + place;
  }

  show(rows, first = 0) {
    Object.assign(this, { rows, first, focused: 0 });
    this.scroller.scrollTop = 0;
    this.empty();
    this.lay();
  }

  // Shows more rows of a search that goes on; who reads meanwhile is not disturbed.
  extend(rows) {
    this.rows = rows;
    for (const [place, item] of this.shown) {
      if (this.row(place) === Number(item.dataset.row)) continue;
      item.remove();
      this.shown.delete(place);
    }
    this.lay();
  }

  empty() {
    for (const item of this.shown.values()) item.remove();
    this.shown.clear();
  }

  lay() {
    const width = this.scroller.clientWidth - 2 * GAP_PX;
    const least = Math.min(CARD_PX, (width - GAP_PX) / 2); // a phone has two columns
    this.across = Math.max(1, Math.floor((width + GAP_PX) / (least + GAP_PX)));
    this.cardWidth = (width - GAP_PX * (this.across - 1)) / this.across;
    this.pitch = Math.round((this.cardWidth * 9) / 16) + TEXT_PX + GAP_PX;
    this.list.style.height = `${Math.ceil(this.length / this.across) * this.pitch + GAP_PX}px`;
    for (const [place, item] of this.shown) this.put(item, place);
    this.draw();
  }

  put(item, place) {
    const [line, column] = [Math.floor(place / this.across), place % this.across];
    item.style.width = `${this.cardWidth}px`;
    item.style.height = `${this.pitch - GAP_PX}px`;
    item.style.transform = `translate(${GAP_PX + column * (this.cardWidth + GAP_PX)}px, ${GAP_PX + line * this.pitch}px)`;
  }

  draw() {
    const top = Math.floor(this.scroller.scrollTop / this.pitch) - 1;
    const bottom = Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / this.pitch) + 1;
    const from = Math.max(0, top * this.across);
    const to = Math.min(this.length, bottom * this.across);
    for (const [place, item] of this.shown) {
      if ((place < from || place >= to) && !item.contains(document.activeElement)) {
        item.remove();
        this.shown.delete(place);
      }
    }
    for (let place = from; place < to; place++) if (!this.shown.has(place)) this.add(place);
  }

  add(place) {
    const row = this.row(place);
    const button = el("button", { type: "button", class: "card", onclick: () => this.open(row, this.first + place) });
    button.tabIndex = place === this.focused ? 0 : -1;
    const about = { "aria-setsize": this.total, "aria-posinset": this.first + place + 1, "data-place": place, "data-row": row };
    const item = el("li", about, button);
    this.put(item, place);
    this.shown.set(place, item);
    const next = [...this.list.children].find((other) => Number(other.dataset.place) > place); // read in their order
    this.list.insertBefore(item, next || null);
    loadCard(this.index, row).then(
      (card) => {
        button.append(...cardParts(card, row));
        button.addEventListener("pointerenter", () => loadNumbered("details", card.detail), { once: true });
      },
      (error) => button.append(el("span", { class: "title" }, error.message)),
    );
  }

  focus(place, move = true) {
    const next = Math.max(0, Math.min(this.length - 1, place));
    const before = this.shown.get(this.focused);
    if (before) before.firstChild.tabIndex = -1;
    this.focused = next;
    if (move) {
      const top = Math.floor(next / this.across) * this.pitch;
      const height = this.scroller.clientHeight;
      if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
      if (top + this.pitch > this.scroller.scrollTop + height) this.scroller.scrollTop = top + this.pitch + GAP_PX - height;
      this.draw();
    }
    const item = this.shown.get(next);
    if (!item) return;
    item.firstChild.tabIndex = 0;
    if (move) item.firstChild.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const lines = Math.max(1, Math.floor(this.scroller.clientHeight / this.pitch));
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.across, ArrowUp: -this.across,
      PageDown: lines * this.across, PageUp: -lines * this.across, Home: -Infinity, End: Infinity,
    };
    if (!steps[event.key]) return;
    this.focus(this.focused + steps[event.key]);
    event.preventDefault();
  }
}

async function loadCard(index, row) {
  const [id, title, outcome, reason, length, start, line, poster, detail] = (
    await loadNumbered("cards", Math.floor(row / index.cards))
  )[row % index.cards];
  return { id, title, outcome: Object.keys(index.outcomes)[outcome], reason, length, start, line, poster, detail };
}

// The poster of a row, which is a tile of a sheet; it fills its parent.
function posterOf(row) {
  const [sheet, tile] = [Math.floor(row / (ACROSS * ACROSS)), row % (ACROSS * ACROSS)];
  const name = `posters/${pad(Math.floor(sheet / 1000), 3)}/${pad(sheet, 6)}.jpg`;
  const picture = el("img", { src: name, alt: "", decoding: "async" });
  picture.style.left = `${-100 * (tile % ACROSS)}%`;
  picture.style.top = `${-100 * Math.floor(tile / ACROSS)}%`;
  return el("span", { class: "tile" }, picture);
}

function cardParts(card, row) {
  const picture = card.poster
    ? posterOf(row)
    : el("span", { class: "none", "aria-hidden": "true" }, "no picture");
  const length = card.length === null ? null : el("span", { class: "length" }, clock(card.length));
  const reason = card.reason ? `${card.outcome}: ${card.reason}` : card.outcome;
  return [
    el("span", { class: "picture" }, picture, length),
    el("span", { class: "title" }, card.title),
    el("span", { class: `dot ${card.outcome}` }, reason, card.start === null ? null : ` · at ${clock(card.start)}`),
    card.line ? el("span", { class: "soft line" }, card.line) : null,
  ].filter(Boolean);
}
