// @ts-check
// AP, the JavaScript API of Connect, for a page that Forge shows in the shell's frame. It offers the functions of
// Atlassian's all.js that Forge supports. The others are reported once in the console, and their promises are rejected.
//
// The page only gets a port to the shell, and the shell only gets calls of a fixed table: messages.ts.
/** @import * as Shell from '../forge/shell/messages.ts' */
(() => {
  'use strict';

  /** @typedef {(...data: any[]) => unknown} Listener its arguments are what another page emits */

  /** @type {Shell.Protocol} */
  const PROTOCOL = 1;
  // The server writes the origins of shells here, as regular expressions: they come from its configuration, not from
  // the URL of the page.
  /** @type {string[]} */
  const ALLOWED_SHELLS = /* allowed shells */ [];

  // ---- Connection to the shell -------------------------------------------------------------------------------------

  /** The origin of the shell, from the signed URL, or after a navigation from the name of the frame. */
  function findShell() {
    if (window.parent === window) throw new Error('AP works only where Jira or Confluence shows the page, in a frame.');
    const origin = new URLSearchParams(location.search).get('xdm_shell') ?? shellInName();
    if (!origin || !ALLOWED_SHELLS.some((pattern) => new RegExp(`^(?:${pattern})$`).test(origin))) {
      throw new Error(`AP is switched off: ${origin ?? 'an unknown page'} is not an allowed shell.`);
    }
    // the browser's own list of the frames around the page; Firefox has none
    const parent = location.ancestorOrigins?.[0];
    if (parent !== undefined && parent !== origin) throw new Error(`AP is switched off: ${parent} frames the page.`);
    return origin;
  }

  function shellInName() {
    try {
      /** @type {Partial<Shell.FrameName>} */
      const { connect, shell } = JSON.parse(window.name);
      return connect === 'frame' && typeof shell === 'string' ? shell : null;
    } catch {
      return null;
    }
  }

  /** @type {Shell.Theme | null} */
  let theme = null;
  /** @type {Shell.Dialog} */
  let dialogHere = { isOpen: false, customData: undefined };
  /** Errors that have been reported in the console. */
  const reported = new WeakSet();

  /** @type {Promise<MessagePort>} */
  const connected = new Promise((resolve, reject) => {
    let /** @type {string} */ shell;
    try {
      shell = findShell();
    } catch (error) {
      console.warn(/** @type {Error} */ (error).message);
      reported.add(/** @type {Error} */ (error));
      reject(error);
      return;
    }
    window.addEventListener('message', function hear({ source, origin, data, ports: [port] }) {
      if (source !== window.parent || origin !== shell || data?.connect !== 'welcome' || !port) return;
      window.removeEventListener('message', hear);
      /** @type {Shell.Welcome} */
      const welcome = data;
      dialogHere = welcome.dialog;
      showTheme(welcome.theme);
      port.onmessage = (event) => receive(event.data, port);
      resolve(port);
    });
    /** @type {Shell.Hello} */
    const hello = { connect: 'hello', protocol: PROTOCOL };
    window.parent.postMessage(hello, shell);
  });

  /** @type {Map<number, {resolve(value: any): void, reject(error: Error): void}>} */
  const calls = new Map();
  let callCount = 0;

  /**
   * @template {Shell.OperationName} Name
   * @param {Name} name
   * @param {Shell.Argument<Name>} argument
   * @returns {Promise<Shell.Value<Name>>}
   */
  async function call(name, argument) {
    const copy = cloneable(argument); // now: the page may change its objects
    const port = await connected;
    return new Promise((resolve, reject) => {
      const id = ++callCount;
      port.postMessage({ call: name, id, argument: copy });
      calls.set(id, { resolve, reject });
    });
  }

  /** The types that are posted unchanged. */
  const POSTABLE = ['Blob', 'File', 'ArrayBuffer', 'Date'];

  /**
   * A copy that a port accepts: without functions, symbols and cyclic objects. Objects with a `toJSON` method, such as
   * URLs, are posted as its result.
   * @param {any} value
   * @param {object[]} [holders] the objects around the value
   * @returns {any}
   */
  function cloneable(value, holders = []) {
    if (typeof value === 'function' || typeof value === 'symbol') return undefined;
    if (typeof value !== 'object' || value === null) return value;
    // also works for an object of another window
    const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
    if (POSTABLE.includes(kind) || ArrayBuffer.isView(value)) return value;
    if (holders.includes(value)) return undefined;
    const copy = (/** @type {unknown} */ held) => cloneable(held, [...holders, value]);
    if (typeof value.toJSON === 'function') return copy(value.toJSON());
    if (Array.isArray(value)) return value.map(copy);
    const members = Object.entries(value).map(([name, held]) => [name, copy(held)]);
    return Object.fromEntries(members.filter(([, held]) => held !== undefined));
  }

  /** @param {Shell.FromShell} message @param {MessagePort} port */
  function receive(message, port) {
    if ('outcome' in message) {
      const waiting = calls.get(message.outcome);
      calls.delete(message.outcome);
      if ('error' in message) waiting?.reject(new Error(message.error));
      else waiting?.resolve(message.value);
    } else if ('question' in message) {
      // Jira waits for the answer, whatever the page's listeners do; undefined keeps the editor open
      /** @param {unknown} [value] */
      const answer = (value) => port.postMessage({ answer: message.id, value: cloneable(value) });
      workflow.answer().then(answer).catch((error) => {
        console.error(error);
        answer();
      });
    } else if (message.notice === 'theme') {
      showTheme(message.theme);
    } else if (message.kind === 'public') {
      publicEvents.fire(message.name, message.data);
    } else {
      if (message.kind === 'host') hostEvent(message.name, message.data[0]);
      events.fire(message.name, message.data);
    }
  }

  /**
   * A function of AP: it returns a promise, and also calls the last parameter if that is a callback. Like all.js, it
   * reports a failure in the console and then calls the callback without arguments.
   * @template {unknown[]} Parameters
   * @template Result
   * @param {(...parameters: Parameters) => Result | Promise<Result>} run
   */
  function method(run) {
    return (/** @type {any[]} */ ...parameters) => {
      const callback = typeof parameters.at(-1) === 'function' ? /** @type {Listener} */ (parameters.pop()) : null;
      const result = (async () => run(.../** @type {Parameters} */ (parameters)))();
      result.then(
        (value) => callback && guarded(callback, value),
        (error) => {
          warn(error);
          if (callback) guarded(callback);
        },
      );
      return result;
    };
  }

  /** Reports an error in the console, once. @param {unknown} error */
  function warn(error) {
    if (!(error instanceof Error)) return console.warn('AP:', error);
    if (!reported.has(error)) console.warn('AP:', error.message);
    reported.add(error);
  }

  /** The result of a listener. The others are called even if it throws. @param {Listener} listener @param {unknown[]} data */
  function guarded(listener, ...data) {
    try {
      return listener(...data);
    } catch (error) {
      return console.error(error);
    }
  }

  /** A function of Connect without a result, which does nothing here. @param {string} name */
  function idle(name) {
    const error = new Error(`AP.${name} does nothing on Forge.`);
    return () => warn(error);
  }

  /** @param {string} name @param {string} [instead] */
  function impossible(name, instead = '') {
    const error = new Error(`AP.${name} does not exist on Forge.${instead && ` ${instead}`}`);
    return method(() => {
      warn(error);
      throw error;
    });
  }

  // ---- Theme, size, links ------------------------------------------------------------------------------------------

  let isThemed = false;

  /** @param {Shell.Theme | null} newTheme */
  function showTheme(newTheme) {
    theme = newTheme;
    if (!isThemed || !theme) return;
    for (const [name, value] of Object.entries(theme)) {
      if (value === null) document.documentElement.removeAttribute(name);
      else document.documentElement.setAttribute(name, value);
    }
  }

  /** The `data-options` of `#ac-iframe-options` or of this script: `resize:false; margin:false`. */
  const options = (() => {
    const holder = document.querySelector('#ac-iframe-options[data-options]') ?? document.currentScript;
    const pairs = (holder?.getAttribute('data-options') ?? '').split(';').map((pair) => pair.split(':'));
    return new Map(pairs.map(([name = '', value = '']) => [name.trim(), value.trim()]));
  })();

  /** @type {() => HTMLElement} */
  const container = () => document.querySelector('.ac-content, #content') ?? document.body;

  /** @param {Element} element @param {string} property */
  const pixels = (element, property) => parseFloat(getComputedStyle(element).getPropertyValue(property)) || 0;

  /** The margins of last children stick out of the elements around them. @param {Element} element */
  function marginBelow(element) {
    // a script at the end is not visible
    const lastShown = (/** @type {Element} */ { children }) => [...children].findLast((child) => child.getClientRects().length);
    let margin = 0;
    for (let last = lastShown(element); last; last = lastShown(last)) {
      margin = Math.max(margin, pixels(last, 'margin-bottom'));
      if (pixels(last, 'padding-bottom')) break;
    }
    return margin;
  }

  /** The height of the content. The body's own height is no use: a `min-height: 100vh` makes it follow the frame. */
  function contentHeight() {
    const element = container();
    const padding = pixels(element, 'padding-bottom');
    const margin = pixels(element, 'margin-bottom');
    const range = document.createRange();
    range.selectNodeContents(element);
    const { bottom } = (element === document.body ? range : element).getBoundingClientRect();
    const inside = marginBelow(element);
    let below = padding ? margin : Math.max(margin, inside);
    if (element === document.body && padding) below += padding + inside;
    return Math.ceil(bottom + window.scrollY + below);
  }

  /** Keeps the frame as high as the content, unless the page has changed its size. */
  const fitting = {
    isOn: false,
    viewport: 0,
    height: 0,
    streak: 0,
    start() {
      fitting.isOn = true;
      const observer = new ResizeObserver(fitting.fit);
      for (const element of [container(), ...document.body.children]) observer.observe(element);
      window.addEventListener('resize', fitting.fit);
    },
    fit() {
      if (!fitting.isOn) return;
      const height = contentHeight();
      const viewport = window.innerHeight;
      const { height: oldHeight, viewport: oldViewport } = fitting;
      if (height === oldHeight && viewport === oldViewport) return;
      // Content that depends on the frame's height would grow with it for ever.
      const growsAlong = height > oldHeight && viewport > oldViewport && height - oldHeight >= viewport - oldViewport;
      fitting.streak = growsAlong ? fitting.streak + 1 : 0;
      Object.assign(fitting, { height, viewport });
      if (fitting.streak > 3) {
        fitting.isOn = false;
        console.warn('AP: the content grows with its frame, so the frame no longer follows it.');
      } else if (height !== oldHeight) {
        call('resize', { height }).catch(warn);
      }
    },
  };

  /** @param {() => void} run */
  function whenParsed(run) {
    if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', run);
    else run();
  }

  const sizeToParent = method(async () => {
    await fillParent();
  });

  async function fillParent() {
    const isFullPage = (await call('sizeToParent', null)) !== false;
    if (isFullPage) fitting.isOn = false;
    return isFullPage;
  }

  connected.then(
    () => whenParsed(() => {
      if (options.get('margin') !== 'false') {
        document.body.style.setProperty('margin', dialogHere.isOpen ? '10px 10px 0 10px' : '0', 'important');
      }
      if (options.get('sizeToParent') === 'true') {
        // the pages of an app share a layout: in a panel the frame follows the content instead
        fillParent().then((isFullPage) => isFullPage || dialogHere.isOpen || fitting.start(), warn);
      } else if (options.get('resize') !== 'false' && !dialogHere.isOpen) {
        fitting.start();
      }
      if (options.get('base') === 'true') {
        call('getLocation', null).then((href) => {
          document.head.append(Object.assign(document.createElement('base'), { href, target: '_parent' }));
        }, warn);
      }
      document.addEventListener('click', followLink);
      document.addEventListener('auxclick', followLink);
      window.open = openWindow;
    }),
    () => {}, // already reported
  );

  // The frame may not use new tabs and the top window, but the shell can request both.

  /** @param {string | URL} url @param {string | null | undefined} target @returns {URL | null} */
  function outside(url, target) {
    const name = (target || '_self').toLowerCase();
    if (name === '_self' || document.querySelector(`iframe[name="${CSS.escape(name)}"]`)) return null;
    const parsed = URL.canParse(String(url), document.baseURI) ? new URL(url, document.baseURI) : null;
    return parsed && /^https?:$/.test(parsed.protocol) ? parsed : null;
  }

  /** @param {string} target */
  const isNewTab = (target) => !/^_(top|parent)$/i.test(target);

  /** @param {MouseEvent} event */
  function followLink(event) {
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement || node instanceof HTMLAreaElement);
    if (!(link instanceof HTMLElement) || event.defaultPrevented || event.button > 1 || link.hasAttribute('download')) return;
    const own = link.getAttribute('target') ?? document.querySelector('base[target]')?.getAttribute('target') ?? '';
    // the middle button and these keys ask the browser for a new tab or window
    const target = event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey ? '_blank' : own;
    const url = link.hasAttribute('href') ? outside(/** @type {HTMLAnchorElement} */ (link).href, target) : null;
    if (!url) return;
    event.preventDefault();
    call('openUrl', { url: url.href, isNewTab: isNewTab(target) }).catch(warn);
  }

  const nativeOpen = window.open.bind(window);

  /** @param {string | URL} [address] @param {string} [target] @param {string} [features] */
  function openWindow(address = '', target = '_blank', features) {
    const url = address === '' ? null : outside(address, target || '_blank');
    if (!url) return nativeOpen(address, target, features);
    call('openUrl', { url: url.href, isNewTab: isNewTab(target) }).catch(warn);
    return null;
  }

  // ---- Events ------------------------------------------------------------------------------------------------------

  const noSender = new Error('Forge does not reveal the sender of a public event: filters get an empty object.');

  /** @param {boolean} isPublic */
  function makeEvents(isPublic) {
    /** @typedef {{name: string | null, listener: Listener, run: Listener}} Entry a null name matches every event */
    /** @type {Entry[]} */
    let entries = [];
    const subscribed = new Set();

    /** @param {string | null} name @param {Listener} listener @param {unknown} [filter] @param {Listener} [run] */
    function add(name, listener, filter, run = listener) {
      if (filter) warn(noSender);
      /** @type {Entry} */
      const entry = { name, listener, run: (...data) => matches(filter) && run(...data) };
      entries.push(entry);
      if (name === null || subscribed.has(name)) return entry;
      subscribed.add(name);
      call('subscribe', { name, isPublic }).catch((error) => {
        subscribed.delete(name); // the next listener tries again
        warn(error);
      });
      return entry;
    }

    /** @param {unknown} filter */
    function matches(filter) {
      if (typeof filter === 'function') return Boolean(filter({}));
      return !filter || Object.keys(filter).length === 0;
    }

    /** @param {Entry | undefined} entry */
    const drop = (entry) => {
      entries = entries.filter((one) => one !== entry);
    };

    /** A listener that is added twice is kept once, as in all.js. @param {string | null} name @param {Listener} listener */
    const dropFirst = (name, listener) => drop(entries.find((entry) => entry.name === name && entry.listener === listener));

    return {
      /** @param {string} name @param {unknown[]} data */
      fire(name, data) {
        for (const entry of entries.filter((one) => one.name === null || one.name === name)) {
          if (entry.name === null) guarded(entry.run, name, ...data, { args: data, name });
          else guarded(entry.run, ...data);
        }
      },
      /** @param {string} name @param {Listener} listener @param {unknown} [filter] */
      on(name, listener, filter) {
        add(name, listener, filter);
      },
      /** @param {string} name @param {Listener} listener @param {unknown} [filter] */
      once(name, listener, filter) {
        const entry = add(name, listener, filter, (...data) => {
          drop(entry);
          listener(...data);
        });
      },
      /** For the events to which this page has subscribed: Forge cannot deliver the others. */
      onAny(/** @type {Listener} */ listener, /** @type {unknown} */ filter) {
        add(null, listener, filter);
      },
      /** @param {string} name @param {Listener} listener */
      off: (name, listener) => dropFirst(name, listener),
      /** @param {string} [name] */
      offAll(name) {
        entries = entries.filter((entry) => entry.name === null || (name !== undefined && entry.name !== name));
      },
      /** @param {Listener} listener */
      offAny: (listener) => dropFirst(null, listener),
      emit: (/** @type {string} */ name, /** @type {unknown[]} */ ...data) => {
        call('emit', { name, isPublic, data }).catch(warn);
      },
    };
  }

  const events = makeEvents(false);
  const publicEvents = makeEvents(true);

  // ---- Requests ----------------------------------------------------------------------------------------------------

  /**
   * @typedef {object} RequestOptions
   * @property {string} [url]
   * @property {string} [type]
   * @property {string} [method]
   * @property {string | Record<string, any>} [data] a string, or fields
   * @property {string} [contentType]
   * @property {Record<string, string>} [headers]
   * @property {boolean} [cache]
   * @property {boolean} [experimental]
   * @property {boolean} [binaryAttachment]
   * @property {Listener} [success]
   * @property {Listener} [error]
   */

  /** @param {string} url @param {RequestOptions} given @returns {Shell.ProductRequest} */
  function productRequest(url, { type, method: alias, data, contentType, headers, cache, experimental, binaryAttachment }) {
    const name = (type ?? alias ?? 'GET').toUpperCase();
    // relative to its site: "rest/api/3/myself" begins there
    const path = /^([a-z][a-z\d+.-]*:|[/\\])/i.test(url) ? url : `/${url}`;
    /** @type {Shell.ProductRequest} */
    const asked = { url: path, method: name, headers: { ...headers }, isBinary: Boolean(binaryAttachment) };
    if (experimental) asked.headers['X-ExperimentalApi'] = 'opt-in';
    /** @param {string} query */
    const append = (query) => {
      asked.url += (asked.url.includes('?') ? '&' : '?') + query;
    };
    const form = () => (typeof data === 'object' ? new URLSearchParams(Object.entries(data)).toString() : String(data));
    if (['GET', 'HEAD'].includes(name)) {
      if (data != null) append(form());
      if (cache === false) append(`_=${Date.now()}`);
    } else if (typeof data === 'object' && contentType?.startsWith('multipart/form-data')) {
      asked.body = { ...data };
    } else if (data != null) {
      const isJson = typeof data === 'object' && contentType?.includes('json');
      asked.body = isJson ? JSON.stringify(data) : form();
      asked.headers['Content-Type'] = contentType ?? 'application/x-www-form-urlencoded; charset=UTF-8';
    }
    return asked;
  }

  /** `AP.request(url, options)` or `AP.request(options)`, with `success` and `error`, or with a promise. */
  const request = method(
    async (/** @type {string | RequestOptions} */ first, /** @type {RequestOptions | undefined} */ second) => {
      const given = typeof first === 'string' ? { ...second, url: first } : first;
      const xhr = { status: 0, statusText: 'error', responseText: '', headers: /** @type {Record<string, string>} */ ({}) };
      /** @param {string} name */
      const getResponseHeader = (name) => xhr.headers[name.toLowerCase()] ?? null;
      const getAllResponseHeaders = () => Object.entries(xhr.headers).map((header) => `${header.join(': ')}\r\n`).join('');
      const whole = Object.assign(xhr, { getResponseHeader, getAllResponseHeaders });
      /** @param {string} err @param {Error} error */
      const fail = (err, error) => {
        if (given.error) reported.add(error);
        if (given.error) guarded(given.error, whole, 'error', err);
        throw Object.assign(error, { err, xhr: whole });
      };
      let /** @type {Shell.ProductAnswer} */ answer;
      try {
        answer = await call('request', productRequest(String(given.url ?? ''), given));
      } catch (error) {
        return fail(/** @type {Error} */ (error).message, /** @type {Error} */ (error));
      }
      const { body, status, statusText, headers } = answer;
      Object.assign(xhr, { status, statusText, headers, responseText: typeof body === 'string' ? body : '' });
      if ((status < 200 || status > 299) && status !== 304) {
        return fail(String(body), new Error(`${given.url} was answered with ${status} ${statusText}.`));
      }
      if (given.success) guarded(given.success, body, 'success', whole);
      return { body, xhr: whole };
    },
  );

  // ---- Dialogs -----------------------------------------------------------------------------------------------------

  /** The listeners of buttons, by identifier, and of the end of a dialog, as "close". @type {Map<string, Listener[]>} */
  const handlers = new Map();
  let closesOnSubmit = true;
  let buttonCount = 0;

  /** @param {string} name @param {Listener} listener */
  function handle(name, listener) {
    handlers.set(name, [...(handlers.get(name) ?? []), listener]);
  }

  /** @param {string} name @param {any} data from the host */
  function hostEvent(name, data) {
    if (name === 'dialog.close') {
      const listeners = handlers.get('close') ?? [];
      handlers.delete('close');
      for (const listener of listeners) guarded(listener, data);
    } else if (name === 'dialog.button.click') {
      clicked(data);
    } else if (name === 'history.popstate') {
      const { hash, oldHash } = data;
      const event = { key: '', hash, state: hash, title: document.title, newURL: hash, oldURL: oldHash };
      for (const listener of popListeners) guarded(listener, event);
    }
  }

  /** A listener of Submit or Cancel that does not return true keeps the dialog open. @param {{button: {name: string}}} event */
  function clicked(event) {
    const { name } = event.button;
    const outcomes = (handlers.get(name) ?? []).map((listener) => Boolean(guarded(listener.bind(makeButton(name)), event)));
    const isStandard = name === 'submit' || name === 'cancel';
    if (!isStandard || outcomes.includes(false) || (name === 'submit' && !closesOnSubmit)) return;
    call('close', {}).catch(warn);
  }

  /** @param {string} identifier */
  function makeButton(identifier) {
    const change = (/** @type {Partial<Shell.ButtonState>} */ state) => call('setButton', { identifier, ...state });
    const state = async () => (await call('getButton', { identifier })) ?? { isEnabled: false, isHidden: true };
    return {
      name: identifier,
      identifier,
      enable: method(() => change({ isEnabled: true })),
      disable: method(() => change({ isEnabled: false })),
      toggle: method(async () => change({ isEnabled: !(await state()).isEnabled })),
      isEnabled: method(async () => (await state()).isEnabled),
      hide: method(() => change({ isHidden: true })),
      show: method(() => change({ isHidden: false })),
      isHidden: method(async () => (await state()).isHidden),
      trigger: method(async () => {
        if ((await state()).isEnabled) clicked({ button: { name: identifier } });
      }),
      /** @param {Listener} listener */
      bind(listener) {
        handle(identifier, listener);
        change({}).catch(warn);
      },
    };
  }

  const dialog = {
    /** @param {Shell.DialogOptions} given */
    create(given) {
      call('openDialog', given).catch(warn);
      return {
        customData: given.customData,
        on: (/** @type {string} */ name, /** @type {Listener} */ listener) => handle(name, listener),
      };
    },
    close: method((/** @type {unknown} */ data) => call('close', { data })),
    getCustomData: method(() => connected.then(() => dialogHere.customData)),
    get customData() {
      return dialogHere.customData;
    },
    getButton: makeButton,
    /** @param {string | {text: string, identifier?: string, disabled?: boolean}} given */
    createButton(given) {
      const { text, identifier = `user.button.${++buttonCount}`, disabled = false } =
        typeof given === 'string' ? { text: given, identifier: given } : given;
      call('setButton', { identifier, text, isEnabled: !disabled }).catch(warn);
      return makeButton(identifier);
    },
    disableCloseOnSubmit() {
      closesOnSubmit = false;
    },
    onDialogMessage: (/** @type {string} */ name, /** @type {Listener} */ listener) => makeButton(name).bind(listener),
    isCloseOnEscape: impossible('dialog.isCloseOnEscape'),
  };

  // ---- Flags -------------------------------------------------------------------------------------------------------

  const FLAG_TYPES = /** @type {const} */ (['info', 'success', 'warning', 'error']);

  /** @typedef {{title?: string, body?: string, type?: string, close?: string, actions?: Record<string, string>}} FlagOptions */

  /** @param {FlagOptions} given @param {(id: string) => void} [callback] */
  function createFlag(given, callback) {
    const id = crypto.randomUUID?.() ?? `flag-${Math.random()}`;
    const { title = '', body = '', close, actions = {} } = given;
    const type = FLAG_TYPES.find((known) => known === given.type?.toLowerCase()) ?? 'info';
    const shown = call('createFlag', { id, title, body, type, isAutoDismissed: close === 'auto', actions });
    shown.then(() => callback && guarded(callback, id), warn);
    return { id, close: method(() => call('closeFlag', { id })) };
  }

  /** The older messages are shown as flags. */
  const messages = Object.fromEntries(
    ['generic', 'hint', ...FLAG_TYPES].map((type) => [
      type,
      (/** @type {string} */ title, /** @type {string} */ body, /** @type {{fadeout?: boolean}} */ given = {}) =>
        createFlag({ title, body, type, close: given.fadeout ? 'auto' : 'manual' }).id,
    ]),
  );

  // ---- The rest ----------------------------------------------------------------------------------------------------

  /** @type {Listener[]} */
  const popListeners = [];

  /** The editor of a workflow rule: Jira requests the configuration from the page when the user saves. */
  const workflow = {
    validate: /** @type {Listener} */ (() => true),
    save: /** @type {Listener} */ (() => ''),
    trigger() {
      const valid = workflow.validate();
      return { valid, value: valid ? workflow.save() : undefined };
    },
    /** Returns undefined, which keeps the editor open, if the page finds a mistake. Its listeners may be asynchronous. */
    async answer() {
      return (await workflow.validate()) ? workflow.save() : undefined;
    },
    /** @param {'validate' | 'save'} what */
    offer: (what) => (/** @type {Listener} */ listener) => {
      workflow[what] = listener;
      call('offerWorkflowConfiguration', null).catch(warn);
    },
  };

  // Private windows and some settings block the frame's storage, but not a partitioned cookie.
  const cookie = {
    /** @param {string} name @param {string} value @param {number} [days] */
    save(name, value, days = 365) {
      const attributes = `Path=/; Secure; SameSite=None; Partitioned; Max-Age=${Math.round(days * 86400)}`;
      document.cookie = `ap.${encodeURIComponent(name)}=${encodeURIComponent(value)}; ${attributes}`;
    },
    read: method((/** @type {string} */ name) => {
      const start = `ap.${encodeURIComponent(name)}=`;
      const found = document.cookie.split('; ').find((pair) => pair.startsWith(start));
      return found && decodeURIComponent(found.slice(start.length));
    }),
    erase: (/** @type {string} */ name) => cookie.save(name, '', 0),
  };

  const user = () => call('getUser', null);
  const hide = method(() => call('close', {}));
  const go = method((/** @type {string} */ target, /** @type {Record<string, unknown>} */ context = {}) =>
    call('go', { target, context }));
  const getContentProperty = method((/** @type {string} */ key) => call('getContentProperty', { key }));
  const getLocation = method(() => call('getLocation', null));
  const size = (/** @type {string | number} */ width = '100%', /** @type {number} */ height = contentHeight()) => ({ w: width, h: height });
  const resize = method((/** @type {string | number} */ width = '100%', /** @type {string | number} */ height = contentHeight()) =>
    call('resize', { width, height }));
  const meta = (/** @type {string} */ name) => document.querySelector(`meta[name="ap-${CSS.escape(name)}"]`)?.getAttribute('content') ?? '';

  const hideFooter = () => {};
  const noHelper = idle('_util');

  const AP = {
    request,
    resize,
    size,
    container,
    sizeToParent,
    hideFooter,
    getLocation,
    env: { getLocation, resize, sizeToParent, hideFooter },
    hide,
    meta,
    Meta: { get: meta },
    localUrl: (/** @type {string} */ path = '') => meta('local-base-url') + path,
    /** @param {string | string[]} names @param {Listener} [callback] */
    require(names, callback) {
      callback?.(...[names].flat().map((name) => modules[name] ?? AP[/** @type {keyof typeof AP} */ (name)]));
    },
    define: idle('define'),
    register: idle('register'),
    registerAny: idle('registerAny'),
    /** Internal helpers of all.js: everything here does nothing. */
    _util: new Proxy(/** @type {Record<string, () => void>} */ ({}), { get: () => noHelper }),

    context: {
      getToken: method(() => call('getToken', null)),
      getContext: method(() => call('getContext', null)),
    },
    user: {
      getCurrentUser: method(async () => ({ atlassianAccountId: (await user()).accountId })),
      getTimeZone: method(async () => (await user()).timeZone),
      getLocale: method(async () => (await user()).locale),
      getUser: impossible('user.getUser', 'AP.user.getCurrentUser returns the account id.'),
    },
    theming: {
      initializeTheming() {
        isThemed = true;
        showTheme(theme);
      },
    },
    events: {
      on: events.on,
      once: events.once,
      onAny: events.onAny,
      off: events.off,
      offAll: events.offAll,
      offAny: events.offAny,
      emit: events.emit,
      onPublic: publicEvents.on,
      oncePublic: publicEvents.once,
      onAnyPublic: publicEvents.onAny,
      offPublic: publicEvents.off,
      offAllPublic: publicEvents.offAll,
      offAnyPublic: publicEvents.offAny,
      emitPublic: publicEvents.emit,
    },
    dialog,
    Dialog: dialog,
    inlineDialog: { hide },
    flag: { create: createFlag },
    messages: {
      ...messages,
      clear: method((/** @type {string} */ id) => call('closeFlag', { id })),
      onClose: impossible('messages.onClose'),
    },
    navigator: {
      go,
      to: go,
      getLocation: method(() => call('getPlace', null)),
      reload: method(() => call('reload', null)),
    },
    history: {
      back: method(() => call('goInHistory', { delta: -1 })),
      forward: method(() => call('goInHistory', { delta: 1 })),
      go: method((/** @type {number} */ delta) => call('goInHistory', { delta })),
      pushState: method((/** @type {string} */ state) => call('pushState', { state, isReplacement: false })),
      replaceState: method((/** @type {string} */ state) => call('pushState', { state, isReplacement: true })),
      getState: method(async (/** @type {string} */ type) => {
        const { state, href } = await call('getState', null);
        return type === 'all' ? { key: '', hash: state, title: document.title, href } : state;
      }),
      popState(/** @type {Listener} */ listener) {
        popListeners.push(listener);
        call('getState', null).catch(warn); // from now on the shell tracks the history
      },
    },
    page: { setTitle: method((/** @type {string} */ title) => call('setTitle', { title })) },
    host: {
      getSelectedText: method(() => call('getSelectedText', null)),
      focus: impossible('host.focus'),
    },
    cookie,

    jira: {
      refreshIssuePage: method(() => call('refreshIssue', null)),
      openIssueDialog: method(async (/** @type {string} */ issueKey) => {
        await call('openIssue', { issueKey });
        return issueKey;
      }),
      /** @param {Listener | undefined} callback @param {{pid?: unknown, issueType?: unknown, fields?: Record<string, unknown>}} [given] */
      openCreateIssueDialog(callback, { pid, issueType, fields = {} } = {}) {
        const text = (/** @type {unknown} */ value) => (value === undefined ? undefined : String(value));
        return method(async () => {
          const ids = await call('createIssue', { projectId: text(pid), issueTypeId: text(issueType), fields });
          return ids.map((id) => ({ id }));
        })(callback ?? (() => {}));
      },
      getWorkflowConfiguration: method(() => call('getWorkflowConfiguration', null)),
      WorkflowConfiguration: {
        onSaveValidation: workflow.offer('validate'),
        onSave: workflow.offer('save'),
        trigger: workflow.trigger,
      },
      isDashboardItemEditable: method(() => call('isDashboardItemEditable', null)),
      isNativeApp: method(() => false),
      setDashboardItemTitle: impossible('jira.setDashboardItemTitle', "A gadget's title is in the manifest."),
      openDatePicker: impossible('jira.openDatePicker', '<input type="date"> is in every browser.'),
      initJQLEditor: impossible('jira.initJQLEditor'),
      showJQLEditor: impossible('jira.showJQLEditor'),
    },
    confluence: {
      saveMacro: method((/** @type {Record<string, unknown>} */ parameters, /** @type {string} */ body) =>
        call('saveMacro', { parameters, body })),
      closeMacroEditor: method(() => call('close', {})),
      getMacroData: method(() => call('getMacroData', null)),
      getMacroBody: method(() => call('getMacroBody', null)),
      getContentProperty,
      syncPropertyFromServer: getContentProperty,
      setContentProperty: method(async (/** @type {Shell.ContentProperty} */ property) =>
        call('setContentProperty', { property }).then(
          (saved) => ({ property: saved }),
          (error) => ({ error: String(error.message) }),
        )),
      onMacroPropertyPanelEvent: impossible('confluence.onMacroPropertyPanelEvent'),
      closeMacroPropertyPanel: impossible('confluence.closeMacroPropertyPanel'),
    },
    customContent: { getEditComponent: impossible('customContent.getEditComponent') },
    dropdown: {
      create: impossible('dropdown.create'),
      showAt: impossible('dropdown.showAt'),
      hide: impossible('dropdown.hide'),
      itemDisable: impossible('dropdown.itemDisable'),
      itemEnable: impossible('dropdown.itemEnable'),
    },
    scrollPosition: {
      getPosition: impossible('scrollPosition.getPosition'),
      setVerticalPosition: impossible('scrollPosition.setVerticalPosition'),
    },
  };

  /** The names that AP.require knows in addition to those of AP. @type {Record<string, unknown>} */
  const modules = { env: AP, 'inline-dialog': AP.inlineDialog };

  Object.assign(window, { AP });
})();
