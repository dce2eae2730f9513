"use strict";
(() => {
  const every = 700;
  const body = document.getElementById("rows");
  const totals = document.getElementById("totals");
  const caption = document.querySelector("caption");
  const state = document.getElementById("state");
  const known = new Map();
  let version = document.documentElement.dataset.version;

  const say = (text, well = false) => {
    if (state.textContent !== text) state.textContent = text;
    state.className = well ? "well" : "ill";
  };

  const element = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  };

  // Rows that did not change stay as they are, with what is selected in them.
  const show = (news) => {
    const wanted = new Set(news.rows.map((row) => row.id));
    for (const row of [...body.children]) if (!wanted.has(row.id)) row.remove();
    for (const id of [...known.keys()]) if (!wanted.has(id)) known.delete(id);
    let place = body.firstElementChild;
    for (const { id, html } of news.rows) {
      const old = document.getElementById(id);
      let row = old;
      if (!old || known.get(id) !== html) {
        row = element(html);
        if (!old) row.classList.add("new");
        else {
          old.replaceWith(row);
          if (old === place) place = row;
        }
        known.set(id, html);
      }
      if (row === place) place = place.nextElementSibling;
      else body.insertBefore(row, place);
    }
    totals.innerHTML = news.totals;
    caption.textContent = news.caption;
  };

  const look = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch("/page/rows", { headers: { "if-none-match": version } });
        if (answer.status === 200) {
          show(await answer.json());
          version = answer.headers.get("etag");
        }
        if (answer.ok || answer.status === 304) say("live", true);
        else say("the sandbox refuses");
      }
    } catch {
      say("the sandbox is not there");
    }
    setTimeout(look, every);
  };

  look();
})();
