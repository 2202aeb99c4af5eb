// On a phone, where the page's parts lie one below the other: tabs at the bottom that go to them.
const TABS = [['reading', 'tab_document'], ['editing', 'tab_erased'], ['asking', 'ask'], ['comparing', 'compare']];
const tabs = make('nav', 'tabs', undefined, element);
tabs.ariaLabel = say('tabs');
let chosenAt = -Infinity;
const goes = TABS.map(([place, text], number) =>
  button('', say(text), tabs, () => {
    chosenAt = performance.now();
    document.getElementById(place).scrollIntoView({ block: 'start' });
    markTab(number);
  }),
);

const markTab = (at) => goes.forEach((tab, number) => (tab.ariaCurrent = number === at ? 'true' : null));

// The part that the middle of the window shows; not where a tab has just been pressed, whose part may be the last.
function markSeen() {
  if (performance.now() - chosenAt < 300) return;
  const seen = ([place]) => document.getElementById(place)?.getBoundingClientRect().top < innerHeight / 2;
  markTab(Math.max(TABS.findLastIndex(seen), 0));
}
window.addEventListener('scroll', () => requestAnimationFrame(markSeen), { passive: true });
new ResizeObserver(markSeen).observe(document.body);
