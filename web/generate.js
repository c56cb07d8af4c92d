// The third panel: a generation, from the request to the pictures.

import { IdempotencyKeys, Problem } from './api.js';
import {
  announce, at, badge, credits, duration, facts, fallbackNote, isBusy, make, pause, problemCard,
  setBusy, showExchange, showPicture, showProblem,
} from './view.js';

const UNFINISHED = ['queued', 'running'];

const ENDS = {
  succeeded: 'Done', partial: 'Partly done', failed: 'Failed', canceled: 'Cancelled',
};

// A poll that got no answer, or one that asks for patience, is worth another try.
const RETRY_PAUSE_S = 3;
const TICK_MS = 200;

export function generatePanel(studio) {
  const keys = new IdempotencyKeys();
  const start = at('generate-start');
  const cancel = at('generate-cancel');
  const result = at('generate-result');
  const slots = ['generate-progress', 'generate-pictures', 'generate-result', 'generate-exchange', 'generate-read'];
  /** The generation that is shown: its last view, and when what was seen of it. */
  let shown = null;

  at('generate-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!isBusy(start)) generate();
  });
  cancel.addEventListener('click', () => {
    if (!isBusy(cancel) && shown) withdraw();
  });

  async function generate() {
    const { client } = studio;
    const [width, height] = at('generate-size').value.split('x').map(Number);
    clear();
    setBusy(start, true);
    try {
      const call = await keys.post(client, '/v1/generations', {
        prompt: at('generate-prompt').value,
        count: Number(document.querySelector('input[name="count"]:checked').value),
        size: `${width}x${height}`,
      });
      showExchange(at('generate-exchange'), call);
      announce(`Accepted. ${credits(call.json.credits.held)} set aside.`);
      await follow(client, call);
    } catch (error) {
      if (error.name !== 'AbortError') {
        showProblem(result, error);
        showExchange(at('generate-exchange'), error.call);
      }
    } finally {
      if (client === studio.client) setBusy(start, false);
    }
  }

  /** Reads a generation as often as the service says until it is finished. */
  async function follow(client, accepted) {
    // Counted from the request; for one that is taken up again, from when it was accepted.
    const age = accepted.ms ?? Math.max(0, Date.now() - Date.parse(accepted.json.created_at));
    const began = performance.now() - age;
    const path = `/v1/generations/${accepted.json.id}`;
    shown = { view: accepted.json, path, began, readAt: 0, seen: {}, pictures: new Set() };
    shown.finished = new Promise((resolve) => { shown.finish = resolve; });
    const mine = shown;
    update(mine, accepted.json);
    const timer = setInterval(() => tick(mine), TICK_MS);
    cancel.hidden = false;
    try {
      let waitS = accepted.retryAfter || 1;
      while (UNFINISHED.includes(mine.view.state)) {
        // A cancellation may be answered during the pause, and ends it.
        await Promise.race([pause(waitS * 1000, client.signal), mine.finished]);
        if (!UNFINISHED.includes(mine.view.state)) break;
        waitS = await read(client, mine);
      }
    } finally {
      clearInterval(timer);
      cancel.hidden = true;
    }
    if (client !== studio.client) return;
    announce(`${ENDS[mine.view.state] ?? mine.view.state}. ${mine.view.memes.length} of ${mine.view.count} pictures.`);
    // Reading is not metered, so no header has told what came back.
    if (mine.view.credits.returned > 0) await studio.readAccount();
  }

  /** Reads once. Returns the seconds to wait for the next time. */
  async function read(client, mine) {
    try {
      const call = await client.call('GET', mine.path);
      result.replaceChildren();
      showExchange(at('generate-read'), call);
      // An answer that was overtaken by a cancellation is old news.
      if (UNFINISHED.includes(mine.view.state)) update(mine, call.json);
      return call.retryAfter || 1;
    } catch (error) {
      const status = error instanceof Problem ? error.body.status ?? 503 : undefined;
      if (status !== 429 && !(status >= 500)) throw error;
      showProblem(result, error);
      return error.call?.retryAfter || RETRY_PAUSE_S;
    }
  }

  async function withdraw() {
    const { client } = studio;
    const mine = shown;
    setBusy(cancel, true);
    try {
      const call = await client.call('DELETE', mine.path);
      showExchange(at('generate-read'), call);
      update(mine, call.json);
    } catch (error) {
      // Most often it was finished a moment before; the next reading shows it.
      showProblem(result, error);
    } finally {
      setBusy(cancel, false);
    }
  }

  function update(mine, view) {
    const now = performance.now();
    mine.view = view;
    mine.readAt = now;
    mine.seen[stepOf(view.state)] ??= now - mine.began;
    showProgress(mine);
    showPictures(mine);
    if (UNFINISHED.includes(view.state)) return;
    showEnd(view);
    mine.finish();
  }

  function showEnd(view) {
    const note = fallbackNote(view.fallback);
    result.replaceChildren(
      ...(note ? [note] : []),
      ...(view.problem ? [problemCard(view.problem)] : []),
    );
  }

  function clear() {
    shown = null;
    cancel.hidden = true;
    for (const id of slots) at(id).replaceChildren();
    at('generate-pictures').removeAttribute('data-count');
  }

  /** A generation that was under way when the page was left is taken up again. */
  async function resume(client) {
    try {
      const { json: page } = await client.call('GET', '/v1/generations?limit=1');
      const [last] = page.data;
      if (!last || !UNFINISHED.includes(last.state) || shown || isBusy(start)) return;
      setBusy(start, true);
      clear();
      await follow(client, { json: last, retryAfter: 1 });
    } catch (error) {
      showProblem(result, error);
    } finally {
      if (client === studio.client) setBusy(start, false);
    }
  }

  return {
    async choose(client, account) {
      clear();
      setBusy(start, false);
      at('generate-progress').replaceChildren(make('p', { className: 'idle muted' }, 'Pictures come here.'));
      const read = await account;
      if (client !== studio.client || !read) return;
      if (read.ai) await resume(client);
      else if (!shown) {
        at('generate-progress').replaceChildren(make('p', { className: 'idle muted' },
          `The client “${client.name}” has no Memes AI: the service will refuse. Choose Premium to generate.`));
      }
    },
  };
}

