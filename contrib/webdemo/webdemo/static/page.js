// SPDX-License-Identifier: MIT
import { startAsking } from "./ask.js";
import { startBatch } from "./batch.js";
import { startHistory } from "./history.js";
import { startSamples } from "./samples.js";
import { startState } from "./state.js";

const state = startState();
const add = startHistory((query) => asking.ask(query));
const asking = startAsking({ onAnswer: add, onTrouble: state.beAlert, isReady: state.isReady });
startSamples(add);
startBatch();
