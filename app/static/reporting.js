// The report of what is left of edited passages, under the list of edits.
const small = (value) => (value >= 0.01 ? number(value, 2) : Number(value).toPrecision(2));

function verdictOf({ verdict, kl, share }, noise) {
  return say(`r_${verdict}`, { kl: small(kl), noise: small(noise), share: number(100 * (share ?? 0)) });
}

function drawReport(report, parent) {
  const box = make('section', 'report', undefined, parent);
  box.setAttribute('aria-label', say('report_title'));
  make('h3', '', say('report_title'), box);
  const worst = Math.max(...report.passages.map(({ share }) => share));
  make('p', `verdict ${report.verdict}`, verdictOf({ ...report, share: worst }, report.noise), box).setAttribute('role', 'status');
  make('p', 'said', say('r_limits'), box);
  const list = make('ul', '', undefined, box);
  for (const passage of report.passages) {
    const row = make('li', 'row', undefined, list);
    make('span', 'quote', short(flat(passage.text)), row);
    make('small', '', `${say('page')} ${number(passage.page)}`, row);
    make('span', `verdict ${passage.verdict}`, verdictOf(passage, report.noise), row);
    for (const copy of passage.copies) {
      const said = make('span', 'actions', undefined, row);
      make('small', '', say(copy.literal ? 'r_copy' : 'r_alike', { page: number(copy.page) }), said);
      button('', say('show'), said, () => showPassage(copy.start, copy.end));
    }
    const figures = make('dl', '', undefined, row);
    make('dt', '', say('r_likely'), figures);
    make('dd', '', say('r_likely_of'), figures);
    for (const { name, continued, asked } of passage.contexts) {
      make('dt', '', say(name === 'exact' ? 'r_exact_context' : `r_${name}`), figures);
      make('dd', '', `${number(continued, 2)} · ${number(asked, 2)}`, figures);
    }
  }
  for (const asked of report.questions) {
    const row = make('li', 'row', undefined, list);
    make('span', 'asked', asked.question, row);
    make('small', '', `${say('r_edited')}: ${asked.edited}`, row);
    make('small', '', `${say('r_exact_context')}: ${asked.exact}`, row);
    make('small', '', say('r_kl', { kl: small(asked.kl) }), row);
  }
  if (report.control !== null) make('p', 'said', say(report.control ? 'r_control' : 'r_no_control'), box);
  const actions = make('span', 'actions', undefined, box);
  for (const form of ['html', 'json']) button('', say('r_take', { form: form.toUpperCase() }), actions, () => trigger('takereport', { form }));
}
