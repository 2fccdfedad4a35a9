// The stand-ins of Atlassian's side: the product's page, Forge's gateway behind it, and the CDN that has the shell.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { load } from 'cheerio';
import { mint } from './tokens.mjs';

const { CSPInjectionService, CSPProcessingService } = createRequire(import.meta.url)('@forge/csp');

const repository = path.resolve(import.meta.dirname, '../..');
const assets = path.join(repository, 'crates/atlassian-connect-sandbox/src/assets/forge');
const shell = path.join(repository, 'forge/static/shell');
const resizer = path.join(repository, 'forge/node_modules/iframe-resizer/js');

/** What Atlassian's documents say that the frame's own attribute allows: no popups. */
const FRAME_SANDBOX =
  'allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin allow-scripts';

const page = ({ settings, colorMode }) => `<!doctype html>
<html><head><meta charset="utf-8"><title>Product</title><link rel="stylesheet" href="product.css"></head>
<body data-color-mode="${colorMode}">
<script type="application/json" id="forge">${JSON.stringify(settings).replaceAll('<', '\\u003c')}</script>
<div id="modules"></div>
${['rpc.js', 'product-ui.js', 'iframeResizer.js', 'product.js'].map((name) => `<script src="${name}"></script>`).join('\n')}
</body></html>`;

export function makeProduct({ modules, world }) {
  /** Of the played content. */
  const properties = [];
  const files = { 'iframeResizer.js': path.join(resizer, 'iframeResizer.js') };
  for (const name of fs.readdirSync(assets)) files[name] = path.join(assets, name);

  return async ({ url, reply, text }) => {
    const name = url.pathname.slice(1);
    if (files[name]) return (name.endsWith('.css') ? reply.css : reply.script)(fs.readFileSync(files[name]));
    if (name === 'gateway/invoke') return reply.json(await invoke(JSON.parse(await text())));
    if (name === 'gateway/product') return reply.json(product(JSON.parse(await text())));
    const chosen = (url.searchParams.get('modules') ?? 'panel').split(',').map((key) => modules[key]);
    const query = new URLSearchParams({ hostname: url.host, base: url.searchParams.get('base') ?? '' });
    const settings = {
      shell: `${world.shell}/index.html?${query}`,
      sandbox: url.searchParams.get('sandbox') ?? FRAME_SANDBOX,
      gateway: 'gateway',
      colorMode: 'light',
      modules: chosen,
    };
    return reply.html(page({ settings, colorMode: 'light' }));
  };

  /** Forge's proxy: the token says what the product knows, and nothing that the browser said. */
  async function invoke({ localId, path: target, method, headers, body }) {
    const { context } = Object.values(modules).find((module) => module.localId === localId);
    if (body !== undefined && (typeof body !== 'object' || body === null)) return { reject: 'The body must be an object.' };
    const sent = JSON.stringify(body);
    if (sent?.length > 500_000) return { reject: 'The body is too large.' };
    const { moduleKey, siteUrl, extension, accountId } = context;
    const token = mint({ principal: accountId, context: { moduleKey, siteUrl, extension } }, world.gatewayKey, 300);
    world.invoked.push({ path: target, body });
    const { origin, pathname, search } = new URL(target, world.backend);
    if (origin !== world.backend) return { reject: 'The path leads to another server.' };
    const response = await fetch(`http://127.0.0.1:${world.port}${pathname}${search}`, {
      method,
      body: sent,
      headers: { ...headers, Authorization: `Bearer ${token}`, 'X-Played-Host': new URL(world.backend).host },
    });
    const answer = await response.text();
    if (response.status === 401) return { reject: 'The app did not accept the invocation token.' };
    let parsed;
    try {
      parsed = JSON.parse(answer);
    } catch {
      return { reject: 'The app did not answer with JSON.' };
    }
    const whole = { status: response.status, headers: { 'content-type': ['application/json'] }, body: parsed };
    return response.ok ? { success: true, payload: whole } : { success: false, error: whole };
  }

  /** A REST API that mostly says what it was asked. */
  function product({ product: name, restPath, fetchRequestInit, isMultipartFormData }) {
    const { method = 'GET', body, headers } = fetchRequestInit;
    const json = (value, status = 200, statusText = 'OK') =>
      ({ status, statusText, headers: { 'content-type': 'application/json', 'x-tested': 'yes' }, body: JSON.stringify(value) });
    world.asked.push({ product: name, restPath, method });
    if (restPath.includes('/missing')) return json({ errorMessages: ['There is none.'] }, 404, 'Not Found');
    if (restPath === '/rest/attachment') {
      const bytes = Buffer.from([0, 1, 254, 255]).toString('base64');
      return { status: 200, statusText: 'OK', headers: { 'content-type': 'image/png' }, body: bytes, isAttachment: true };
    }
    const [, key] = /\/properties\?key=(.*)$/.exec(restPath) ?? [];
    if (key) return json({ results: properties.filter((property) => property.key === decodeURIComponent(key)) });
    if (restPath.endsWith('/properties')) {
      const property = { id: '1', ...JSON.parse(body), version: { number: 1 } };
      properties.push(property);
      return json(property);
    }
    if (/\/properties\/1$/.test(restPath)) return json(Object.assign(properties[0], JSON.parse(body)));
    return json({ product: name, restPath, method, body, headers: Object.fromEntries(headers), isMultipartFormData });
  }
}

/** Serves the shell as Forge's CDN does: with its two scripts put in, and the policy that its own package writes. */
export function makeCdn({ world }) {
  return ({ url, reply }) => {
    const name = url.pathname.slice(1);
    const scripts = {
      'rpc.js': path.join(assets, 'rpc.js'),
      'global-bridge.js': path.join(assets, 'global-bridge.js'),
      'iframeResizer.contentWindow.min.js': path.join(resizer, 'iframeResizer.contentWindow.min.js'),
      'shell.js': path.join(shell, 'shell.js'),
    };
    if (scripts[name]) return reply.script(fs.readFileSync(scripts[name]));
    if (name === 'shell.css') return reply.css(fs.readFileSync(path.join(shell, name)));
    if (name === 'violations') return reply.text('');
    if (name !== 'index.html') return reply.text('no such file', 404);
    const document = load(fs.readFileSync(path.join(shell, name)));
    const remotes = { protocol: 1, origins: [world.backend], basePath: url.searchParams.get('base') ?? '' };
    document('#remotes').text(JSON.stringify({ ...remotes, ...(world.part && { page: world.part }) }));
    document('head').prepend(
      '<script src="./rpc.js"></script>',
      `<script src="./global-bridge.js" data-product="${world.product}"></script>`,
      '<script async src="./iframeResizer.contentWindow.min.js"></script>',
    );
    const html = document.html();
    const permissions = { scopes: [], content: {}, external: { frames: world.frames ?? [world.backend] } };
    const details = new CSPProcessingService({ info() {} }, load).getCspDetails(Buffer.from(html), permissions);
    const policy = new CSPInjectionService().getInjectableCSP({
      existingCSPDetails: details,
      microsEnv: 'prod',
      tunnelCSPReporterUri: `${world.shell}/violations`, // else they are reported to Atlassian
      hostname: url.searchParams.get('hostname'),
    });
    return reply.html(html, 200, { 'Content-Security-Policy': policy.join('; ') });
  };
}
