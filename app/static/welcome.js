// Before there is a document: what erasing does, and samples to try it with. Later the samples alone.
root.className = 'root welcome';

function draw() {
  const { samples = [], packaged, model } = props.value || {};
  root.textContent = '';
  const about = make('div', 'about', undefined, root);
  make('p', '', say('what_it_does'), about);
  make('p', 'said', say('what_it_is_not'), about);
  if (packaged) make('p', 'said', say('packaged_model', { model }), about);
  const list = make('div', 'samples', undefined, root);
  for (const sample of samples) {
    const { title, description } = words === WORDS.zh ? sample.zh : sample.en;
    const card = button('sample', '', list, () => trigger('sample', { file: sample.file }));
    card.dataset.file = sample.file;
    make('strong', '', title, card);
    make('span', 'more', description, card);
    make('span', 'more', say('sample_says', { with: sample.with, without: sample.without }), card);
    make('span', 'more try', say('try_it'), card);
  }
}
