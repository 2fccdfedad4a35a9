// The host's side of the bridge: what Jira or Confluence provides around an add-on's frame.
//
// connect-host.js (npm atlassian-connect-js) talks to the frame. It leaves these parts to the product: the frame's
// element, dialogs, flags, and the modules context, request, user, navigator, cookie, history, jira and confluence.
// They are here, on plain browser APIs. Load this file before connect-host.js, both with `defer`.
(() => {
  'use strict';

  const settings = JSON.parse(document.getElementById('sandbox').textContent);
  const { site, user } = settings;
  // Always of this page's own origin, because a site may be opened under another origin than its base URL's.
  const productPath = new URL(site.baseUrl).pathname;
  const sitePath = `/${site.key}`;

  // ---- What connect-host.js expects in the page --------------------------------------------------------------------

  // If the product renders frames itself, it only needs jQuery's sizes and positions of a frame and of the window.
  const jquery = (what) => {
    const element = typeof what === 'string' ? find(what) : what instanceof Element ? what : null;
    return {
      length: element ? 1 : 0,
      offset() {
        const box = (element ?? document.documentElement).getBoundingClientRect();
        return { top: box.top + window.scrollY, left: box.left + window.scrollX };
      },
      width: () => window.innerWidth,
      height: () => window.innerHeight,
      scrollTop: () => window.scrollY,
      scrollLeft: () => window.scrollX,
    };
  };

  function find(selector) {
    try {
      return document.querySelector(selector);
    } catch {
      return null; // jQuery's own selectors, such as :visible
    }
  }

  window.AJS = {
    $: jquery,
    escapeHtml: (text) => String(text).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`),
    // on Escape it asks for the topmost dialog of Atlassian's dialog library
    LayerManager: { global: { getTopLayer: () => null } },
  };
  // its telemetry is discarded
  window.require = () => ({ emitGasV3() {} });
  // Its feature flags come from an internet service, and are off without one. An immediate answer prevents requests.
  Object.defineProperty(window, '__FEATUREGATES_JS__', {
    configurable: true,
    get: () => undefined,
    set(gates) {
      Object.assign(gates, { initializeCompleted: () => true, checkGate: () => false });
      Object.defineProperty(window, '__FEATUREGATES_JS__', { value: gates, writable: true });
    },
  });

  // ---- Frames -----------------------------------------------------------------------------------------------------

  // The permissions that products give their frames.
  const PERMISSIONS =
    'allow-downloads allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-scripts ' +
    'allow-same-origin allow-top-navigation-by-user-activation allow-storage-access-by-user-activation';

  /** The frames of this page. Maps the bridge's extension id to `{ frame, element, sized }`. */
  const opened = new Map();

  /** Shows the page of `frame` (the server's description) in `container`. */
  function open(frame, container, options = {}) {
    const { iframeAttributes, extension } = window.connectHost.createExtension({
      addon_key: frame.addonKey,
      key: frame.key,
      url: frame.url,
      options: {
        autoresize: !options.isDialog,
        isFullPage: Boolean(frame.fullPage),
        moduleType: frame.moduleType,
        productContext: frame.productContext,
        sandbox: PERMISSIONS,
        width: frame.width ?? '100%',
        height: frame.height ?? undefined,
        ...frame.options,
        ...options,
      },
    });
    const element = document.createElement('iframe');
    for (const [name, value] of Object.entries(iframeAttributes)) element.setAttribute(name, value);
    element.title = frame.name;
    element.referrerPolicy = 'no-referrer';
    element.className = frame.fullPage ? 'ac-frame full-page' : 'ac-frame';
    opened.set(extension.id, { frame, element, sized: false });
    container.append(element);
    return extension;
  }

  const length = (value) => (/^\d+(\.\d+)?$/.test(value) ? `${value}px` : String(value));

  const frames = {
    resize(width, height, context) {
      const of = opened.get(context.extension_id);
      if (!of || of.sized || context.extension.options.isDialog) return;
      of.element.style.width = length(width);
      of.element.style.height = length(height);
    },
    // only full pages: fills the window, and the page scrolls inside the frame
    sizeToParent(hideFooter, context) {
      const of = opened.get(context.extension_id);
      if (!of || !context.extension.options.isFullPage) return;
      of.sized = true;
      of.element.classList.add('sized-to-parent');
      fill(of.element);
    },
  };

  function fill(element) {
    const top = element.getBoundingClientRect().top + window.scrollY;
    element.style.width = '100%';
    element.style.height = `${Math.max(window.innerHeight - top - 24, 320)}px`;
  }

  window.addEventListener('resize', () => {
    for (const { element, sized } of opened.values()) if (sized) fill(element);
  });

  // ---- Dialogs: the browser's <dialog> traps the focus and handles Escape ------------------------------------------

  const dialogs = [];

  const dialogProvider = {
    isActiveDialog: (addonKey) => dialogs.at(-1)?.extension.addon_key === addonKey,

    create(options, extension) {
      const element = make('dialog', { className: `ac-dialog ${options.size ? `size-${options.size}` : ''}` });
      if (!options.size) Object.assign(element.style, { width: options.width, height: options.height });
      const title = options.header || 'Dialog of the add-on';
      element.setAttribute('aria-label', title);
      const content = make('div', { className: 'content' });
      const buttons = make('div', { className: 'buttons' });
      const dialog = { element, content, buttons, extension, frame: null };
      if (options.chrome) {
        const heading = make(options.header ? 'h2' : 'span', { textContent: options.header });
        element.append(make('header', {}, heading, closeButton('Close', () => leave(dialog))), content);
        element.append(make('footer', {}, make('p', { textContent: options.hint }), buttons));
        for (const action of options.actions) addButton(dialog, action);
      } else {
        element.append(content);
      }
      element.addEventListener('cancel', (event) => {
        event.preventDefault();
        if (options.closeOnEscape) leave(dialog);
      });
      element.addEventListener('close', () => gone(dialog));
      document.body.append(element);
      dialogs.push(dialog);
      element.showModal();
      fetchJson(`${sitePath}/frames/${encodeURIComponent(extension.key)}?${settings.query}`).then(
        (frame) => {
          if (!element.open) return;
          dialog.frame = open({ ...frame, fullPage: false, width: '100%', height: '100%' }, content, {
            ...extension.options,
            productContext: { ...frame.productContext, ...extension.options.productContext },
            isDialog: true,
            dialogId: options.id,
            callbackExtensionId: extension.callback_extension_id,
          });
        },
        (error) => {
          content.append(make('p', { className: 'problem', role: 'alert', textContent: error.message }));
          if (!options.chrome) {
            content.append(make('button', { type: 'button', textContent: 'Close', onclick: () => leave(dialog) }));
          }
        },
      );
    },

    // The bridge calls this after notifying everyone, and on Escape in the frame, before notifying anyone.
    close(key) {
      const dialog = dialogs.at(-1);
      if (dialog) key?.keycode ? leave(dialog) : dialog.element.close();
    },

    createButton: (button) => dialogs.length && addButton(dialogs.at(-1), { ...button, custom: true }),
    setButtonDisabled: (identifier, disabled) => withButton(identifier, (button) => { button.disabled = disabled; }),
    isButtonDisabled: (identifier) => withButton(identifier, (button) => button.disabled) ?? false,
    toggleButton: (identifier) => withButton(identifier, (button) => { button.disabled = !button.disabled; }),
    setButtonHidden: (identifier, hidden) => withButton(identifier, (button) => { button.hidden = hidden; }),
    isButtonHidden: (identifier) => withButton(identifier, (button) => button.hidden) ?? true,
  };

  function addButton(dialog, action) {
    const button = make('button', {
      type: 'button',
      textContent: action.text,
      disabled: Boolean(action.disabled),
      hidden: Boolean(action.hidden),
      className: action.type ?? 'secondary',
      // a page without the bridge cannot close its own dialog
      onclick: () => (dialog.frame?.options.bridgeEstablished ? action.onClick() : leave(dialog)),
    });
    button.dataset.identifier = action.identifier;
    dialog.buttons.append(button);
  }

  function withButton(identifier, change) {
    const buttons = dialogs.at(-1)?.buttons.children ?? [];
    for (const button of buttons) if (button.dataset.identifier === identifier) return change(button);
    return undefined;
  }

  /** Closed by the user, not by the add-on, which hears of it. */
  function leave(dialog) {
    window.connectHost.broadcastEvent('dialog.close', { addon_key: dialog.extension.addon_key }, {});
    dialog.element.close();
  }

  function gone(dialog) {
    dialogs.splice(dialogs.indexOf(dialog), 1);
    if (dialog.frame) opened.delete(dialog.frame.id);
    dialog.element.remove();
  }

  // ---- Flags, and the older messages, which are shown as flags ----------------------------------------------------

  function flag({ id, title, body, type, actions = [], close, onClose }) {
    const shelf = document.getElementById('flags') ?? document.body.appendChild(make('div', { id: 'flags' }));
    shelf.setAttribute('role', 'status');
    const element = make('article', { className: `flag ${type}` }, make('h2', { textContent: title ?? '' }));
    if (body) element.append(make('p', { textContent: body }));
    const shut = () => {
      if (!element.isConnected) return;
      element.remove();
      onClose?.(id);
    };
    for (const { actionText, executeAction } of actions) {
      const properties = { type: 'button', className: 'link', textContent: actionText, onclick: executeAction };
      element.append(make('button', properties));
    }
    element.append(closeButton(`Close: ${title ?? 'flag'}`, shut));
    shelf.append(element);
    if (close === 'auto') setTimeout(shut, 8000);
    return { close: shut };
  }

  const messages = { shown: new Map(), listeners: new Map() };
  const messageProvider = {
    clear: (id) => messages.shown.get(id)?.close(),
    onClose: (id, listener) => messages.listeners.set(id, listener),
  };
  for (const type of ['generic', 'error', 'warning', 'success', 'info', 'hint']) {
    messageProvider[type] = (title, body, { id, fadeout } = {}) => {
      const onClose = () => messages.listeners.get(id)?.();
      messages.shown.set(id, flag({ id, title, body, type, close: fadeout ? 'auto' : 'manual', onClose }));
    };
  }

  const missing = (what) =>
    flag({ title: what, body: 'The product has a page for this. The sandbox does not.', type: 'info', close: 'auto' });

  // ---- The product's modules. The last argument of a call is the callback to the frame. -- -------------------

  const reply = (parameters) => parameters[parameters.length - 1];
  const frameOf = (callback) => opened.get(callback._context.extension_id)?.frame;
  const promised = (method) => Object.assign(method, { returnsPromise: true });

  const context = {
    getToken: promised((callback) => {
      const { moduleType, key } = frameOf(callback);
      const query = `module=${encodeURIComponent(`${moduleType}/${key}`)}&${settings.query}`;
      return fetchJson(`${sitePath}/context-token?${query}`).then(({ token }) => token);
    }),
    getContext: promised((callback) => Promise.resolve(callback._context.extension.options.productContext ?? {})),
  };

  const people = {
    getCurrentUser: (callback) => callback({ atlassianAccountId: user.anonymous ? null : user.accountId }),
    getUser: (callback) => callback({ id: user.accountId, key: user.accountId, fullName: user.displayName }),
    getTimeZone: (callback) => callback(user.timeZone),
    getLocale: (callback) => callback(user.locale),
  };

  /** The URLs that a page may request. Checked after parsing, because `..`, `%2e%2e` and `\` change the path. */
  function restUrl(path) {
    const base = productPath.replace(/\/$/, '');
    const target = new URL(base + (String(path).startsWith('/') ? '' : '/') + path, location.origin);
    const isRest = ['/rest/', '/api/'].some((api) => target.pathname.startsWith(base + api));
    return target.origin === location.origin && isRest ? target : null;
  }

  /** `AP.request(url, options)` or `AP.request(options)`: calls the site's REST API as the page's user. */
  const request = promised(async (...parameters) => {
    const [first, second] = parameters.slice(0, -1);
    const options = typeof first === 'object' ? first : { ...second, url: first };
    const method = (options.type ?? options.method ?? 'GET').toUpperCase();
    const headers = new Headers(options.headers);
    const xhr = { status: 0, statusText: 'error', responseText: '', headers: {} };
    const url = restUrl(options.url);
    if (!url) throw { err: 'AP.request only calls the REST API of the site.', xhr };
    let body;
    if (options.data != null && ['GET', 'HEAD'].includes(method)) {
      url.search += (url.search ? '&' : '?') + encoded(options.data);
    } else if (options.data != null && options.contentType === 'multipart/form-data') {
      body = new FormData(); // the browser sets Content-Type, because only it knows the boundary
      for (const [name, value] of Object.entries(options.data)) body.append(name, value);
    } else if (options.data != null) {
      body = encoded(options.data);
      headers.set('Content-Type', options.contentType ?? 'application/x-www-form-urlencoded; charset=UTF-8');
    }
    headers.set('X-Sandbox', '1');
    headers.set('X-Sandbox-User', user.anonymous ? '' : user.accountId);
    let response;
    let answer;
    try {
      const cache = options.cache === false ? 'no-store' : 'default';
      response = await fetch(url, { method, headers, body, cache, credentials: 'omit' });
      answer = options.binaryAttachment && response.ok ? await response.arrayBuffer() : await response.text();
    } catch (error) {
      throw { err: error.message, xhr };
    }
    const { status, statusText } = response;
    Object.assign(xhr, { status, statusText, headers: Object.fromEntries(response.headers) });
    if (typeof answer === 'string') xhr.responseText = answer;
    if (!response.ok && response.status !== 304) throw { err: answer, xhr };
    return { body: answer, xhr };
  });

  const encoded = (data) => (typeof data === 'object' ? new URLSearchParams(Object.entries(data)).toString() : data);

  const navigator = {
    getLocation(callback) {
      const { addonKey, key } = frameOf(callback);
      const productContext = callback._context.extension.options.productContext ?? {};
      callback({ target: 'addonmodule', context: { addonKey, moduleKey: key, context: productContext } });
    },
    go(target, details) {
      if (String(target).toLowerCase() === 'addonmodule' && details?.moduleKey) {
        fetchJson(`${sitePath}/frames/${encodeURIComponent(details.moduleKey)}?${settings.query}`).then(
          (frame) => location.assign(pageOf(frame, details)),
          (error) => flag({ title: 'AP.navigator.go', body: error.message, type: 'error', close: 'manual' }),
        );
      } else {
        const texts = [target, ...Object.values(details ?? {})].filter((part) => typeof part === 'string');
        missing(`The add-on navigates to: ${texts.join(' ')}`);
      }
    },
    reload: () => location.reload(),
  };

  function pageOf(frame, details) {
    const query = new URLSearchParams(settings.query);
    for (const [name, value] of Object.entries(details.customData ?? {})) query.set(`ac.${name}`, value);
    return `${sitePath}/modules/${encodeURIComponent(frame.moduleType)}/${encodeURIComponent(frame.key)}?${query}`;
  }

  // Products store these themselves, separately for each add-on.
  const cookieName = (callback, name) => `${callback._context.extension.addon_key}$$${name}`;
  const cookie = {
    save: (name, value, expires, callback) => localStorage.setItem(cookieName(callback, name), value),
    read: (name, callback) => callback(localStorage.getItem(cookieName(callback, name)) ?? undefined),
    erase: (name, callback) => localStorage.removeItem(cookieName(callback, name)),
  };

  // An add-on's own states come after `#!` in the page's URL.
  const state = () => {
    const text = location.hash.replace(/^#!?/, '');
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // typed by hand, with an unencoded %
    }
  };
  const history = {
    back: () => window.history.back(),
    forward: () => window.history.forward(),
    go: (delta) => window.history.go(delta),
    getState(...parameters) {
      const callback = reply(parameters);
      if (parameters[0] !== 'all') return callback(state());
      const { addonKey } = frameOf(callback);
      callback({ key: addonKey, hash: state(), title: document.title, href: location.href });
    },
    pushState: (newState) => window.history.pushState(null, '', `#!${encodeURIComponent(newState)}`),
    replaceState: (newState) => window.history.replaceState(null, '', `#!${encodeURIComponent(newState)}`),
  };
  window.addEventListener('popstate', () => {
    for (const { frame } of opened.values()) {
      const { href } = location;
      const detail = { key: frame.addonKey, hash: state(), title: document.title, href, newURL: href };
      window.connectHost.broadcastEvent('history.popstate', { addon_key: frame.addonKey, key: frame.key }, detail);
    }
  });

  const jira = {
    refreshIssuePage: () => location.reload(),
    setDashboardItemTitle: (title) => { document.querySelector('#frame-title, h1').textContent = title; },
    isDashboardItemEditable: (callback) => callback(!user.anonymous),
    isNativeApp: (callback) => callback(false),
    openCreateIssueDialog: () => missing('The add-on opens the dialog that creates an issue'),
    openIssueDialog: (key) => missing(`The add-on opens the issue ${key}`),
  };

  // An edited macro is kept until the browser tab is closed.
  const macroName = (callback) => `macro ${site.key} ${frameOf(callback).key}`;
  const macro = (callback) => JSON.parse(sessionStorage.getItem(macroName(callback)) ?? '{}');
  const confluence = {
    saveMacro(data, ...rest) {
      const callback = reply(rest);
      const [body = macro(callback).body] = rest.slice(0, -1);
      sessionStorage.setItem(macroName(callback), JSON.stringify({ data, body }));
    },
    getMacroData: (callback) => callback(macro(callback).data ?? {}),
    getMacroBody: (callback) => callback(macro(callback).body ?? ''),
    closeMacroEditor: () => missing('The add-on closes the macro editor'),
  };

  // ---- Start ------------------------------------------------------------------------------------------------------

  function make(name, properties, ...children) {
    const { role, ...rest } = properties;
    const element = Object.assign(document.createElement(name), rest);
    if (role) element.setAttribute('role', role);
    element.append(...children);
    return element;
  }

  function closeButton(label, onclick) {
    const button = make('button', { type: 'button', className: 'close', textContent: '×', onclick });
    button.setAttribute('aria-label', label);
    return button;
  }

  async function fetchJson(path) {
    const response = await fetch(path, { headers: { 'X-Sandbox': '1', Accept: 'application/json' } });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.message ?? `The sandbox answered ${response.status}.`);
    return body;
  }

  function start() {
    const { connectHost } = window;
    const container = document.getElementById('frame');
    if (!connectHost || !settings.frame || !container) return; // sandbox.js shows the frame without the bridge

    const providers = {
      dialog: dialogProvider,
      flag: { create: flag },
      messages: messageProvider,
      inlineDialog: { hide() {} },
    };
    connectHost.setFrameworkAdaptor({ getProviderByModuleName: (name) => providers[name] });
    connectHost.registerProvider('addon', frames);
    connectHost.defineModule('context', context);
    connectHost.defineModule('user', people);
    connectHost.defineModule('navigator', navigator);
    connectHost.defineModule('cookie', cookie);
    connectHost.defineModule('history', history);
    connectHost.defineModule(site.product, site.product === 'confluence' ? confluence : jira);
    // without a module name: AP.request, AP.getLocation ...
    connectHost.defineModule({
      request,
      getLocation: (callback) => callback(location.href),
      sizeToParent: (hideFooter, callback) => frames.sizeToParent(hideFooter, callback._context),
      hideFooter() {},
    });
    // The bridge sends this theme to the frames; the themes' names are Atlassian's.
    document.documentElement.dataset.theme = 'dark:dark light:light spacing:spacing';

    const extension = open(settings.frame, container, { isDialog: Boolean(settings.frame.dialog) });
    connectHost.onIframeEstablished(({ extension: { id } }) => {
      const established = opened.get(id);
      if (established) established.element.dataset.bridge = 'established';
    });
    container.dataset.extension = extension.id;
  }

  document.addEventListener('DOMContentLoaded', start);
})();
