// SPDX-License-Identifier: MIT
// The sample queries, all at once; each row is filled when its answer comes.

import { call, el, ms } from "./dom.js";

async function fill(row) {
  const [query, reply, time] = row.cells;
  reply.textContent = "…";
  time.textContent = "";
  delete reply.dataset.error;
  const answer = await call(`/api/ask?q=${encodeURIComponent(query.textContent)}`);
  reply.textContent = answer.error ? answer.error.title : answer.reply || "(an empty answer)";
  if (answer.error) reply.dataset.error = "";
  if (answer.ms !== undefined) time.textContent = ms(answer.ms);
  return { query: query.textContent, answer };
}

export function startSamples(onAnswer) {
  const button = el("run-samples");
  el("samples-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const rows = [...el("samples").tBodies[0].rows];
    const results = await Promise.all(rows.map(fill));
    results.reverse().forEach(({ query, answer }) => onAnswer(query, answer));
    const failed = results.filter(({ answer }) => answer.error).length;
    el("samples-said").textContent = failed ? `${failed} of ${rows.length} samples failed` : `All ${rows.length} samples are answered`;
    button.disabled = false;
    button.focus();
  });
}
