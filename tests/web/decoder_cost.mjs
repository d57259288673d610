// node --expose-gc decoder_cost.mjs WEB: milliseconds and bytes of one decode of 8,400 anchors, as JSON on stdout.

import path from 'node:path';
import {pathToFileURL} from 'node:url';

const load = (name) => import(pathToFileURL(path.join(process.argv[2], name)));
const {Decoder} = await load('decoder.js');
const {crowdedOutput} = await import('./outputs.mjs');

const ROUNDS = 500;
const {output, values, names} = crowdedOutput(100);
const decoder = new Decoder(output, names);
let persons = 0;
for (let n = 0; n < ROUNDS; n++) persons = decoder.decode(values);
gc();
const before = process.memoryUsage().heapUsed;
const started = performance.now();
for (let n = 0; n < ROUNDS; n++) decoder.decode(values);
const milliseconds = (performance.now() - started) / ROUNDS;
const bytes = (process.memoryUsage().heapUsed - before) / ROUNDS;
process.stdout.write(JSON.stringify({milliseconds, bytes, persons}));
