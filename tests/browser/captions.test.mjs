// Captions in addresses: the page writes them as the service does. The cases are those of
// `shared/catalogue/src/path.rs`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

// The page's modules end in `.js` and have no package around them, which Node would read as CommonJS.
const source = await readFile(new URL('../../web/captions.js', import.meta.url), 'utf8');
const { encodeCaption, imagePath } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const SHARED = [
  ['hello world', 'hello_world'],
  ['?%#/&\\<>', '~q~p~h~s~a~b~l~g'],
  ['a/b', 'a~sb'],
  ['variable_name', 'variable__name'],
  ['variable-name', 'variable--name'],
  ['foo\nbar', 'foo~nbar'],
  ['def data() -> Dict', 'def_data()_--~g_Dict'],
  ['finish <- start', 'finish_~l--_start'],
  ['That\'s not how "this" works', "That's_not_how_''this''_works"],
  ['git commit --no-verify', 'git_commit_----no--verify'],
  ['_username likes _charname', '__username_likes___charname'],
  ['underscore_ dash-', 'underscore__-dash--'],
  ['kill -9', 'kill_--9'],
  ['50% off?', '50~p_off~q'],
];

const LOST_BY_MEMEGEN = [
  'a - b', 'a -- b', 'a  b', 'a   b', '_ -', '- _', ' _ - ', '~q', '~~q', '~', '~?', '.', '..', ' ',
  '\'"hi"\'', '""', '/', '~.', 'a~', '~ n',
];

const UNESCAPED = {
  n: '\n', q: '?', a: '&', p: '%', h: '#', s: '/', b: '\\', l: '<', g: '>',
};

/** Reads a segment as `decode` in `path.rs` does. */
function decode(segment) {
  const text = decodeURIComponent(segment);
  if (text === '_') return '';
  return text.replace(/_+|-+|~[nqaphsblg]|~[~.]|''/gi, (found) => {
    const half = found[0].repeat(Math.floor(found.length / 2));
    const odd = found.length % 2 === 1;
    if (found[0] === '_') return (odd ? ' ' : '') + half;
    if (found[0] === '-') return half + (odd ? ' ' : '');
    if (found === "''") return '"';
    return UNESCAPED[found[1].toLowerCase()] ?? found[1];
  });
}

test('captions are written as memegen writes them', () => {
  for (const [text, segment] of SHARED) {
    assert.equal(encodeCaption(text), segment);
    assert.equal(decode(segment), text);
  }
});

test('what memegen loses is kept', () => {
  for (const text of LOST_BY_MEMEGEN) assert.equal(decode(encodeCaption(text)), text, encodeCaption(text));
});

test('typographic signs become plain', () => {
  assert.equal(encodeCaption('it’ll be “great”'), "it'll_be_''great''");
  assert.equal(encodeCaption('1–2 in. of snow'), '1--2_in._of_snow');
  assert.equal(decode(encodeCaption("a''b")), 'a"b');
});

test('what may stand in a path stays, and nothing else', () => {
  assert.equal(encodeCaption("!$'()*+,.:;=@"), "!$'()*+,.:;=@");
  assert.equal(encodeCaption('é|👍'), '%C3%A9%7C%F0%9F%91%8D');
  // Half a character has no encoding, and must not end the page's script.
  assert.equal(encodeCaption('a\ud83d'), 'a%EF%BF%BD');
});

test('all text comes back', () => {
  const letters = [' ', '_', '-', '~', "'", '"', '.', '?', '%', 'n', 'q', 'a', 'é', '👍', '\n', '/'];
  // A small generator with a seed: the same texts each time.
  let state = 2026;
  const random = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: random(12) }, () => letters[random(letters.length)]).join('');
    const segment = encodeCaption(text);
    assert.match(segment, /^[A-Za-z0-9!$'()*+,.:;=@%_~-]+$/);
    assert.ok(segment !== '.' && segment !== '..', JSON.stringify(text));
    assert.equal(decode(segment), text.replaceAll("''", '"'), JSON.stringify([text, segment]));
  }
});

test('the path of a picture', () => {
  assert.equal(imagePath('two-buttons', ['Ship it', '']), '/images/two-buttons/Ship_it/_.jpg');
  assert.equal(imagePath('two-buttons', [], 'webp'), '/images/two-buttons/_.webp');
});
