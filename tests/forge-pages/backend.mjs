// A stand-in of the app's backend: POST /forge/open, POST /forge/token, and pages with tokens of its own.
import fs from 'node:fs';
import path from 'node:path';
import { hashOf, mint, verify } from './tokens.mjs';

const shim = path.resolve(import.meta.dirname, '../../crates/atlassian-connect-actix/assets/ap.js');

const PATHS = Object.fromEntries(
  ['panel', 'glance', 'action', 'global', 'anonymous', 'gadget', 'rule', 'macro', 'banner', 'dialog', 'fixed', 'full', 'fullPanel', 'growing', 'plain', 'silent']
    .map((key) => [key, `/${key}?issue={issue.key}`]),
);
const OPTIONS = { fixed: 'resize:false; margin:false', full: 'sizeToParent:true', fullPanel: 'sizeToParent:true' };
const STYLES = {
  plain: 'form { margin-bottom: 40px } #main > a { display: none }',
  growing: 'body { min-height: 100vh; padding: 5px } #main { min-height: 100vh; margin-bottom: 20px }',
};

export function makeBackend({ world, key }) {
  const patterns = [`^http://[a-z0-9-]+\\.cdn\\.localhost:${world.port}$`];

  return async ({ request, url, reply, text }) => {
    const base = url.pathname.startsWith('/app/') ? '/app' : '';
    const name = url.pathname.slice(base.length);
    const bearer = (request.headers.authorization ?? '').replace(/^\w+ /, '');
    if (name === '/forge/open' || name === '/forge/token') {
      const token = verify(bearer, world.gatewayKey);
      if (!token) return reply.json({ message: 'The invocation token is not valid.' }, 401);
      const body = JSON.parse(await text());
      return name === '/forge/open' ? open(token, body, base, reply) : sessionToken(token, body, reply);
    }
    if (name === '/forge/ap.js') {
      let script = fs.readFileSync(shim, 'utf8').replace('/* allowed shells */ []', JSON.stringify(patterns));
      if (world.hasNoAncestorOrigins) script = script.replace('location.ancestorOrigins?.[0]', 'undefined');
      return reply.script(script);
    }
    if (name === '/api/me') {
      const claims = verify(bearer, key);
      if (claims?.use !== 'session') return reply.json({ message: 'The token is not valid.' }, 401);
      return reply.json({ account: claims.sub });
    }
    if (name === '/never') return undefined;
    if (name === '/file.csv') return reply.text('a,b\n', 200, { 'Content-Disposition': 'attachment; filename=file.csv' });
    return showPage({ request, url, base, name, reply, text });
  };

  function open({ principal, context }, { protocol, moduleKey, page, shell, locale, timezone, location }, base, reply) {
    world.opened.push({ protocol, moduleKey, ...(page && { page }), shell, locale, timezone, location });
    if (world.refusal) return reply.json({ message: world.refusal.message }, world.refusal.status);
    if (world.openUrl) return reply.json({ url: world.openUrl, session: 'session-1' });
    if (!Object.hasOwn(PATHS, moduleKey)) return reply.json({ message: `The app has no module "${moduleKey}".` }, 404);
    if (!patterns.some((pattern) => new RegExp(pattern).test(shell))) {
      return reply.json({ message: 'This shell is not allowed.' }, 403);
    }
    const target = new URL(base + PATHS[moduleKey].replace('{issue.key}', context.extension.issue?.key ?? ''), world.backend);
    const query = { xdm_e: context.siteUrl, cp: '', lic: 'active', loc: locale, tz: timezone, xdm_shell: shell };
    for (const [parameter, value] of Object.entries(query)) target.searchParams.set(parameter, value);
    const about = { sub: principal ?? null, shell, site: context.siteUrl };
    world.session = `session-${world.opened.length}`;
    return reply.json({ url: withToken(target, about, world.pageSeconds), session: world.session });
  }

  function sessionToken({ principal }, { session, shell }, reply) {
    if (!shell) return reply.json({ message: 'The body must name the origin of the shell, as shell.' }, 400);
    world.tokens.push(session);
    if (world.forgetsSession) {
      world.forgetsSession = false;
      return reply.json({ message: 'This session is not known.' }, 404);
    }
    return reply.json({ token: mint({ use: 'session', sub: principal ?? null }, key, 900) });
  }

  function withToken(target, about, seconds) {
    target.searchParams.set('jwt', mint({ use: 'page', hash: hashOf(target), ...about }, key, seconds));
    return target.href;
  }

  /** A page by its page token, or of a form by the session token in it. */
  async function showPage({ request, url, base, name, reply, text }) {
    const form = request.method === 'POST' ? new URLSearchParams(await text()) : null;
    const claims = verify(url.searchParams.get('jwt') ?? form?.get('jwt'), key);
    const isProven = form ? claims?.use === 'session' : claims?.use === 'page' && claims.hash === hashOf(url);
    if (!isProven) return reply.html('<p>The token of this page is not valid.</p>', 401);
    world.shown.push({ path: url.pathname, referrer: request.headers.referer, destination: request.headers['sec-fetch-dest'] });
    const about = { sub: claims.sub, shell: claims.shell ?? world.shell, site: claims.site ?? world.product };
    const second = withToken(new URL(`${base}/second?from=${encodeURIComponent(name)}`, world.backend), about, 900);
    const session = mint({ use: 'session', sub: claims.sub, shell: about.shell, site: about.site }, key, 900);
    const module = name.slice(1);
    const script = module === 'silent' ? '' : `<script src="${base}/forge/ap.js" data-options="${OPTIONS[module] ?? ''}"></script>`;
    const headers = {
      'Referrer-Policy': 'no-referrer',
      ...(world.hasNoFrameAncestors ? {} : { 'Content-Security-Policy': `frame-ancestors ${about.shell} ${about.site}` }),
    };
    return reply.html(`<!doctype html>
<html><head><meta charset="utf-8"><title>${module}</title>${script}
<style>html[data-color-mode="dark"] { background: rgb(1, 2, 3) } ${STYLES[module] ?? ''}</style></head>
<body><main id="main"${['growing', 'plain'].includes(module) ? '' : ' class="ac-content"'}>
<h1>${module}</h1><p id="who">${about.sub}</p><p id="note">${(form?.get('note') ?? '').replaceAll('<', '&lt;')}</p>
<form method="post" action="${base}/saved"><input name="note" value="hello"><input type="hidden" name="jwt" value="${session}"><button id="save">Save</button></form>
<a id="link" href="${second.replaceAll('&', '&amp;')}">second</a> <a id="file" href="${base}/file.csv" download>file</a>
<a id="blank" target="_blank" href="https://example.com/x">elsewhere</a> <a id="top" target="_top" href="${about.site}/browse/ISSUE-8">issue</a>
<a id="script" target="_blank" href="javascript:alert(1)">script</a>
</main></body></html>`, 200, headers);
  }
}
