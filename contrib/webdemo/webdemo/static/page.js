// SPDX-License-Identifier: MIT
import { startAsking } from "./ask.js";
import { startBatch } from "./batch.js";
import { startHistory } from "./history.js";
import { startSamples } from "./samples.js";
import { startState } from "./state.js";

const state = startState();
const remember = startHistory((query) => asking.ask(query));
const add = (query, answer) => {
  remember(query, answer);
  state.lookSoon();
};
const asking = startAsking({ onAnswer: add, onTrouble: state.beAlert, isReady: state.isReady });
startSamples(add);
startBatch({ onWork: state.beAlert });
