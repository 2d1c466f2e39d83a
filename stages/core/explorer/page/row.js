"use strict";
// What is known of one row, in a dialog: the player, why it was kept or dropped, and all that was said and measured.

class RowView {
  constructor(dialog, index, step) {
    Object.assign(this, { dialog, index, step, player: null, turn: 0 });
    dialog.addEventListener("cancel", () => this.turn++); // Escape: what is still being loaded is not opened
    dialog.addEventListener("close", () => this.leave());
    dialog.addEventListener("keydown", (event) => this.key(event));
  }

  async open(row) {
    const mine = ++this.turn;
    const card = await loadCard(this.index, row);
    const some = await loadNumbered("details", card.detail);
    const detail = some.find((one) => one.row === row);
    if (mine !== this.turn) return; // another one was opened meanwhile
    if (this.player) this.player.stop();
    this.player = new Player(row, card, detail);
    const player = this.player;
    const button = (text, label, action) => el("button", { type: "button", "aria-label": label, title: label, onclick: action }, text);
    const head = el(
      "header", {},
      el("h2", { id: "row-title" }, card.title),
      button("‹", "Row before (p)", () => this.step(-1)),
      button("›", "Next row (n)", () => this.step(1)),
      button("×", "Close (Escape)", () => this.close()),
    );
    const boxes = detail.frames.some((frame) => frame.regions.length || frame.texts.length);
    const check = el("input", { type: "checkbox", checked: true });
    check.addEventListener("change", () => this.showBoxes(check.checked));
    this.check = check;
    const keys = "Keys: space plays · ← → a second · [ ] scenes · , . shots · n p rows" + (boxes ? " · b boxes" : "");
    const left = el("div", { class: "left" }, player.element, boxes ? el("label", {}, check, " boxes over the picture") : null, el("p", { class: "soft small keys" }, keys));
    const right = el("div", { class: "right" }, ...sectionsOf(this.index, detail, player));
    this.dialog.replaceChildren(head, el("div", { class: "columns" }, left, right));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.focus(); // what had it before is gone
    this.dialog.scrollTop = 0;
    player.follow();
    requestAnimationFrame(() => setTimeout(() => player.begin()));
  }

  close() {
    this.turn++;
    this.dialog.close();
  }

  leave() {
    if (this.dialog.open) return; // the next one was opened before this was told
    if (this.player) this.player.stop();
    this.player = null;
    this.dialog.replaceChildren();
    this.step(0);
  }

  showBoxes(shown) {
    this.check.checked = this.player.showBoxes = shown;
    this.player.drawn = undefined;
    this.player.follow();
    if (!shown) this.player.overlay.replaceChildren();
  }

  key(event) {
    const player = this.player;
    if (!player || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input")) return;
    const at = (list) => list.map(([start]) => start);
    const scenes = player.detail.annotation ? player.detail.annotation.scenes.map((scene) => scene.start) : [];
    const inVideo = event.target.matches("video"); // which has keys of its own
    const actions = {
      "[": () => player.jump(scenes, -1), "]": () => player.jump(scenes, 1),
      ",": () => player.jump(at(player.detail.shots), -1), ".": () => player.jump(at(player.detail.shots), 1),
      n: () => this.step(1), p: () => this.step(-1), b: () => this.showBoxes(!this.check.checked),
      ArrowLeft: inVideo ? null : () => player.seek(player.time - 1),
      ArrowRight: inVideo ? null : () => player.seek(player.time + 1),
      " ": inVideo || event.target.matches("button, summary, a") ? null : () => player.toggle(),
    };
    if (!actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }
}

function sectionsOf(index, detail, player) {
  const { annotation, words, facts, media } = detail;
  const scores = new Set(index.scores.map((score) => score.name));
  const of = (wanted) => Object.entries(facts).filter(([name, value]) => (typeof value === "number" && (scores.has(name) || !wanted)) === wanted);
  return [
    section("Why", lineageOf(index, detail)),
    section("Captions", [...textsOf(words, /caption/), timed(detail.parts, player)]),
    annotation && section("Scenes", scenesOf(annotation, player)),
    section("Transcript", detail.lines.length ? [timed(detail.lines, player)] : detail.transcript ? [el("p", { class: "text" }, detail.transcript)] : []),
    annotation && section("Questions", [el("dl", {}, annotation.questions.flatMap(([q, a]) => [el("dt", {}, q), el("dd", {}, a)]))].filter(() => annotation.questions.length)),
    annotation && section("Who", [el("dl", {}, annotation.characters.flatMap(([n, d]) => [el("dt", {}, n), el("dd", {}, d)]))].filter(() => annotation.characters.length)),
    section("Scores", tableOf(of(true))),
    section("Frames", framesOf(detail.frames, player)),
    section("About", [...textsOf(words, /^(?!.*caption)/), ...tableOf([["id", detail.id], ["video", detail.video], ["file", media.path ?? "–"], ...of(false)])]),
  ].filter(Boolean);
}

function section(title, parts) {
  const known = parts.filter(Boolean);
  return known.length ? el("details", { open: true }, el("summary", {}, el("h3", {}, title)), known) : null;
}

function lineageOf(index, detail) {
  return [
    el("ol", { class: "steps" }, detail.steps.map(([place, outcome, reason, why, rules]) => {
      const { name, stage, rules: limits } = index.steps[place];
      const seen = rules.map(([rule, value, failed]) =>
        el("tr", { class: failed && outcome === "dropped" ? "failed-rule" : null }, el("td", {}, rule),
          el("td", { class: "n" }, value === null ? "–" : number(value)), el("td", { class: "soft" }, limits[rule] || ""),
          el("td", {}, failed ? `✗ ${failed}` : "✓")));
      const table = seen.length ? el("table", {}, el("thead", { class: "hidden" }, el("tr", {}, ["rule", "value", "limit", "verdict"].map((head) => el("th", {}, head)))), el("tbody", {}, seen)) : null;
      const said = reason ? `${outcome}: ${reason}` : outcome;
      return el("li", {}, el("b", {}, name), name === stage ? null : el("span", { class: "soft" }, ` (${stage})`), " ",
        el("span", { class: `dot ${outcome}` }, said), why ? el("div", { class: "soft small" }, why) : null, table);
    })),
  ];
}

function textsOf(words, wanted) {
  return Object.entries(words).filter(([name]) => wanted.test(name)).map(([name, text]) =>
    el("div", { class: "text" }, el("h4", {}, named(name)), link(name, text)));
}

function link(name, text) {
  const web = name === "url" && /^https?:\/\//.test(text);
  return web ? el("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, text) : el("p", {}, text);
}

function tableOf(entries) {
  const rows = entries.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, named(name)), el("td", {}, typeof value === "number" ? number(value) : link(name, String(value)))));
  return rows.length ? [el("table", { class: "facts" }, el("tbody", {}, rows))] : [];
}

