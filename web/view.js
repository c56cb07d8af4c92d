// What the panels have in common: pictures, facts, calls and problems on the page.

import { Problem, curlOf } from './api.js';

/** Makes an element. `properties` are set on it, `children` go into it as nodes or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element with this id. */
export const at = (id) => document.getElementById(id);

/** Says something to those who listen instead of looking. */
export function announce(text) {
  at('announce').textContent = text;
}

/** Marks a button as at work. It stays focusable, so that the keyboard keeps its place. */
export function setBusy(button, busy) {
  button.setAttribute('aria-disabled', String(busy));
  button.toggleAttribute('data-busy', busy);
}

/** Whether the button is at work. */
export const isBusy = (button) => button.getAttribute('aria-disabled') === 'true';

/** Milliseconds for people. */
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A count of credits for people. */
export function credits(count) {
  return `${count.toLocaleString('en')} ${count === 1 ? 'credit' : 'credits'}`;
}

const PICTURES = new WeakMap();

/**
 * Shows a picture in a figure once it can be painted, in place of the one before. Only the picture
 * that was asked for last is shown.
 */
export async function showPicture(figure, { src, alt, width, height, note }) {
  const ticket = {};
  PICTURES.set(figure, ticket);
  figure.toggleAttribute('data-loading', true);
  const image = make('img', { alt, width, height, decoding: 'async', src });
  let failed = false;
  try {
    await image.decode();
  } catch {
    failed = true;
  }
  if (PICTURES.get(figure) !== ticket) return false;
  figure.toggleAttribute('data-loading', false);
  const shown = failed
    ? make('p', { className: 'picture-missing' }, 'The picture could not be loaded.')
    : image;
  figure.replaceChildren(shown, ...(note ? [make('figcaption', {}, note)] : []));
  if (width && height) figure.style.setProperty('--ratio', `${width} / ${height}`);
  return !failed;
}

/** What tier a meme is of. */
export function badge(tier) {
  const ai = tier === 'ai';
  return make('span', { className: ai ? 'badge badge-ai' : 'badge', 'data-tier': tier }, ai ? 'AI' : 'Normal');
}

const REASONS = {
  not_entitled: 'This client has no Memes AI, so it got a normal meme.',
  no_credits: 'The credits do not reach for an AI meme, so this is a normal one.',
  moderated: 'The prompt or the picture was refused, so this is a normal meme.',
  backlog: 'No AI meme was ready in time, so this is a normal one.',
  failed: 'The AI picture could not be made, so this is a normal meme.',
};

/** Why a meme is a normal one, in plain words; nothing when there is no reason. */
export function fallbackNote(fallback) {
  if (!fallback) return null;
  const text = REASONS[fallback.reason] ?? `This is a normal meme: ${fallback.reason}.`;
  return make('p', { className: 'reason', 'data-reason': fallback.reason }, text);
}

/** Names and values. Those without a value are left out. */
export function facts(entries) {
  return make('dl', { className: 'facts' }, entries
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
}

/** A call: the command that makes it, and what came back. */
export function exchange(call) {
  const copy = make('button', { className: 'copy', type: 'button' }, 'Copy');
  const code = make('code', {}, curlOf(call, false));
  copy.setAttribute('aria-label', 'Copy the command, with its token');
  copy.addEventListener('click', async () => {
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(curlOf(call, true));
    } catch {
      // Without leave to write there, the command is left selected for the keyboard.
      code.textContent = curlOf(call, true);
      getSelection().selectAllChildren(code);
      said = 'Selected';
    }
    copy.textContent = said;
    announce(said);
    setTimeout(() => { copy.textContent = 'Copy'; }, 1600);
  });
  const reply = typeof call.json === 'string' ? call.json : JSON.stringify(call.json, null, 2);
  const head = [
    make('code', { className: 'exchange-path' }, `${call.method} ${call.path}`),
    make('span', { className: 'exchange-status' },
      call.status === undefined ? 'no reply' : `${call.status} in ${duration(call.ms)}`),
  ];
  return make('div', { className: 'exchange' },
    make('div', { className: 'exchange-head' }, head),
    make('div', { className: 'command' }, make('pre', { tabIndex: 0 }, code), copy),
    make('details', {},
      make('summary', {}, 'Reply'),
      call.limits ? make('p', { className: 'limits' }, make('code', {}, `RateLimit: ${call.limits}`)) : null,
      make('pre', { tabIndex: 0, className: 'reply' }, make('code', {}, reply ?? ''))));
}

/** Shows a call in `slot`; one that is open stays open. */
export function showExchange(slot, call) {
  const open = slot.querySelector('details')?.open ?? false;
  if (!call?.headers) {
    slot.replaceChildren();
    return;
  }
  const shown = exchange(call);
  shown.querySelector('details').open = open;
  slot.replaceChildren(shown);
}

/** Text in which what stands between backticks is code. */
function prose(text) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? make('code', {}, part) : part));
}

/** A problem as a card. */
export function problemCard(body) {
  const returns = body.credits_return_at && new Date(body.credits_return_at);
  const errors = body.errors ?? [];
  return make('div', { className: 'problem', role: 'alert' },
    make('p', { className: 'problem-title' }, body.title,
      body.status ? make('span', { className: 'problem-status' }, String(body.status)) : null),
    body.detail ? make('p', {}, prose(body.detail)) : null,
    errors.length > 0 ? make('ul', {}, errors.map((error) => make('li', {},
      make('code', {}, error.pointer || error.parameter || error.header || 'body'),
      ' ', prose(error.detail)))) : null,
    returns ? make('p', {}, `Credits come back on ${returns.toLocaleString('en', { dateStyle: 'long', timeStyle: 'short' })}.`) : null,
    body.retry_after_s ? make('p', {}, `Try again in ${body.retry_after_s} s.`) : null,
    body.request_id || body.type?.startsWith('/problems/') ? make('p', { className: 'problem-foot' },
      body.request_id ? make('code', {}, body.request_id) : null,
      body.type?.startsWith('/problems/') ? make('a', { href: body.type }, 'About this problem') : null) : null);
}

/** Shows whatever went wrong in `slot`. What was ended on purpose is not shown. */
export function showProblem(slot, error) {
  if (error.name === 'AbortError') return;
  if (!(error instanceof Problem)) {
    console.error(error);
    slot.replaceChildren(problemCard({ title: 'Something went wrong on this page', detail: String(error.message ?? error) }));
    return;
  }
  slot.replaceChildren(problemCard(error.body));
}

/** Runs the last call of many, once they pause for `ms`. */
export function debounced(ms, action) {
  let timer;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Waits for `ms`; ends with an `AbortError` when `signal` does. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException('The wait was ended', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
