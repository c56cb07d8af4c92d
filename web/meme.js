// The first panel: one call, one meme.

import {
  announce, at, badge, credits, duration, facts, fallbackNote, isBusy, make, pause, setBusy,
  showExchange, showPicture, showProblem,
} from './view.js';

// A stack that has just been started has no AI memes in its pool yet; they come within seconds.
const POOL_TRIES_MAX = 15;
const POOL_PAUSE_MS = 2_000;

export function memePanel(studio) {
  const button = at('meme-get');
  const topic = at('meme-topic');
  const problem = at('meme-problem');
  const without = at('meme-without');
  const withAi = at('meme-with');
  /** What a page that has just been opened asks for by itself, frame by frame. */
  const opening = new Map([[without, new AbortController()], [withAi, new AbortController()]]);
  let opened = false;

  at('meme-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!isBusy(button)) get();
  });

  async function get() {
    const { client } = studio;
    const waiting = studio.account?.ai ? withAi : without;
    setBusy(button, true);
    // What was asked for goes before what the page asks for itself.
    opening.get(waiting).abort();
    wait(waiting, true);
    try {
      const query = topic.value ? `?topic=${encodeURIComponent(topic.value)}` : '';
      const call = await client.call('GET', `/v1/memes${query}`);
      const frame = frameOf(call.json);
      opening.get(frame).abort();
      problem.replaceChildren();
      showCall(call);
      await showMeme(frame, client, call);
      announce(`${call.json.tier === 'ai' ? 'An AI' : 'A normal'} meme: ${call.json.alt}`);
    } catch (error) {
      if (error.name !== 'AbortError') {
        showProblem(problem, error);
        at('meme-result').replaceChildren();
        showExchange(at('meme-exchange'), error.call);
      }
    } finally {
      wait(waiting, false);
      setBusy(button, false);
    }
  }

  /** Whose meme it is: a client without Memes AI is told so in each reply. */
  function frameOf(meme) {
    return meme.fallback?.reason === 'not_entitled' ? without : withAi;
  }

  function showCall(call) {
    const { json: meme } = call;
    at('meme-result').replaceChildren(facts([
      ['Topic', meme.topic],
      ['Scene', meme.template],
      ['Model', meme.model],
      ['Id', make('code', {}, meme.id)],
    ]));
    showExchange(at('meme-exchange'), call);
  }

  /** A page that has just been opened shows both: what everybody gets and what subscribers get. */
  async function open(name, frame) {
    const { signal } = opening.get(frame);
    const client = studio.named(name, signal);
    const words = frame.querySelector('.frame-words');
    if (!client) {
      wait(frame, false);
      words.replaceChildren(make('p', { className: 'muted' }, `This stack has no demo client “${name}”.`));
      return;
    }
    try {
      for (let tries = 1; ; tries += 1) {
        const call = await client.call('GET', '/v1/memes');
        if (signal.aborted) return;
        if (name === studio.client.name) showCall(call);
        await showMeme(frame, client, call);
        if (call.json.fallback?.reason !== 'backlog' || tries === POOL_TRIES_MAX) return;
        words.append(make('p', { className: 'muted' }, 'The first ones are being painted; asking again.'));
        await pause(POOL_PAUSE_MS, signal);
      }
    } catch (error) {
      showProblem(words, error);
      if (!signal.aborted) wait(frame, false);
    }
  }

  return {
    choose() {
      problem.replaceChildren();
      at('meme-result').replaceChildren();
      at('meme-exchange').replaceChildren();
      if (opened) return;
      opened = true;
      open('free', without);
      open('premium', withAi);
      offerTopics(studio, topic);
    },
  };
}

async function showMeme(frame, client, call) {
  const { json: meme } = call;
  frame.querySelector('.frame-words').replaceChildren(
    make('p', { className: 'frame-line' },
      badge(meme.tier),
      make('span', { className: 'muted' }, `${client.name}, ${credits(meme.credits)}, ${duration(call.ms)}`)),
    ...[fallbackNote(meme.fallback)].filter(Boolean),
  );
  await showPicture(frame.querySelector('figure'), {
    src: meme.url, alt: meme.alt, width: meme.width, height: meme.height,
  });
}

function wait(frame, waiting) {
  frame.querySelector('figure').toggleAttribute('data-loading', waiting);
}

/** Topics are those that templates are about: there is no list of their own. */
async function offerTopics(studio, select) {
  const topics = new Set();
  try {
    let cursor = null;
    do {
      const from = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
      const { json: page } = await studio.anybody.call('GET', `/v1/templates?limit=100${from}`, { anonymous: true });
      for (const template of page.data) template.topics.forEach((topic) => topics.add(topic));
      cursor = page.next_cursor;
    } while (cursor);
  } catch (error) {
    // Without them a meme can still be asked for; the next panel lists templates and says what is wrong.
    if (error.name !== 'AbortError') console.error(error);
  }
  select.append(...[...topics].sort().map((topic) => make('option', { value: topic },
    topic[0].toUpperCase() + topic.slice(1).replaceAll('-', ' '))));
}
