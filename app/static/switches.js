// Dark or light, and the language: as the browser has them, until somebody chooses. Both outlive a reload.
const THEME = 'kveraser-theme';
const isDark = () => document.body.classList.contains('dark');
const switches = make('span', 'switches', undefined, name);

const theme = button('theme', '', switches, () => {
  localStorage.setItem(THEME, isDark() ? 'light' : 'dark');
  showTheme();
});

function showTheme() {
  const chosen = localStorage.getItem(THEME);
  if (chosen) document.body.classList.toggle('dark', chosen === 'dark');
  theme.textContent = say(isDark() ? 'light' : 'dark');
}
showTheme();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTimeout(showTheme));

const other = words === WORDS.zh ? 'en' : 'zh-CN';
const language = button('language', say('other_language'), switches, () => {
  document.cookie = `kveraser-language=${other}; path=/; max-age=31536000; samesite=strict`;
  location.reload();
});
language.lang = other;
