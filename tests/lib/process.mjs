// A server as a process: started, measured, stopped.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const CLOCK_TICKS = 100; // of Linux, a second

/** Starts a server and waits until `url` answers with 200. `started` is the time to that answer, in milliseconds. */
export async function start(command, args, { cwd, env, url, log }) {
  const begun = performance.now();
  const output = fs.openSync(log, 'a');
  const child = spawn(command, args, { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, stdio: ['ignore', output, output] });
  let ended = null;
  const exited = new Promise(resolve => child.once('exit', (code, signal) => resolve(ended = code ?? signal)));
  fs.closeSync(output);
  const deadline = begun + 60_000;
  for (;;) {
    const answer = await fetch(url).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) break;
    if (ended !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${command} does not serve ${url}:\n${fs.readFileSync(log, 'utf8').slice(-4000)}`);
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  const started = performance.now() - begun;
  const status = name => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]);
  return {
    started,
    pid: child.pid,
    hasEnded: () => ended !== null,
    /** Processor time since the start, in seconds. */
    cpu() {
      const fields = fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
    },
    /** Resident memory in MiB. */
    memory: () => status('VmRSS') / 1024,
    threads: () => status('Threads'),
    /** Open files and sockets. */
    files: () => fs.readdirSync(`/proc/${child.pid}/fd`).length,
    /** Stops it with SIGTERM; with SIGKILL if it has not ended after `seconds`. Returns the exit code or the signal. */
    async stop(seconds = 10) {
      if (ended === null) child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
      await exited;
      clearTimeout(late);
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      return exited;
    }
  };
}