const stepOf = (state) => (UNFINISHED.includes(state) ? state : 'end');

function showProgress(mine) {
  const { view, seen } = mine;
  const finished = !UNFINISHED.includes(view.state);
  const step = (key, name) => {
    const current = stepOf(view.state) === key;
    return make('li', { 'data-reached': key in seen ? '' : null, 'aria-current': current ? 'step' : null },
      make('span', { className: 'step-name' }, name),
      make('span', { className: 'step-time' }, key in seen ? duration(seen[key]) : ''));
  };
  at('generate-progress').replaceChildren(make('div', { className: 'progress', 'data-state': view.state },
    make('ol', { className: 'steps' },
      step('queued', 'Queued'), step('running', 'Painting'),
      step('end', finished ? ENDS[view.state] ?? view.state : 'Done')),
    make('p', { className: 'progress-line' }),
    facts([
      ['Set aside', credits(view.credits.held)],
      ['Paid', credits(view.credits.spent)],
      ['Returned', credits(view.credits.returned)],
    ])));
  tick(mine);
}

/** Counts the seconds between two readings. */
function tick(mine) {
  const line = at('generate-progress').querySelector('.progress-line');
  if (!line) return;
  const { view } = mine;
  const now = performance.now();
  if (!UNFINISHED.includes(view.state)) {
    const count = view.memes.length;
    line.textContent = `${count} of ${view.count} ${view.count === 1 ? 'picture' : 'pictures'} after ${duration(mine.seen.end)}.`;
    return;
  }
  const place = view.state === 'running' ? 'A worker is painting'
    : view.position === null ? 'Waiting' : `Number ${view.position} in the queue`;
  const left = view.eta_s === null ? null : Math.ceil(view.eta_s - (now - mine.readAt) / 1000);
  const rest = left === null ? '' : left > 0 ? `, about ${left} s to go` : ', any moment now';
  line.textContent = `${place}${rest}.`;
}

/** A place for each picture that was asked for, filled as they come. */
function showPictures(mine) {
  const { view, pictures } = mine;
  const box = at('generate-pictures');
  const [width, height] = view.size.split('x').map(Number);
  box.setAttribute('data-count', view.count);
  while (box.children.length < view.count) {
    const figure = make('figure', { className: 'picture' });
    figure.style.setProperty('--ratio', `${width} / ${height}`);
    figure.toggleAttribute('data-loading', true);
    box.append(figure);
  }
  view.memes.forEach((meme, index) => {
    if (pictures.has(meme.id)) return;
    const figure = box.children[index] ?? box.appendChild(make('figure', { className: 'picture' }));
    pictures.add(meme.id);
    showPicture(figure, {
      src: meme.url, alt: meme.alt, width: meme.width, height: meme.height,
      note: make('span', { className: 'frame-line' }, badge(meme.tier),
        make('span', { className: 'muted' }, [meme.model, credits(meme.credits)].filter(Boolean).join(', '))),
    });
  });
  if (!UNFINISHED.includes(view.state)) {
    // What has not come by now does not come any more.
    [...box.children].slice(view.memes.length).forEach((figure) => figure.remove());
  }
}
