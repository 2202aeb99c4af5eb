// Text folded for comparing, as kveraser_core/documents/folding.py does, by the same RULES; in UTF-16 units.
const cls = (inside) => `[${inside}]`;
const regex = (source, flags = '') => new RegExp(source, 'u' + flags);
const { dash: DASH, dropped: DROPPED, loose: LOOSE, extending: EXTENDING, emoji: EMOJI, tails: TAILS } = RULES;
const SPACE = RULES.space;
const MARK = '(?:(?!' + cls(DROPPED) + ')' + cls('\\p{M}' + TAILS) + ')';
const JOINED_EMOJI = '(?<=\\u200d)' + cls(EMOJI);
const ANY = cls('\\p{M}' + TAILS + DROPPED + DASH + SPACE);
const RUN = regex(`(?: ${ANY}|(?! )${ANY})(?:${ANY}|${JOINED_EMOJI})*`, 'g');
const TAIL = regex(`(?:${cls(LOOSE)}*(?:${MARK}|${cls(EXTENDING)}|${JOINED_EMOJI}))+`, 'y');
const BREAK = regex(`^${cls(DROPPED)}*((?:${cls(DASH)}${cls(DROPPED)}*)*)(${cls(SPACE + DROPPED)}*)$`);
const PIECE = regex(
  `(${cls(DASH)}(?:${cls(DROPPED)}*${cls(DASH)})*)|(${cls(SPACE)}(?:${cls(DROPPED)}*${cls(SPACE)})*)` +
    `|${cls(DROPPED)}+|([^${DASH}${SPACE}${DROPPED}]+)`,
  'g',
);
const ALL_DROPPED = regex(cls(DROPPED), 'g');
const [IS_SPACE, IS_LINE_BREAK] = [cls(SPACE), cls(RULES.lineBreak)].map((one) => regex(one));
const ALNUM = cls('\\p{L}\\p{N}');
const [IS_ALNUM, IS_WIDE] = [ALNUM, cls(RULES.wide)].map((one) => regex('^' + one));
// Chromium 156 misses letters beyond U+FFFF where they are looked for before `$`.
const lastOf = (text) => [...text.slice(-2)].pop() ?? '';
const TABLED = regex(cls(Object.keys(RULES.table).join('').replace('-', '\\-')), 'g');
const IS_BEYOND = /[\ud800-\udfff]/;
const tabled = (text) => text.replace(TABLED, (found) => RULES.table[found]);

function plain(text) {
  const composed = tabled(tabled(text).normalize('NFKC'));
  return tabled(composed.toLowerCase().normalize('NFKC'));
}

const known = new Map();

function foldCharacter(text) {
  if (known.has(text)) return known.get(text);
  const visible = text.replace(ALL_DROPPED, '');
  const folded = plain(visible);
  known.set(text, folded[0] === ' ' ? visible : folded);
  return known.get(text);
}

function fold(text) {
  const made = { text: '', starts: [], origins: [], ends: [], joints: [], kinds: [] };
  const parts = [];
  let length = 0;
  const add = (start, end, folded) => {
    const last = made.ends.length - 1;
    const goesOn = last >= 0 && !made.ends[last] && start - made.origins[last] === length - made.starts[last];
    if (end || !goesOn) {
      made.starts.push(length);
      made.origins.push(start);
      made.ends.push(end);
    }
    parts.push(folded);
    length += folded.length;
  };
  const whole = (start, end, folded) => add(start, folded.length === 1 && end - start === 1 ? 0 : end, folded);
  const stretch = (start, end) => {
    const part = text.slice(start, end);
    const folded = IS_BEYOND.test(part) ? '' : plain(part);
    if (folded.length === part.length) {
      if (part) add(start, 0, folded);
      return;
    }
    for (const character of part) {
      whole(start, start + character.length, foldCharacter(character));
      start += character.length;
    }
  };
  const breaks = (start, end, kind, blank) => {
    const after = String.fromCodePoint(text.codePointAt(end) ?? 32);
    if (kind && IS_ALNUM.test(lastOf(parts.at(-1) ?? '')) && IS_ALNUM.test(foldCharacter(after))) {
      made.joints.push(length);
      made.kinds.push(kind);
    } else if (!(blank && IS_WIDE.test(lastOf(text.slice(0, start))) && IS_WIDE.test(after)))
      for (const [found, dash, space, rest] of text.slice(start, end).matchAll(PIECE)) {
        if (dash || space || rest) whole(start, start + found.length, rest ? foldCharacter(rest) : dash ? '-' : ' ');
        start += found.length;
      }
  };
  let at = 0;
  for (const { 0: run, index } of text.matchAll(RUN)) {
    TAIL.lastIndex = 0;
    const tail = TAIL.exec(run)?.[0].length ?? 0;
    const before = text.slice(at, index);
    const base = tail && before ? index - lastOf(before).length : index;
    stretch(at, base);
    if (tail) whole(base, index + tail, foldCharacter(text.slice(base, index + tail)));
    const rest = run.slice(tail);
    const found = BREAK.exec(rest);
    const broken = found && IS_LINE_BREAK.test(found[2]);
    const hyphen = found && (found[1] || (broken && run.includes('\u00ad')));
    const kind = hyphen ? (broken ? 'broken' : IS_SPACE.test(found[2]) ? 'spaced' : 'joined') : '';
    if (rest) breaks(index + tail, index + run.length, kind, found && !found[1]);
    at = index + run.length;
  }
  stretch(at, text.length);
  made.text = parts.join('');
  return made;
}

// The index of the first of ascending `values` that is above `value`.
function above(values, value) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

function original(folded, start, end) {
  const first = above(folded.starts, start) - 1;
  const last = above(folded.starts, end - 1) - 1;
  return [
    folded.origins[first] + (folded.ends[first] ? 0 : start - folded.starts[first]),
    folded.ends[last] || folded.origins[last] + end - folded.starts[last],
  ];
}
