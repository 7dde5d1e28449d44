// SPDX-License-Identifier: MIT
// The state of the program, looked at often while it changes, never while nobody sees it.

import { call, duration, el, number } from "./dom.js";

const STEADY_MS = 2000;
const CHANGING_MS = 500;
const SOON_MS = 700; // behind an answer, to count it; the server looks twice a second
const ALERT_MS = 5000; // so long after an error, or while somebody waits, as if it changed

export function startState() {
  let latest = null;
  let timer;
  let looking = false;
  let alertUntil = 0;

  function fact(name, text) {
    const place = document.querySelector(`#state [data-fact="${name}"]`);
    if (place.textContent !== text) place.textContent = text;
  }

  function warmText(state) {
    if (state.warm_ms === null) return "not yet";
    const since = new Date(state.warm_since * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `for ${duration(state.warm_ms)}, since ${since}`;
  }

  function show(state) {
    const title = state.title;
    if (latest && latest.title !== title) el("state-said").textContent = `The program's state: ${title}`;
    latest = state;
    el("pill").dataset.state = state.state;
    el("pill-text").textContent = title;
    fact("title", title);
    fact("warm", warmText(state));
    fact("served", number(state.served));
    fact("queue", `${number(state.waiting)} waiting, ${number(state.in_flight)} at work`);
    fact("starts", number(state.starts));
    fact("pid", state.pid > 0 ? String(state.pid) : "none");
    fact("clients", number(state.clients));
    const why = state.error ? state.error.text : state.last_failure;
    el("last-failure").hidden = !why;
    el("last-failure").lastElementChild.textContent = why || "";
  }

  function showOffline() {
    const title = "No connection";
    if (latest && latest.title !== title) el("state-said").textContent = "The web server does not answer";
    latest = { state: "unreachable", title };
    el("pill").dataset.state = "unreachable";
    el("pill-text").textContent = title;
    fact("title", title);
    for (const name of ["warm", "queue", "pid", "clients"]) fact(name, "not known");
  }

  async function look() {
    clearTimeout(timer);
    if (looking) return;
    looking = true;
    const state = await call("/api/state");
    looking = false;
    if (state.state) show(state);
    else showOffline();
    const isSteady = latest.state === "ready" && performance.now() > alertUntil;
    const next = isSteady ? STEADY_MS : CHANGING_MS;
    if (!document.hidden) timer = setTimeout(look, next * (1 + Math.random() / 4));
  }

  function beAlert() {
    const wasAlert = performance.now() < alertUntil;
    alertUntil = performance.now() + ALERT_MS;
    if (!wasAlert) look();
  }

  function lookSoon() {
    clearTimeout(timer);
    timer = setTimeout(look, SOON_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  look();
  return { beAlert, lookSoon, isReady: () => !latest || latest.state === "ready" };
}
