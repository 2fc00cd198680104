// Wraps policy.js as a component: `node build.mjs OUTPUT`.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const output = process.argv[2] ?? 'policy.wasm';
const { component } = await componentize({
  sourcePath: 'policy.js',
  witPath: 'wit',
  worldName: 'policy-component',
  // A policy imports nothing: the engine gets no clock, no randomness and no I/O.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(output, component);
