"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const entries = [...document.querySelectorAll("details.e")];
  const folds = [...document.querySelectorAll("details.fold")];
  const form = at("filters");

  // An entry that a link names is opened, with the fold around it.
  const reveal = () => {
    const entry = at(location.hash.slice(1));
    if (!entry || !entry.classList.contains("e")) return;
    if (entry.hidden) { form.reset(); filter(); }
    const fold = entry.closest("details.fold");
    if (fold) fold.open = true;
    entry.open = true;
    entry.scrollIntoView({ block: "start" });
    entry.querySelector("summary").focus({ preventScroll: true });
  };

  const text = (entry, selector) => {
    const found = entry.querySelector(selector);
    return found ? found.textContent : "";
  };
  let facts = null;
  const read = () => facts ??= entries.map((entry) => ({
    entry,
    fold: entry.closest("details.fold"),
    operation: text(entry, "summary b"),
    verdict: text(entry, "summary i"),
    actor: text(entry, "summary bdi").toLowerCase(),
    versions: ` ${entry.dataset.n}`,
    day: text(entry, "summary time").slice(0, 10),
  }));

  const value = (id) => at(id).value.trim();
  const filter = () => {
    const operation = value("f-operation"), verdict = value("f-verdict"), actor = value("f-actor").toLowerCase();
    const version = value("f-version").replace(/^v/i, ""), from = value("f-from"), to = value("f-to");
    const all = !(operation || verdict || actor || version || from || to);
    const shown = new Map();
    let count = 0;
    for (const one of read()) {
      const fits = all || ((!operation || one.operation === operation) && (!verdict || one.verdict === verdict) &&
        (!actor || one.actor.includes(actor)) && (!version || one.versions.includes(` ${version} `)) &&
        (!from || one.day >= from) && (!to || (one.day && one.day <= to)));
      if (one.entry.hidden === fits) one.entry.hidden = !fits;
      if (fits) {
        count += 1;
        if (one.fold) shown.set(one.fold, (shown.get(one.fold) ?? 0) + 1);
      }
    }
    for (const fold of folds) {
      fold.hidden = !shown.has(fold);
      // Few results are shown at once; many stay folded.
      fold.open = !all && count <= 300 && shown.has(fold);
    }
    at("none").hidden = count > 0;
    at("count").textContent = all ? `${entries.length} entries` : `${count} of ${entries.length} entries`;
  };

  if (form) {
    form.hidden = false;
    let waiting = 0;
    const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(filter); };
    form.addEventListener("input", soon);
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    at("count").textContent = `${entries.length} entries`;
    // A reload may keep what was typed.
    if ([...form.elements].some((field) => field.value && field.id.startsWith("f-"))) filter();
  }
  addEventListener("hashchange", reveal);
  // The address may name the entry of the link already.
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) reveal();
  });
  reveal();
})();
