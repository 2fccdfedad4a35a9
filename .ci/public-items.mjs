// The public items of the framework's crates, from rustdoc's page "All items" of each: writes docs/public-items.md, or
// checks it, so that a change of the public surface is seen in a review.
//
//     cargo doc --workspace --no-deps && node .ci/public-items.mjs [--check]
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const page = path.join(root, 'docs', 'public-items.md');
const documentation = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'doc');
const crates = ['actix', 'testing', 'cli', 'sandbox', 'store'].map(name => `atlassian-connect-${name}`);

/** The names of a crate's public items by module; the module of the root has no name. */
function itemsOf(crate) {
  const html = fs.readFileSync(path.join(documentation, crate.replaceAll('-', '_'), 'all.html'), 'utf8');
  const modules = new Map();
  for (const [, list] of html.matchAll(/<ul class="all-items">(.*?)<\/ul>/gs)) {
    for (const [, item] of list.matchAll(/<a href="[^"]*">([^<]*)<\/a>/g)) {
      const names = item.split('::');
      const [name, module] = [names.pop(), names.join('::')];
      modules.set(module, [...modules.get(module) ?? [], name]);
    }
  }
  if (modules.size === 0) throw new Error(`no items of ${crate} were found: rustdoc's pages have changed`);
  return modules;
}

const code = name => `\`${name}\``;
let text = '', total = 0;
for (const crate of crates) {
  const modules = [...itemsOf(crate)].sort(([a], [b]) => (a < b ? -1 : 1));
  const count = modules.reduce((sum, [, names]) => sum + names.length, 0);
  total += count;
  text += `\n## ${crate}: ${count}\n\n| module | items |\n|---|---|\n`;
  for (const [module, names] of modules) {
    text += `| ${module ? code(module) : 'the crate'} | ${names.sort().map(code).join(', ')} |\n`;
  }
}
text = `# Public items

What an app, or the author of a store, may rely on: ${total} types, traits and functions. Everything else may change at
any time. \`cargo doc --workspace --no-deps && node .ci/public-items.mjs\` writes this page.
${text}`;

if (!process.argv.includes('--check')) {
  fs.writeFileSync(page, text);
} else if (fs.readFileSync(page, 'utf8') !== text) {
  console.log(`docs/public-items.md is not what the crates have. It should be:\n\n${text}`);
  process.exitCode = 1;
}
