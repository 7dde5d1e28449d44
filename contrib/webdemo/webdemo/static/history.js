// SPDX-License-Identifier: MIT
// What was asked in this tab, the newest first; a click asks it again.

import { el, ms, node } from "./dom.js";

const KEPT = 50;
const KEY = "webdemo-history";
const REPLY_KEPT = 200;

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) || [];
  } catch {
    return [];
  }
}

function save(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // Without storage it lasts as long as the page.
  }
}

export function startHistory(onPick) {
  let entries = load();

  function row(entry) {
    const button = node("button");
    button.type = "button";
    if (entry.failed) button.dataset.error = "";
    button.append(node("span", "h-query", entry.query), node("span", "h-ms", ms(entry.ms)),
                  node("span", "h-reply", entry.reply || "(an empty answer)"));
    button.title = `Ask again: ${entry.query.slice(0, 200)}`;
    button.addEventListener("click", () => onPick(entry.query));
    const item = node("li");
    item.append(button);
    return item;
  }

  function medianText() {
    const times = entries.filter((entry) => !entry.failed).map((entry) => entry.ms).sort((a, b) => a - b);
    return times.length ? ms(times[Math.floor(times.length / 2)]) : "–";
  }

  function show() {
    el("history").replaceChildren(...entries.map(row));
    el("no-history").hidden = entries.length > 0;
    el("clear-history").hidden = entries.length === 0;
    document.querySelector('#state [data-fact="median"]').textContent = medianText();
  }

  el("clear-history").addEventListener("click", () => {
    entries = [];
    save(entries);
    show();
    el("q").focus();
  });
  el("history-card").hidden = false;
  show();

  return function add(query, answer) {
    const reply = answer.error ? answer.error.title : answer.reply.slice(0, REPLY_KEPT);
    if (entries.length && entries[0].query === query) entries.shift();
    entries.unshift({ query: query.slice(0, 2000), reply, ms: answer.ms ?? 0, failed: Boolean(answer.error) });
    entries = entries.slice(0, KEPT);
    save(entries);
    show();
  };
}
