// Builds the shell into static/shell, the resource that manifest.yml names.
//
//     node build.mjs [manifest.yml] [--base-path /app]
//
// The origins of the app come from `remotes` in the manifest. The base path is the path of the app's base URL
// (`localBaseUrl`), if it has one; CONNECT_BASE_PATH also sets it. If a module has several pages, like a macro and its
// editor, each further page needs its own resource: `shell-editor` is built into static/shell-editor.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { parse } from 'yaml';

const here = import.meta.dirname;

function stop(message) {
  console.error(message);
  process.exit(1);
}

function read(file) {
  if (!fs.existsSync(file)) stop(`${file} does not exist. Create it, or pass the path of your manifest.`);
  return parse(fs.readFileSync(file, 'utf8')) ?? {};
}

/** The origins of all remotes, in all regions. */
function origins({ remotes = [], modules = {} }) {
  // Connect modules may have a path in their base URL; a remote of an endpoint may not
  const called = modules.endpoint?.map(({ remote }) => remote) ?? remotes.map(({ key }) => key);
  const found = remotes.flatMap(({ key, baseUrl }) => Object.values(typeof baseUrl === 'object' ? baseUrl : { baseUrl }).map((text) => {
    const url = URL.canParse(text) ? new URL(text) : stop(`${manifest}: the remote "${key}" has no valid baseUrl.`);
    // Forge resolves paths against it and drops its own path, so the shell adds the base path itself
    if (called.includes(key) && url.pathname !== '/') {
      stop(`${manifest}: the baseUrl of "${key}" must end after the host. Pass its path with --base-path.`);
    }
    return url.origin;
  }));
  if (!found.length) stop(`${manifest} has no remote. Add "remotes: [{key: app, baseUrl: https://…}]" with the URL of your app.`);
  return [...new Set(found)];
}

/** The resources that are shells. */
function shells({ resources = [] }) {
  const keys = resources.map(({ key }) => key).filter((key) => /^shell(-\w+)?$/.test(key));
  for (const { key, path: folder } of resources) {
    if (keys.includes(key) && folder !== `static/${key}`) stop(`${manifest}: the resource "${key}" must have the path static/${key}.`);
  }
  return keys.length ? keys : ['shell'];
}

function checkedBasePath(text) {
  const basePath = text.replace(/\/+$/, '');
  if (basePath && !/^(\/[\w.~-]+)+$/.test(basePath)) stop(`The base path "${text}" is not a path such as /app.`);
  return basePath;
}

/** The shell's page with the origins, and which page of a module it shows. */
function filled(page, remotes) {
  const place = /(<script type="application\/json" id="remotes">)(.*?)(<\/script>)/s;
  if (!place.test(page)) stop('shell/index.html has no block for the remotes.');
  return page.replace(place, (_, open, block, close) => {
    // keeps what the framework has written there, such as the version of the protocol
    const filledBlock = JSON.stringify({ ...JSON.parse(block), ...remotes });
    // inside a script a "<" could begin the tag that ends it
    return open + filledBlock.replaceAll('<', '\\u003c') + close;
  });
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'base-path': { type: 'string' } } });
const manifest = path.resolve(positionals[0] ?? path.join(here, 'manifest.yml'));
const basePath = checkedBasePath(values['base-path'] ?? process.env.CONNECT_BASE_PATH ?? '');
const stated = read(manifest);
const remotes = { origins: origins(stated), basePath };

const { outputFiles } = await build({
  entryPoints: [path.join(here, 'shell/shell.ts')],
  outfile: 'shell.js',
  write: false,
  bundle: true,
  format: 'iife',
  minify: true,
  target: 'es2022',
  logLevel: 'warning',
});
const page = fs.readFileSync(path.join(here, 'shell/index.html'), 'utf8');
for (const key of shells(stated)) {
  const target = path.join(here, 'static', key);
  fs.rmSync(target, { recursive: true, force: true });
  // the files that a browser loads without a build
  fs.cpSync(path.join(here, 'shell'), target, { recursive: true, filter: (name) => !/(\.ts|[\\/]index\.html)$/.test(name) });
  fs.writeFileSync(path.join(target, 'shell.js'), outputFiles[0].contents);
  fs.writeFileSync(path.join(target, 'index.html'), filled(page, { ...remotes, page: key.split('-')[1] }));
  console.log(`${path.relative(process.cwd(), target)}: a shell for ${remotes.origins.join(', ')}${basePath}`);
}
