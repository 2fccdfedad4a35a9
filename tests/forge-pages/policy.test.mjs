// The policy that the sandbox sends with the shell is the one that Forge's own package writes. The sandbox has no node: its
// Rust test compares what it writes with the same file.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { load } from 'cheerio';
import { test } from './harness.mjs';

const { CSPInjectionService, CSPProcessingService } = createRequire(import.meta.url)('@forge/csp');
const expected = path.resolve(import.meta.dirname, '../../crates/atlassian-connect-sandbox/src/forge_pages/policy.expected.txt');
const reports = 'http://jira.cdn.localhost:3001/violations';

const SHELL = `<!doctype html><html><head>
<script src="./rpc.js"></script>
<script type="application/json" id="remotes">{"protocol":1}</script>
</head><body></body></html>`;

await test("the sandbox's policy is that of Forge", async () => {
  const permissions = { scopes: [], content: {}, external: { frames: ['http://localhost:3000'] } };
  const existingCSPDetails = new CSPProcessingService({ info() {} }, load).getCspDetails(Buffer.from(SHELL), permissions);
  const policy = new CSPInjectionService().getInjectableCSP({
    existingCSPDetails,
    microsEnv: 'prod',
    hostname: 'product.localhost:3001',
  });
  // violations are reported to the sandbox, not to Atlassian; all else is as in production
  const told = policy.map((line) => (line.startsWith('report-uri ') ? `report-uri ${reports}` : line));
  assert.equal(`${told.join('\n')}\n`, fs.readFileSync(expected, 'utf8'));
});
