// What the product shows around an app: flags, dialogs and notices.
globalThis.forgeUi = (() => {
  'use strict';

  function make(name, properties = {}, ...children) {
    const { role, ...rest } = properties;
    const element = Object.assign(document.createElement(name), rest);
    if (role) element.setAttribute('role', role);
    element.append(...children);
    return element;
  }

  const flags = new Map();

  function showFlag({ id, title = '', description = '', type, isAutoDismiss, actions = [] }) {
    closeFlag(id);
    const shelf = document.getElementById('flags') ?? document.body.appendChild(make('div', { id: 'flags', role: 'status' }));
    const flag = make('article', { className: `flag ${type}` }, make('h2', { textContent: title }));
    if (description) flag.append(make('p', { textContent: description }));
    for (const { text, onClick } of actions) {
      flag.append(make('button', { type: 'button', className: 'link', textContent: text, onclick: () => onClick() }));
    }
    const close = make('button', { type: 'button', className: 'close', textContent: '×', onclick: () => closeFlag(id) });
    close.setAttribute('aria-label', `Close: ${title}`);
    flag.append(close);
    flags.set(id, flag);
    shelf.append(flag);
    if (isAutoDismiss) setTimeout(() => closeFlag(id), 8000);
  }

  function closeFlag(id) {
    flags.get(id)?.remove();
    return flags.delete(id);
  }

  const notice = (title, description = '') =>
    showFlag({ id: `notice ${title}`, title, description, type: 'info', isAutoDismiss: true });

  const NAMED = { small: '400px', medium: '600px', large: '800px', xlarge: '968px', max: '95vw', fullscreen: '100vw' };

  /** A dialog; `left` runs when the user closes it. Answers how to close it. */
  function openDialog({ title, size = 'medium', closeOnEscape = true, closeOnOverlayClick = true }, content, left) {
    const dialog = make('dialog', { className: 'forge-dialog' });
    dialog.setAttribute('aria-label', title || 'Dialog of the app');
    dialog.style.width = NAMED[size] ?? size.width;
    if (size.height) dialog.style.height = size.height;
    const close = () => {
      dialog.close();
      dialog.remove();
    };
    const leave = () => {
      close();
      left();
    };
    const button = make('button', { type: 'button', className: 'close', textContent: '×', onclick: leave });
    button.setAttribute('aria-label', 'Close');
    dialog.append(make('header', {}, make('h2', { textContent: title ?? '' }), button), content);
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      if (closeOnEscape) leave();
    });
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog && closeOnOverlayClick) leave();
    });
    document.body.append(dialog);
    dialog.showModal();
    return close;
  }

  return { make, showFlag, closeFlag, notice, openDialog };
})();
