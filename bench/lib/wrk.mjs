// The load generator: Debian's wrk, over a list of requests.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

// Each thread of wrk has its own script: it reads the list and goes through it from a place of its own.
const SCRIPT = `
local requests, at = {}, 0
local started = 0
function setup(thread) thread:set("number", started); started = started + 1 end
function init(args)
  local file = io.open(args[1], "rb")
  while true do
    local length = file:read("*l")
    if not length then break end
    requests[#requests + 1] = file:read(tonumber(length))
    file:read(1)
  end
  at = number * math.floor(#requests / 2)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), e.status,
    e.connect + e.read + e.write + e.timeout))
end
`;

/** The bytes of a request. */
export function raw({ method = 'GET', path, headers = {}, body = '' }) {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body || method !== 'GET') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Prepares a list of requests for `load`. */
export function prepare(folder, name, requests) {
  const file = path.join(folder, `${name}.requests`);
  fs.writeFileSync(file, requests.map(raw).map(text => `${Buffer.byteLength(text)}\n${text}\n`).join(''));
  const script = path.join(folder, 'requests.lua');
  fs.writeFileSync(script, SCRIPT);
  return { script, file };
}

/** Requests a second, latencies in milliseconds, and how many answers were not 2xx or 3xx or did not come. */
export async function load(origin, { script, file }, { connections, seconds }) {
  const args = ['-t', '2', '-c', String(connections), '-d', `${seconds}s`, '-s', script, origin, '--', file];
  const { stdout } = await run('wrk', args, { maxBuffer: 1 << 24 });
  const found = /RESULT (.*)/.exec(stdout);
  if (!found) throw new Error(`wrk says:\n${stdout}`);
  const [requests, micros, p50, p99, p999, statuses, sockets] = found[1].split(' ').map(Number);
  return { requests, perSecond: requests / (micros / 1e6), p50: p50 / 1000, p99: p99 / 1000, p999: p999 / 1000, errors: statuses + sockets };
}
