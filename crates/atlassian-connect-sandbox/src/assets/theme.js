// Runs before the page is painted: applies the chosen theme, or the system's, which may change while the page is open.
(() => {
  'use strict';

  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');

  function apply() {
    const choice = root.dataset.themeChoice;
    const followed = dark.matches ? 'dark' : 'light';
    root.dataset.colorMode = choice === 'system' ? followed : choice;
  }

  apply();
  dark.addEventListener('change', apply);
  new MutationObserver(apply).observe(root, { attributeFilter: ['data-theme-choice'] });
})();
