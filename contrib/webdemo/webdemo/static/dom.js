// SPDX-License-Identifier: MIT
// What all parts of the page use: elements, numbers, errors, and the server.

export const el = (id) => document.getElementById(id);

export const number = (n) => n.toLocaleString("en");

export const ms = (n) => (n < 100 ? `${n.toFixed(1)} ms` : n < 10000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`);

export function duration(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = units.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [size, name] = units[at];
  const whole = `${Math.floor(seconds / size)} ${name}`;
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return rest ? `${whole} ${rest} ${next[1]}` : whole;
}

export function node(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// An error as the server's templates show it.
export function errorBox(error) {
  const box = el("error-template").content.firstElementChild.cloneNode(true);
  box.dataset.code = error.code;
  box.querySelector(".error-title").textContent = error.title;
  box.querySelector(".error-happened").textContent = error.happened;
  box.querySelector(".error-advice span").textContent = error.advice;
  box.querySelector(".error-detail code").textContent = `${error.code}: ${error.text}`;
  if (error.retry_after_ms) {
    const retry = box.querySelector(".error-retry");
    retry.hidden = false;
    retry.textContent = `Try again after ${(error.retry_after_ms / 1000).toFixed(1)} s.`;
  }
  return box;
}

export function offlineError(detail) {
  return { ...JSON.parse(el("offline").dataset.error), text: detail };
}

// What the server answers, as an object; an `error` in it if there was one of any kind.
export async function call(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
    if (response.status === 204) return {};
    return await response.json();
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    const detail = response ? `the server answered ${response.status} with something else than JSON` : "no connection";
    return { error: offlineError(detail) };
  }
}
