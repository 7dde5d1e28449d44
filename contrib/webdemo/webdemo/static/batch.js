// SPDX-License-Identifier: MIT
// A file of lines: sent, watched while it is answered, fetched. A reload finds it again.

import { call, el, errorBox, number } from "./dom.js";

const LOOK_MS = 200;
const KEY = "webdemo-batch";

function remember(url) {
  try {
    if (url) sessionStorage.setItem(KEY, url);
    else sessionStorage.removeItem(KEY);
  } catch {
    // A reload will not find it; nothing else is lost.
  }
}

function remembered() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function lines(n) {
  return n === 1 ? "1 line" : `${number(n)} lines`;
}

function statusText(batch) {
  const codes = Object.entries(batch.failed).map(([code, count]) => `${code} ${number(count)}`);
  const failed = codes.length ? `; ${number(batch.failed_lines)} ended in an error (${codes.join(", ")})` : "";
  const speed = batch.seconds > 0 ? Math.round(batch.done / batch.seconds) : 0;
  switch (batch.state) {
    case "waiting":
      return "Waits for other batches to finish";
    case "running":
      return `${number(batch.done)} of ${lines(batch.lines)}${speed ? `, ${number(speed)} a second` : ""}${failed}`;
    case "done":
      return `All ${lines(batch.lines)} done in ${batch.seconds.toFixed(1)} s, ${number(speed)} a second${failed}`;
    default:
      return `Stopped at line ${number(batch.done)}: ${batch.text}`;
  }
}

export function startBatch({ onWork }) {
  let url = null; // of the batch that is shown
  let timer;

  function showError(error) {
    el("batch-error").replaceChildren(...(error ? [errorBox(error)] : []));
  }

  function show(batch) {
    const isOver = batch.state === "done" || batch.state === "failed";
    const text = statusText(batch);
    el("batch").hidden = false;
    el("batch-name").textContent = batch.name;
    el("bar").max = batch.lines;
    el("bar").value = batch.done;
    el("bar").setAttribute("aria-valuetext", text);
    el("batch-text").textContent = text;
    el("cancel").hidden = isOver;
    el("download").hidden = batch.state !== "done";
    if (batch.result_url) {
      el("download").href = batch.result_url;
      el("download").textContent = `Download ${batch.lines === 1 ? "the answer" : `${number(batch.lines)} answers`}`;
    }
    el("start-batch").disabled = !isOver;
    if (isOver) el("batch-said").textContent = text;
    onWork();
    return isOver;
  }

  function forget() {
    clearTimeout(timer);
    url = null;
    remember(null);
    el("batch").hidden = true;
    el("start-batch").disabled = false;
  }

  async function look() {
    const mine = url;
    const batch = await call(mine);
    if (mine !== url) return;
    if (batch.error && batch.error.code === "offline") {
      timer = setTimeout(look, 5 * LOOK_MS);
    } else if (batch.error) {
      forget();
      showError(batch.error);
    } else if (!show(batch)) {
      timer = setTimeout(look, LOOK_MS);
    }
  }

  async function send(event) {
    event.preventDefault();
    forget();
    showError(null);
    el("start-batch").disabled = true;
    el("batch-said").textContent = "The file is being sent";
    const batch = await call("/api/batch", { method: "POST", body: new FormData(el("batch-form")) });
    if (batch.error) {
      el("start-batch").disabled = false;
      el("batch-said").textContent = "";
      showError(batch.error);
      return;
    }
    url = batch.url;
    remember(url);
    show(batch);
    look();
  }

  el("batch-form").addEventListener("submit", send);
  el("cancel").addEventListener("click", async () => {
    const gone = url;
    forget();
    el("batch-said").textContent = "Cancelled";
    el("file").focus();
    await call(gone, { method: "DELETE" });
  });
  url = remembered();
  if (url) {
    // One that has been forgotten meanwhile is no error of this visit.
    call(url).then((batch) => (batch.error ? forget() : show(batch) || look()));
  }
}
