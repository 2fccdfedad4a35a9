// Plays the page of Jira or Confluence that shows Forge modules: their frames, and the host's half of the bridge.
//
// The page holds `<script type="application/json" id="forge">` with
//
//   {
//     "shell":   "http://label.cdn.localhost:3001/index.html?hostname=…"   // the app's Custom UI
//     "sandbox": "allow-downloads allow-forms …",                          // of the frames; absent: none
//     "gateway": "gateway",                                                // where the server below is
//     "colorMode": "light",
//     "modules": [{ "localId": "…", "title": "…", "context": { …FullContext… }, "isFixed": false, "hasHistory": false,
//                   "shell": "…", "dialog": "medium" }]
//   }
//
// and an element `id="modules"`, and loads rpc.js, product-ui.js and, where there is one, iframe-resizer's
// iframeResizer.js before this file. `isFixed`: the module has a `viewportSize`, its frame does not grow.
// `shell`: the module has a resource of its own. `dialog`: it opens in a dialog of this size.
//
// The server of the page answers, always with 200 and JSON:
//
//   POST gateway/invoke    {localId, path, method, headers, body, invokeType}
//     Forge's proxy to the app. It makes the invocation token of what the server itself knows by `localId`, and of
//     nothing that the browser says.
//     -> {"success": true, "payload": {"status", "headers": {"name": ["value"]}, "body"}}
//        {"success": false, "error": {the same, for a status that is not 2xx}}
//        {"reject": "message"}   Forge's own refusal: no answer within 25 s, a 401, no JSON, more than 500 kB …
//   POST gateway/product   {localId, product, restPath, fetchRequestInit: {method, headers: [[k, v]], body}, isMultipartFormData}
//     The product's REST API as the user of the page.
//     -> {"status", "statusText", "headers": {"name": "value"}, "body", "isAttachment"}   (base64 if an attachment)
//        {"reject": "message"}
//
// In a form's body (`isMultipartFormData`) the body is JSON of its fields; "file" is a data: URL beside "__fileName" and
// "__fileType".
//
// Both are sent with the header `X-Sandbox: 1`, which no other site can send without being asked first.
//
// What an app does is an event of `document` as well: `forge:op` with `detail: {localId, op, payload}`, before it happens;
// `preventDefault()` keeps this page from doing its own part of `navigate`, `reload`, `submit` and the dialogs of Jira.
(() => {
  'use strict';

  const { make, showFlag, closeFlag, notice, openDialog } = globalThis.forgeUi;
  const settings = JSON.parse(document.getElementById('forge').textContent);
  const shellOrigin = new URL(settings.shell).origin;
  const state = { theme: { colorMode: settings.colorMode ?? 'light', light: 'light', dark: 'dark' } };

  /** Frames by their window: `{ element, module, context, close, callShell, onConfigure }`. */
  const frames = new Map();
  /** Subscriptions to events of apps. All modules here are of one app. */
  const listeners = { app: new Map(), public: new Map() };

  // ---- Frames ------------------------------------------------------------------------------------------------------

  /** `close`: what the app's closing of its own view does, where it has one that can be closed. */
  function mount(module, container, { context = withSavedMacro(module.context), close = null } = {}) {
    const element = make('iframe', { className: module.isFixed ? 'forge-frame is-fixed' : 'forge-frame', title: module.title ?? '' });
    if (settings.sandbox) element.setAttribute('sandbox', settings.sandbox);
    element.allow = 'camera; clipboard-write; display-capture; fullscreen; microphone';
    element.dataset.localId = module.localId;
    element.dataset.moduleKey = context.extension.modal?.connect?.moduleKey ?? context.moduleKey;
    element.src = module.shell ?? settings.shell;
    container.append(element);
    frames.set(element.contentWindow, { element, module, context, close });
    // the real product measures with this library, whose other half stands in the app's page
    if (!module.isFixed && !element.closest('dialog') && window.iFrameResize) {
      window.iFrameResize({ checkOrigin: [shellOrigin], log: false }, element);
    }
    return element;
  }

  window.addEventListener('message', ({ source, origin, data }) => {
    const frame = frames.get(source);
    if (!frame || origin !== shellOrigin || data?.forge !== 'hello') return;
    forget(frame);
    const { port1, port2 } = new MessageChannel();
    frame.callShell = globalThis.forgeRpc(port1, (op, payload) => perform(frame, op, payload));
    source.postMessage({ forge: 'port' }, shellOrigin, [port2]);
  });

  /** Ends what a document of the app has asked for. */
  function forget(frame) {
    for (const names of Object.values(listeners)) {
      for (const entries of names.values()) for (const entry of [...entries]) if (entry.frame === frame) entries.delete(entry);
    }
  }

  function unmount(frame) {
    forget(frame);
    frames.delete(frame.element.contentWindow);
    frame.element.remove();
  }

  // ---- Operations of the bridge ------------------------------------------------------------------------------------

  async function perform(frame, op, payload) {
    const { localId } = frame.module;
    const detail = { localId, moduleKey: frame.element.dataset.moduleKey, op, payload };
    const isWanted = document.dispatchEvent(new CustomEvent('forge:op', { detail, cancelable: true }));
    if (!Object.hasOwn(operations, op)) throw new Error(`This product has no bridge operation "${op}".`);
    return operations[op](frame, payload, isWanted);
  }

  async function ask(path, body) {
    const response = await fetch(`${settings.gateway}/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Sandbox': '1' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`The gateway answered ${response.status}.`);
    const answer = await response.json();
    if (typeof answer.reject === 'string') throw new Error(answer.reject);
    return answer;
  }

  // What a macro's editor has saved, the macro shows: until the browser's tab is closed.
  const macroName = ({ moduleKey }) => `macro ${moduleKey}`;

  function withSavedMacro(context) {
    const saved = JSON.parse(sessionStorage.getItem(macroName(context)) ?? 'null');
    const { extension } = context;
    if (!saved || extension.type !== 'macro') return context;
    const { config, body } = saved;
    const macro = body === undefined ? extension.macro : { ...extension.macro, body };
    return { ...context, extension: { ...extension, config, macro } };
  }

  const operations = {
    getContext: ({ context }) => ({ ...context, theme: state.theme }),
    getFrameId: ({ module }) => module.localId,
    emitReadyEvent() {},

    invoke({ module }, payload) {
      if (!payload.invokeType) throw new Error('The app has no function to call.');
      return ask('invoke', { ...payload, localId: module.localId });
    },
    fetchProduct: ({ module }, payload) => ask('product', { ...payload, localId: module.localId }),

    showFlag: (_, flag) => showFlag(flag),
    closeFlag: (_, { id }) => closeFlag(id),

    openModal(frame, { onClose, size, context, closeOnEscape, closeOnOverlayClick, title }) {
      const content = make('div');
      let inner = null;
      const closed = (data) => {
        unmount(inner);
        onClose(data);
      };
      const close = openDialog({ title, size, closeOnEscape, closeOnOverlayClick }, content, () => closed(undefined));
      const element = mount(frame.module, content, {
        context: { ...frame.context, extension: { ...frame.context.extension, modal: context } },
        close(data) {
          close();
          closed(data);
        },
      });
      inner = frames.get(element.contentWindow);
      return true;
    },

    close(frame, data) {
      if (!frame.close) return false;
      frame.close(data);
      return true;
    },
    submit(frame, data, isWanted) {
      const { type } = frame.context.extension;
      if (type !== 'macro' && type !== 'jira:dashboardGadget') return false;
      if (isWanted && type === 'macro') {
        const { config, body } = data;
        sessionStorage.setItem(macroName(frame.context), JSON.stringify({ config, body }));
        frame.context = withSavedMacro(frame.context);
        notice('The macro was saved', JSON.stringify(config));
        if (frame.module.dialog) frame.close();
      }
      return true;
    },
    refresh: () => true,
    refreshIssueView: () => true,
    open: () => false,
    onClose: () => true,

    navigate(_, { type, ...destination }, isWanted) {
      if (isWanted) notice(`The app goes to ${type === 'new-tab' ? 'a new tab' : 'another page'}`, address(destination));
    },
    getUrl: (_, destination) => new URL(address(destination), settings.modules[0]?.context.siteUrl ?? location.href).href,
    reload(_, __, isWanted) {
      if (isWanted) location.reload();
    },
    changeWindowTitle(_, title) {
      document.title = title;
    },

    on: (frame, payload) => listen('app', frame, payload),
    onPublic: (frame, payload) => listen('public', frame, payload),
    emit: (_, payload) => tell('app', payload),
    emitPublic: (_, payload) => tell('public', payload),

    createHistory({ module }) {
      if (!module.hasHistory) throw new Error('This module has no history.');
      return makeHistory();
    },
    enableTheming: (frame) => {
      frame.isThemed = true;
      return state.theme;
    },

    openIssueCreateModal(_, { data: { onClose, context } }, isWanted) {
      if (!isWanted) return onClose({ payload: [] }), true;
      question('Create an issue', JSON.stringify(context), 'Create', (isYes) =>
        onClose({ payload: isYes ? [{ issueId: '10042' }] : [] }));
      return true;
    },
    openIssueViewModal(_, { data: { onClose, context } }, isWanted) {
      if (!isWanted) return onClose(), true;
      question(context.issueKey, 'The product shows the issue here.', 'Done', () => onClose());
      return true;
    },
    setWorkflowRuleConfigurationCallback(frame, { data: { onConfigure } }) {
      frame.onConfigure = onConfigure;
      return true;
    },
  };

  function question(title, text, yes, answered) {
    const button = make('button', { type: 'button', textContent: yes });
    const close = openDialog({ title }, make('div', {}, make('p', { textContent: text }), button), () => answered(false));
    button.addEventListener('click', () => {
      close();
      answered(true);
    });
  }

  const ADDRESSES = {
    issue: ({ issueKey }) => `/browse/${issueKey}`,
    dashboard: ({ dashboardId }) => `/jira/dashboards/${dashboardId}`,
    projectSettingsDetails: ({ projectKey }) => `/plugins/servlet/project-config/${projectKey}`,
    userProfile: ({ accountId }) => `/people/${accountId}`,
    contentView: ({ contentId }) => `/wiki/pages/viewpage.action?pageId=${contentId}`,
    contentEdit: ({ contentId }) => `/wiki/pages/editpage.action?pageId=${contentId}`,
    contentList: ({ spaceKey, contentType }) => `/wiki/spaces/${spaceKey}/${contentType}s`,
    spaceView: ({ spaceKey }) => `/wiki/spaces/${spaceKey}`,
    module: ({ moduleKey }) => `/jira/apps/${moduleKey}`,
  };

  const address = ({ url, target, ...details }) => url ?? ADDRESSES[target]?.(details) ?? target;

  function listen(kind, frame, { event, callback }) {
    const entries = listeners[kind].get(event) ?? new Set();
    const entry = { frame, callback };
    listeners[kind].set(event, entries.add(entry));
    return { unsubscribe: () => entries.delete(entry) };
  }

  function tell(kind, { event, payload }) {
    for (const { callback } of listeners[kind].get(event) ?? []) callback(payload);
  }

  // ---- History: of the page below the module's address, which here is behind the # ---------------------------------

  function makeHistory() {
    const heard = new Set();
    const place = () => {
      const { pathname, search, hash } = new URL(location.hash.slice(1) || '/', location.origin);
      return { pathname, search, hash, state: window.history.state };
    };
    const said = (action) => heard.forEach((listener) => listener(place(), action));
    const change = (method, action) => (path, newState = null) => {
      const text = typeof path === 'string' ? path : `${path.pathname ?? '/'}${path.search ?? ''}${path.hash ?? ''}`;
      window.history[method](newState, '', `#${text}`);
      said(action);
    };
    window.addEventListener('popstate', () => said('POP'));
    return {
      action: 'POP',
      location: place(),
      push: change('pushState', 'PUSH'),
      replace: change('replaceState', 'REPLACE'),
      go: (delta) => window.history.go(delta),
      goBack: () => window.history.back(),
      goForward: () => window.history.forward(),
      listen(listener) {
        heard.add(listener);
        return () => heard.delete(listener);
      },
    };
  }

  // ---- For the page and its tests ----------------------------------------------------------------------------------

  globalThis.forgeProduct = {
    setColorMode(colorMode) {
      state.theme = { ...state.theme, colorMode };
      for (const { isThemed, callShell } of frames.values()) if (isThemed) callShell('theme', state.theme);
      tell('app', { event: 'FORGE_CORE_THEME_CHANGED', payload: state.theme });
    },
    /** What Jira does when the user saves a workflow rule. */
    saveWorkflowRule(localId) {
      const { onConfigure } = [...frames.values()].find(({ module }) => module.localId === localId);
      if (!onConfigure) throw new Error('The page offers no configuration (AP.jira.WorkflowConfiguration).');
      return onConfigure();
    },
    subscriptions: (kind, event) => listeners[kind].get(event)?.size ?? 0,
  };

  /** A module that the product shows in a dialog, and the button that opens it again. */
  function showInDialog(module, place) {
    const show = () => {
      const content = make('div');
      let frame = null;
      const close = openDialog({ title: module.title, size: module.dialog }, content, () => unmount(frame));
      const element = mount(module, content, {
        close() {
          close();
          unmount(frame);
        },
      });
      frame = frames.get(element.contentWindow);
    };
    place.append(make('button', { type: 'button', textContent: `Open ${module.title}`, onclick: show }));
    show();
  }

  const container = document.getElementById('modules');
  for (const module of settings.modules) {
    const place = make('section', { className: 'forge-module' });
    container.append(place);
    if (module.dialog) {
      showInDialog(module, place);
      continue;
    }
    // Forge shows these in a dialog, which the app may close
    const isClosable = /(Action|:contextMenu|^macro)$/.test(module.context.extension.type);
    const element = mount(module, place, { close: isClosable ? () => unmount(frames.get(element.contentWindow)) : null });
  }
})();
