// What a paragraph of the document is made of: rows of tables, items of lists, and plain lines.
// The text stays as it is, each character in its order, so that offsets are those of the document.
const ITEM = /^[ ]*(?:[-*+•‣◦▪–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+\S/;

function structured(block, text) {
  const lines = text.split(/(?<=\n)/);
  const rows = lines.map((line) => line.trimEnd().includes('\t') && !ITEM.test(line));
  if (!rows.some(Boolean) && !lines.some((line) => ITEM.test(line))) return block.append(text);
  let table;
  lines.forEach((line, at) => {
    if (!rows[at]) return make('span', ITEM.test(line) ? 'item' : 'line', line, block);
    if (!rows[at - 1]) table = make('span', 'table', undefined, block);
    const row = make('span', 'tr', undefined, table);
    for (const cell of line.split(/(?<=\t)/)) make('span', 'td', cell, row);
  });
}
