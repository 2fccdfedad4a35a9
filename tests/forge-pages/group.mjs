// Runs some files of tests in this process: `node group.mjs calls,products [words of a test's name]`.
import { finish } from './harness.mjs';

for (const name of process.argv[2].split(',')) await import(`./${name}.test.mjs`);
const counts = await finish();
console.log(`${process.argv[2]}: ${(performance.now() / 1000).toFixed()} s`);
// whatever a browser has left open
process.send ? process.send(counts, () => process.exit()) : process.exit();
