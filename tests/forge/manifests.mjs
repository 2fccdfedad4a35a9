// Checks the manifests of `forge manifest` with Forge's own package. They are linted like with `forge lint`, unchanged
// and with every proposal uncommented, and each Connect module is validated against Forge's schema of its type. Each
// module of a descriptor must be in its manifest unchanged or be reported by `--check`. With `--pages` each module must
// be in its manifest once, as a Connect module or as a Forge module.
//
//     npm ci && node manifests.mjs path/to/atlassian-connect-actix path/to/atlassian-connect.json path/to/descriptors…
//
// The package's list of module types provides more descriptors: one with every type, and one that lacks each member
// that Forge requires.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);
const forge = require('@forge/manifest');
const ofForge = createRequire(require.resolve('@forge/manifest'));
const yaml = ofForge('yaml');
const Ajv = ofForge('ajv').default;
const schema = ofForge('./schema/manifest-schema.json');

const [binary, ...places] = process.argv.slice(2).map((name) => path.resolve(name));
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'forge-manifests-'));
const products = ['jira', 'confluence'];
const BASE_URL = 'https://addon.example.com';
const ajv = new Ajv({ allErrors: true, strict: false, logger: false });
let passed = 0, failed = 0;

async function test(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

/** Runs `forge manifest` with only these environment variables. */
function run(file, product, ...more) {
  const env = { APP_ENV: 'production', AC_PRODUCT: product, AC_LOCAL_BASE_URL: BASE_URL, DATABASE_URL: 'memory:' };
  const options = { cwd: work, env, encoding: 'utf8', maxBuffer: 2 ** 28 };
  return spawnSync(binary, ['forge', 'manifest', '--file', file, ...more], options);
}

/** The findings of `--check`, by path. */
function check(file, product, ...more) {
  const { status, stdout } = run(file, product, '--check', ...more);
  const lines = [...stdout.matchAll(/^(error|warning|hint): .*?: (\$\S*) (.*)$/gm)];
  const findings = lines.map(([, severity, at, text]) => ({ severity, at, text }));
  assert.equal(status, errors(findings).length > 0 ? 1 : 0, stdout);
  assert.match(stdout, /^\d+ errors?, \d+ warnings?, \d+ hints?$/m);
  return findings;
}

/** The paths of lost parts. */
const errors = (findings) => findings.filter(({ severity }) => severity === 'error').map(({ at }) => at);

/** What Forge's linter reports about a manifest. */
async function lint(text) {
  const file = path.join(work, 'manifest.yml');
  fs.writeFileSync(file, text);
  const { errors: told = [] } = await forge.validate(false, file);
  return told.map(({ level, message, line }) => `${level} in line ${line}: ${message}`);
}

/** What Forge's schema reports about a module in `connectModules`. */
const validators = new Map();
function judge(kind, module) {
  const items = schema.definitions.ModuleSchema.properties[`connect-${kind}`]?.items;
  if (!items) return [`Forge does not know ${kind}`];
  if (!validators.has(kind)) validators.set(kind, ajv.compile({ definitions: schema.definitions, ...items }));
  const validate = validators.get(kind);
  return validate(module) ? [] : validate.errors.map(({ instancePath, message }) => `${kind} ${instancePath} ${message}`);
}

/** The modules of a descriptor: kind, path and value. */
function* modulesOf(descriptor) {
  for (const [kind, value] of Object.entries(descriptor.modules ?? {})) {
    if (value === null) continue;
    const many = Array.isArray(value);
    for (const [index, module] of [value].flat().entries()) {
      yield { kind, module, at: `$.modules.${kind}${many ? `[${index}]` : ''}` };
    }
  }
}

/** The manifest of a descriptor, after the checks that every manifest must pass. */
async function manifestOf(file, product) {
  const descriptor = JSON.parse(fs.readFileSync(file, 'utf8').replaceAll('{{localBaseUrl}}', BASE_URL));
  const { status, stdout } = run(file, product);
  assert.equal(status, 0);
  const manifest = yaml.parse(stdout);
  assert.deepEqual(yaml.parse(stdout, { version: '1.1' }), manifest, 'YAML 1.1 reads it differently');
  assert.equal(manifest.app.connect.key, descriptor.key);
  assert.equal(manifest.remotes[0].baseUrl.default ?? manifest.remotes[0].baseUrl, descriptor.baseUrl);

  const findings = check(file, product);
  const lost = (at) => errors(findings).includes(at);
  // a descriptor without modules is refused and reported
  assert.equal((await lint(stdout)).length > 0, lost('$'), `as it is: ${await lint(stdout)}`);
  const uncommented = stdout.replaceAll(/^( *)#(?!#)/gm, '$1');
  assert.deepEqual(await lint(uncommented), [], 'uncommented');
  const all = yaml.parse(uncommented);
  for (const kind of ['endpoint', 'trigger', 'preUninstall', 'scheduledTrigger', 'connectToForgeMigration']) {
    assert.ok(all.modules[kind], kind);
  }
  assert.ok(all.permissions.scopes['read:app-system-token'] && all.remotes[0].auth.appUserToken.enabled);
  // acting as absent users requires scopes that allow it
  assert.equal(all.permissions.scopes[product === 'jira' ? 'read:jira-work' : 'read:confluence-user'].allowImpersonation, true);

  for (const { kind, module, at } of modulesOf(descriptor)) {
    if (lost(at) || lost(`$.modules.${kind}`)) continue;
    const { key, ...members } = module;
    const isIt = (one) => (key ? one.key === key : one.event === module.event && one.url === module.url);
    const there = manifest.connectModules?.[`${product}:${kind}`]?.find(isIt);
    const native = Object.values(manifest.modules ?? {}).flat().find((one) => one.migratedFromConnect && isIt(one));
    assert.ok(there || native, `${at} is neither in the manifest nor reported`);
    if (!there) continue;
    const { key: given, ...same } = there;
    assert.deepEqual(same, members, `${at} differs`);
    assert.ok(given);
    if (!findings.some((finding) => finding.at === at)) assert.deepEqual(judge(`${product}:${kind}`, there), [], at);
  }
  for (const [at, scope] of (descriptor.scopes ?? []).entries()) {
    const name = `${scope.toLowerCase().replaceAll('_', '-')}:connect-${product}`;
    assert.ok(manifest.permissions?.scopes[name] || lost(`$.scopes[${at}]`) || /^none$/i.test(scope), scope);
  }
  return { descriptor, manifest, findings };
}

// what `npm run build` writes there
fs.mkdirSync(path.join(work, 'static/shell'), { recursive: true });
fs.writeFileSync(path.join(work, 'static/shell/index.html'), '');
fs.writeFileSync(path.join(work, 'static/shell/icon.svg'), '');
for (const page of ['editor', 'create', 'edit', 'view']) {
  fs.cpSync(path.join(work, 'static/shell'), path.join(work, `static/shell-${page}`), { recursive: true });
}

/** The other pages of a module, and the manifest's member for each. */
const FURTHER = { editor: 'config', create: 'create', edit: 'edit', view: 'view' };
const showsPage = (module) => Boolean(module.resource ?? module.view ?? module.create ?? module.edit);

/** The manifest with `--pages`, after the checks that every such manifest must pass. */
async function pagesOf(file, product) {
  const { descriptor, manifest: plain } = await manifestOf(file, product);
  const { status, stdout } = run(file, product, '--pages');
  assert.equal(status, 0);
  const findings = check(file, product, '--pages');
  assert.equal((await lint(stdout)).length > 0, errors(findings).includes('$'), `as it is: ${await lint(stdout)}`);
  const uncommented = stdout.replaceAll(/^( *)#(?!#)/gm, '$1');
  assert.deepEqual(await lint(uncommented), [], 'uncommented');
  const manifest = yaml.parse(stdout);
  assert.deepEqual(manifest.app, plain.app);

  const native = [], moved = new Map();
  for (const [kind, modules] of Object.entries(manifest.modules ?? {})) {
    for (const module of modules) if (showsPage(module)) native.push({ kind, module });
  }
  for (const { kind, module, at } of modulesOf(descriptor)) {
    if (errors(findings).includes(at) || errors(findings).includes(`$.modules.${kind}`)) continue;
    const own = native.filter((one) => one.module.key === module?.key);
    const connect = (manifest.connectModules?.[`${product}:${kind}`] ?? []).filter(({ key }) => key === module?.key);
    if (own.length === 0) {
      assert.deepEqual(connect, (plain.connectModules?.[`${product}:${kind}`] ?? []).filter(({ key }) => key === module?.key), at);
      const says = findings.filter((finding) => finding.at === at && finding.text.startsWith('stays a Connect module'));
      moved.set(at, says[0]?.text);
      continue;
    }
    assert.deepEqual([own.length, connect.length], [1, 0], `${at} appears twice`);
    assert.ok(findings.some((finding) => finding.at === at && finding.text.startsWith(`becomes ${own[0].kind}`)), at);
    moved.set(at, own[0].kind);
  }

  if (native.length === 0) {
    assert.deepEqual(manifest, plain, 'nothing moves');
    return { manifest, findings, moved };
  }
  const open = manifest.modules.endpoint.find(({ auth }) => auth?.appUserToken?.enabled && auth.appSystemToken?.enabled);
  const shells = new Set(['shell']);
  for (const { kind, module } of native) {
    assert.equal(module.resource, kind.startsWith('jira:workflow') ? undefined : 'shell', module.key);
    assert.deepEqual(module.resolver, { endpoint: open.key }, module.key);
    const connect = [...modulesOf(descriptor)].find((one) => one.module?.key === module.key).module;
    for (const [page, member] of Object.entries(FURTHER)) {
      if (!connect[page]?.url) continue;
      assert.equal(module[member].resource, `shell-${page}`, module.key);
      shells.add(`shell-${page}`);
    }
  }
  assert.deepEqual(manifest.resources, [...shells].map((key) => ({ key, path: `static/${key}` })));
  // Forge resolves the shell's paths against it, and drops its path
  const { baseUrl } = manifest.remotes.find(({ key }) => key === open.remote);
  const origins = typeof baseUrl === 'string' ? [baseUrl] : Object.values(baseUrl);
  for (const origin of origins) assert.equal(new URL(origin).origin, origin.replace(/\/$/, ''));
  const frames = manifest.permissions.external.frames.map(({ address }) => address);
  assert.deepEqual(frames, [...new Set(origins.map((origin) => new URL(origin).origin))]);
  const scopes = Object.keys(manifest.permissions.scopes);
  const real = product === 'jira' ? 'read:jira-work' : 'read:confluence-content.all';
  for (const scope of ['read:app-system-token', 'read:app-user-token', real]) assert.ok(scopes.includes(scope), scope);
  return { manifest, findings, moved };
}

/** A value that a schema accepts: its required members, and those in `also`. */
function sample(part, name, also = []) {
  if (part.$ref) return sample(schema.definitions[part.$ref.split('/').pop()], name, also);
  const choice = part.oneOf ?? part.anyOf;
  if (choice) return sample(choice[0], name, also);
  if (part.enum) return part.enum[0];
  const type = part.type ?? (part.properties ? 'object' : 'string');
  switch (type) {
    case 'object': {
      const names = [...new Set([...(part.required ?? []), ...also])].filter((member) => member in (part.properties ?? {}));
      const wanted = Object.fromEntries(names.map((member) => [member, sample(part.properties[member], member)]));
      // some parts of the schema do not define what they require
      for (const member of part.required ?? []) wanted[member] ??= { value: 'Some text' };
      return wanted;
    }
    case 'array': return [sample(part.items ?? {}, name)];
    case 'boolean': return true;
    case 'integer': case 'number': return part.minimum ?? 1;
    default: return name === 'url' ? '/page?issue={issue.key}' : 'a-text'.slice(0, part.maxLength);
  }
}

const kindsOf = (product) => Object.keys(schema.definitions.ModuleSchema.properties)
  .filter((name) => name.startsWith(`connect-${product}:`)).map((name) => name.split(':')[1])
  .filter((kind) => !['lifecycle', 'translations', 'cloudAppMigration'].includes(kind));

const itemsOf = (product, kind) => schema.definitions.ModuleSchema.properties[`connect-${product}:${kind}`].items;

function write(name, descriptor) {
  const file = path.join(work, name);
  fs.writeFileSync(file, JSON.stringify({
    key: 'made-up',
    name: 'Made up',
    baseUrl: BASE_URL,
    authentication: { type: 'jwt' },
    lifecycle: { installed: '/installed' },
    ...descriptor,
  }, null, 2));
  return file;
}

// descriptors of others, and the starter's
for (const place of places) {
  const within = () => fs.readdirSync(place).filter((name) => name.endsWith('.json')).map((name) => path.join(place, name));
  const files = fs.statSync(place).isDirectory() ? within() : [place];
  if (files.length === 0) throw new Error(`no descriptor found in ${place}`);
  for (const file of files) {
    const product = path.basename(file).includes('confluence') ? 'confluence' : 'jira';
    await test(`${path.basename(file)}, for ${product}`, () => manifestOf(file, product));
    await test(`${path.basename(file)}, for ${product}, with pages`, () => pagesOf(file, product));
  }
}

/** Each pair of modules: type, location, and the Forge module. */
const PAIRS = {
  jira: [
    ['adminPages', 'admin_plugins_menu', 'jira:adminPage'],
    ['configurePage', , 'jira:adminPage'],
    ['postInstallPage', , 'jira:adminPage'],
    ['generalPages', 'system.top.navigation.bar', 'jira:globalPage'],
    ['profilePages', , 'jira:personalSettingsPage'],
    ['jiraProjectPages', , 'jira:projectPage'],
    ['jiraProjectAdminTabPanels', 'projectgroup1', 'jira:projectSettingsPage'],
    ['jiraIssueContents', , 'jira:issuePanel'],
    ['webPanels', 'atl.jira.view.issue.left.context', 'jira:issuePanel'],
    ['jiraIssueGlances', , 'jira:issueContext'],
    ['jiraIssueContexts', , 'jira:issueContext'],
    ['webPanels', 'atl.jira.view.issue.right.context', 'jira:issueContext'],
    ['jiraIssueTabPanels', , 'jira:issueActivity'],
    ['webItems', 'jira.issue.tools', 'jira:issueAction'],
    ['webItems', 'operations-operations', 'jira:issueAction'],
    ['webItems', 'jira.agile.board.tools', 'jira:boardAction'],
    ['webItems', 'system.user.options/personal', 'jira:personalSettingsPage'],
    ['jiraDashboardItems', , 'jira:dashboardGadget'],
    ['jiraWorkflowConditions', , 'jira:workflowCondition'],
    ['jiraWorkflowValidators', , 'jira:workflowValidator'],
    ['serviceDeskQueues', , 'jiraServiceManagement:queuePage'],
    ['serviceDeskPortalHeaders', , 'jiraServiceManagement:portalHeader'],
    ['serviceDeskPortalSubHeaders', , 'jiraServiceManagement:portalSubheader'],
    ['serviceDeskPortalFooters', , 'jiraServiceManagement:portalFooter'],
    ['serviceDeskPortalProfilePanels', , 'jiraServiceManagement:portalProfilePanel'],
    ['serviceDeskPortalProfileActions', , 'jiraServiceManagement:portalUserMenuAction'],
    ['serviceDeskPortalUserMenuActions', , 'jiraServiceManagement:portalUserMenuAction'],
    ['serviceDeskPortalRequestViewPanels', , 'jiraServiceManagement:portalRequestDetailPanel'],
    ['serviceDeskPortalRequestViewDetailsPanels', , 'jiraServiceManagement:portalRequestDetail'],
    ['serviceDeskPortalRequestViewActions', , 'jiraServiceManagement:portalRequestViewAction'],
    ['serviceDeskPortalRequestCreatePropertyPanels', , 'jiraServiceManagement:portalRequestCreatePropertyPanel'],
    ['serviceDeskOrganizationPanels', , 'jiraServiceManagement:organizationPanel'],
  ],
  confluence: [
    ['adminPages', 'system.admin/marketplace_confluence', 'confluence:globalSettings'],
    ['configurePage', , 'confluence:globalSettings'],
    ['postInstallPage', , 'confluence:globalSettings'],
    ['generalPages', 'system.header/left', 'confluence:globalPage'],
    ['contentBylineItems', , 'confluence:contentBylineItem'],
    ['webItems', 'system.content.action/primary', 'confluence:contentAction'],
    ['webItems', 'system.space.sidebar/main-links', 'confluence:spacePage'],
    ['webPanels', 'atl.page.metadata.banner', 'confluence:pageBanner'],
    ['spaceToolsTabs', 'contenttools', 'confluence:spaceSettings'],
    ['dynamicContentMacros', , 'macro'],
  ],
};
/** Kinds and locations that stay Connect modules. */
const STAYING = {
  jira: [
    ['jiraProjectTabPanels'], ['dialogs'], ['jiraReports'], ['jiraSearchRequestViews'], ['jiraWorkflowPostFunctions'],
    ['serviceDeskReports'], ['serviceDeskOrganizationActions'],
    ['keyboardShortcuts'], ['webPanels', 'atl.jira.elsewhere'], ['webItems', 'system.top.navigation.bar'],
  ],
  confluence: [
    ['dialogs'], ['staticContentMacros'], ['customContent'], ['blueprints'], ['confluenceThemes'], ['keyboardShortcuts'],
    ['webPanels', 'atl.footer'], ['webItems', 'system.header/left'],
  ],
};

/** What a module may have as well. */
const OPTIONAL = [
  'bodyType', 'categories', 'conditions', 'configurable', 'contentPropertyKey', 'create', 'description', 'edit', 'editor',
  'featured', 'hidden', 'icon', 'iconUrl', 'layout', 'options', 'outputType', 'params', 'refreshable', 'target', 'tooltip',
  'view', 'weight',
];

/** A descriptor's modules of these kinds, one each. */
function modulesAt(product, kinds) {
  const modules = {};
  for (const [kind, location] of kinds) {
    const items = kindsOf(product).includes(kind) ? itemsOf(product, kind) : itemsOf(product, 'generalPages');
    const whole = sample(items, kind, OPTIONAL);
    const page = whole.target?.url ? { target: whole.target } : { url: `/${kind}` };
    const module = { ...whole, ...page, key: `${kind}_${modules[kind]?.length ?? 0}`, ...(location && { location }) };
    (modules[kind] ??= []).push(module);
  }
  return modules;
}

for (const product of products) {
  await test(`every pair of modules of ${product}`, async () => {
    const modules = modulesAt(product, [...PAIRS[product], ...STAYING[product]]);
    const { manifest, moved } = await pagesOf(write(`pairs-${product}.json`, { modules }), product);
    const seen = {};
    for (const [kind, , forge] of PAIRS[product]) {
      const index = seen[kind] = (seen[kind] ?? -1) + 1;
      assert.equal(moved.get(`$.modules.${kind}[${index}]`), forge, kind);
    }
    for (const [kind] of STAYING[product]) {
      const index = seen[kind] = (seen[kind] ?? -1) + 1;
      assert.match(moved.get(`$.modules.${kind}[${index}]`) ?? 'nothing is said', /^stays a Connect module/, kind);
    }
    const pages = Object.values(manifest.modules).flat().filter(showsPage);
    assert.equal(pages.length, PAIRS[product].length);
  });

  await test(`two modules of every kind of ${product}, with pages`, async () => {
    const kinds = kindsOf(product).filter((kind) => kind !== 'webhooks');
    const modules = modulesAt(product, [...kinds, ...kinds].map((kind) => [kind]));
    const { moved } = await pagesOf(write(`twice-${product}.json`, { modules }), product);
    assert.equal(moved.size, 2 * kinds.length);
  });

  await test(`a base path and regions of ${product}, with pages`, async () => {
    const file = write(`regions-${product}.json`, {
      baseUrl: `${BASE_URL}/base`,
      regionBaseUrls: { EU: 'https://eu.example.com/base', US: `${BASE_URL}/base` },
      scopes: ['ADMIN', 'ACT_AS_USER'],
      modules: { ...modulesAt(product, PAIRS[product].slice(0, 4)), dialogs: [{ key: 'open', url: '/dialog' }] },
    });
    const { manifest } = await pagesOf(file, product);
    assert.deepEqual(manifest.remotes.map(({ baseUrl }) => baseUrl.EU), ['https://eu.example.com/base', 'https://eu.example.com']);
    assert.equal(manifest.modules.endpoint[0].key, 'open-2');
    const scopes = Object.entries(manifest.permissions.scopes).filter(([name]) => !/connect-|app-/.test(name));
    assert.equal(scopes.length, product === 'jira' ? 5 : 6);
    for (const [name, rights] of scopes) assert.deepEqual(rights, { allowImpersonation: true }, name);
  });

  await test(`every kind of modules that Forge has for ${product}`, async () => {
    const one = (kind, key) => ({ ...sample(itemsOf(product, kind), kind, ['weight', 'conditions', 'params', 'target']), key });
    const modules = Object.fromEntries(kindsOf(product).map((kind) => [kind, [one(kind, `${kind}-1`), one(kind, `${kind}-2`)]]));
    for (const webhook of modules.webhooks) delete webhook.key;
    const { manifest, findings } = await manifestOf(write(`every-${product}.json`, { modules }), product);
    assert.deepEqual(findings.map(({ severity, at }) => [severity, at]), [['hint', '$.name']]);
    const count = [manifest.connectModules, manifest.modules ?? {}].flatMap(Object.values).flat().length;
    assert.equal(count, 2 * kindsOf(product).length + 1, 'each module, and the lifecycle');
  });

  await test(`every member that Forge wants of a module for ${product}`, async () => {
    const wanted = [], modules = {};
    for (const kind of kindsOf(product)) {
      const whole = sample(itemsOf(product, kind), kind);
      for (const name of itemsOf(product, kind).required.filter((name) => name !== 'key')) {
        const { [name]: _, ...rest } = whole;
        (modules[kind] ??= []).push({ ...rest, key: `key-${wanted.length}` });
        const at = `$.modules.${kind}[${modules[kind].length - 1}]`;
        wanted.push(`warning ${at} is kept, but lacks ${name}, which Forge's schema requires`);
      }
    }
    const { findings } = await manifestOf(write(`lacking-${product}.json`, { modules }), product);
    const told = findings.filter(({ at }) => at.startsWith('$.modules')).map(({ severity, at, text }) => `${severity} ${at} ${text}`);
    assert.deepEqual(told.sort(), wanted.sort());
  });

  await test(`kinds that Forge does not have for ${product}`, async () => {
    const other = products.find((name) => name !== product);
    const kinds = ['profilePages', 'somethingNew', ...kindsOf(other).filter((kind) => !kindsOf(product).includes(kind))];
    const modules = Object.fromEntries(kinds.map((kind) => [kind, [{ key: kind, name: { value: 'N' }, url: '/u' }]]));
    const { findings } = await manifestOf(write(`strange-${product}.json`, { modules }), product);
    assert.deepEqual(errors(findings), kinds.map((kind) => `$.modules.${kind}`));
  });

  await test(`the rest of a descriptor for ${product}`, async () => {
    const regions = { EU: 'https://eu.example.com', US: 'https://us.example.com' };
    const own = product === 'jira' ? 'PROJECT_ADMIN' : 'SPACE_ADMIN';
    const file = write(`rest-${product}.json`, {
      description: 'd'.repeat(1000),
      enableLicensing: true,
      editionsEnabled: true,
      scopes: ['NONE', 'READ', 'write', 'Read', 'DELETE', own, 'ADMIN', 'ACT_AS_USER', 'ACCESS_EMAIL_ADDRESSES'],
      lifecycle: { installed: '/in', uninstalled: '/un', enabled: '/on', disabled: '/off', 'dare-migration': '/dare' },
      regionBaseUrls: regions,
      dataResidency: { maxMigrationDurationHours: 6.5 },
      translations: { paths: { 'de-DE': '/i18n/de.json' } },
      cloudAppMigration: { migrationWebhookPath: '/migrated' },
    });
    const { manifest, findings } = await manifestOf(file, product);
    assert.deepEqual(errors(findings), []);
    assert.deepEqual(manifest.app.licensing, { enabled: true, editionsEnabled: true });
    assert.deepEqual(manifest.remotes[0].baseUrl, { default: BASE_URL, ...regions });
    const realms = { key: 'dare', remote: 'connect', path: '/dare', maxMigrationDurationHours: 6.5 };
    assert.deepEqual(manifest.modules['migration:dataResidency'], [realms]);
    for (const kind of ['lifecycle', 'translations', 'cloudAppMigration']) {
      assert.deepEqual(judge(`${product}:${kind}`, manifest.connectModules[`${product}:${kind}`][0]), [], kind);
    }
    assert.equal(Object.keys(manifest.permissions.scopes).length, 7);
  });
}

await test('texts that YAML could misread', async () => {
  const texts = [
    '', ' ', 'a: b', 'a:b', 'a:', ': a', 'a #b', '#a', '"', "'", '"a"', "'a'", '\\', 'a\nb', '\n', 'a\r\nb', '\t', 'a\tb',
    'yes', 'No', 'on', 'OFF', 'y', 'n', 'null', 'Null', '~', 'true', 'False', '<<', '=', '---', '...', '- a', '-', '?', '? a',
    '1', '-1', '1.5', '1e3', '0x1f', '0o17', '017', '1_000', '12:30:45', '2001-12-14', '.inf', '-.INF', '.nan',
    '@a', '*a', '&a', '!a', '!!str a', '%a', '|', '>', '`a`', '{a}', '{{a}}', '[a]', 'a, b', ', a', '${NAME}', '${issue.key}',
    'zoë', '日本', '😀', '\u0000', '\u0007', '\u001b[31m', '\u007f', '\u0085', '\u00a0', '\u2028', '\u2029', '\u202e',
    '\ufeff', '\uffff', 'a'.repeat(100), 'word '.repeat(20), 'Hello World', '/a/b?c=d&e={f.g}', 'https://x.example/y#z',
  ];
  const params = Object.fromEntries(texts.map((text, index) => [text, index % 2 ? text : [text, { [text]: text }]]));
  const modules = {
    generalPages: texts.map((text, index) => (
      { key: `page-${index}`, name: { value: text }, url: `/${index}`, params: { text, list: [[text], [], {}, text.repeat(2000)] } }
    )),
    webItems: { key: 'item', location: 'l', name: { value: 'n' }, params, odd: [true, false, null, 0, -0.5, 1e21, 1e-7, 2 ** 53] },
    webhooks: [{ event: 'e', url: '/hook?issue=${issue.key}' }, { key: 'webhook-1', event: 'f', url: '/f' }, { event: 'g', url: '/g' }],
  };
  const { findings } = await manifestOf(write('hostile.json', { modules }), 'jira');
  assert.deepEqual(errors(findings), []);
  for (const text of texts) {
    const { stdout } = run(write('described.json', { description: text }), 'jira');
    assert.equal(yaml.parse(stdout).app.description, text);
  }
});

await test('modules that a manifest cannot hold', async () => {
  const page = (key) => ({ key, name: { value: 'P' }, url: '/p' });
  const generalPages = [page('one'), page('one'), page('a b'), page(''), page(7), null, 'text', { name: { value: 'N' }, url: '/' }];
  const modules = { generalPages, adminPages: [page('one')], configurePage: [], webPanels: null };
  const { findings } = await manifestOf(write('broken.json', { modules, scopes: ['SPACE_ADMIN', 'nothing', 'READ'] }), 'jira');
  const pages = [1, 2, 3, 4, 5, 6, 7].map((index) => `$.modules.generalPages[${index}]`);
  assert.deepEqual(errors(findings), [...pages, '$.modules.adminPages[0]', '$.scopes[0]', '$.scopes[1]']);
});

await test('a descriptor without modules and callbacks', async () => {
  const { findings } = await manifestOf(write('nothing.json', { lifecycle: {}, modules: { generalPages: [] } }), 'confluence');
  assert.deepEqual(errors(findings), ['$']);
});

await test('the manifests that docs/forge.md shows', async () => {
  const guide = fs.readFileSync(path.join(import.meta.dirname, '../../docs/forge.md'), 'utf8');
  const pieces = [...guide.matchAll(/^( *)```yaml\n(.*?)^ *```$/gms)].map(([, indent, text]) => `\n${text}`.replaceAll(`\n${indent}`, '\n'));
  assert.ok(pieces.length > 0);
  for (const piece of pieces) {
    // what `forge create` has written there
    const app = { id: 'ari:cloud:ecosystem::app/11111111-1111-4111-8111-111111111111', runtime: { name: 'nodejs22.x' } };
    const manifest = { app, ...yaml.parse(piece) };
    for (const { path: file } of manifest.resources ?? []) {
      fs.mkdirSync(path.dirname(path.join(work, file)), { recursive: true });
      fs.writeFileSync(path.join(work, file), '');
    }
    assert.deepEqual(await lint(yaml.stringify(manifest)), [], piece);
  }
});

fs.rmSync(work, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
