// The product's page in the sandbox: what product.js leaves to the page that it is part of. Load this file before it.
(() => {
  'use strict';

  const root = document.documentElement;
  const settings = JSON.parse(document.getElementById('forge').textContent);
  const { pages } = settings;

  // The way to another module of the app: the sandbox has a page for it.
  document.addEventListener('forge:op', (event) => {
    const { op, payload } = event.detail;
    if (op !== 'navigate' || payload.target !== 'module' || !Object.hasOwn(pages, payload.moduleKey)) return;
    event.preventDefault();
    const url = new URL(pages[payload.moduleKey]);
    url.searchParams.set('theme', root.dataset.themeChoice);
    if (payload.type === 'new-tab') window.open(url, '_blank', 'noopener');
    else location.assign(url);
  });

  /** A page on which a workflow rule is configured: Jira saves the rule when the user is done. */
  const isRule = ({ context: { extension } }) => extension.type.startsWith('jira:workflow');

  function offerSaving({ localId }) {
    const { make, notice } = globalThis.forgeUi;
    const save = async () => {
      try {
        const configuration = await globalThis.forgeProduct.saveWorkflowRule(localId);
        if (configuration === undefined) notice('The rule was not saved', 'The page does not take its configuration for valid.');
        else notice('The rule was saved', configuration);
      } catch (error) {
        notice('The rule was not saved', error.message);
      }
    };
    const button = make('button', { type: 'button', textContent: 'Save the rule', onclick: save });
    document.getElementById('modules').after(button);
  }

  document.addEventListener('DOMContentLoaded', () => {
    // theme.js knows the theme, the chosen one or the system's
    const follow = () => globalThis.forgeProduct.setColorMode(root.dataset.colorMode);
    follow();
    new MutationObserver(follow).observe(root, { attributeFilter: ['data-color-mode'] });

    for (const module of settings.modules) if (isRule(module)) offerSaving(module);

    const modules = document.querySelectorAll('.forge-module');
    if (modules.length < 2) return;
    for (const module of modules) {
      module.prepend(Object.assign(document.createElement('h2'), { textContent: module.querySelector('iframe').title }));
    }
  });
})();
