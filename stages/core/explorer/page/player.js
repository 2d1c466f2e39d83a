"use strict";
// The player: the video, boxes over it, a time line of shots and scenes, and what follows the playhead.
// All times of a row are those of its video; a clip's own file begins `offset` later.

const NEAR_S = 0.75; // a frame's boxes are shown so long before and after it

class Player {
  constructor(row, card, detail) {
    Object.assign(this, { row, detail, media: detail.media, followers: [], still: null });
    const ends = [...detail.shots.map((shot) => shot[1]), ...detail.frames.map((frame) => frame.time)];
    const known = detail.span[1] ?? (Math.max(detail.facts.duration_s || 0, ...ends) || card.length || 0);
    [this.start, this.end] = [detail.span[0] ?? 0, known];
    this.overlay = svg("svg", { class: "boxes", "aria-hidden": "true" });
    this.note = el("p", { class: "soft small", role: "status" });
    this.head = el("div", { class: "head" });
    this.lanes = el("div", { class: "lanes" }, this.shotLane(), this.sceneLane(), this.head);
    this.screen = el("div", { class: "screen" }, ...this.screenParts(card));
    this.element = el("div", { class: "player" }, this.screen, this.lanes, this.note);
  }

  screenParts(card) {
    if (!this.media.src) {
      const why = this.media.path ? "Its file is where this page cannot read it" : "There is no file of it";
      return this.poster(card, this.media.path ? `${why}: say media_base=, the address at which it is read.` : `${why}.`);
    }
    const about = { controls: true, playsinline: true, preload: "metadata" };
    this.video = el("video", { ...about, "aria-label": card.title, tabindex: 0 });
    const fail = () => this.replace(card);
    this.video.addEventListener("error", fail);
    this.video.addEventListener("loadedmetadata", () => {
      if (!this.video.videoWidth) fail(); // it plays the sound alone
      else if (!this.end) this.end = this.video.duration;
      if (this.video && this.first() > 0) this.video.currentTime = this.first();
      this.follow();
    });
    this.video.addEventListener("timeupdate", () => this.follow());
    this.video.addEventListener("seeking", () => this.follow());
    this.video.addEventListener("play", () => {
      this.still = null;
      if (this.time >= this.end - 0.05) this.seek(this.start);
      const tick = () => {
        if (!this.video || this.video.paused) return;
        this.follow();
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    return [this.video, this.overlay];
  }

  // Begins to load the video, once the row is seen.
  begin() {
    if (this.video) this.video.src = this.media.src;
  }

  poster(card, message) {
    const picture = card.poster ? posterOf(this.row) : null;
    const path = this.media.path ? el("code", {}, this.media.path) : null;
    return [picture, el("p", { class: "message", role: "status" }, message, path)].filter(Boolean);
  }

  replace(card) {
    const codec = this.media.codec ? ` (${this.media.codec})` : "";
    this.video = null;
    this.screen.replaceChildren(...this.poster(card, `This browser cannot play it${codec}. Its file:`));
  }

  first() {
    return this.start - this.media.offset;
  }

  get time() {
    return this.video ? this.video.currentTime + this.media.offset : this.start;
  }

  seek(time, frame = null) {
    if (!this.video) return;
    this.still = frame;
    if (frame) this.video.pause();
    this.video.currentTime = Math.max(0, time - this.media.offset);
    this.follow();
  }

  toggle() {
    if (this.video) this.video[this.video.paused ? "play" : "pause"]();
  }

  // To the next (1) or former (-1) of these beginnings.
  jump(begins, way) {
    const sorted = begins.filter((begin) => begin !== null).sort((a, b) => a - b);
    const next = way > 0 ? sorted.find((begin) => begin > this.time + 0.05) : sorted.findLast((begin) => begin < this.time - 0.3);
    if (next !== undefined) this.seek(next);
  }

  follow() {
    const time = this.time;
    if (!this.media.own && this.video && !this.video.paused && this.end && time >= this.end) this.video.pause(); // a clip in its video
    this.head.style.left = `${Math.min(1, Math.max(0, this.share(time))) * 100}%`;
    for (const follower of this.followers) follower(time);
    this.drawBoxes(time);
  }

  share(time) {
    return this.end > this.start ? (time - this.start) / (this.end - this.start) : 0;
  }

  stop() {
    if (!this.video) return;
    const video = this.video;
    this.video = null;
    video.pause();
    video.removeAttribute("src");
    video.load();
  }

  // time line

  shotLane() {
    const bars = this.detail.shots.map(([start, end]) => this.bar("i", start, end));
    const text = `${bars.length} ${bars.length === 1 ? "shot" : "shots"}`;
    const lane = el("div", { class: "lane shots", title: text, "aria-hidden": "true" }, bars);
    lane.addEventListener("click", (event) => {
      const box = lane.getBoundingClientRect();
      this.seek(this.start + ((event.clientX - box.left) / box.width) * (this.end - this.start));
    });
    return lane;
  }

  sceneLane() {
    const scenes = this.detail.annotation ? this.detail.annotation.scenes : [];
    const timed = scenes.filter((scene) => scene.start !== null && scene.end !== null && scene.end > this.start && scene.start < this.end);
    const bars = timed.map((scene) => {
      const bar = this.bar("button", scene.start, scene.end, { type: "button", title: scene.title }, scene.title);
      bar.addEventListener("click", () => this.seek(scene.start));
      return bar;
    });
    const lane = el("div", { class: "lane scenes", role: "group", "aria-label": "Scenes" }, bars);
    rove(lane, bars);
    return bars.length ? lane : el("span", { hidden: true });
  }

  bar(tag, start, end, about = {}, ...children) {
    const bar = el(tag, about, ...children);
    const [from, to] = [Math.max(0, this.share(start)), Math.min(1, this.share(end))];
    bar.style.left = `${from * 100}%`;
    bar.style.width = `${Math.max(0, to - from) * 100}%`;
    return bar;
  }

  // boxes

  drawBoxes(time) {
    const frames = this.detail.frames.filter((frame) => frame.regions.length || frame.texts.length);
    if (!frames.length || !this.video) return;
    const nearest = this.still || frames.reduce((a, b) => (Math.abs(b.time - time) < Math.abs(a.time - time) ? b : a));
    const near = this.showBoxes !== false && (this.still || Math.abs(nearest.time - time) <= NEAR_S) ? nearest : null;
    if (near === this.drawn) return;
    this.drawn = near;
    this.note.textContent = near ? `Boxes of the frame at ${clock(near.time)}` : "";
    this.overlay.replaceChildren(...(near ? boxesOf(near) : []));
    if (near) this.overlay.setAttribute("viewBox", viewOf(near, this.detail).join(" "));
  }
}

// The part of a frame's picture that the player shows, in its pixels; a clip's crop is in those of its video.
function viewOf(frame, { media }) {
  const [width, height] = frame.size;
  if (!media.crop || !media.width) return [0, 0, width, height];
  return media.crop.map((side) => (side * width) / media.width);
}

function boxesOf(frame) {
  const size = Math.max(10, frame.size[1] / 28);
  const label = (x, y, text, kind) => svg("text", { x, y: Math.max(size, y - size / 4), "font-size": size, class: kind }, text);
  const regions = frame.regions.flatMap(([text, [left, top, right, bottom]]) => [
    svg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: "region" }),
    label(left, top, text, "region"),
  ]);
  const texts = frame.texts.flatMap(([text, corners]) => [
    svg("polygon", { points: corners.join(" "), class: "ocr" }),
    label(corners[0], corners[1], text, "ocr"),
  ]);
  return [...regions, ...texts];
}
