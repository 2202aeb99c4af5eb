// Above the document: finding in it, and going to a page.
let hits = [];
let hit = -1;

const tools = make('div', 'tools', undefined, root);
const finder = make('div', 'finder', undefined, tools);
const search = make('input', 'find', undefined, finder);
search.type = 'search';
search.placeholder = search.ariaLabel = say('find');
const count = make('span', 'count', '', finder);
count.setAttribute('aria-live', 'polite');
for (const [name, sign, step] of [['previous', '↑', -1], ['next', '↓', 1]])
  button('quiet', sign, tools, () => goToHit(hit + step)).ariaLabel = say(name);
const outline = make('select', 'outline', undefined, tools);
outline.ariaLabel = say('outline');
outline.addEventListener('change', () => {
  const start = Number(outline.value);
  goTo(start, start + 1);
  outline.value = '';
});
const keys = button('quiet', '?', tools, () => window.dispatchEvent(new Event('kveraser:keys')));
keys.ariaLabel = keys.title = say('keys');
const pageBox = make('label', 'page-box', say('page') + ' ', tools);
const page = make('input', 'page-number', undefined, pageBox);
page.type = 'number';
page.min = 1;
const pageCount = make('span', '', '', pageBox);

let folded = fold('');
let foldedOf = '';

function find() {
  const text = props.doc || '';
  if (foldedOf !== text) [folded, foldedOf] = [fold(text), text];
  hits = places(text, folded, search.value, 2000);
  goToHit(0);
}

function goToHit(which) {
  hit = hits.length ? (which + hits.length) % hits.length : -1;
  count.textContent = !search.value ? '' : hits.length ? say('found', { at: hit + 1, n: hits.length }) : say('none_found');
  highlight('current', hit < 0 ? [] : [hits[hit]]);
  if (hit >= 0) goTo(...hits[hit]);
}

function countPages(pages) {
  page.max = pages.length;
  page.value = 1;
  pageBox.hidden = pages.length < 2;
  pageCount.textContent = ' ' + say('of', { n: pages.length });
}

// The headings, where there are some to choose from.
function drawOutline(headings) {
  outline.replaceChildren(make('option', '', say('outline')));
  outline.firstChild.value = '';
  for (const { text, level, start } of headings)
    make('option', '', `${'\u2003'.repeat(level - 1)}${text}`, outline).value = start;
  outline.hidden = headings.length < 2;
}

function followPage() {
  if ((props.pages || []).length < 2 || document.activeElement === page) return;
  const top = host.getBoundingClientRect().top + 40;
  const first = blocks.find(({ block }) => block.getBoundingClientRect().bottom > top);
  if (first) page.value = props.pages.findLastIndex((start) => start <= first.start) + 1;
}

let findSoon;
search.addEventListener('input', () => {
  clearTimeout(findSoon);
  findSoon = setTimeout(() => {
    find();
    paint();
  }, 150);
});
search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') goToHit(hit + (event.shiftKey ? -1 : 1));
});
page.addEventListener('change', () => {
  const start = (props.pages || [0])[page.value - 1];
  if (start !== undefined) goTo(start, start + 1);
});
