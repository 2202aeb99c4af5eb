// Where a passage occurs in a folded text: the same as kveraser_core/documents/finding.py finds.
const LEAD = regex(`^${cls(DASH)}${cls(DASH + DROPPED)}*${cls(SPACE + DROPPED)}*`);
const LEAD_BEFORE = regex(`${cls(DASH)}(?:${cls(DROPPED)}*${cls(DASH)})*${cls(SPACE + DROPPED)}*$`);
const TAIL_AFTER = regex(`${cls(DROPPED)}*${cls(DASH)}(?:${cls(DROPPED)}*${cls(DASH)})*`, 'y');
const DASHES = regex(`${cls(DASH)}(?:${cls(DROPPED)}*${cls(DASH)})*`, 'g');
const BLANK_EDGES = regex(`^${cls(SPACE + DROPPED)}+|(?<!${cls(SPACE + DROPPED)})${cls(SPACE + DROPPED)}+$`, 'g');
const HYPHENS_AT_END = regex(`(?<!${cls(DASH + DROPPED)})${cls(DASH + DROPPED)}+$`);
const HYPHEN_LEADS = regex(`^- ?${ALNUM}`);
const IS_MARK = regex('^\\p{M}');
const REACH = 100;

function wantedOf(passage) {
  const text = passage.replace(BLANK_EDGES, '');
  const folded = fold(text);
  const lead = HYPHEN_LEADS.test(folded.text) ? LEAD.exec(text)[0] : '';
  const tail = folded.text.endsWith('-') && IS_ALNUM.test(lastOf(folded.text.slice(0, -1)));
  if (!lead && !tail) return { folded, lead, tail };
  const core = text.slice(lead.length);
  return { folded: fold(tail ? core.replace(HYPHENS_AT_END, '') : core), lead, tail };
}

function sameGap(one, other) {
  return IS_SPACE.test(one) === IS_SPACE.test(other) || IS_LINE_BREAK.test(one + other);
}

function jointsFit(folded, wanted, at, end) {
  let [first, mine] = [above(folded.joints, at), 0];
  const last = above(folded.joints, end - 1);
  while (first < last || mine < wanted.joints.length) {
    const there = first < last ? folded.joints[first] - at : wanted.text.length;
    const here = wanted.joints[mine] ?? wanted.text.length;
    const kinds = [there <= here ? folded.kinds[first] : '', here <= there ? wanted.kinds[mine] : ''];
    if (kinds[0] !== kinds[1] && !kinds.includes('broken')) return false;
    first += there <= here;
    mine += here <= there;
  }
  return true;
}

// The place at `at` of the folded text, as [start, end] of `text`, or null if it only looks like the passage.
function placeAt(text, folded, wanted, at) {
  const end = at + wanted.folded.text.length;
  if (IS_MARK.test(String.fromCodePoint(folded.text.codePointAt(end) ?? 32))) return null;
  if (!jointsFit(folded, wanted.folded, at, end)) return null;
  let [from, to] = original(folded, at, end);
  if (wanted.lead) {
    const before = LEAD_BEFORE.exec(text.slice(Math.max(0, from - REACH), from))?.[0];
    if (!before || !sameGap(before, wanted.lead)) return null;
    from -= before.length;
  }
  if (wanted.tail) {
    TAIL_AFTER.lastIndex = to;
    const after = TAIL_AFTER.exec(text)?.[0];
    if (!after) return null;
    to += after.length;
  }
  return [from, to];
}

// At most `most` places of `passage` in `text`, which folds to `folded`.
function places(text, folded, passage, most) {
  const wanted = wantedOf(passage);
  const looked = wanted.folded.text;
  if (looked === '-') return [...text.matchAll(DASHES)].slice(0, most).map(({ 0: found, index }) => [index, index + found.length]);
  const found = [];
  for (let at = looked ? folded.text.indexOf(looked) : -1; at >= 0 && found.length < most; ) {
    const place = placeAt(text, folded, wanted, at);
    if (place) found.push(place);
    at = folded.text.indexOf(looked, at + (place ? looked.length : 1));
  }
  return found;
}
