import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../../src/config.js';

const { starterCandidatesFolder, root } = readConfig({});

/** A correct kernel of the starter set, and what it is for. */
export const problemId = 'starter/level1/7';
export const kernel = readFileSync(join(starterCandidatesFolder, '7_ReLU', 'float4.py'), 'utf8');
export const reference = readFileSync(join(root, 'kernelbench/starter/level1/7_ReLU.py'), 'utf8');
export const answer = `Here it is.\n\n\`\`\`python\n${kernel}\`\`\`\n`;
export const broken = kernel.replace('__global__', '__globule__');
