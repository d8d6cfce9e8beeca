// The search of the page of verdicts: by words, note, line, verdict and topic.
"use strict";

(() => {
  const form = document.querySelector("form.nu-search");
  if (!form) return;
  const status = form.querySelector("output");
  const fields = form.elements;

  // "62-66, 140" -> [[62, 66], [140, 140]]
  const ranges = (text) => text.split(", ").map((part) => { const [a, b] = part.split("-").map(Number); return [a, b ?? a]; });

  const places = [...document.querySelectorAll("[data-lines]")].map((span) => {
    const row = span.closest("tr.nu-claim");
    return {
      row, span, note: span.dataset.note, ranges: ranges(span.dataset.lines), text: (row ?? span).textContent.toLowerCase(),
      verdict: row?.querySelector(".nu-verdict").className.match(/nu-(holds-if|holds|fails|unreadable)/)[1],
      topic: row ? row.className.match(/nu-topic-([\w-]+)/)[1] : span.dataset.topic,
    };
  });
  const rows = places.filter((place) => place.row);

  const covers = (place, line) => place.ranges.some(([a, b]) => a <= line && line <= b);
  const name = (place) => `line${/\D/.test(place.span.dataset.lines) ? "s" : ""} ${place.span.dataset.lines.replaceAll("-", "–")}`;
  const anchor = (place) => place.row?.id ?? place.span.querySelector("[id]").id;
  const link = (place) => `<a href="#${anchor(place)}">${name(place)}</a>`;

  // What to say of a line: judged, waiting, or between two claims.
  function lookUp(note, line, shown) {
    const here = places.filter((place) => place.note === note && covers(place, line));
    const waiting = here.filter((place) => !place.row), hidden = here.length - waiting.length - shown;
    if (here.length) return (hidden ? ` ${hidden} more on this line do not fit the other choices.` : "") +
      (waiting.length ? ` Not judged yet: ${waiting.map(link).join("; ")}.` : "");
    const all = places.filter((place) => place.note === note);
    const closest = (distance) => all.flatMap((place) => place.ranges.map((range) => [distance(range), place]))
      .filter(([d]) => d > 0).sort(([d], [e]) => d - e)[0]?.[1];
    const near = [closest(([, b]) => line - b), closest(([a]) => a - line)].filter(Boolean).map(link).join(" and ");
    return ` No claim stands on line ${line} of ${note}; the nearest: ${near}.`;
  }

  function update() {
    const words = fields.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const note = fields.note.value, line = Number(fields.line.value), topic = fields.topic.value;
    let shown = 0;
    for (const place of rows) {
      const fits = (!note || place.note === note) && (!line || covers(place, line)) &&
        (!fields.verdict.value || place.verdict === fields.verdict.value) &&
        (!topic || place.topic === topic) && words.every((word) => place.text.includes(word));
      place.row.hidden = !fits;
      shown += fits;
    }
    rows[0].row.closest("table").hidden = !shown;
    let said = `${shown} of ${rows.length} verdicts.`;
    if (line && !note) said += " Choose the notes that the line is from.";
    else if (line) said += lookUp(note, line, shown);
    else if (topic) {
      const waiting = places.filter((place) => !place.row && place.topic === topic && (!note || place.note === note));
      const claims = waiting.reduce((sum, place) => sum + Number(place.span.dataset.claims), 0);
      if (claims) said += ` ${claims} claims on this topic are not judged yet.`;
    }
    status.innerHTML = said;
  }

  // #000:95 opens the page at a line of the notes, #claim-… at a claim
  function follow() {
    const match = location.hash.match(/^#(\d{3}):(\d+)$/);
    const target = !match && location.hash && document.getElementById(location.hash.slice(1));
    if (match) {
      form.reset();
      [, fields.note.value, fields.line.value] = match;
      update();
      if (!fields.note.value) status.textContent = `There are no notes ${match[1]}.`;
      form.scrollIntoView();
    }
    else if (target) {
      if (target.hidden) { form.reset(); update(); }
      const folded = target.closest("details");
      if (folded) folded.open = true;
      target.scrollIntoView();
    }
  }

  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  addEventListener("hashchange", follow);
  update();
  follow();
})();
