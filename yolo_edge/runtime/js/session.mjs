// What Python asks of a page: it starts a job by its name and waits for `answer`.

import {describe} from './engine.mjs';

/**
 * Offer jobs to Python as the page's session. Each is started at once; its answer, or its error, is left in `answer`.
 *
 * @param {Object<string, function>} jobs name → async function of one argument.
 */
export function offer(jobs) {
  const session = {answer: null};
  for (const [name, job] of Object.entries(jobs)) {
    session[name] = (argument) => {
      session.answer = null;
      job(argument).then((answer) => { session.answer = answer; }, (error) => { session.answer = describe(error); });
    };
  }
  window.yoloEdge = session;
}
