// The second panel: a template and one's own words.

import { IdempotencyKeys, Problem } from './api.js';
import { imagePath } from './captions.js';
import {
  announce, at, credits, debounced, facts, isBusy, make, setBusy, showExchange, showPicture,
  showProblem,
} from './view.js';

const PAGE = 12;
const CAPTION_CHARS_MAX = 200;
const PAUSE_MS = 250;

export function makePanel(studio) {
  const keys = new IdempotencyKeys();
  const list = at('make-templates');
  const captions = at('make-captions');
  const create = at('make-create');
  const search = at('make-search');
  const previous = at('make-previous');
  const next = at('make-next');
  /** The cursors of the pages up to this one; the first page has none. */
  let cursors = [null];
  let nextCursor = null;
  let template = null;
  /** What was written, kept from template to template. */
  let words = [];
  let listing = 0;

  const preview = debounced(PAUSE_MS, showPreview);
  search.addEventListener('input', debounced(PAUSE_MS, () => {
    cursors = [null];
    showPage();
  }));
  previous.addEventListener('click', () => turn(previous, () => cursors.pop()));
  next.addEventListener('click', () => turn(next, () => cursors.push(nextCursor)));
  at('make-example').addEventListener('click', () => {
    if (!template) return;
    words = [...template.example_captions];
    writeFields();
    preview.cancel();
    showPreview();
  });
  at('make-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (template && !isBusy(create)) keep();
  });

  async function turn(button, move) {
    if (isBusy(button)) return;
    move();
    await showPage();
  }

  async function showPage() {
    listing += 1;
    const ticket = listing;
    const query = new URLSearchParams({ limit: PAGE });
    if (search.value.trim()) query.set('query', search.value.trim());
    const cursor = cursors.at(-1);
    if (cursor) query.set('cursor', cursor);
    list.setAttribute('aria-busy', 'true');
    try {
      const { json: page } = await studio.anybody.call('GET', `/v1/templates?${query}`, { anonymous: true });
      if (ticket !== listing) return;
      nextCursor = page.next_cursor;
      showTemplates(page.data);
    } catch (error) {
      if (ticket !== listing) return;
      nextCursor = null;
      const slot = make('div', { className: 'templates-empty' });
      showProblem(slot, error);
      list.replaceChildren(list.querySelector('legend'), slot);
    } finally {
      if (ticket === listing) {
        list.removeAttribute('aria-busy');
        // They stay focusable, so that the keyboard keeps its place on the last page.
        previous.setAttribute('aria-disabled', String(cursors.length === 1));
        next.setAttribute('aria-disabled', String(nextCursor === null));
        at('make-pager').hidden = cursors.length === 1 && nextCursor === null;
        at('make-page').textContent = `Page ${cursors.length}`;
      }
    }
  }

  function showTemplates(templates) {
    const cards = templates.map((one) => {
      const input = make('input', {
        type: 'radio', name: 'template', value: one.id, checked: one.id === template?.id,
      });
      input.addEventListener('change', () => pick(one));
      const image = make('img', {
        // The words are in the name and the description is the template's, not the thumbnail's.
        alt: '', loading: 'lazy', decoding: 'async', width: one.width, height: one.height,
      });
      image.addEventListener('error', () => image.replaceWith(make('span', { className: 'picture-missing' }, 'No picture')));
      image.src = imagePath(one.id, one.example_captions, 'webp');
      return make('label', { className: 'template', title: one.description }, input, image, make('span', {}, one.name));
    });
    const empty = make('p', { className: 'templates-empty muted' }, 'No scene has these words.');
    list.replaceChildren(list.querySelector('legend'), ...(cards.length > 0 ? cards : [empty]));
    announce(`${templates.length} scenes, page ${cursors.length}`);
    if (!template && templates.length > 0) {
      cards[0].querySelector('input').checked = true;
      pick(templates[0]);
    }
  }

  function pick(one) {
    template = one;
    at('make-name').textContent = one.name;
    writeFields();
    preview.cancel();
    showPreview();
  }

  function writeFields() {
    captions.replaceChildren(...template.example_captions.map((example, index) => {
      const input = make('input', {
        type: 'text', maxLength: CAPTION_CHARS_MAX, placeholder: example, autocomplete: 'off',
        value: words[index] ?? '',
      });
      input.addEventListener('input', () => {
        words[index] = input.value;
        input.removeAttribute('aria-invalid');
        preview();
      });
      return make('label', { className: 'field' },
        make('span', { className: 'field-label' }, `Caption ${index + 1}`), input);
    }));
  }

  /** What is in the fields. */
  const written = () => template.example_captions.map((_, index) => words[index] ?? '');

  function showPreview() {
    const lines = written();
    const blank = lines.every((line) => line.trim() === '');
    const shown = blank ? template.example_captions : lines;
    showPicture(at('make-figure'), {
      src: imagePath(template.id, shown),
      alt: `${template.description} ${shown.filter(Boolean).join(' / ')}`,
      width: template.width,
      height: template.height,
      note: blank ? 'Preview, with the example' : 'Preview',
    });
  }

  async function keep() {
    const { client } = studio;
    const result = at('make-result');
    setBusy(create, true);
    try {
      const call = await keys.post(client, '/v1/memes', { template: template.id, captions: written() });
      const { json: meme } = call;
      result.replaceChildren(make('div', { className: 'kept' },
        make('p', {}, 'Kept. ', make('a', { href: meme.url, target: '_blank', rel: 'noopener' }, 'Open the picture')),
        facts([
          ['Id', make('code', {}, meme.id)],
          ['Paid', credits(meme.credits)],
          ['Address', make('code', {}, meme.url)],
        ])));
      showExchange(at('make-exchange'), call);
      announce(`The meme was created for ${credits(meme.credits)}`);
    } catch (error) {
      if (error.name !== 'AbortError') {
        showProblem(result, error);
        showExchange(at('make-exchange'), error.call);
        if (error instanceof Problem) mark(error.body.errors ?? []);
      }
    } finally {
      setBusy(create, false);
    }
  }

  /** Leads to the field that the service refused. */
  function mark(errors) {
    const inputs = captions.querySelectorAll('input');
    const refused = errors
      .map((error) => /^\/captions(?:\/(\d+))?$/.exec(error.pointer ?? ''))
      .filter(Boolean)
      .map((match) => inputs[Number(match[1] ?? 0)])
      .filter(Boolean);
    refused.forEach((input) => input.setAttribute('aria-invalid', 'true'));
    refused[0]?.focus();
  }

  return {
    choose() {
      at('make-result').replaceChildren();
      at('make-exchange').replaceChildren();
      // The list is the same for all clients; what failed is tried again.
      if (!template) showPage();
    },
  };
}
