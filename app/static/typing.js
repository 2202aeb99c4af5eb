// What is typed into these boxes survives a reload, and a server that was started again.
document.addEventListener('input', ({ target }) => {
  const box = target.closest?.('#paste, #question');
  if (box) sessionStorage.setItem(`kveraser-${box.id}`, target.value);
});
