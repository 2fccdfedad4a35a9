// The sandbox's own pages: the live journal, the reload when the add-on is back, and other conveniences. Without this
// script everything but the live parts still works.
(() => {
  'use strict';

  const settings = JSON.parse(document.getElementById('sandbox').textContent);
  const root = document.documentElement;

  // ---- The user, the page and the theme ----------------------------------------------------------------------------

  const controls = document.getElementById('controls');
  if (controls) {
    root.classList.add('scripted'); // hides the submit button, which only unscripted pages need
    controls.addEventListener('change', (event) => {
      if (event.target.name === 'theme') paint(event.target.value);
      else {
        keepPlace(); // each press of an arrow key selects an option and loads a page
        controls.requestSubmit();
      }
    });
  }

  // The theme changes without a reload, as in the products: the bridge notifies the frame.
  function paint(theme) {
    root.dataset.themeChoice = theme; // theme.js applies it
    const query = new URLSearchParams(settings.query);
    query.set('theme', theme);
    settings.query = query.toString();
    const here = new URL(location.href);
    here.searchParams.set('theme', theme);
    history.replaceState(history.state, '', here);
    for (const link of document.querySelectorAll('a[href*="theme="]')) {
      const url = new URL(link.href);
      url.searchParams.set('theme', theme);
      link.href = url;
    }
    for (const form of document.querySelectorAll('form[action*="theme="]')) {
      const url = new URL(form.action);
      url.searchParams.set('theme', theme);
      form.action = url;
    }
    for (const field of document.querySelectorAll('input[type=hidden][name=theme]')) field.value = theme;
  }

  // ---- A page without the bridge ----------------------------------------------------------------------------------

  document.addEventListener('DOMContentLoaded', () => {
    const container = document.getElementById('frame');
    if (!container || !settings.frame || window.connectHost) return;
    const frame = document.createElement('iframe');
    frame.src = settings.frame.url;
    frame.title = settings.frame.name;
    frame.className = settings.frame.fullPage ? 'ac-frame full-page' : 'ac-frame';
    frame.referrerPolicy = 'no-referrer';
    container.append(frame);
    const notice = document.getElementById('bridge-missing');
    if (notice) notice.hidden = false;
  });

  // ---- The journal, live ------------------------------------------------------------------------------------------

  const entries = document.getElementById('journal-entries');
  const KEPT = 200;

  // The page shows UTC; this shows the reader's local time.
  function localTime(entry) {
    const time = entry.querySelector('time[data-at]');
    if (time) time.textContent = new Date(Number(time.dataset.at) * 1000).toLocaleTimeString([], { hour12: false });
  }
  for (const entry of entries?.children ?? []) localTime(entry);

  function show({ id, html }) {
    if (!entries) return;
    const template = document.createElement('template');
    template.innerHTML = html; // rendered and escaped by the sandbox, like the entries in the page
    const entry = template.content.firstElementChild;
    localTime(entry);
    const former = document.getElementById(`entry-${id}`);
    if (former) {
      // entries that the reader has opened stay open
      if (former.querySelector('details')?.open) entry.querySelector('details')?.setAttribute('open', '');
      former.replaceWith(entry);
    } else {
      entry.classList.add('new');
      sift(entry);
      entries.prepend(entry);
      while (entries.children.length > KEPT) entries.lastElementChild.remove();
    }
    document.getElementById('journal-empty')?.setAttribute('hidden', '');
  }

  // ---- The journal, filtered and cleared --------------------------------------------------------------------------

  const filter = document.getElementById('journal-filter');
  const FILTER = 'sandbox-filter';

  function sift(entry) {
    const words = (filter?.value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const text = entry.querySelector('summary').textContent.toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
  }

  if (filter) {
    filter.value = sessionStorage.getItem(FILTER) ?? '';
    const siftAll = () => [...entries.children].forEach(sift);
    filter.addEventListener('input', () => {
      sessionStorage.setItem(FILTER, filter.value);
      siftAll();
    });
    filter.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') event.preventDefault(); // Enter would clear the journal
    });
    siftAll();
  }

  // Without a reload, so that the add-on's frame keeps its state.
  document.getElementById('journal-tools')?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const cleared = await fetch(event.target.action, { method: 'POST', redirect: 'manual' });
    if (cleared.status >= 400) return;
    entries.replaceChildren();
    document.getElementById('journal-empty')?.removeAttribute('hidden');
  });

  // ---- The add-on stops and comes back ----------------------------------------------------------------------------

  const PLACE = 'sandbox-place';

  function keepPlace() {
    const place = { path: location.pathname, y: window.scrollY, focus: document.activeElement?.id };
    sessionStorage.setItem(PLACE, JSON.stringify(place));
  }

  function reload() {
    keepPlace();
    location.reload();
  }

  function restore() {
    const place = JSON.parse(sessionStorage.getItem(PLACE) ?? 'null');
    sessionStorage.removeItem(PLACE);
    if (place?.path !== location.pathname) return;
    if (place.focus) document.getElementById(place.focus)?.focus({ preventScroll: true });
    window.scrollTo(0, place.y);
  }

  function addon(state) {
    const notice = document.getElementById('addon-state');
    const down = state === 'down';
    if (notice) {
      notice.hidden = !down;
      notice.textContent = down ? 'The add-on does not answer. This page reloads when it answers again.' : '';
    }
  }

  // events since the page was rendered are sent, too
  const newest = entries?.firstElementChild?.id.split('-')[1] ?? 0;
  const events = new EventSource(`/events?after=${newest}`);
  window.addEventListener('pagehide', () => events.close());
  events.addEventListener('hello', (event) => {
    if (JSON.parse(event.data).instance !== settings.instance) reload();
    else addon('up'); // only the connection was lost
  });
  // the pages may have changed
  events.addEventListener('descriptor', reload);
  events.addEventListener('entry', (event) => show(JSON.parse(event.data)));
  events.addEventListener('error', () => addon('down')); // the sandbox runs in the add-on's process

  // ---- Webhooks and invocations ------------------------------------------------------------------------------------

  // Invalid JSON in a body is reported before it is sent.
  for (const field of document.querySelectorAll('textarea[name=body], textarea[name=claims]')) {
    field.addEventListener('input', () => {
      try {
        if (field.value.trim()) JSON.parse(field.value);
        field.setCustomValidity('');
      } catch (error) {
        field.setCustomValidity(`This is not valid JSON: ${error.message}`);
      }
    });
  }

  document.addEventListener('DOMContentLoaded', restore);
})();
