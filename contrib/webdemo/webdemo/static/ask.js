// SPDX-License-Identifier: MIT
// The query box and the answer beside it.
//
// Each query has a number, and only the newest one's answer is shown. While one
// typed query is on its way the next one waits, so that a slow program is not
// given every letter; what takes long is given up for newer text.

import { call, el, errorBox, ms, node, number } from "./dom.js";

const PAUSE_MS = 150; // without a key, then what is typed is asked
const SLOW_MS = 2000;
const REST_MS = 1500; // what is typed and stands so long was meant, and goes to the history
const SHOWN = 20000;
const LONG = 200; // characters, from which on they are smaller
const BY_ITSELF = 5; // times that a query is asked again by itself
const NEVER_TAKEN = ["overloaded", "unavailable", "stopping"];

export function startAsking({ onAnswer, onTrouble, isReady }) {
  const input = el("q");
  const box = el("answer");
  let newest = 0;
  let current = null; // { query, begun, controller, isMeant }
  let shownQuery = null;
  let retries = 0;
  let pauseTimer, restTimer, waitTimer, retryTimer;

  function show(...nodes) {
    box.replaceChildren(...nodes);
  }

  function showReply(reply) {
    if (reply === "") {
      show(node("p", "quiet", "(an empty answer)"));
      return;
    }
    const text = node("p", reply.length > LONG ? "reply long" : "reply", reply.slice(0, SHOWN));
    text.dir = "auto";
    show(text);
    if (reply.length > SHOWN) {
      box.append(node("p", "hint", `The first ${number(SHOWN)} of ${number(reply.length)} characters.`));
    }
  }

  function showError(error, query) {
    show(errorBox(error));
    el("again-line").hidden = !error.again;
    el("again-hint").textContent = "";
    if (error.retry_after_ms && NEVER_TAKEN.includes(error.code) && retries < BY_ITSELF) {
      retries += 1;
      countDown(performance.now() + error.retry_after_ms * (1 + Math.random() / 2), query);
    }
  }

  function countDown(end, query) {
    const left = end - performance.now();
    if (left <= 0) {
      ask(query, false, retries);
      return;
    }
    el("again-hint").textContent = `or wait: asked again by itself in ${Math.ceil(left / 1000)} s`;
    retryTimer = setTimeout(countDown, Math.min(left, 250), end, query);
  }

  function showWaiting() {
    if (!current) return;
    onTrouble();
    const waited = performance.now() - current.begun;
    if (box.querySelector(".error")) show(node("p", "quiet", "Asked again; waiting for the answer."));
    const why = isReady() ? "Waiting" : "Waiting for the program to start";
    el("latency").textContent = `${why}… ${(waited / 1000).toFixed(1)} s`;
    waitTimer = setTimeout(showWaiting, 100);
  }

  function giveUp() {
    newest += 1;
    current?.controller.abort();
    current = null;
    box.removeAttribute("aria-busy");
    for (const timer of [pauseTimer, restTimer, waitTimer, retryTimer]) clearTimeout(timer);
  }

  async function ask(query, isMeant = false, tried = 0) {
    giveUp();
    retries = tried;
    const mine = newest;
    const controller = new AbortController();
    const asked = { query, begun: performance.now(), controller, isMeant };
    current = asked;
    box.setAttribute("aria-busy", "true");
    el("again-line").hidden = true;
    waitTimer = setTimeout(showWaiting, 300);
    let answer;
    try {
      answer = await call("/api/ask", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ q: query }),
        signal: controller.signal,
      });
    } catch {
      return; // given up
    }
    if (mine !== newest) return;
    clearTimeout(waitTimer);
    current = null;
    shownQuery = query;
    box.removeAttribute("aria-busy");
    finish(query, answer, performance.now() - asked.begun, asked.isMeant);
  }

  function finish(query, answer, total, isMeant) {
    el("latency").textContent = answer.error ? `After ${ms(total)}` : `Answered in ${ms(answer.ms)}, here after ${ms(total)}`;
    if (answer.error) {
      showError(answer.error, query);
      onTrouble();
    } else {
      showReply(answer.reply);
    }
    if (isMeant) onAnswer(query, answer);
    if (input.value === query) {
      if (!isMeant) restTimer = setTimeout(onAnswer, REST_MS, query, answer, false);
    } else if (input.value !== "") {
      ask(input.value);
    }
  }

  function onTyping(event) {
    clearTimeout(restTimer);
    clearTimeout(retryTimer);
    clearTimeout(pauseTimer);
    if (event.isComposing) return; // a character of an input method is still being made
    if (input.value === "") {
      giveUp();
      shownQuery = null;
      show(node("p", "quiet", "Nothing asked yet."));
      el("latency").textContent = "\u00a0";
      el("again-line").hidden = true;
      return;
    }
    pauseTimer = setTimeout(askTyped, PAUSE_MS);
  }

  function askTyped() {
    if (current) {
      const left = SLOW_MS - (performance.now() - current.begun);
      if (current.query === input.value) return;
      if (left > 0) {
        pauseTimer = setTimeout(askTyped, left);
        return;
      }
    } else if (input.value === shownQuery) {
      return;
    }
    ask(input.value);
  }

  input.addEventListener("input", onTyping);
  input.addEventListener("compositionend", onTyping);
  el("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    if (current && current.query === input.value) current.isMeant = true;
    else if (input.value !== "") ask(input.value, true);
  });
  el("again").addEventListener("click", () => {
    if (shownQuery !== null) ask(shownQuery, true);
    input.focus();
  });
  el("typed-hint").hidden = false;

  return {
    ask(query) {
      input.value = query;
      ask(query, true);
      input.focus();
    },
  };
}
