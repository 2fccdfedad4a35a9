// Everything that is played, on one server, and what the tests turn and look at.
import { makeBackend } from './backend.mjs';
import { serve } from './http.mjs';
import { makeModules } from './modules.mjs';
import { makeCdn, makeProduct } from './site.mjs';

const handlers = {};
const server = await serve(handlers);
const { port } = server.address();
const at = (name) => `http://${name}.localhost:${port}`;

export const world = {
  port,
  product: at('product'),
  shell: at('label1.cdn'),
  /** Another app's shell, on the same CDN. */
  otherShell: at('label2.cdn'),
  backend: at('addon'),
  evil: at('evil'),
  gatewayKey: 'the key of the gateway',
  close: () => server.close(),
};

/** As it is at the start of every test. */
export function reset() {
  Object.assign(world, {
    /** Calls of the backend, pages that were shown, requests of the product. */
    invoked: [], opened: [], tokens: [], shown: [], asked: [],
    session: null,
    pageSeconds: 120,
    refusal: null,
    openUrl: null,
    forgetsSession: false,
    /** What the manifest allows the shell to frame; the backend alone if nothing is said. */
    frames: null,
    /** Which page of a module the shell was built for, where that is not its first one. */
    part: null,
    hasNoFrameAncestors: false,
    hasNoAncestorOrigins: false,
  });
}

reset();
export const modules = makeModules(world.product);
const cdn = makeCdn({ world });
Object.assign(handlers, {
  'product.localhost': makeProduct({ modules, world }),
  'label1.cdn.localhost': cdn,
  'addon.localhost': makeBackend({ world, key: 'the key of the backend' }),
});

/** A foreign page that frames any URL and remembers every message that it gets. */
const framing = ({ url, reply }) => {
  const target = url.searchParams.get('url')?.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  return reply.html(`<!doctype html><body>
<script>window.got = []; addEventListener('message', ({ origin, data }) => got.push([origin, data]));</script>
${target ? `<iframe src="${target}"></iframe>` : ''}</body>`);
};
handlers['evil.localhost'] = framing;
handlers['label2.cdn.localhost'] = framing;
