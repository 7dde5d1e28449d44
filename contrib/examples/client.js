#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Ask a coprocd: client.js SOCKET LINE...; the listener has replies=status.
const [path, ...requests] = process.argv.slice(2);
const socket = require('node:net').connect(path).setEncoding('utf8');
socket.setTimeout(5000, () => socket.destroy(new Error('no reply in time')));
socket.end(requests.map((request) => request + '\n').join('')); // the replies still come
let rest = '', more = 0, ended = 0; // more lines of this reply; replies begun
socket.on('data', (data) => {
  const lines = (rest + data).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    if (more > 0 && more--) console.log(line);
    else if (++ended && line[0] === '+') console.log(line.slice(1));
    else if (line[0] === '*') more = Number(line.slice(1));
    else console.log('no reply: ' + line.slice(1).replace(' ', ': '));
  }
});
socket.on('close', () => { if (more || ended < requests.length) process.exitCode = 1; });
