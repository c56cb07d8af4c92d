// Captions in the path of a picture's address, in the grammar that memegen's users know.

const ESCAPES = new Map([
  ['\n', 'n'], ['?', 'q'], ['&', 'a'], ['%', 'p'], ['#', 'h'],
  ['/', 's'], ['\\', 'b'], ['<', 'l'], ['>', 'g'],
]);

// Letters that mean something behind a tilde, in either case.
const ESCAPED = /[nqaphsblg~.]/i;

/** Writes a caption as one segment of a path. */
export function encodeCaption(caption) {
  const text = plain(caption);
  // One underscore is a blank box, and dots alone would be a relative path.
  if (text === '') return '_';
  if (text === ' ') return '-';
  if (text === '.' || text === '..') return `~${text}`;

  let segment = '';
  const characters = [...text];
  characters.forEach((character, at) => {
    const next = characters[at + 1];
    segment += encodeCharacter(character, next, segment);
  });
  return segment;
}

function encodeCharacter(character, next, before) {
  switch (character) {
    case '_': return '__';
    case '-': return '--';
    case ' ':
      // A space may not join a run of underscores or dashes that would be read in another order.
      if (!before.endsWith('_')) return '_';
      return next === '-' ? '%20' : '-';
    case '"':
      return before.endsWith("'") || next === "'" || next === '"' ? '%22' : "''";
    case '~':
      return next === undefined || next === ' ' || (/[a-z0-9]/i.test(next) && !ESCAPED.test(next))
        ? '~' : '~~';
    default:
      return ESCAPES.has(character) ? `~${ESCAPES.get(character)}` : percentEncoded(character);
  }
}

// What may stand in a path stays, as in the addresses that the service gives out: one picture has one
// address, and caches keep it once.
function percentEncoded(character) {
  return '$+,:;=@'.includes(character) ? character : encodeURIComponent(character);
}

// Typographic quotes and dashes as a keyboard writes them; text that is no Unicode is mended first,
// because it has no percent-encoding.
function plain(text) {
  return text
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replace(/\r\n?/g, '\n')
    .replace(/[‘’]/g, "'")
    .replace(/''/g, '"')
    .replace(/[“”]/g, '"')
    .replace(/–/g, '-');
}

/** The path of a template's picture with captions. */
export function imagePath(template, captions, format = 'jpg') {
  const lines = captions.length > 0 ? captions : [''];
  return `/images/${encodeURIComponent(template)}/${lines.map(encodeCaption).join('/')}.${format}`;
}
