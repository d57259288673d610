// node decode.mjs WEB CASES: decode what Python wrote, answer with the persons on stdout.

import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [web, cases] = process.argv.slice(2);
const {Decoder} = await import(pathToFileURL(path.join(web, 'decoder.js')));
const {place} = await import(pathToFileURL(path.join(web, 'decoder.js')));

const answers = [];
const list = JSON.parse(await readFile(path.join(cases, 'cases.json'), 'utf8'));
const bytes = await readFile(path.join(cases, 'outputs.bin'));
let offset = 0;
for (const {output, source, input, confidence, iou, keypoints} of list) {
  const size = output.shape.reduce((a, b) => a * b);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * size));
  offset += 4 * size;
  const names = Array.from({length: keypoints}, (_, index) => `point ${index}`);
  const decoder = new Decoder(output, names);
  decoder.decode(values, confidence, iou);
  answers.push(decoder.persons(values, place(source[1], source[0], input[1], input[0])));
}
process.stdout.write(JSON.stringify(answers));
