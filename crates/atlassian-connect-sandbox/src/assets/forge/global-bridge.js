// Plays the script of the same name that Forge's command line puts into every Custom UI page: the app's half of the
// bridge. `@forge/bridge` reads `__bridge.callBridge` while it is loaded.
//
// The server of the page writes this before all other scripts, and rpc.js before it:
//   <script src="rpc.js"></script><script src="global-bridge.js" data-product="http://product.localhost:3001"></script>
(() => {
  'use strict';

  // Atlassian's has a list of the products' origins
  const { product } = document.currentScript.dataset;

  const host = new Promise((resolve) => {
    window.addEventListener('message', ({ source, origin, data, ports }) => {
      if (source !== window.parent || origin !== product || data?.forge !== 'port') return;
      resolve(globalThis.forgeRpc(ports[0], (name, theme) => name === 'theme' && showTheme(theme)));
    });
  });
  window.parent.postMessage({ forge: 'hello' }, product);

  function showTheme({ colorMode }) {
    const root = document.documentElement;
    root.setAttribute('data-color-mode', colorMode);
    root.setAttribute('data-theme', 'dark:dark light:light spacing:spacing');
  }

  globalThis.__bridge = {
    async callBridge(name, payload) {
      const answer = await (await host)(name, payload);
      if (name === 'enableTheming') return showTheme(answer);
      return answer;
    },
  };
})();