function scenesOf({ title, scenes, description, story }, player) {
  const list = el("ol", { class: "scenes-list" });
  const buttons = [];
  for (const scene of scenes) {
    const when = scene.start === null ? "" : `${clock(scene.start)} – ${scene.end === null ? "" : clock(scene.end)}`;
    const button = el("button", { type: "button", onclick: () => scene.start !== null && player.seek(scene.start) }, el("span", { class: "time" }, when), " ", scene.title);
    const moments = scene.moments.map(([start, , text]) => el("li", {}, start === null ? null : el("span", { class: "time" }, clock(start)), " ", text));
    const more = [["Mood", scene.mood], ["Theme", scene.theme], ["Props", scene.props.join(", ")]].filter(([, text]) => text);
    const item = el("li", {}, button, moments.length ? el("ul", {}, moments) : null, more.map(([name, text]) => el("p", { class: "soft small" }, `${name}: ${text}`)));
    player.followers.push((time) => mark(button, scene.start !== null && time >= scene.start && time < (scene.end ?? Infinity)));
    buttons.push(button);
    list.append(item);
  }
  rove(list, buttons);
  return [title && el("p", {}, el("b", {}, title)), description && el("p", {}, description), story && el("p", {}, story), scenes.length ? list : null];
}

function mark(element, here) {
  if (here) element.setAttribute("aria-current", "true");
  else element.removeAttribute("aria-current");
}

// Lines of a span each, of which the one that is being played is marked and kept in sight.
function timed(lines, player) {
  if (!lines.length) return null;
  const buttons = lines.map(([start, , text]) =>
    el("button", { type: "button", class: "said", onclick: () => player.seek(start) }, el("span", { class: "time" }, clock(start)), " ", text));
  const list = el("ol", { class: "lines" }, buttons.map((button) => el("li", {}, button)));
  rove(list, buttons);
  let current = -1;
  player.followers.push((time) => {
    const here = lines.findLastIndex(([start, end]) => time >= start && time < end + 0.01);
    if (here === current) return;
    if (current >= 0) mark(buttons[current], false);
    current = here;
    if (here < 0) return;
    mark(buttons[here], true);
    const item = buttons[here].parentElement;
    if (!list.contains(document.activeElement)) list.scrollTop = item.offsetTop - list.clientHeight / 3;
  });
  return list;
}

function framesOf(frames, player) {
  const buttons = frames.map((frame) => el("button", { type: "button", onclick: () => player.seek(frame.time, frame) }, el("span", { class: "time" }, clock(frame.time))));
  const list = el("ol", { class: "frames-list" }, frames.map((frame, place) => {
    const facts = Object.entries(frame.facts).map(([name, value]) => `${named(name)} ${number(value)}`).join(" · ");
    const texts = frame.texts.map(([text]) => text).join(" / ");
    return el("li", {}, buttons[place], frame.words.map((text) => el("p", {}, text)), texts ? el("p", {}, "Text: ", texts) : null, facts ? el("p", { class: "soft small" }, facts) : null);
  }));
  rove(list, buttons);
  return frames.length ? [list] : [];
}
