"use strict";
(() => {
  const every = 700;
  const one = (selector, within = document) => within.querySelector(selector);
  const [body, form, state, said, pause] = ["#rows", "form", "#state", "#said", "#pause"].map((it) => one(it));
  const known = new Map();
  let version = ""; // so that the first look brings the rows, and `known` has them
  let fresh = 0;

  const say = (text, kind = "ill") => {
    if (state.textContent !== text) state.textContent = text;
    state.className = kind;
  };

  const element = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  };

  const panelOf = (row) => document.getElementById(`${row.id}-opened`);

  const close = (row) => {
    panelOf(row)?.remove();
    one(".open", row).setAttribute("aria-expanded", "false");
  };

  const open = async (id) => {
    const answer = await fetch(`/page/requests/${id}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const row = document.getElementById(id); // perhaps another one than before the answer came
    if (!answer.ok || !row) return;
    const panel = element(`<tr class="opened-row" id="${id}-opened"><td colspan="8"></td></tr>`);
    panel.firstElementChild.append(one("article", page));
    reveal(panel);
    panelOf(row)?.remove();
    row.after(panel);
    const link = one(".open", row);
    link.setAttribute("aria-expanded", "true");
    link.setAttribute("aria-controls", panel.id);
  };

  const reveal = (within) => within.querySelectorAll("[hidden]").forEach((button) => { button.hidden = false; });

  const copy = async (button) => {
    const code = one("pre", button.parentElement);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.dataset.done = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.dataset.done = "Selected: copy it by hand";
    }
    if (said) said.textContent = button.dataset.done;
    setTimeout(() => delete button.dataset.done, 2000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
    const row = event.target.closest("#rows tr[id^=req_]:not(.opened-row)");
    const link = event.target.closest("a");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || (!link && getSelection().toString())) return;
    event.preventDefault();
    if (panelOf(row)) close(row);
    else open(row.id);
  });

  // Rows that did not change stay as they are, with what is selected and opened in them.
  const show = (news) => {
    const wanted = new Set(news.rows.map((row) => row.id));
    for (const row of [...body.children]) if (!wanted.has(row.id.replace("-opened", ""))) row.remove();
    for (const id of [...known.keys()]) if (!wanted.has(id)) known.delete(id);
    let place = body.firstElementChild;
    const put = (row) => {
      if (row === place) place = place.nextElementSibling;
      else body.insertBefore(row, place);
    };
    for (const { id, html } of news.rows) {
      const old = document.getElementById(id);
      let row = old;
      if (!old || known.get(id) !== html) {
        row = element(html);
        if (!old) {
          row.classList.add("new");
          fresh += 1;
        } else {
          const focused = old.contains(document.activeElement);
          old.replaceWith(row);
          if (old === place) place = row;
          if (focused) one(".open", row).focus();
          if (panelOf(row)) open(id);
        }
        known.set(id, html);
      }
      put(row);
      if (panelOf(row)) put(panelOf(row));
    }
    one("#totals").innerHTML = news.totals;
    one("#charts").innerHTML = news.charts;
    one("caption").textContent = news.caption;
  };

  const paused = () => pause.getAttribute("aria-pressed") === "true";

  const look = async () => {
    const asked = location.search;
    try {
      const answer = await fetch(`/page/rows${asked}`, { headers: { "if-none-match": version } });
      if (asked !== location.search) return;
      if (answer.status === 200) {
        show(await answer.json());
        version = answer.headers.get("etag");
      }
      if (answer.ok || answer.status === 304) say(...(paused() ? ["paused", "held"] : ["connected", "well"]));
      else say("the sandbox refuses");
    } catch {
      say("the sandbox is not there");
    }
  };

  const follow = async () => {
    if (!document.hidden && !paused()) await look();
    setTimeout(follow, every);
  };

  const choose = () => {
    const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    history.replaceState(null, "", `?${chosen}`);
    version = "";
    look();
  };

  reveal(document);
  if (!body) return;
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!paused()));
    if (paused()) say("paused", "held");
    else look();
  });
  one("#clear").addEventListener("click", async () => {
    await fetch("/page/clear", { method: "POST", headers: { "x-sandbox-page": "clear" } });
    said.textContent = "Requests and totals cleared";
    look();
  });
  setInterval(() => {
    if (fresh) said.textContent = `${fresh} new ${fresh === 1 ? "request" : "requests"}`;
    fresh = 0;
  }, 4000);
  follow();
})();
