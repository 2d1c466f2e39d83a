"use strict";
// Search: of tables their rows, of pictures and plots each, stay while they hold every word. It loads nothing.
(() => {
  const box = document.getElementById("search");
  const said = document.getElementById("matches");
  const sections = [...document.querySelectorAll("main section")];
  const places = "tbody tr, figure, .histogram, .tile, .places li";
  const entries = sections.map((section) =>
    [...section.querySelectorAll(places)].map((shown) => ({
      shown,
      text: `${shown.dataset.find || ""} ${shown.title || ""} ${shown.textContent}`.toLowerCase(),
    })),
  );
  const total = entries.reduce((sum, own) => sum + own.length, 0);

  function search() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let hits = 0;
    sections.forEach((section, number) => {
      let own = 0;
      for (const { shown, text } of entries[number]) {
        shown.hidden = !words.every((word) => text.includes(word));
        own += shown.hidden ? 0 : 1;
      }
      for (const block of section.querySelectorAll(".block, details")) {
        const inside = [...block.querySelectorAll(places)];
        block.hidden = words.length > 0 && inside.length > 0 && inside.every((shown) => shown.hidden);
        if (block.localName === "details") block.open = words.length > 0 && !block.hidden;
      }
      section.classList.toggle("searched", words.length > 0);
      section.hidden = words.length > 0 && own === 0;
      hits += own;
    });
    said.textContent = words.length ? `${hits.toLocaleString("en")} of ${total.toLocaleString("en")} entries` : "";
  }

  box.closest("form").hidden = false;
  box.addEventListener("input", search);
  box.closest("form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
      box.select();
    } else if (event.key === "Escape" && event.target === box) {
      box.value = "";
      search();
      box.blur();
    }
  });
})();
