"use strict";
// Makes elements. Texts of the data only ever become text nodes and attributes: nothing in them is markup.

function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function clock(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const last = rest.toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${pad(minutes, 2)}:${last}` : `${minutes}:${last}`;
}

function number(value) {
  if (typeof value !== "number") return String(value);
  return Math.abs(value) >= 10000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
}

function named(name) {
  return name.replace(/_(s|px)$/, "").replaceAll("_", " ");
}

// One stop of the tab key for a list of buttons: arrow keys go on from there.
function rove(list, buttons) {
  buttons.forEach((button, place) => (button.tabIndex = place ? -1 : 0));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const here = buttons.indexOf(event.target);
    if (!step || here < 0) return;
    const next = Math.min(buttons.length - 1, Math.max(0, here + step));
    for (const button of [buttons[here], buttons[next]]) button.tabIndex = -1;
    buttons[next].tabIndex = 0;
    buttons[next].focus();
    event.preventDefault();
    event.stopPropagation();
  });
}
