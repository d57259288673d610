// node rules.mjs WEB CASES: run what needs no browser on the cases that Python wrote; the answers as JSON on stdout.

import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [web, cases] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(web, name)));
const {Circuit, Smoothing, place, takesCanary} = await load('index.js');
const {drawCard} = await load('engine.js');
const {clients, canary, sizes, cards, clip} = JSON.parse(await readFile(cases, 'utf8'));

/** Failures and successes on a clock that is moved by hand. */
async function breaker() {
  const told = [];
  let time = 0;
  let calls = 0;
  const circuit = new Circuit({clock: () => time, random: () => 1});
  const ask = async (works) => {
    const answer = await circuit.run(async () => {
      calls++;
      if (!works) throw new Error('down');
      return 'fine';
    });
    told.push([time, answer, circuit.state, calls]);
  };
  for (let n = 0; n < 4; n++) await ask(false);
  for (time of [999, 1000, 2999, 3000]) await ask(false);
  time = 7000;
  let finish;
  const probe = circuit.run(() => new Promise((resolve) => (finish = resolve)));
  told.push(['half-open', await circuit.run(async () => 'second'), circuit.state]);
  finish('probed');
  told.push(['probe', await probe, circuit.state, circuit.failures]);
  const late = new Circuit({timeout: 5});
  told.push(['late', await late.run(() => new Promise(() => {})), late.lastError]);
  const spread = new Set();
  for (let n = 0; n < 20; n++) {
    const jittery = new Circuit({limit: 1, clock: () => 0});
    await jittery.run(async () => Promise.reject(new Error('down')));
    spread.add(jittery.retryAt);
  }
  return {told, spread: [...spread]};
}

/** Smooth a clip of one point in a box: [milliseconds, x, y]. */
function smooth() {
  const smoothing = new Smoothing();
  return clip.map(([time, x, y]) => {
    const box = {x: x - 50, y: y - 50, width: 100, height: 100};
    const [person] = smoothing.apply([{box, keypoints: [{x, y, score: 1, name: 'nose'}]}], time);
    return [person.keypoints[0].x, person.keypoints[0].y, person.id];
  });
}

const answers = {
  canaries: await Promise.all(clients.map((client) => takesCanary(canary, client))),
  nobody: [await takesCanary(canary), await takesCanary(null, 'a')],
  places: sizes.map((size) => place(...size)),
  cards: cards.map(({card, shape}) => Buffer.from(drawCard(card, shape).buffer).toString('base64')),
  breaker: await breaker(),
  smooth: smooth(),
};
process.stdout.write(JSON.stringify(answers));
